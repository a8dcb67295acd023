//! The command line. `run`, `agent`, `install`, `crd`, `import/`, `render/`, `satellite/`,
//! `snapshot/`, `look/` (`status`, `trace`, `wait`), `removals` and `selftest` are the commands; `clusters/` reads
//! and writes clusters, `join/` is what a join consists of, `manifests.rs` reads manifests,
//! `output.rs` and `report.rs` print, `service.rs` runs until a signal, `usage.rs` is what every
//! command shares.

mod agent;
mod clusters;
mod crd;
mod import;
mod install;
mod join;
mod log;
mod look;
mod manifests;
mod output;
mod removals;
mod render;
mod report;
mod run;
mod satellite;
mod selftest;
mod service;
mod snapshot;
mod usage;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::process::ExitCode;
use usage::{WrongUsage, program};

/// Publishes Icinga 2 objects, declared as Kubernetes resources, on a hub, and delivers to
/// satellite clusters only objects that are published and acknowledged.
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
    /// Load delivered sets into the Icinga 2 beside this process, prove it, and report it.
    Agent(agent::Arguments),
    /// Copy this program into a directory.
    #[command(hide = true)]
    Install(install::Arguments),
    /// Print the CustomResourceDefinitions.
    Crd(crd::Arguments),
    /// Render manifests to Icinga 2 configuration, offline, by the operator's own code.
    Render(render::Arguments),
    /// Translate Icinga 2's configuration, or baskets of Icinga Director, to manifests.
    Import(import::Arguments),
    /// Join, check, list and remove satellite clusters, and rotate their credentials.
    #[command(subcommand)]
    Satellite(satellite::Command),
    Snapshot(snapshot::Arguments),
    Status(look::StatusArguments),
    Trace(look::TraceArguments),
    Wait(look::WaitArguments),
    /// Let removals pass that the hub holds.
    #[command(subcommand)]
    Removals(removals::Command),
    Selftest(selftest::Arguments),
}

/// Reads the command line. If it is wrong, the process ends with exit code 2 and the usage.
pub fn parse() -> Cli {
    let matches = Cli::command().bin_name(program()).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs the chosen command. After a wrong use that clap cannot see, the process ends with exit
/// code 2 and the usage.
///
/// # Errors
/// If the command fails. The error is for a person.
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
        Command::Agent(arguments) => agent::main(arguments),
        Command::Install(arguments) => install::main(&arguments),
        Command::Crd(arguments) => crd::main(&arguments),
        Command::Render(arguments) => render::main(&arguments),
        Command::Import(arguments) => import::main(&arguments),
        Command::Satellite(command) => satellite::main(command),
        Command::Snapshot(arguments) => snapshot::main(&arguments),
        Command::Status(arguments) => look::status(arguments),
        Command::Trace(arguments) => look::trace(arguments),
        Command::Wait(arguments) => look::wait(arguments),
        Command::Removals(command) => removals::main(command),
        Command::Selftest(arguments) => selftest::main(&arguments),
    }
}
