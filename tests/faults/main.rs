//! `make faults`: runs the tests of every fault and threat in `cases`, and prints one line of JSON
//! for each. A test that belongs to several cases runs once.

mod build;
mod cases;
mod plan;

use anyhow::{Context, Result};
use cases::Case;
use plan::{End, Options, Run, Runs};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const PAGE: &str = "docs/faults.md";
/// The variable that the random tests read their seed from.
const SEED: &str = "GROUNDLINK_TEST_SEED";
/// Longest time of one test, in seconds.
const LONGEST: &str = "1800";
/// Lines of a failed test that are shown.
const SHOWN: usize = 60;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns true if nothing failed.
fn run() -> Result<bool> {
    std::env::set_current_dir(env!("CARGO_MANIFEST_DIR"))?;
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let cases = cases::all();
    let options = Options::parse(&arguments, &cases).map_err(anyhow::Error::msg)?;
    let selected: Vec<_> = cases.iter().copied().filter(|case| options.selects(case)).collect();
    let seed = std::env::var(SEED).unwrap_or_else(|_| rand::random::<u32>().to_string());
    let mut runs = Runs::new();
    let binaries = if options.list { BTreeMap::new() } else { binaries(&selected)? };
    for case in &selected {
        for test in case.tests() {
            if !options.list && !runs.contains_key(test) {
                eprintln!("faults: {} runs {test}", case.id);
                runs.insert(test, run_test(test, &binaries, &seed)?);
            }
        }
        let line = serde_json::to_string(&plan::line(case, &runs, &seed))?;
        writeln!(std::io::stdout(), "{line}")?;
    }
    if options.write {
        let page = std::fs::read_to_string(PAGE).context(PAGE)?;
        let page = plan::rewrite(&page, &cases, &runs).map_err(anyhow::Error::msg)?;
        std::fs::write(PAGE, page).context(PAGE)?;
    }
    eprintln!("faults: {}", plan::summary(&selected, &runs));
    Ok(runs.values().all(|run| run.end != End::Failed))
}

/// Builds the test binaries of these cases. Returns them by the name of their target.
fn binaries(cases: &[Case]) -> Result<BTreeMap<String, PathBuf>> {
    let tests = cases.iter().flat_map(|case| case.tests()).filter(|test| !is_command(test));
    let targets: BTreeSet<_> = tests.filter_map(|test| test.split("::").next()).collect();
    eprintln!("faults: building {targets:?}");
    build::build(&targets, Path::new("."), None)
}

fn is_command(test: &str) -> bool {
    test.contains("hack/")
}

fn run_test(test: &str, binaries: &BTreeMap<String, PathBuf>, seed: &str) -> Result<Run> {
    let is_command = is_command(test);
    let mut command = Command::new("timeout");
    command.args(["--kill-after=60", LONGEST]).env(SEED, seed).stdin(Stdio::null());
    if is_command {
        command.args(["bash", "-c", test]);
    } else {
        let (target, path) = test.split_once("::").context("a test without its target")?;
        let binary = binaries.get(target).with_context(|| format!("no target is called {target}"))?;
        command.arg(binary).args(["--exact", path, "--nocapture"]);
    }
    let began = Instant::now();
    let output = command.output().with_context(|| format!("cannot run {test}"))?;
    let text =
        [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let end = End::read(output.status.success(), &text, is_command);
    if end == End::Failed {
        let lines: Vec<_> = text.lines().collect();
        eprintln!("{}\nfaults: {test} failed", lines[lines.len().saturating_sub(SHOWN)..].join("\n"));
    }
    Ok(Run { end, seconds: began.elapsed().as_secs_f64() })
}
