//! `groundlink satellite`: satellites are joined, checked, rotated, removed and listed with the rights of the person who
//! calls it. Progress and errors go to standard error, results to standard output.

mod add;
mod check;
mod join_manifest;
mod list;
mod remove;
mod rotate;

use clap::Subcommand;
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
