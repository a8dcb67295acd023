//! The machine, and the CPU time and memory of processes, from `/proc`.

use serde::Serialize;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Unit of CPU times in `/proc`: `USER_HZ`, which is 100 on every architecture that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns the time since the first call of this function.
pub fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

/// The machine that all numbers depend on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    /// 1-minute load average before the first phase. Above 0.5 the machine was not idle.
    load_before: f64,
}

impl Machine {
    /// Reads the description of this machine.
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let load = read("/proc/loadavg");
        Self {
            processor: model
                .map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.trim().to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: field(&read("/proc/meminfo"), "MemTotal:").unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_before: load.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default(),
        }
    }

    /// Describes the machine in one line.
    pub fn line(&self) -> String {
        format!(
            "{}, {} cores, {} MiB, Linux {}, load before the first phase {:.2}",
            self.processor, self.cores, self.memory_mib, self.kernel, self.load_before
        )
    }
}

/// Returns the user and system time of a process, in seconds.
pub fn cpu_seconds(pid: u32) -> f64 {
    times(&pid.to_string(), [14, 15])
}

/// Returns the user and system time of all ended children of this process, with their own children,
/// in seconds.
pub fn children_cpu_seconds() -> f64 {
    times("self", [16, 17])
}

/// Returns the sum of two time fields of `/proc/<process>/stat`, in seconds.
fn times(process: &str, fields: [usize; 2]) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name may contain spaces and parentheses, but ends at the last parenthesis.
    // After it, state is field 3, utime 14 and stime 15.
    let all: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks =
        |field: usize| all.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    fields.into_iter().map(ticks).sum::<f64>() / TICKS_PER_SECOND
}

/// Resident memory of a process.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Now, in MiB.
    pub resident: f64,
    /// Highest so far, in MiB.
    pub peak: f64,
}

/// Reads the resident memory of a process.
pub fn memory(pid: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mib = |name| field(&status, name).unwrap_or_default() as f64 / 1024.0;
    Memory { resident: mib("VmRSS:"), peak: mib("VmHWM:") }
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}
