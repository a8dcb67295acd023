//! The command line: its subcommands, and what they read and check.

mod check;
mod crd;
mod manifests;
mod render;
mod run;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
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
    }
}

/// Prints to standard output. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// Any other failure to write.
fn print(text: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write as _};
    match std::io::stdout().lock().write_fmt(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
