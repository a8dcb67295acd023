//! The memory, threads and sockets of a process, from `/proc`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Memory, threads and sockets of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in KiB.
    pub rss_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open sockets.
    pub sockets: u64,
}

impl Usage {
    /// Reads the usage of a running process.
    pub fn of(pid: u32) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let is_socket = |entry: &std::fs::DirEntry| {
            std::fs::read_link(entry.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
        };
        let sockets = descriptors.filter(is_socket).count() as u64;
        Self { rss_kib: field("VmRSS:"), threads: field("Threads:"), sockets }
    }

    fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            threads: self.threads.max(other.threads),
            sockets: self.sockets.max(other.sockets),
        }
    }
}

/// Polls a process, and keeps the highest value of each figure.
pub struct PeakUsage {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Usage>,
}

impl PeakUsage {
    /// Starts polling.
    pub fn start(pid: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let run = move || {
            let mut peak = Usage::of(pid);
            while !stopped.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(50));
                peak = peak.max(Usage::of(pid));
            }
            peak
        };
        Self { stop, thread: std::thread::spawn(run) }
    }

    /// Stops, and returns the peak.
    pub fn finish(self) -> Usage {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the thread does not panic")
    }
}

/// Returns the usage of a running process.
pub fn usage_of(pid: u32) -> Usage {
    Usage::of(pid)
}
