//! `groundlink render`: renders manifests to configuration without a cluster, and says what a
//! change of manifests means.

mod against;
mod documents;
mod report;
pub(super) mod set;

#[cfg(test)]
pub(super) use documents::{Changes, Rendered};

use super::output::{Format, document, print, write_file};
use super::usage::block_on;
use crate::agent::icinga::output::Finding;
use crate::api::IcingaVersion;
use crate::expansion::{Icinga, Verdict};
use crate::text::clean;
use crate::validate::Settings;
use anyhow::Context as _;
use clap::{ArgGroup, Args, ValueEnum};
use set::Set;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examples and exit codes at the end of `--help`.
const AFTER_HELP: &str = "Examples:\n  groundlink render -f manifests/ --check\n  groundlink render -f new/ --against old/ -o markdown\n\n\
    Exit codes: 0 everything was rendered, 1 an object or document is refused, or there is none, 2 a file cannot be read (the \
    others are rendered) or written, or wrong usage, 3 Icinga refuses the result (--check).\n\
    Exit codes with --against: 0 no difference, 1 differences, 2 a file cannot be read, icinga2 cannot be run, a manifest of -f is \
    refused or there is none, or wrong usage, 3 Icinga refuses one of the sides.";
/// Most findings of Icinga that are printed.
pub(in crate::cli) const FINDINGS_MAX: usize = 50;

/// Render manifests to Icinga 2 configuration, offline, by the operator's own code.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP, group(ArgGroup::new("uses-icinga").args(["check", "against"]).multiple(true)))]
pub struct Arguments {
    /// Files or directories with manifests (YAML or JSON, also with several documents); - for
    /// standard input.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Accept manifests of -f or --against that have no MonitoringObject. Without it they are an error: most
    /// often a wrong path, or a template that made nothing.
    #[arg(long)]
    allow_empty: bool,
    /// Say what changes from these manifests to those of -f, in the objects that the installed
    /// icinga2 makes of both: hosts, services and notifications that come or go, changed
    /// thresholds, and who is not notified any more.
    #[arg(long, value_name = "OLD", conflicts_with_all = ["out", "check"])]
    against: Vec<PathBuf>,
    /// Write the files below this directory as the operator would, instead of printing them.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Form of the result.
    #[arg(short = 'o', long = "output", value_enum, default_value = "text")]
    output: Output,
    /// Let the installed icinga2 check the result (icinga2 daemon -C, for a minute at most).
    #[arg(long)]
    check: bool,
    /// Icinga configuration that declares the external objects; only --check and --against read it.
    #[arg(long, value_name = "FILE", requires = "uses-icinga")]
    check_with: Option<PathBuf>,
    /// The icinga2 that --check and --against run, with arguments after blanks.
    #[arg(long, value_name = "COMMAND", default_value = "icinga2", requires = "uses-icinga")]
    icinga2: String,
    /// Namespace of manifests without metadata.namespace.
    #[arg(short = 'n', long, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// Namespaces whose resources may declare commands.
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "groundlink")]
    privileged_namespaces: Vec<String>,
    /// Objects that other Icinga configuration declares, as Type!name.
    #[arg(long, value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Constants of Icinga, beside its own such as PluginDir, that commands may name as $Name$.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    constants: Vec<String>,
    /// Version of the Icinga 2 that will load the result.
    #[arg(long, value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The configuration, or the differences, for people; refusals go to standard error.
    Text,
    /// One JSON document: `published` and `refused`, or the differences.
    Json,
    /// The differences as a comment for a pull request (--against).
    Markdown,
}

pub fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let result = if arguments.against.is_empty() { run(arguments) } else { against::run(arguments) };
    Ok(result.unwrap_or_else(|error| {
        eprintln!("groundlink render: {error:#}");
        ExitCode::from(2)
    }))
}

