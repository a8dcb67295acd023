//! Runs Icinga's validator on a candidate, in the surroundings of the daemon.

mod vars;

use super::candidate::{CANDIDATE_CONSTANT, DATA_DIR_CONSTANT, MARKER_CONSTANT, PID_FILE_CONSTANT};
use super::output::{self, Finding};
use super::process::{Check, DEADLINE, DEADLINE_PER_OBJECT, Ended};
use crate::text::clean;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The constants that are read. The others may be secrets.
const WANTED: [&str; 4] = [MARKER_CONSTANT, DATA_DIR_CONSTANT, PID_FILE_CONSTANT, "NodeName"];

/// The validator.
#[derive(Clone, Debug)]
pub struct Validator {
    command: Vec<String>,
    scratch: PathBuf,
    tree_root: PathBuf,
    deadline: Duration,
}

/// What a validator said of itself and of the daemon in whose surroundings it ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constants {
    /// Name of this node: the name in its certificate.
    pub node_name: String,
    /// Version, such as `r2.13.6-1`. Empty if the validator did not print it.
    pub version: String,
    /// `DataDir` of the daemon; its certificates are in `certs` below it.
    pub data_dir: Option<PathBuf>,
    /// Path of the daemon's pid file.
    pub pid_file: Option<PathBuf>,
}

/// The result of a validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Icinga would load the candidate as a whole.
    Accepted(Constants),
    /// Icinga would not, or would skip files of it. There is at least one finding.
    Refused(Vec<Finding>),
    /// Icinga accepted a configuration that does not include the candidate.
    HookMissing,
    /// The validator ended without a verdict, by a fault of its own or at its memory limit. The
    /// text says how.
    Crashed(String),
    /// Somebody else ended the validator. The text says how.
    Killed(String),
    /// It was ended after this time.
    TimedOut(Duration),
    /// It could not be started, or its result not be read. The text has the cause.
    CannotRun(String),
}

impl Validator {
    /// Makes a validator. `command` starts the daemon, such as `icinga2 daemon`, and runs as the
    /// daemon's user. `scratch` is a directory of its own, whose content is removed before each
    /// run. Findings prefer files below `tree_root`, the directory of the trees.
    pub fn new(command: Vec<String>, scratch: PathBuf, tree_root: PathBuf) -> Self {
        Self { command, scratch, tree_root, deadline: DEADLINE }
    }

    /// Replaces the time for a validation of nothing, 30 s.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Validates the candidate file, which must hold this marker. Whoever drops the future ends
    /// the validator. `objects` is the number of objects, for the deadline. Not to be called
    /// twice at a time: the runs would share the scratch directory.
    pub async fn validate(&self, candidate: &Path, marker: &str, objects: usize) -> Validation {
        let limit =
            self.deadline + DEADLINE_PER_OBJECT.saturating_mul(u32::try_from(objects).unwrap_or(u32::MAX));
        let before = memory_events();
        let ended = match self.run(candidate, limit).await {
            Ok(Some(ended)) => ended,
            Ok(None) => return Validation::TimedOut(limit),
            Err(error) => return Validation::CannotRun(error),
        };
        let text = ended.text;
        let findings = output::findings(&text, &self.tree_root.to_string_lossy());
        let is_at_limit = before.zip(memory_events()).is_some_and(|(before, now)| now.is_beyond(before));
        let memory = match is_at_limit {
            true => "; out of memory: the kernel ended a process at the limit of this container",
            false => "",
        };
        let words = || output::last_words(&text).unwrap_or_else(|| "no output".into());
        match ended.status.code() {
            None => {
                let signal = ended.status.signal().unwrap_or(0);
                ended_by(signal, is_at_limit, &format!("ended by signal {signal}{memory}"), &words())
            }
            // What a shell or a container makes of the end by a signal.
            Some(code) if code > 128 => {
                let signal = code - 128;
                ended_by(
                    signal,
                    is_at_limit,
                    &format!("exit code {code} (signal {signal}){memory}"),
                    &words(),
                )
            }
            Some(_) if !findings.is_empty() => Validation::Refused(findings),
            Some(0) => self.accepted(marker, &text).await,
            Some(code) => {
                let message = clean(&format!("exit code {code}{memory}: {}", words()), 300);
                Validation::Refused(vec![Finding { message, ..Finding::default() }])
            }
        }
    }

