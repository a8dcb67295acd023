//! `groundlink satellite`: joins, checks, rotates, removes and lists satellites with the rights of
//! the person who calls it. Progress and errors go to standard error, results to standard output.

mod add;
mod check;
mod join_manifest;
mod list;
mod operator;
mod remove;
mod rotate;

#[cfg(test)]
pub(super) use {check::Checked, join_manifest::JoinManifest, list::Listed};

use super::usage::block_on;
use clap::Subcommand;
use std::process::ExitCode;

// The arguments of each command carry its help text.
/// The commands for satellites.
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
    block_on(async {
        match command {
            Command::Add(arguments) => add::main(&arguments).await,
            Command::JoinManifest(arguments) => join_manifest::main(&arguments),
            Command::Check(arguments) => check::main(&arguments).await,
            Command::Rotate(arguments) => rotate::main(&arguments).await,
            Command::Remove(arguments) => remove::main(&arguments).await,
            Command::List(arguments) => list::main(&arguments).await,
        }
    })
}
