//! L2: `groundlink render` on manifests, compared with `icinga2 daemon -C` on its output.

use crate::icinga::Icinga;
use crate::mix::Mix;
use crate::process::{self, Cost};
use crate::progress;
use crate::report::{Report, Row, Samples};
use anyhow::ensure;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Renders a set from the command line, then validates the result with Icinga, once per round.
pub fn whole(objects: usize, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let directory = tempfile::Builder::new().prefix("groundlink-bench-").tempdir()?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
    let [manifests, out, scratch] = ["manifests", "out", "scratch"].map(|name| directory.path().join(name));
    std::fs::create_dir(&scratch)?;
    progress!("L2: writing manifests of {objects} objects");
    let (documents, written) = write_manifests(&Mix::new(objects), &manifests)?;
    let icinga = Icinga::find();
    match &icinga {
        Some(icinga) => {
            report.conditions.push(format!("icinga2 {}", icinga.version));
            let empty = scratch.join("empty");
            std::fs::create_dir(&empty)?;
            let Cost { wall, peak, .. } = icinga.check(&empty, &scratch)?.cost;
            report.notes.push(format!(
                "L2: icinga2 with nothing but its template library takes {wall:.2} s and {peak:.1} MiB"
            ));
        }
        None => report.notes.push(
            "L2: icinga2 IS NOT INSTALLED, so there is nothing to compare with; hack/icinga.sh installs it"
                .into(),
        ),
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut made = String::new();
    for round in 1..=rounds {
        progress!("L2, round {round}: groundlink render");
        remove(&out)?;
        let log = scratch.join("render.log");
        let mut command = Command::new(program());
        command.args(["render", "-f"]).arg(&manifests).arg("--out").arg(&out);
        let (status, cost) = process::run(&mut command, &log)?;
        let said = std::fs::read_to_string(&log)?;
        let words: Vec<&str> = said.lines().take(5).collect();
        ensure!(status.success(), "groundlink render: {status}\n{}", words.join("\n"));
        ours.push(cost);
        if let Some(icinga) = &icinga {
            progress!("L2, round {round}: icinga2 daemon -C");
            let checked = icinga.check(&out.join("objects.d"), &scratch)?;
            theirs.push(checked.cost);
            made = checked.objects;
        }
    }
    let (files, bytes) = files_below(&out)?;
    if files != objects {
        report
            .failures
            .push(format!("L2: {objects} objects were rendered into {files} files, not one file per object"));
    }
    rows(objects, &ours, &theirs, report);
    let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
    report.notes.push(format!(
        "L2: {:.1} MiB of YAML in {documents} files became {:.1} MiB of configuration in {files} files, one per object",
        mib(written),
        mib(bytes)
    ));
    if icinga.is_some() {
        report
            .notes
            .push(format!("L2: icinga2 created {made} (more than was declared, because of apply rules)"));
        report.notes.push(
            "L2: icinga2 uses all cores, groundlink render one; the peak is that of the largest process"
                .into(),
        );
    }
    Ok(())
}

fn rows(objects: usize, ours: &[Cost], theirs: &[Cost], report: &mut Report) {
    let of = |runs: &[Cost], pick: fn(&Cost) -> f64| runs.iter().map(pick).collect::<Samples>();
    type Column = (&'static str, &'static str, fn(&Cost) -> f64);
    let columns: [Column; 3] = [
        ("from start to end", "s", |cost| cost.wall),
        ("processor time", "s", |cost| cost.cpu),
        ("peak memory", "MiB", |cost| cost.peak),
    ];
    for (what, unit, pick) in columns {
        let (ours, theirs) = (of(ours, pick), of(theirs, pick));
        let metric = format!(
            "L2  groundlink render: {what}, {objects} (compared with: icinga2 daemon -C on the result)"
        );
        let other = Some(theirs.median()).filter(|other| other.is_finite());
        report.row(Row::new(metric, unit, other, ours.median()));
        let beside = other.map(|_| format!("; icinga2 {}", theirs.spread())).unwrap_or_default();
        report.notes.push(format!("L2: {what} in each round: groundlink {}{beside} {unit}", ours.spread()));
        report.details.push(json!({ "phase": "L2", "what": what, "unit": unit, "objects": objects,
            "groundlink": ours.json(), "icinga2": theirs.json() }));
    }
}

/// The program under test.
fn program() -> String {
    std::env::var("GROUNDLINK").unwrap_or_else(|_| env!("CARGO_BIN_EXE_groundlink").into())
}

/// Writes one file per namespace, like the output of `helm template` for a team. Returns the number
/// of files and their total size.
fn write_manifests(mix: &Mix, directory: &Path) -> anyhow::Result<(usize, u64)> {
    std::fs::create_dir(directory)?;
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for declared in mix.all() {
        let text = texts.entry(declared.namespace.clone()).or_default();
        text.push_str("---\n");
        text.push_str(&serde_saphyr::to_string(&declared.manifest())?);
    }
    for (namespace, text) in &texts {
        std::fs::write(directory.join(format!("{namespace}.yaml")), text)?;
    }
    Ok((texts.len(), texts.values().map(|text| text.len() as u64).sum()))
}

fn remove(directory: &Path) -> std::io::Result<()> {
    if directory.exists() { std::fs::remove_dir_all(directory) } else { Ok(()) }
}

fn files_below(directory: &Path) -> std::io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else {
                files += 1;
                bytes += entry.metadata()?.len();
            }
        }
    }
    Ok((files, bytes))
}
