//! `groundlink crd`: prints the CustomResourceDefinitions.

use crate::api::crds;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the CustomResourceDefinitions.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub(crate) struct Arguments {
    /// Write one file for each CRD into this directory, instead of printing them.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    for (name, yaml) in crds::yaml()? {
        match &arguments.out {
            Some(directory) => {
                let path = directory.join(format!("{name}.yaml"));
                std::fs::write(&path, yaml).with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => super::output::print(format_args!("---\n{yaml}"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
