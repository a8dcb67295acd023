//! The command line: its subcommands, and what they read and check.

mod check;
mod crd;
mod log;
mod manifests;
mod render;
mod run;
mod satellite;
mod snapshot;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;

/// Publishes Icinga 2 objects declared as Kubernetes resources, and delivers to satellite clusters only what is published
/// and acknowledged.
#[derive(Debug, Parser)]
#[command(name = "groundlink", version, about, long_about = None)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator on the hub.
    Run(run::Arguments),
    /// Print the CustomResourceDefinitions.
    Crd(crd::Arguments),
    /// Render manifests to Icinga 2 configuration, offline, with the operator's own code.
    Render(render::Arguments),
    /// Join satellite clusters, check them, rotate their credentials, and let them go.
    #[command(subcommand)]
    Satellite(satellite::Command),
    Snapshot(snapshot::Arguments),
}

/// How a person calls this program: as a plugin of kubectl it is found as `kubectl-groundlink`.
fn program() -> &'static str {
    let called = std::env::args_os().next();
    let plugin = called
        .as_ref()
        .and_then(|path| std::path::Path::new(path).file_name())
        .is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"));
    if plugin { "kubectl groundlink" } else { "groundlink" }
}

/// Reads the command line. Ends the process, with exit code 2 and the usage, where it is wrong.
pub fn parse() -> Cli {
    let matches = Cli::command().bin_name(program()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs the chosen subcommand.
///
/// # Errors
/// What ended it, for a person.
pub fn main(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(arguments) => run::main(arguments),
        Command::Crd(arguments) => crd::main(&arguments),
        Command::Render(arguments) => render::main(&arguments),
        Command::Satellite(command) => satellite::main(command),
        Command::Snapshot(arguments) => snapshot::main(&arguments),
    }
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Any other failure to write.
fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::Write as _;
    printed(std::io::stdout().lock().write_fmt(text))
}

/// [`print`], for bytes that are given out as they are.
///
/// # Errors
/// As [`print`].
fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    printed(out.write_all(bytes).and_then(|()| out.flush()))
}

fn printed(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
