//! Runs Icinga's validator on a candidate, in the surroundings of the daemon.

mod vars;

use super::candidate::{CANDIDATE_CONSTANT, DATA_DIR_CONSTANT, MARKER_CONSTANT, PID_FILE_CONSTANT};
use super::output::{self, Finding};
use super::process::{Check, DEADLINE, DEADLINE_PER_OBJECT, Ended};
use crate::text::clean;
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
    /// The validator ended without a verdict. The text says how.
    Crashed(String),
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
        let kills = oom_kills();
        let ended = match self.run(candidate, limit).await {
            Ok(Some(ended)) => ended,
            Ok(None) => return Validation::TimedOut(limit),
            Err(error) => return Validation::CannotRun(error),
        };
        let text = ended.text;
        let findings = output::findings(&text, &self.tree_root.to_string_lossy());
        let memory = match (kills, oom_kills()) {
            (Some(before), Some(now)) if now > before => {
                "; perhaps out of memory: the kernel ended a process of this container"
            }
            _ => "",
        };
        let words = || output::last_words(&text).unwrap_or_else(|| "no output".into());
        match ended.status.code() {
            None => {
                let signal = ended.status.signal().unwrap_or(0);
                let killed = signal == 9 && memory.is_empty();
                let memory = if killed { "; perhaps out of memory" } else { memory };
                Validation::Crashed(format!("ended by signal {signal}{memory}; its last words: {}", words()))
            }
            // What a shell or a container makes of the end by a signal.
            Some(code) if code > 128 => Validation::Crashed(format!(
                "exit code {code} (signal {}){memory}; its last words: {}",
                code - 128,
                words()
            )),
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

/// Returns how many processes of this container the kernel has ended for want of memory. None
/// where that is not known.
fn oom_kills() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let events = std::fs::read_to_string(format!("/sys/fs/cgroup/{path}/memory.events")).ok()?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
