//! The command line. `run`, `agent`, `install`, `crd`, `import/`, `render/`, `satellite/`,
//! `snapshot/`, `look/` (`status`, `trace`, `diff`, `wait`), `removals`, `selftest`, `completion` and
//! `man` are the commands; `clusters/` reads and writes clusters, `join/` is what a join consists of,
//! `manifests.rs` reads manifests, `output.rs` and `report.rs` print, `service.rs` runs until a
//! signal, `usage.rs` is what every command shares.

mod agent;
mod clusters;
mod completion;
mod crd;
#[cfg(test)]
mod documents;
mod import;
mod install;
mod join;
mod log;
mod look;
mod man;
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
use std::ffi::OsString;
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
    Run(run::Arguments),
    Agent(agent::Arguments),
    #[command(hide = true)]
    Install(install::Arguments),
    Crd(crd::Arguments),
    Render(render::Arguments),
    Import(import::Arguments),
    /// Join, check, list and remove satellite clusters, and rotate their credentials.
    #[command(subcommand)]
    Satellite(satellite::Command),
    Snapshot(snapshot::Arguments),
    Status(look::StatusArguments),
    Trace(look::TraceArguments),
    Diff(look::DiffArguments),
    Wait(look::WaitArguments),
    /// Let removals pass that the hub holds.
    #[command(subcommand)]
    Removals(removals::Command),
    Selftest(selftest::Arguments),
    Completion(completion::Arguments),
    Man(man::Arguments),
}

/// Reads the command line. If it is wrong, the process ends with exit code 2 and the usage.
pub fn parse() -> Cli {
    let arguments = help_of_help(std::env::args_os().collect());
    let matches = Cli::command().bin_name(program()).get_matches_from(arguments);
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Returns the command line of `help` for `help --help`: clap's own command takes no flag.
fn help_of_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let is = |at: usize, words: &[&str]| {
        arguments.get(at).is_some_and(|argument| words.iter().any(|word| argument == word))
    };
    let at = if is(1, &["satellite", "removals"]) { 2 } else { 1 };
    if is(at, &["help"]) && is(at + 1, &["--help", "-h"]) {
        arguments.truncate(at + 1);
    }
    arguments
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
            command.error(clap::error::ErrorKind::ValueValidation, message.as_ref()).exit()
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
        Command::Diff(arguments) => look::diff(arguments),
        Command::Wait(arguments) => look::wait(arguments),
        Command::Removals(command) => removals::main(command),
        Command::Selftest(arguments) => selftest::main(&arguments),
        Command::Completion(arguments) => completion::main(&arguments),
        Command::Man(arguments) => man::main(&arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_help_is_help() {
        let of = |line: &str| help_of_help(line.split(' ').map(OsString::from).collect()).join(" ".as_ref());
        for (line, same) in [
            ("groundlink help --help", "groundlink help"),
            ("groundlink help -h", "groundlink help"),
            ("groundlink satellite help --help", "groundlink satellite help"),
            ("groundlink help satellite", "groundlink help satellite"),
            ("groundlink trace help --help", "groundlink trace help --help"),
        ] {
            assert_eq!(of(line), same, "{line}");
        }
        for line in ["groundlink help", "groundlink satellite help", "groundlink removals help"] {
            let shown = Cli::command().try_get_matches_from(line.split(' ')).unwrap_err();
            assert_eq!(shown.kind(), clap::error::ErrorKind::DisplayHelp, "{line}");
        }
    }
}
