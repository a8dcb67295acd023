//! `groundlink man`: writes the manual pages.

use super::Cli;
use super::output::progress;
use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a manual page for each command into a directory.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  groundlink man ~/.local/share/man/man1 && man groundlink-satellite-add\n\nExit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub(super) struct Arguments {
    /// The directory, for example one named man1. It is created if it does not exist.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Runs the command.
pub(super) fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let shown = arguments.directory.display();
    std::fs::create_dir_all(&arguments.directory).with_context(|| format!("cannot create {shown}"))?;
    clap_mangen::generate_to(Cli::command(), &arguments.directory)
        .with_context(|| format!("cannot write into {shown}"))?;
    progress(&format!("the manual pages are in {shown}"));
    Ok(ExitCode::SUCCESS)
}
