//! The wall time, CPU time and peak memory of one run of a program.

use crate::machine::{children_cpu_seconds, memory};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Interval between two readings of memory. The kernel keeps the peak, so only growth after the
/// last reading is missed.
const LOOK: Duration = Duration::from_millis(2);
/// A longer run is killed, and fails.
const DEADLINE: Duration = Duration::from_secs(600);

/// The resources that a run used.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Wall time in seconds.
    pub wall: f64,
    /// CPU time of all its processes, in seconds.
    pub cpu: f64,
    /// Peak resident memory of its largest process, in MiB.
    pub peak: f64,
}

/// Runs a program to its end, with its output in `log`.
pub fn run(command: &mut Command, log: &Path) -> anyhow::Result<(ExitStatus, Cost)> {
    let file = File::create(log).with_context(|| format!("{}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let (cpu, start) = (children_cpu_seconds(), Instant::now());
    let mut child = command.spawn().with_context(|| format!("{:?}", command.get_program()))?;
    let mut peaks: HashMap<u32, f64> = HashMap::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        for pid in family(child.id()) {
            let peak = peaks.entry(pid).or_default();
            *peak = peak.max(memory(pid).peak);
        }
        if start.elapsed() > DEADLINE {
            for pid in family(child.id()).into_iter().filter_map(|pid| Pid::from_raw(pid as i32)) {
                let _ = kill_process(pid, Signal::KILL);
            }
            child.wait()?;
            bail!("{:?} did not end within {DEADLINE:?}", command.get_program());
        }
        std::thread::sleep(LOOK);
    };
    let wall = start.elapsed().as_secs_f64();
    let peak = peaks.into_values().fold(0.0, f64::max);
    Ok((status, Cost { wall, cpu: children_cpu_seconds() - cpu, peak }))
}

/// Returns the process and its living descendants.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let children: Vec<String> = threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
            .collect();
        all.extend(
            children
                .iter()
                .flat_map(|text| text.split_whitespace())
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
        next += 1;
    }
    all
}
