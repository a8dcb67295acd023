//! The conditions of a run, besides the machine: API server, program, and file system of the
//! volume.

use crate::report::{Report, Samples};
use crate::stage::Stage;
use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

#[derive(Clone, Debug, Serialize)]
struct Servers {
    kube_apiserver: String,
    groundlink: String,
    /// Type of the file system that holds the volume.
    volume: String,
    /// Time to publish one file there without Groundlink: write, fsync, rename, fsync of the
    /// directory.
    publish_p50_ms: f64,
    publish_p99_ms: f64,
}

/// Adds the conditions of the stage's servers to the report.
pub async fn look(stage: &Stage, report: &mut Report) -> anyhow::Result<()> {
    let version = stage.installation.hub.apiserver_version().await.context("version of the API server")?;
    let publish = publish_floor(stage.installation.volume())?;
    let profile = if stage.program.contains("/debug/") { "DEBUG BUILD " } else { "" };
    if cfg!(debug_assertions) {
        report.conditions.push("the benchmark itself is a DEBUG BUILD".into());
    }
    let servers = Servers {
        kube_apiserver: version.git_version,
        groundlink: format!("{profile}{}", stage.program),
        volume: file_system(stage.installation.volume()),
        publish_p50_ms: publish.percentile(50.0),
        publish_p99_ms: publish.percentile(99.0),
    };
    report.conditions.push(format!(
        "kube-apiserver {}\n\
         volume on {}: write, sync, rename and sync of the directory for one file: p50 {:.2} ms, p99 {:.2} ms\n\
         program: {}",
        servers.kube_apiserver,
        servers.volume,
        servers.publish_p50_ms,
        servers.publish_p99_ms,
        servers.groundlink,
    ));
    report.details.push(json!({ "servers": servers }));
    Ok(())
}

/// Measures the lower bound of one durable publication on this file system.
fn publish_floor(volume: &Path) -> anyhow::Result<Samples> {
    let directory = tempfile::tempdir_in(volume.parent().unwrap_or(volume))?;
    let handle = std::fs::File::open(directory.path())?;
    let mut samples = Samples::default();
    for number in 0..100 {
        let (temp, target) = (directory.path().join("temp"), directory.path().join(format!("{number}.conf")));
        let start = Instant::now();
        let mut file = std::fs::File::create(&temp)?;
        file.write_all(&[b'x'; 200])?;
        file.sync_all()?;
        std::fs::rename(&temp, &target)?;
        handle.sync_all()?;
        samples.push(start.elapsed());
    }
    Ok(samples)
}

/// Returns the type and mount point of the file system that holds `path`.
fn file_system(path: &Path) -> String {
    let Ok(path) = path.canonicalize() else { return "?".into() };
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let found = mounts.filter(|(point, _)| path.starts_with(point)).max_by_key(|(point, _)| point.len());
    found.map_or_else(|| "?".into(), |(point, kind)| format!("{kind} ({point})"))
}
