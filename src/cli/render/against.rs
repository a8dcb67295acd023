//! `groundlink render -f NEW --against OLD`: what a change of manifests means, by the objects that
//! real Icinga makes of both sides.

use super::report::Report;
use super::set::Set;
use super::{Arguments, Output, block_on_result, in_words, print_refused};
use crate::agent::icinga::output::Finding;
use crate::cli::output::{Format, document, print};
use crate::expansion::{Expansion, Verdict, compare, meaning};
use anyhow::bail;
use std::process::ExitCode;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let old = arguments.set(&arguments.against)?;
    let new = arguments.set(&arguments.files)?;
    print_refused(&old, "before: ");
    print_refused(&new, "");
    if arguments.misses_objects(&old, "--against", &arguments.against)
        || arguments.misses_objects(&new, "-f", &arguments.files)
    {
        return Ok(ExitCode::from(2));
    }
    if old.lacks_files || new.lacks_files {
        bail!("a file cannot be read, so the differences would not be true; correct it");
    }
    let with = arguments.with()?;
    let icinga = arguments.icinga();
    let sides = block_on_result(async {
        let expand =
            async |set: &Set| icinga.expand(&set.configuration(with.as_deref()), set.published.len()).await;
        // One after the other: each takes all processors, and most of the memory.
        Ok((expand(&old).await?, expand(&new).await?))
    })?;
    let (before, after) = match sides {
        (Verdict::Accepted(before), Verdict::Accepted(after)) => (before, after),
        (before, after) => {
            print_refusal("--against", before);
            print_refusal("-f", after);
            return Ok(ExitCode::from(3));
        }
    };
    let comparison = compare(&before.objects, &after.objects, |id| {
        !before.objects.is_shipped(id) && !after.objects.is_shipped(id)
    });
    let meaning = meaning(&before.objects, &after.objects, &comparison);
    let report = Report { comparison: &comparison, meaning: &meaning, old: &old, new: &new };
    match arguments.output {
        Output::Text => print(format_args!("{}", report.text()))?,
        Output::Json => document(&report.json(), Format::Json)?,
        Output::Markdown => print(format_args!("{}", report.markdown()))?,
    }
    Ok(ExitCode::from(match (new.refused.is_empty(), comparison.is_same()) {
        (false, _) => 2,
        (true, false) => 1,
        (true, true) => 0,
    }))
}

fn print_refusal(side: &str, verdict: Verdict<Expansion>) {
    let Verdict::Refused(findings) = verdict else { return };
    let words = |finding: &Finding| in_words(finding);
    for finding in findings.iter().take(super::FINDINGS_MAX) {
        eprintln!("icinga2 refuses the manifests of {side}: {}", words(finding));
    }
    if findings.iter().any(|finding| finding.message.contains("does not exist")) {
        eprintln!(
            "Objects that other configuration declares must be there for icinga2: name a file that declares them with --check-with."
        );
    }
}
