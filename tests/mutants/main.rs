//! `make mutants`: breaks the code in one place at a time, and runs the tests that must notice.
//!
//! All mutants are built at once, into a copy of the sources below `target/mutants`. Each is off
//! unless the variable [`SWITCH`] names it.

#[path = "../faults/build.rs"]
mod build;
mod list;

use anyhow::{Context, Result, bail};
use list::{MUTANTS, Mutant};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

const USAGE: &str = "usage: make mutants ARGS=\"[--only ID,ID] [--list]\"";
/// The variable that names the mutant that is on.
const SWITCH: &str = "GROUNDLINK_MUTANT";
/// Longest time of the tests of one mutant, in seconds. A mutant that hangs is caught.
const LONGEST: &str = "900";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mutants: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns true if each mutant was caught.
fn run() -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let selected = select(&arguments.iter().map(String::as_str).collect::<Vec<_>>())?;
    if arguments.iter().any(|argument| argument == "--list") {
        selected.iter().for_each(|mutant| println!("{:<32} {}", mutant.id, mutant.what));
        return Ok(true);
    }
    let tree = root.join("target/mutants");
    copy(root, &tree)?;
    let output = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    eprintln!("mutants: building");
    let binaries = build::build(&BTreeSet::from(["lib"]), &tree, Some(&output))?;
    let binary = binaries.get("lib").context("no test binary")?;

    let all: BTreeSet<&str> = selected.iter().flat_map(|mutant| mutant.tests).copied().collect();
    if !passes(binary, &tree, None, &all)? {
        bail!("the tests fail without a mutant");
    }
    let mut survivors = Vec::new();
    for mutant in &selected {
        let began = Instant::now();
        let survived = passes(binary, &tree, Some(mutant.id), &mutant.tests.iter().copied().collect())?;
        let verdict = if survived { "SURVIVED" } else { "caught" };
        println!("{verdict:<8} {:5.1} s  {:<32} {}", began.elapsed().as_secs_f64(), mutant.id, mutant.what);
        if survived {
            survivors.push(mutant.id);
        }
    }
    println!("mutants: {} caught, {} survived", selected.len() - survivors.len(), survivors.len());
    Ok(survivors.is_empty())
}

fn select(arguments: &[&str]) -> Result<Vec<&'static Mutant>> {
    let ids = match arguments {
        [] | ["--list"] => return Ok(MUTANTS.iter().collect()),
        ["--only", ids] | ["--list", "--only", ids] | ["--only", ids, "--list"] => ids.split(','),
        _ => bail!("{USAGE}"),
    };
    let find = |id: &str| MUTANTS.iter().find(|mutant| mutant.id == id);
    ids.map(|id| find(id).with_context(|| format!("no mutant is called {id:?}; {USAGE}"))).collect()
}

/// Copies what git knows or would add, with every mutant in it. Files that are the same stay, so
/// that a second build has little to do.
fn copy(root: &Path, tree: &Path) -> Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run git")?;
    let names = String::from_utf8(listed.stdout)?;
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let from = root.join(name);
        // A file that was deleted and not committed, or a link to a directory.
        if !from.is_file() {
            continue;
        }
        let mut bytes = std::fs::read(&from).with_context(|| name.to_owned())?;
        for mutant in MUTANTS.iter().filter(|mutant| mutant.file == name) {
            let text = String::from_utf8(bytes)?;
            bytes = mutant.apply(&text).map_err(anyhow::Error::msg)?.into_bytes();
        }
        match name {
            "src/lib.rs" => bytes.extend(switch().into_bytes()),
            "Cargo.toml" | "Cargo.lock" => bytes = renamed(&String::from_utf8(bytes)?).into_bytes(),
            _ => {}
        }
        let to = tree.join(name);
        if std::fs::read(&to).is_ok_and(|present| present == bytes) {
            continue;
        }
        std::fs::create_dir_all(to.parent().context("a path without a folder")?)?;
        std::fs::write(&to, bytes).with_context(|| to.display().to_string())?;
    }
    Ok(())
}

/// Returns the function that says whether a mutant is on.
fn switch() -> String {
    format!(
        "\npub(crate) fn mutant(id: &str) -> bool {{\n    \
         static ON: std::sync::LazyLock<Option<String>> = std::sync::LazyLock::new(|| std::env::var({SWITCH:?}).ok());\n    \
         ON.as_deref() == Some(id)\n}}\n"
    )
}

/// Returns a manifest or a lock file in which the package has another name. Cargo takes two packages
/// of one name for the same, whatever their folders, and uses the output of one for the other.
fn renamed(text: &str) -> String {
    let text = text.replace("name = \"groundlink\"\nversion", "name = \"groundlink-mutants\"\nversion");
    text.replace("[lib]\n", "[lib]\nname = \"groundlink\"\n")
}

/// Runs tests, with a mutant or without. Returns whether all of them ran and passed.
fn passes(binary: &Path, tree: &Path, mutant: Option<&str>, tests: &BTreeSet<&str>) -> Result<bool> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", LONGEST]).arg(binary).arg("--exact").args(tests);
    command.current_dir(tree).env_remove(SWITCH).stdin(Stdio::null());
    if let Some(id) = mutant {
        command.env(SWITCH, id);
    }
    let output = command.output().context("cannot run the tests")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let passed =
        output.status.success() && text.contains(&format!("test result: ok. {} passed", tests.len()));
    if !passed && mutant.is_none() {
        eprintln!("{text}");
    }
    Ok(passed)
}
