//! The command line: one file for each subcommand.

mod check;
mod crd;
mod manifests;
mod render;
mod run;

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
