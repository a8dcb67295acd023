//! `groundlink satellite`: satellites are joined, checked, rotated, removed and listed with the rights of the person who
//! calls it. Progress and errors go to standard error, results to standard output.

mod access;
mod account;
mod add;
mod apply;
mod check;
pub(super) mod cluster;
mod endpoint;
mod join_manifest;
mod judge;
mod list;
mod manifests;
pub(super) mod output;
mod owned;
mod probes;
mod remove;
mod rotate;
mod token;

use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

// What each does is told by its arguments, in one place for `--help` of both.
/// What can be done with satellites.
#[derive(Debug, Subcommand)]
pub enum Command {
    Add(Box<add::Arguments>),
    JoinManifest(Box<join_manifest::Arguments>),
    Check(check::Arguments),
    Rotate(rotate::Arguments),
    Remove(remove::Arguments),
    List(list::Arguments),
}

/// What every `--help` says of exit codes.
const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Runs the chosen command.
pub fn main(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::JoinManifest(arguments) = &command {
        return join_manifest::main(arguments);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(async {
        match command {
            Command::Add(arguments) => add::main(&arguments).await,
            Command::JoinManifest(arguments) => join_manifest::main(&arguments),
            Command::Check(arguments) => check::main(&arguments).await,
            Command::Rotate(arguments) => rotate::main(&arguments).await,
            Command::Remove(arguments) => remove::main(&arguments).await,
            Command::List(arguments) => list::main(&arguments).await,
        }
    });
    // A look-up of a name cannot be cancelled and must not keep the process.
    runtime.shutdown_background();
    result
}

/// Where the hub is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hub")]
pub struct HubArguments {
    /// Context of the hub in its kubeconfig. Default: the current one.
    #[arg(long, value_name = "CONTEXT")]
    pub hub_context: Option<String>,
    /// Kubeconfig of the hub. Default: what kubectl would read; in a Pod that has none, its account.
    #[arg(long, value_name = "FILE")]
    pub hub_kubeconfig: Option<PathBuf>,
    /// Namespace of the operator on the hub.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    pub operator_namespace: String,
}

/// Where the satellite is, with rights to manage accounts and Roles in its namespace.
#[derive(Debug, Args)]
#[command(next_help_heading = "Satellite")]
pub struct SatelliteArguments {
    /// Context of the satellite in its kubeconfig. Default: the current one of --kubeconfig.
    #[arg(long, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Kubeconfig of the satellite. Default: what kubectl would read.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

impl SatelliteArguments {
    /// Whether a satellite was named at all: the hub's current context must not be taken for it.
    pub fn is_given(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// As a person would write them again.
    pub fn flags(&self) -> String {
        let kubeconfig = self
            .kubeconfig
            .iter()
            .map(|path| format!(" --kubeconfig {}", output::word(&path.to_string_lossy())));
        let context = self.context.iter().map(|name| format!(" --context {}", output::word(name)));
        kubeconfig.chain(context).collect()
    }
}

impl HubArguments {
    /// As a person would write them again: nothing for what is the default.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(path) = &self.hub_kubeconfig {
            flags += &format!(" --hub-kubeconfig {}", output::word(&path.to_string_lossy()));
        }
        if let Some(name) = &self.hub_context {
            flags += &format!(" --hub-context {}", output::word(name));
        }
        if self.operator_namespace != "groundlink" {
            flags += &format!(" --operator-namespace {}", output::word(&self.operator_namespace));
        }
        flags
    }
}

/// Ends with exit code 2, as clap does for what it can judge itself.
fn wrong_usage(message: &str) -> ! {
    use clap::CommandFactory as _;
    let mut command = super::Cli::command().bin_name(super::program());
    command.error(clap::error::ErrorKind::ValueValidation, message).exit()
}

/// Reads a name that becomes the name of objects and the value of a label.
fn object_name(text: &str) -> Result<String, String> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let ends = !text.starts_with('-') && !text.ends_with('-');
    if !text.is_empty() && text.len() <= 63 && ends && text.bytes().all(fine) {
        return Ok(text.to_owned());
    }
    Err("lower-case letters, digits and - (inside), at most 63 characters".into())
}

/// Reads a duration of at least ten minutes, the shortest life that Kubernetes gives a token.
fn lifetime(text: &str) -> Result<i64, String> {
    let seconds = duration(text)?.as_secs();
    if (600..=u64::from(u32::MAX)).contains(&seconds) {
        return i64::try_from(seconds).map_err(|error| error.to_string());
    }
    Err("a token lives from 10m to about 130 years".into())
}

/// Reads a duration.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::api::duration::parse_duration(text).map(std::time::Duration::from_secs_f64)
}
