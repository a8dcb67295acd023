//! Builds test binaries.

use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the test binaries of these targets (`lib` for the library) of the package in `directory`,
/// into `output` if it is given. Returns them by the name of their target.
///
/// # Errors
/// If they do not build.
pub fn build(
    targets: &BTreeSet<&str>,
    directory: &Path,
    output: Option<&Path>,
) -> Result<BTreeMap<String, PathBuf>> {
    if targets.is_empty() {
        return Ok(BTreeMap::new());
    }
    let flags = targets.iter().flat_map(|target| match *target {
        "lib" => vec!["--lib"],
        target => vec!["--test", target],
    });
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    if let Some(output) = output {
        cargo.env("CARGO_TARGET_DIR", output);
    }
    let output = cargo
        .args(["test", "--locked", "--no-run", "--message-format=json-render-diagnostics"])
        .args(flags)
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the tests do not build");
    }
    let messages =
        output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let binary = |message: serde_json::Value| {
        let program = message["executable"].as_str().filter(|_| message["profile"]["test"] == true)?;
        let is_shipped = message["target"]["kind"][0] == "lib";
        let name = if is_shipped { "lib" } else { message["target"]["name"].as_str()? };
        Some((name.to_owned(), PathBuf::from(program)))
    };
    Ok(messages.filter_map(binary).collect())
}
