//! The `groundlink` binary.

use groundlink::cli::{main as run, parse};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("groundlink: {error:#}");
            ExitCode::FAILURE
        }
    }
}
