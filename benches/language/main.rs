//! Groundlink without a server: rendering (L1 in this process; L2 as `groundlink render`, compared
//! with a real Icinga on the result), the index of names (L3), and one change on its way to
//! satellites (L4).
//!
//! ```text
//! make bench ARGS="--only L1,L2,L3,L4"          this alone; or, without tools: cargo bench --bench language
//! make bench ARGS="--only L2 --rendered 20000"  fewer objects
//! make bench ARGS="--only L3 --indexed 100000"  more objects
//! ```
//! Every phase ends with a check of its results. Only a failed check makes the exit code 1; a slow
//! run does not. All results are also in `target/bench/language.json`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a benchmark reports")]

#[path = "../shared/mod.rs"]
mod shared;

mod command;
mod delivery;
mod icinga;
mod index;
mod mix;
mod process;
mod rendering;

use report::Report;
use shared::arguments::Arguments;
use shared::{machine, progress, report};
use std::process::ExitCode;

fn main() -> ExitCode {
    machine::uptime();
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    if !arguments.wants(&["L1", "L2", "L3", "L4"]) {
        return ExitCode::SUCCESS;
    }
    let mut report = Report::new("language", "compared with", arguments.quick);
    if let Err(error) = run(&arguments, &mut report) {
        report.failures.push(format!("{error:#}"));
    }
    report.print();
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    let (sample, rendered, indexed) =
        if arguments.quick { (4_000, 4_000, 8_000) } else { (20_000, 100_000, 40_000) };
    if arguments.wants(&["L1"]) {
        rendering::throughput(sample, 9, report)?;
    }
    if arguments.wants(&["L2"]) {
        // Each round takes half a minute.
        command::whole(arguments.rendered.unwrap_or(rendered), 2, report)?;
    }
    if arguments.wants(&["L3"]) {
        index::changes(arguments.indexed.unwrap_or(indexed), 5, report)?;
    }
    if arguments.wants(&["L4"]) {
        delivery::changes(if arguments.quick { [4_000, 8_000] } else { [10_000, 100_000] }, report)?;
    }
    Ok(())
}