impl Arguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        Settings::new(&self.privileged_namespaces, &self.external_objects, self.icinga_version)
            .and_then(|settings| settings.with_constants(&self.constants))
            .map_err(anyhow::Error::msg)
    }

    fn set(&self, files: &[PathBuf]) -> anyhow::Result<Set> {
        Ok(Set::read(files, &self.namespace, &self.settings()?, self.icinga_version))
    }

    /// True if the manifests of a flag have no MonitoringObject and must have one, which is printed.
    fn misses_objects(&self, set: &Set, flag: &str, files: &[PathBuf]) -> bool {
        let is_error = set.is_empty() && !self.allow_empty;
        if is_error {
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            eprintln!(
                "groundlink render: {flag} {}: has no MonitoringObject; correct the path or what makes the manifests, or add \
                 --allow-empty if none is right",
                clean(&files.join(", "), 500)
            );
        }
        is_error
    }

    fn icinga(&self) -> Icinga {
        Icinga::new(self.icinga2.split_whitespace().map(str::to_owned).collect())
    }

    /// Returns the text of `--check-with`.
    fn with(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("--check-with {}: cannot be read", path.display()))
        };
        self.check_with.as_deref().map(read).transpose()
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if arguments.output == Output::Markdown {
        anyhow::bail!("-o markdown is a form of differences; add --against OLD");
    }
    let set = arguments.set(&arguments.files)?;
    if let Some(directory) = &arguments.out {
        for content in &set.published {
            write_file(&directory.join(content.key().path()), &content.bytes())?;
        }
    }
    if arguments.output == Output::Json {
        document(&documents::Rendered::of(&set), Format::Json)?;
    } else {
        if arguments.out.is_none() {
            for content in &set.published {
                print(format_args!("{}", content.text()))?;
            }
        }
        print_refused(&set, "");
    }
    if arguments.check {
        let configuration = set.configuration(arguments.with()?.as_deref());
        let icinga = arguments.icinga();
        let verdict = block_on_result(icinga.check(&configuration, set.published.len()))?;
        if let Verdict::Refused(findings) = verdict {
            print_findings(&findings);
            return Ok(ExitCode::from(3));
        }
    }
    let misses_objects = arguments.misses_objects(&set, "-f", &arguments.files);
    Ok(match (set.lacks_files, set.refused.is_empty() && !misses_objects) {
        (true, _) => ExitCode::from(2),
        (false, false) => ExitCode::FAILURE,
        (false, true) => ExitCode::SUCCESS,
    })
}

/// Runs Icinga. An error says what to do.
pub(in crate::cli) fn block_on_result<T>(work: impl Future<Output = Result<T, String>>) -> anyhow::Result<T> {
    let mut found = None;
    block_on(async {
        found = Some(work.await);
        Ok(ExitCode::SUCCESS)
    })?;
    let result = found.context("icinga2 was not run")?;
    result.map_err(|why| anyhow::anyhow!("cannot run icinga2: {why}; install it, or name it with --icinga2"))
}

fn print_refused(set: &Set, prefix: &str) {
    for refused in &set.refused {
        eprintln!("{prefix}{refused}");
    }
}

/// Prints what Icinga found: the file of the set, the line, the object and the message.
fn print_findings(findings: &[Finding]) {
    for finding in findings.iter().take(FINDINGS_MAX) {
        eprintln!("icinga2: {}", in_words(finding));
    }
    if let Some(more) = findings.len().checked_sub(FINDINGS_MAX).filter(|more| *more > 0) {
        eprintln!("icinga2: and {more} more");
    }
}

/// Returns a finding on one line: file, line, object and message.
pub(in crate::cli) fn in_words(finding: &Finding) -> String {
    let mut text = String::new();
    if let Some(file) = &finding.file {
        text.push_str(file);
        if let Some(line) = finding.line {
            text.push_str(&format!(":{line}"));
        }
        text.push_str(": ");
    }
    if let Some((kind, name)) = &finding.object {
        text.push_str(&format!("{kind} {}: ", clean(name, 200)));
    }
    text + &finding.message
}
