//! The log of `groundlink run`: its form, and what is in it.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Flags of the log.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// Form of the log.
    #[arg(long, env = "GROUNDLINK_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: Format,
    /// What is logged: a level (error, warn, info, debug, trace), or levels for parts of the program, such as
    /// groundlink=debug,kube_runtime=info.
    #[arg(long, env = "GROUNDLINK_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document a line, for programs.
    Json,
}

/// Never logged: kube logs an answer that it cannot parse as it came, and a satellite may quote the token that it was sent.
/// Its client also logs each failed request, several times a second and without the cause, while Groundlink reports the
/// failure itself.
const NEVER: &str = "kube_client::client=off";

/// Logged only if the filter names these targets. What Groundlink reports itself is quiet; a CA bundle that cannot be reloaded
/// is reported by kube alone.
const UNLESS_NAMED: [&str; 2] = ["kube_client::client::tls=warn", "kube_runtime::watcher=error"];

impl LogArguments {
    /// Starts the log, on standard error.
    ///
    /// # Errors
    /// If `--log` is not a filter.
    pub(super) fn start(&self) -> anyhow::Result<()> {
        let log = tracing_subscriber::fmt().with_env_filter(filter(&self.log)?).with_writer(std::io::stderr);
        match self.log_format {
            Format::Text => log.init(),
            Format::Json => log.json().init(),
        }
        Ok(())
    }
}

fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let mut filter = EnvFilter::try_new(text).with_context(|| {
        format!("--log {text:?}: not a filter; write a level, or groundlink=debug,kube_runtime=info")
    })?;
    let directive = |text: &str| text.parse::<Directive>().context("a filter of this program");
    for quiet in UNLESS_NAMED {
        let target = quiet.split('=').next().unwrap_or_default();
        if !text.contains(target) {
            filter = filter.add_directive(directive(quiet)?);
        }
    }
    Ok(filter.add_directive(directive(NEVER)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn logged(text: &str) -> Vec<String> {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt().with_env_filter(filter(text).unwrap()).with_writer(lines.clone());
        tracing::subscriber::with_default(log.finish(), || {
            tracing::error!(target: "kube_client::client::builder", "request");
            tracing::warn!(target: "kube_client::client", "quote");
            tracing::warn!(target: "kube_client::client::tls", "bundle");
            tracing::warn!(target: "kube_runtime::watcher", "watcher");
            tracing::info!(target: "groundlink::operator", "ours");
            tracing::debug!(target: "groundlink::operator", "detail");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().filter_map(|line| line.split(' ').next_back().map(str::to_owned)).collect()
    }

    #[test]
    fn what_is_reported_by_groundlink_is_not_logged_by_its_dependencies_too() {
        assert_eq!(logged("info"), ["bundle", "ours"]);
        assert_eq!(logged("debug"), ["bundle", "ours", "detail"]);
        assert_eq!(logged("warn,kube_runtime::watcher=info"), ["bundle", "watcher"]);
        assert_eq!(logged("info,kube_client::client::builder=error"), ["request", "bundle", "ours"]);
    }

    #[test]
    fn an_answer_that_may_quote_a_token_is_never_logged() {
        for text in ["trace", "kube_client=trace", "kube_client::client=trace"] {
            assert!(!logged(text).contains(&"quote".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_wrong_filter_is_refused() {
        assert!(filter("groundlink=loud").unwrap_err().to_string().contains("--log"));
    }
}
