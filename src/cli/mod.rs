//! The command line: its subcommands, and what they read and check.

mod clusters;
mod crd;
mod join;
mod log;
mod manifests;
mod output;
mod render;
mod report;
mod run;
mod satellite;
mod snapshot;
mod usage;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;
use usage::{WrongUsage, program};

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
    run_command(cli.command).inspect_err(|error| {
        if let Some(WrongUsage(message)) = error.downcast_ref() {
            let mut command = Cli::command().bin_name(program());
            command.error(clap::error::ErrorKind::ValueValidation, message).exit()
        }
    })
}

fn run_command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::main(arguments),
        Command::Crd(arguments) => crd::main(&arguments),
        Command::Render(arguments) => render::main(&arguments),
        Command::Satellite(command) => satellite::main(command),
        Command::Snapshot(arguments) => snapshot::main(&arguments),
    }
}
