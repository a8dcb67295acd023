//! The processes of the daemon. The one in the pid file (the umbrella) reads no configuration: at
//! SIGHUP it starts a worker that does, and ends the old worker once the new one has loaded. Only
//! the umbrella may be signalled: SIGHUP ends a worker of 2.13.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// How the name of each process of Icinga reads in `/proc/<pid>/comm`.
const NAME: &str = "icinga2";
/// Arguments of a validator, which is no daemon.
const VALIDATES: [&str; 2] = ["-C", "--validate"];

/// Why no daemon was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDaemon {
    /// The pid file cannot be read, or holds no pid.
    #[error("the pid file {path}: {cause}")]
    PidFile {
        /// Its path.
        path: String,
        /// The cause.
        cause: String,
    },
    /// No process has this pid. A worker may live on without its umbrella, and then answers
    /// requests but cannot be reloaded.
    #[error("the pid file names process {0}, which does not exist")]
    Gone(i32),
    /// The process is another program, a validator or a worker.
    #[error("the pid file names process {pid}, which is not the daemon: {why}")]
    Other {
        /// The pid.
        pid: i32,
        /// What it is.
        why: &'static str,
    },
    /// The process cannot be looked at.
    #[error("process {pid} of the pid file: {cause}")]
    Unreadable {
        /// The pid.
        pid: i32,
        /// The cause.
        cause: String,
    },
}

/// The daemon's main process, held so that its pid cannot come to mean another one.
#[derive(Debug)]
pub struct Umbrella {
    pid: Pid,
    handle: OwnedFd,
}

/// What `/proc` says of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    name: String,
    is_zombie: bool,
    parent: i32,
}

impl Umbrella {
    /// Finds the daemon by its pid file. Reads `/proc`, and does not wait.
    ///
    /// # Errors
    /// If the pid file does not name a running daemon.
    pub fn find(pid_file: &Path) -> Result<Self, NoDaemon> {
        let wrong = |cause: String| NoDaemon::PidFile { path: pid_file.display().to_string(), cause };
        let text = fs::read_to_string(pid_file).map_err(|error| wrong(error.to_string()))?;
        // A negative number names a process group, and 0 nobody.
        let raw = text.trim().parse().ok().filter(|raw: &i32| *raw > 0);
        let Some((raw, pid)) = raw.and_then(|raw| Some((raw, Pid::from_raw(raw)?))) else {
            return Err(wrong("holds no pid".into()));
        };
        let unreadable = |error: io::Error| NoDaemon::Unreadable { pid: raw, cause: error.to_string() };
        // Opened before it is looked at: what is found then is true of the process that is
        // signalled, or the signal fails.
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Err(NoDaemon::Gone(raw)),
            Err(error) => return Err(unreadable(error.into())),
        };
        let Some(process) = process(raw).map_err(unreadable)? else { return Err(NoDaemon::Gone(raw)) };
        if process.is_zombie {
            return Err(NoDaemon::Gone(raw));
        }
        let arguments = fs::read(format!("/proc/{raw}/cmdline")).map_err(unreadable)?;
        let parent = self::process(process.parent).ok().flatten();
        match objection(&process, &arguments, parent.as_ref()) {
            Some(why) => Err(NoDaemon::Other { pid: raw, why }),
            None => Ok(Self { pid, handle }),
        }
    }

    /// Sends SIGHUP: the daemon loads its configuration. It says nothing of the result.
    ///
    /// # Errors
    /// If the process has ended, or belongs to another user.
    pub fn reload(&self) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.handle, Signal::HUP)?)
    }

    /// Returns the pid.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Returns the pids of its workers that have not ended. More than one: a new worker is
    /// loading, or the old one is ending. None: it is about to end itself.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn children(&self) -> io::Result<Vec<i32>> {
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // One that has just ended is not there any more.
            let Ok(Some(found)) = process(pid) else { continue };
            if found.parent == self.pid() && !found.is_zombie && found.name == NAME {
                children.push(pid);
            }
        }
        Ok(children)
    }
}

/// Returns why a process cannot be the daemon's main process. None if it is.
fn objection(process: &Process, arguments: &[u8], parent: Option<&Process>) -> Option<&'static str> {
    let has = |wanted: &str| arguments.split(|byte| *byte == 0).any(|argument| argument == wanted.as_bytes());
    if process.name != NAME {
        Some("it is another program")
    } else if !has("daemon") {
        Some("it is another command of icinga2")
    } else if VALIDATES.iter().any(|argument| has(argument)) {
        Some("it is a validator")
    } else if parent.is_some_and(|parent| parent.name == NAME) {
        Some("it is a worker")
    } else {
        None
    }
}

/// Reads `/proc/<pid>/stat`. None if there is no such process.
fn process(pid: i32) -> io::Result<Option<Process>> {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| io::Error::other("cannot read its state")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // It ended while it was read.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parses `1 (icinga2) S 0 ...`. The name may hold brackets and blanks.
fn parse(stat: &str) -> Option<Process> {
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process { name: name.to_owned(), is_zombie: matches!(state, "Z" | "X"), parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn icinga(parent: i32) -> Process {
        Process { name: NAME.into(), is_zombie: false, parent }
    }

    #[test]
    fn only_the_main_process_of_a_daemon_is_one() {
        let shell = Process { name: "sh".into(), ..icinga(1) };
        let daemon = b"icinga2\0--no-stack-rlimit\0daemon\0-c\0/etc/daemon -C\0";
        assert_eq!(objection(&icinga(1), daemon, Some(&shell)), None);
        assert_eq!(objection(&icinga(0), daemon, None), None);
        assert_eq!(objection(&icinga(7), daemon, Some(&icinga(1))), Some("it is a worker"));
        assert_eq!(objection(&shell, daemon, None), Some("it is another program"));
        assert!(objection(&icinga(1), b"icinga2\0daemon\0-C\0", None).is_some());
        assert!(objection(&icinga(1), b"icinga2\0daemon\0--validate\0", None).is_some());
        assert!(objection(&icinga(1), b"icinga2\0console\0", None).is_some());
    }

    #[test]
    fn a_process_is_read_whatever_its_name() {
        assert_eq!(parse("12 (icinga2) S 7 12 12"), Some(icinga(7)));
        let odd = parse("12 (a) Z (b) Z 7 12 12").unwrap();
        assert_eq!((odd.name.as_str(), odd.is_zombie, odd.parent), ("a) Z (b", true, 7));
        assert_eq!(parse("12 icinga2"), None);
    }

    #[test]
    fn a_pid_file_that_names_no_daemon_says_why() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("icinga2.pid");
        let found = |text: &str| {
            fs::write(&file, text).unwrap();
            Umbrella::find(&file).unwrap_err()
        };
        assert!(matches!(Umbrella::find(&directory.path().join("none")), Err(NoDaemon::PidFile { .. })));
        for text in ["", "x", "0", "-1", "99999999999"] {
            assert!(matches!(found(text), NoDaemon::PidFile { .. }), "{text:?}");
        }
        // Above the largest pid that Linux gives.
        assert_eq!(found("4194305\n"), NoDaemon::Gone(4_194_305));
        let own = found(&std::process::id().to_string());
        assert!(matches!(own, NoDaemon::Other { why: "it is another program", .. }), "{own:?}");
    }
}
