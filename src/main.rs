//! The `groundlink` binary.

use clap::Parser;
use groundlink::cli::{Cli, main as run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("groundlink: {error:#}");
            ExitCode::FAILURE
        }
    }
}
