//! `groundlink import`: Icinga 2's configuration and baskets of Icinga Director to manifests.

mod check;
mod disk;
mod proof;
mod prove;
mod report;
mod write;

#[cfg(test)]
pub(super) use report::Whole;

use super::output::progress;
use crate::api::IcingaVersion;
use crate::import::{Imported, Options, import, tree};
use crate::render::Rendered;
use crate::text::clean_message;
use crate::validate::Settings;
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Examples and exit codes at the end of `--help`.
const AFTER_HELP: &str = "Example:\n  groundlink import /etc/icinga2/icinga2.conf --out manifests -n team-a\n\n\
    Exit codes: 0 every block was imported or stays in Icinga's own configuration, 1 a block was left out, 2 a file cannot be read, \
    the manifests cannot be written, or wrong usage.\n\
    Exit codes with --prove: 0 no object differs, 1 a block was left out (--strict), 2 a file cannot be read, icinga2 cannot be \
    run, or wrong usage, 3 Icinga refuses one of the sides, 4 objects differ.";

/// Translate Icinga 2's configuration, or baskets of Icinga Director, to manifests.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// An icinga2.conf, whose includes are followed; directories such as conf.d and zones.d;
    /// baskets and exports of Icinga Director (*.json).
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Write the manifests below this directory, one file for each source file.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Form of the report.
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    output: Output,
    /// Namespace of the manifests.
    #[arg(short = 'n', long, default_value = "default", value_name = "NAME", value_parser = super::usage::object_name)]
    namespace: String,
    /// Use the zone of each object as its namespace; --namespace is for objects without a zone.
    #[arg(long)]
    namespace_by_zone: bool,
    /// Namespace of commands: one of the operator's privileged namespaces.
    #[arg(long, default_value = "groundlink", value_name = "NAME", value_parser = super::usage::object_name)]
    command_namespace: String,
    /// A constant of Icinga, for example NodeName=hub.example.com. Repeatable.
    #[arg(short = 'D', long = "define", value_name = "NAME=VALUE", value_parser = definition)]
    defines: Vec<(String, String)>,
    /// Objects that other Icinga configuration declares, as Type!name. What resources name
    /// besides is proposed.
    #[arg(long, value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Version of the Icinga 2 that will load the result.
    #[arg(long, value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
    /// Let the installed icinga2 load the original and the result, and compare every object and
    /// attribute. The result is the original without the blocks that were imported, and the
    /// manifests.
    #[arg(long)]
    prove: bool,
    /// The icinga2.conf that --prove loads, with its constants and features. Not needed if it is
    /// among the paths.
    #[arg(long, value_name = "PATH", requires = "prove")]
    icinga2_conf: Option<PathBuf>,
    /// Exit with 1 if the proof is without differences but a block was left out.
    #[arg(long, requires = "prove")]
    strict: bool,
    /// The icinga2 that --prove runs, with arguments after blanks.
    #[arg(long, value_name = "COMMAND", default_value = "icinga2", requires = "prove")]
    icinga2: String,
    /// Time for each of the two runs of icinga2.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = super::usage::duration, requires = "prove")]
    timeout: Duration,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs. Fields are added, never renamed or removed.
    Json,
}

/// What an import did: the manifests with their origins, the blocks that are left out, and the
/// files that were written.
pub(super) struct Outcome {
    /// The manifests, and all that was left out.
    pub(super) imported: Imported,
    /// The files, in order.
    pub(super) files: Vec<PathBuf>,
    /// The manifests as the operator renders them.
    rendered: Vec<Arc<Rendered>>,
}

pub fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let result = run(arguments).and_then(|outcome| {
        if arguments.prove {
            return proved(arguments, &outcome);
        }
        match arguments.output {
            Output::Text => report::text(&outcome)?,
            Output::Json => report::json(&outcome, None)?,
        }
        Ok(report::exit_code(&outcome.imported))
    });
    Ok(result.unwrap_or_else(|error| {
        eprintln!("groundlink import: {error:#}");
        ExitCode::from(2)
    }))
}

/// Prints the report and the proof.
fn proved(arguments: &Arguments, outcome: &Outcome) -> anyhow::Result<ExitCode> {
    // The report is of use even if nothing can be proved.
    if arguments.output == Output::Text {
        report::text(outcome)?;
    }
    let proof = prove::prove(arguments, outcome);
    if arguments.output == Output::Json {
        let document = match &proof {
            Ok(proof) => proof::json(proof),
            Err(error) => serde_json::json!({ "error": clean_message(&format!("{error:#}")) }),
        };
        report::json(outcome, Some(document))?;
    }
    let proof = proof?;
    if arguments.output == Output::Text {
        proof::text(&proof)?;
    }
    proof::print_refusal(&proof);
    Ok(ExitCode::from(proof::exit_code(&proof, arguments.strict)))
}

/// Reads, translates, checks and writes.
///
/// # Errors
/// If a path does not exist or the manifests cannot be written. Files below a path that cannot be
/// read are no error: they are among those left out.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let paths = arguments.paths.iter().map(|path| absolute(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let defines: BTreeMap<String, String> = arguments.defines.iter().cloned().collect();
    let tree =
        tree::read(&disk::Disk, &paths, &defines, &mut |count| progress(&format!("read {count} files")));
    let options = Options {
        namespace: arguments.namespace.clone(),
        namespace_by_zone: arguments.namespace_by_zone,
        command_namespace: arguments.command_namespace.clone(),
        defines,
    };
    let mut imported = import(&tree, &options);
    drop(tree);
    let settings = Settings::new(
        std::slice::from_ref(&arguments.command_namespace),
        &arguments.external_objects,
        arguments.icinga_version,
    )
    .map_err(anyhow::Error::msg)?;
    let rendered = check::check(&mut imported, &settings)?;
    let files = write::write(&arguments.out, &imported)?;
    Ok(Outcome { imported, files, rendered })
}

/// Returns a path as the reader wants it: absolute, with links resolved.
fn absolute(path: &Path) -> anyhow::Result<String> {
    let full = std::fs::canonicalize(path)
        .with_context(|| format!("{}: cannot be read; correct the path", path.display()))?;
    full.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("{path:?}: the path is not UTF-8; rename it"))
}

fn definition(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".into()),
    }
}
