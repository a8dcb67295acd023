//! `groundlink snapshot`: reads and verifies the set that a satellite holds, from its cluster or from files.

pub(super) mod source;
mod unpack;

use super::clusters::SatelliteArguments;
use super::output::{Document, Format, document, print, print_bytes, progress, table};
use crate::identity::ObjectKey;
use crate::snapshot::layout::Form;
use crate::snapshot::verify::{Problem, Report};
use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Read the set that a satellite holds, and verify all of it.
///
/// Every digest, count and label is compared with the content, and every shard must be there.
///
/// Reads the cluster of --context or --kubeconfig (default: the current context), or files: the output of `kubectl get configmaps
/// -l app.kubernetes.io/managed-by=groundlink -o yaml`. Writes nothing to a cluster.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the set is whole, 1 there is a problem, 2 it cannot be read, or wrong usage."
)]
pub struct Arguments {
    /// Files or directories with ConfigMaps (YAML or JSON, lists and several documents); - for
    /// standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE", conflicts_with_all = ["context", "kubeconfig"])]
    files: Vec<PathBuf>,
    /// Namespace of the ConfigMaps.
    #[arg(short = 'n', long, default_value = "icinga", value_name = "NAME", value_parser = crate::cli::usage::full_name)]
    namespace: String,
    /// Name of the pointer (`spec.target.name` of the SatelliteCluster).
    #[arg(long, default_value = "groundlink", value_name = "NAME", value_parser = crate::cli::usage::full_name)]
    name: String,
    /// Form of the summary.
    #[arg(short, long, value_enum, default_value = "text", conflicts_with = "action")]
    output: Output,
    #[command(flatten)]
    action: Action,
    #[command(flatten)]
    satellite: SatelliteArguments,
}

/// What to do with a set that is whole. Without any of these, a summary is printed.
#[derive(Debug, Args)]
#[group(id = "action", multiple = false)]
struct Action {
    /// Print a line `<sha256>  <key>` for each file, as sha256sum does.
    #[arg(long)]
    list: bool,
    /// Write the files into this directory, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    unpack: Option<PathBuf>,
    /// Print one file, by its key or as <namespace>/<name> of its MonitoringObject.
    #[arg(long, value_name = "KEY")]
    show: Option<String>,
}

/// Form of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON document; fields are added, never renamed or removed.
    Json,
}

/// The summary, as JSON has it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary<'a> {
    source: &'a str,
    namespace: &'a str,
    name: &'a str,
    ok: bool,
    /// `Single` or `Snapshot` (in shards). Null if the manifest cannot be read.
    layout: Option<&'static str>,
    /// Bits of the hash that choose a shard. Null in layout Single.
    bits: Option<u8>,
    /// Claimed by the pointer.
    revision: Option<String>,
    /// Claimed by the pointer.
    digest: Option<String>,
    /// Files that were read.
    objects: usize,
    /// Bytes of these files and their keys.
    bytes: usize,
    shards: &'a [String],
    previous: &'a [String],
    problems: &'a [Problem],
    notes: &'a [String],
}

impl Document for Summary<'_> {
    const KIND: &'static str = "Snapshot";
}

pub fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match run(arguments) {
        Ok(code) => Ok(code),
        Err(error) => {
            eprintln!("groundlink snapshot: {error:#}");
            Ok(ExitCode::from(2))
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { namespace, name, action, .. } = arguments;
    // A directory that cannot be used is reported before the set is read.
    let directory = action.unpack.as_deref().map(unpack::Directory::new).transpose()?;
    let (origin, report) = match arguments.files.as_slice() {
        [] => source::cluster(&arguments.satellite, namespace, name)?,
        files => ("files".to_owned(), source::files(files, namespace, name)?),
    };
    if !action.list && directory.is_none() && action.show.is_none() {
        let summary = summary(&origin, arguments, &report);
        match arguments.output {
            Output::Json => document(&summary, Format::Json)?,
            Output::Text => print(format_args!("{}", text(&summary)))?,
        }
        return Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !report.is_whole() {
        for problem in &report.problems {
            eprintln!("{}", line(namespace, problem));
        }
        progress(&format!(
            "the set of ConfigMap {namespace}/{name} is not whole; nothing of it is printed or unpacked"
        ));
        return Ok(ExitCode::FAILURE);
    }
    if action.list {
        print(format_args!("{}", report.listing()))?;
    } else if let Some(key) = &action.show {
        let key = match key.split_once('/') {
            Some((namespace, name)) => ObjectKey::new(namespace, name).file_key().to_string(),
            None => key.clone(),
        };
        let content = report.files.get(&key).ok_or_else(|| {
            anyhow!("the set of ConfigMap {namespace}/{name} has no file {key:?}; --list prints all keys")
        })?;
        print_bytes(&content.bytes)?;
    } else if let Some(directory) = directory {
        let shown = directory.path().display().to_string();
        directory.fill(&report.files).with_context(|| format!("cannot unpack into {shown}"))?;
        progress(&format!("{} files are in {shown}", report.files.len()));
    }
    Ok(ExitCode::SUCCESS)
}

fn summary<'a>(source: &'a str, arguments: &'a Arguments, report: &'a Report) -> Summary<'a> {
    let (layout, bits) = match report.form {
        None => (None, None),
        Some(Form::Single) => (Some("Single"), None),
        Some(Form::Sharded { bits }) => (Some("Snapshot"), Some(bits)),
    };
    Summary {
        source,
        namespace: &arguments.namespace,
        name: &arguments.name,
        ok: report.problems.is_empty(),
        layout,
        bits,
        revision: report.revision.map(|revision| revision.to_string()),
        digest: report.digest.map(|digest| digest.to_string()),
        objects: report.files.len(),
        bytes: report.bytes(),
        shards: &report.shards,
        previous: &report.previous,
        problems: &report.problems,
        notes: &report.notes,
    }
}

fn text(summary: &Summary<'_>) -> String {
    let unknown = || "unknown".to_owned();
    let shards = match summary.bits {
        Some(bits) => format!("{} (of {} buckets)", summary.shards.len(), 1_u32 << bits),
        None => summary.shards.len().to_string(),
    };
    let rows = [
        ("pointer", format!("{}/{}", summary.namespace, summary.name)),
        ("source", summary.source.to_owned()),
        ("layout", summary.layout.map_or_else(unknown, str::to_owned)),
        ("revision", summary.revision.clone().unwrap_or_else(unknown)),
        ("digest", summary.digest.clone().unwrap_or_else(unknown)),
        ("objects", summary.objects.to_string()),
        ("bytes", summary.bytes.to_string()),
        ("shards", shards),
        ("previous", summary.previous.len().to_string()),
    ];
    let mut text = table(rows.map(|(name, value)| vec![name.to_owned(), value]).to_vec());
    for note in summary.notes {
        text += &format!("note: {note}\n");
    }
    for problem in summary.problems {
        text += &format!("{}\n", line(summary.namespace, problem));
    }
    text += match summary.ok {
        true => "ok\n",
        false => {
            "the set is not as the operator wrote it. The operator corrects it unless spec.driftPolicy is Report; if it does \
             not, run `kubectl describe satellitecluster` on the hub\n"
        }
    };
    text
}

fn line(namespace: &str, problem: &Problem) -> String {
    format!("problem: ConfigMap {namespace}/{}: {:?}: {}", problem.config_map, problem.fault, problem.message)
}
