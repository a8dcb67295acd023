//! How a person calls this program: its name, exit codes, and the values that several flags take.

use crate::api::duration::parse_duration;
use clap::{Args, ValueEnum};
use std::borrow::Cow;
use std::process::ExitCode;
use std::time::Duration;

/// Exit codes at the end of the `--help` of a command that has no others. Each command names its own
/// there, and docs/commands.md has the table of all (a test compares them).
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// The same of a command that runs until it is stopped.
pub(super) const SERVICE_EXIT_CODES: &str = "Exit codes: 0 stopped by a signal, 1 failed, 2 wrong usage.";

/// A wrong use that clap cannot see. The process ends with exit code 2 and the usage.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongUsage(pub(super) Cow<'static, str>);

/// Returns the program's name as it was called: kubectl finds it as `kubectl-groundlink`.
pub(super) fn program() -> &'static str {
    let called = std::env::args_os().next();
    let plugin = called
        .as_ref()
        .and_then(|path| std::path::Path::new(path).file_name())
        .is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"));
    if plugin { "kubectl groundlink" } else { "groundlink" }
}

/// How much of its writes a command tries, with kubectl's meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DryRun {
    /// Write.
    None,
    /// Send no write. What would be done follows from what is read.
    Client,
    /// Send each write as a dry run: the API server judges it by rights, schema and admission, and
    /// stores nothing.
    Server,
}

impl DryRun {
    /// True if nothing is stored.
    pub(super) fn is_dry(self) -> bool {
        self != Self::None
    }

    /// Returns the mode of a question that must not be stored in any case.
    pub(super) fn asking(self) -> Self {
        if self == Self::Client { Self::Client } else { Self::Server }
    }
}

/// The flag of every command that writes to a cluster.
#[derive(Debug, Args)]
pub(super) struct DryRunArguments {
    /// Write nothing, and print what would be done. Without a value: server.
    #[arg(
        long = "dry-run", value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true, default_value = "none",
        default_missing_value = "server"
    )]
    pub(super) mode: DryRun,
}

/// Reads a name that becomes the name of objects and the value of a label.
///
/// # Errors
/// If Kubernetes would refuse it as one of them.
pub(super) fn object_name(text: &str) -> Result<String, String> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if !text.is_empty() && text.len() <= 63 && ends && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    Err("use lower-case letters, digits and - (not first or last), at most 63 characters".into())
}

/// Reads the name of an object that is no label: up to 253 characters, with dots.
///
/// # Errors
/// If Kubernetes would refuse it.
pub(super) fn full_name(text: &str) -> Result<String, String> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
    let ends = |c: char| c == '-' || c == '.';
    let good = (1..=253).contains(&text.len()) && text.bytes().all(fine) && !text.starts_with(ends);
    if good && !text.ends_with(ends) {
        return Ok(text.to_owned());
    }
    Err("lower-case letters, digits, - and . (inside)".into())
}

/// Reads the lifetime of a token in seconds. Kubernetes grants at least ten minutes.
///
/// # Errors
/// If it is no duration, or too short or too long.
pub(super) fn lifetime(text: &str) -> Result<i64, String> {
    let seconds = duration(text)?.as_secs();
    if (600..=u64::from(u32::MAX)).contains(&seconds) {
        return i64::try_from(seconds).map_err(|error| error.to_string());
    }
    Err("use a duration from 10m to about 130 years".into())
}

/// Reads a duration.
///
/// # Errors
/// If it is no number with a unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map(Duration::from_secs_f64)
}

/// Runs a command that asks clusters.
///
/// # Errors
/// Those of the command, and if there is no runtime.
pub(super) fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(command);
    // The resolution of a name cannot be cancelled, and must not delay the end of the process.
    runtime.shutdown_background();
    result
}
