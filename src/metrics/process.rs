//! Metrics of the process itself, under the names that every Prometheus client uses. A value that
//! `/proc` does not give is left out.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fs::{read_dir, read_to_string};

/// Ticks of `/proc/self/stat` in a second: `USER_HZ` of Linux, which is 100 on amd64 and arm64.
const TICKS: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process;

/// What `/proc` says of this process.
#[derive(Debug, Default)]
struct Usage {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    started: Option<f64>,
    open_files: Option<f64>,
    max_files: Option<f64>,
}

impl Usage {
    fn read() -> Self {
        let stat = read_to_string("/proc/self/stat").unwrap_or_default();
        let status = read_to_string("/proc/self/status").unwrap_or_default();
        let boot = read_to_string("/proc/stat").unwrap_or_default();
        let limits = read_to_string("/proc/self/limits").unwrap_or_default();
        let kibibytes = |name| word(&status, name).map(|kibibytes| kibibytes * 1024.0);
        Self {
            cpu_seconds: field(&stat, 14).zip(field(&stat, 15)).map(|(user, system)| (user + system) / TICKS),
            resident_bytes: kibibytes("VmRSS:"),
            virtual_bytes: kibibytes("VmSize:"),
            started: word(&boot, "btime").zip(field(&stat, 22)).map(|(boot, ticks)| boot + ticks / TICKS),
            // Without the one that reads the directory.
            open_files: read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as f64),
            max_files: word(&limits, "Max open files"),
        }
    }
}

/// Returns a field of `/proc/self/stat`, counted from 1 as in proc(5). The name of the program,
/// field 2, may hold spaces.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_the_name) = stat.rsplit_once(')')?;
    after_the_name.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Returns the number after this name at the start of a line.
fn word(text: &str, name: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let usage = Usage::read();
        if let Some(seconds) = usage.cpu_seconds {
            let counter = ConstCounter::new(seconds);
            let descriptor = encoder.encode_descriptor(
                "process_cpu_seconds",
                "User and system time that the process has used",
                None,
                counter.metric_type(),
            )?;
            counter.encode(descriptor)?;
        }
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Memory of the process that is in RAM", usage.resident_bytes),
            ("process_virtual_memory_bytes", "Address space of the process", usage.virtual_bytes),
            ("process_start_time_seconds", "When the process started (Unix seconds)", usage.started),
            ("process_open_fds", "Open file descriptors", usage.open_files),
            ("process_max_fds", "Largest number of open file descriptors", usage.max_files),
        ] {
            if let Some(value) = value {
                let gauge = ConstGauge::new(value);
                let descriptor = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
                gauge.encode(descriptor)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_a_strange_name_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 3 0 12345 1 2";
        assert_eq!(
            (field(stat, 14), field(stat, 15), field(stat, 22)),
            (Some(250.0), Some(50.0), Some(12345.0))
        );
        assert_eq!(field("", 14), None);
        assert_eq!(word("VmSize:\t 9 kB\nVmRSS:\t 12 kB\n", "VmRSS:"), Some(12.0));
        assert_eq!(word("Max open files            unlimited  unlimited", "Max open files"), None);
    }

    #[test]
    fn this_process_is_read() {
        let usage = Usage::read();
        assert!(usage.resident_bytes > Some(1e6) && usage.virtual_bytes > usage.resident_bytes, "{usage:?}");
        assert!(usage.open_files >= Some(3.0) && usage.max_files > usage.open_files, "{usage:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - usage.started.unwrap();
        assert!((-2.0..86400.0).contains(&age), "{usage:?}");
        assert!(usage.cpu_seconds.unwrap() <= 100.0 * age.max(1.0), "{usage:?}");
    }
}
