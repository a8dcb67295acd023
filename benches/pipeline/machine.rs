//! The machine, and what processes use of it, from `/proc`.

use crate::report::Samples;
use crate::stage::Stage;
use anyhow::Context as _;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Unit of CPU times in `/proc`: `USER_HZ`, which is 100 on every architecture that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Time since this was first called.
pub fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// What the numbers depend on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    cores: usize,
    memory_mib: u64,
    kernel: String,
    kube_apiserver: String,
    groundlink: String,
    /// Type of the file system that holds the volume.
    volume: String,
    /// One file published by hand (write, fsync, rename, fsync of the directory) on it.
    publish_p50_ms: f64,
    publish_p99_ms: f64,
    /// 1-minute load average before the first phase: above 0.5 somebody else was at work.
    load_before: f64,
}

impl Machine {
    /// Looks at the machine and at the stage's servers.
    pub async fn look(stage: &Stage) -> anyhow::Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let memory = field(&read("/proc/meminfo"), "MemTotal:").unwrap_or_default();
        let load = read("/proc/loadavg");
        let version =
            stage.installation.hub.apiserver_version().await.context("version of the API server")?;
        let publish = publish_floor(stage.installation.volume())?;
        let profile = if stage.program.contains("/debug/") { "DEBUG BUILD " } else { "" };
        Ok(Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            kube_apiserver: version.git_version,
            groundlink: format!("{profile}{}", stage.program),
            volume: file_system(stage.installation.volume()),
            publish_p50_ms: publish.percentile(50.0),
            publish_p99_ms: publish.percentile(99.0),
            load_before: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }

    /// One paragraph.
    pub fn line(&self) -> String {
        format!(
            "{} cores, {} MiB, Linux {}, kube-apiserver {}, load before the first phase {:.2}\n\
             volume on {}: one file written, synced, renamed and its directory synced by hand: p50 {:.2} ms, p99 {:.2} ms\n\
             program: {}",
            self.cores,
            self.memory_mib,
            self.kernel,
            self.kube_apiserver,
            self.load_before,
            self.volume,
            self.publish_p50_ms,
            self.publish_p99_ms,
            self.groundlink,
        )
    }
}

/// User and system time of a process, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything but ends at the last parenthesis: state is field 3, utime 14, stime 15.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |index: usize| fields.get(index - 3).and_then(|text| text.parse::<f64>().ok());
    (ticks(14).unwrap_or_default() + ticks(15).unwrap_or_default()) / TICKS_PER_SECOND
}

/// Resident memory of a process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Now, in MiB.
    pub resident: f64,
    /// Highest so far, in MiB.
    pub peak: f64,
}

/// Resident memory of a process.
pub fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mib = |name| field(&status, name).unwrap_or_default() as f64 / 1024.0;
    Memory { resident: mib("VmRSS:"), peak: mib("VmHWM:") }
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// What one durable publish costs on this file system at the least.
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

/// Type and mount point of the file system that holds `path`.
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
