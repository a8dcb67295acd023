//! The log of `groundlink run` and `groundlink agent`: its form, and what is in it. `sink.rs` writes it, and waits for no
//! reader.

mod sink;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use prometheus_client::metrics::counter::Counter;
use sink::Sink;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Longest wait for a reader of the last lines when the process ends.
const LAST: Duration = Duration::from_secs(1);

/// Flags of the log.
#[derive(Debug, Args)]
pub(super) struct LogArguments {
    /// Form of the log.
    #[arg(long, env = "GROUNDLINK_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: Format,
    /// What is logged: a level (error, warn, info, debug, trace), or levels for parts of the
    /// program, such as groundlink=debug,tower=info.
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

/// Never logged: kube logs an answer that it cannot parse as it came, and a satellite may quote
/// the token that it was sent. Its client also logs each failed request, several times a second
/// and without the cause, while Groundlink reports the failure itself.
const NEVER: &str = "kube_client::client=off";

/// Logged although it is below [`NEVER`], unless the filter names this target: a CA bundle that
/// cannot be reloaded is reported by kube alone.
const UNLESS_NAMED: &str = "kube_client::client::tls=warn";

/// Logged whatever the filter says: a panic, and that lines are lost.
const ALWAYS: &str = "groundlink::log=warn";

/// The log while the process runs. Dropping it writes the last lines, if somebody reads them.
pub(super) struct Log(Sink);

impl LogArguments {
    /// Starts the log, on standard error. Lines that are lost are counted in `lost`. Panics are reported there, too: the hook of the standard
    /// library would wait for a reader.
    ///
    /// # Errors
    /// If `--log` is not a filter, or if there can be no thread.
    pub(super) fn start(&self, lost: Counter) -> anyhow::Result<Log> {
        let filter = filter(&self.log)?;
        let sink = Sink::start(std::io::stderr(), lost, report_lost).context("cannot start the log")?;
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(sink.clone());
        match self.log_format {
            Format::Text => log.init(),
            Format::Json => log.json().init(),
        }
        std::panic::set_hook(Box::new(report_panic));
        Ok(Log(sink))
    }
}

impl Log {
    /// Writes why the process ends, whatever the filter and the form of the log.
    pub(super) fn end(&self, error: &anyhow::Error) {
        self.0.push(format!("groundlink: {error:#}\n").as_bytes());
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush(LAST);
    }
}

fn report_lost(lines: u64) {
    tracing::warn!(target: "groundlink::log", lines, "lines of the log were lost here, because nobody read it");
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Empty unless RUST_BACKTRACE asks for it.
    let backtrace = Some(Backtrace::capture()).filter(|trace| trace.status() == BacktraceStatus::Captured);
    let backtrace = backtrace.map(tracing::field::display);
    tracing::error!(target: "groundlink::log", thread, backtrace, "{info}");
}

fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let mut filter = EnvFilter::try_new(text).with_context(|| {
        format!("--log {text:?}: not a filter; write a level, or groundlink=debug,tower=info")
    })?;
    let directive = |text: &str| text.parse::<Directive>().context("a filter of this program");
    if !text.contains("kube_client::client::tls") {
        filter = filter.add_directive(directive(UNLESS_NAMED)?);
    }
    Ok(filter.add_directive(directive(ALWAYS)?).add_directive(directive(NEVER)?))
}

#[cfg(test)]
mod tests;