    /// Checks that a validation without a finding was one of the candidate.
    async fn accepted(&self, marker: &str, text: &str) -> Validation {
        let path = self.scratch.join("cache/icinga2.vars");
        let read = tokio::task::spawn_blocking(move || vars::read(&path, &WANTED)).await;
        let constants = match read {
            Ok(Ok(constants)) => constants,
            Ok(Err(error)) => {
                return Validation::CannotRun(format!(
                    "icinga2.vars in the validator's own directory: {error}"
                ));
            }
            Err(error) => return Validation::CannotRun(error.to_string()),
        };
        let constant = |name: &str| constants.get(name).filter(|value| !value.is_empty());
        if constant(MARKER_CONSTANT).is_none_or(|value| value != marker) {
            return Validation::HookMissing;
        }
        Validation::Accepted(Constants {
            node_name: constant("NodeName").cloned().unwrap_or_default(),
            version: output::version(text).unwrap_or_default(),
            data_dir: constant(DATA_DIR_CONSTANT).map(PathBuf::from),
            pid_file: constant(PID_FILE_CONSTANT).map(PathBuf::from),
        })
    }

    /// Runs the validator to its end. None if it had to be killed.
    async fn run(&self, candidate: &Path, limit: Duration) -> Result<Option<Ended>, String> {
        let [cache, log] = ["cache", "log"].map(|name| self.scratch.join(name));
        for directory in [&cache, &log] {
            empty(directory).await.map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        // A crash report goes to the log directory; constants and objects go to the cache directory.
        let definitions = [
            ("Configuration.CacheDir", cache.as_os_str()),
            ("Configuration.LogDir", log.as_os_str()),
            (CANDIDATE_CONSTANT, candidate.as_os_str()),
        ];
        let command = &self.command;
        Check { command, main: None, definitions: &definitions, limit, processor_seconds: None }.run().await
    }
}

/// Removes a directory with all that is in it, and creates it for this user alone.
async fn empty(directory: &Path) -> io::Result<()> {
    let directory = directory.to_owned();
    let work = move || {
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Signals by which a program is ended for a fault of its own.
const OWN: [Signal; 9] = [
    Signal::ILL,
    Signal::TRAP,
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::SEGV,
    Signal::SYS,
    Signal::XCPU,
    Signal::XFSZ,
];

/// Returns what the end by a signal means that the agent did not send: a crash if it is the
/// validator's own doing, or else a kill.
fn ended_by(signal: i32, is_at_limit: bool, how: &str, words: &str) -> Validation {
    let text = format!("{how}; its last words: {words}");
    match is_at_limit || OWN.iter().any(|own| own.as_raw() == signal) {
        true => Validation::Crashed(text),
        false => Validation::Killed(text),
    }
}

/// What the kernel counts of the memory of this container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct MemoryEvents {
    /// How often its own limit was reached, and nothing could be reclaimed.
    oom: u64,
    /// Processes that were ended for want of memory, its own or the machine's.
    oom_kill: u64,
}

impl MemoryEvents {
    /// Reads the text of `memory.events`.
    fn of(text: &str) -> Option<Self> {
        let count =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        Some(Self { oom: count("oom ")?, oom_kill: count("oom_kill ")? })
    }

    /// True if a process was ended since `before` because this container reached its own limit. On
    /// a machine without memory the limit is not reached, and the set is not why.
    fn is_beyond(self, before: Self) -> bool {
        self.oom > before.oom && self.oom_kill > before.oom_kill
    }
}

/// Returns the counts of this container. None where they are not known.
fn memory_events() -> Option<MemoryEvents> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    MemoryEvents::of(&std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/memory.events")).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_of_its_own_or_the_own_limit_is_a_crash() {
        let is_crash = |signal, is_at_limit| match ended_by(signal, is_at_limit, "how", "words") {
            Validation::Crashed(_) => true,
            Validation::Killed(_) => false,
            other => panic!("{other:?}"),
        };
        for own in [4, 6, 7, 8, 11] {
            assert!(is_crash(own, false), "{own}");
        }
        for foreign in [0, 1, 2, 9, 15, 34] {
            assert!(!is_crash(foreign, false), "{foreign}");
        }
        assert!(is_crash(9, true));
    }

    #[test]
    fn a_machine_without_memory_is_not_the_limit_of_the_container() {
        let text =
            |oom, kills| format!("low 0\nhigh 0\nmax 7\noom {oom}\noom_kill {kills}\noom_group_kill 0\n");
        let of = |oom, kills| MemoryEvents::of(&text(oom, kills)).unwrap();
        assert_eq!(of(1, 2), MemoryEvents { oom: 1, oom_kill: 2 });
        assert!(of(2, 3).is_beyond(of(1, 2)));
        assert!(!of(1, 3).is_beyond(of(1, 2)));
        assert!(!of(2, 2).is_beyond(of(1, 2)));
        assert_eq!(MemoryEvents::of("oom x"), None);
    }
}
