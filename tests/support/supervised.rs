//! One child process that cannot outlive the test process.
//!
//! Every server runs under a `/bin/sh` supervisor whose standard input is a pipe from the test
//! process. When the test process ends in any way (return, panic, SIGKILL), the kernel closes the
//! pipe. Then the supervisor's guard kills the server with SIGKILL, which works for a stopped
//! process too. `PR_SET_PDEATHSIG` is no substitute: it fires when the *thread* that spawned the
//! child ends.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Prints the server's pid on standard output, and exits as the server exits.
///
/// The guard ignores SIGTERM once the pipe is closed, so that the supervisor's own `kill` cannot
/// interrupt it before the scratch directory is gone. Descriptor 3 is the pipe; the server does not
/// inherit it.
const SUPERVISOR: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
pid=$!
(
  read -r _ <&3
  trap '' TERM
  kill -KILL "$pid"
  [ -z "$GROUNDLINK_TEST_SCRATCH" ] || rm -rf -- "$GROUNDLINK_TEST_SCRATCH"
) >/dev/null 2>&1 &
guard=$!
exec 3<&-
echo "$pid"
exec >&2
wait "$pid"
code=$?
kill -TERM "$guard" 2>/dev/null
[ "$code" -le 128 ] || kill -"$((code - 128))" "$$"
exit "$code"
"#;

/// The interval at which a waiting caller checks for the end of the process.
const POLL: Duration = Duration::from_millis(2);

/// A running or ended server with its log file. Dropping it kills the server, and waits for its
/// end.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Mutex<Child>,
    pid: u32,
    log: PathBuf,
    log_start: u64,
}

/// A program to run, and the file for its output.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program file.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [String],
    /// Variables added to the inherited environment.
    pub env: &'a [(String, String)],
    /// Standard output and standard error are appended here.
    pub log: &'a Path,
    /// A directory that the guard removes when the test process ended without cleaning up.
    pub scratch: Option<&'a Path>,
}

impl Supervised {
    /// Starts the process; returns as soon as its pid is known.
    pub fn spawn(launch: &Launch<'_>) -> Self {
        let Launch { program, args, env, log, scratch } = launch;
        assert!(program.is_file(), "{} is not a file", program.display());
        let output = OpenOptions::new().create(true).append(true).open(log).expect("open the log file");
        let log_start = output.metadata().expect("log file metadata").len();
        let mut supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISOR, "supervisor"])
            .arg(program)
            .args(*args)
            .env_remove("KUBECONFIG")
            .envs(env.iter().map(|(k, v)| (k, v)))
            .env("GROUNDLINK_TEST_SCRATCH", scratch.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .process_group(0) // Ctrl-C ends the test alone; the pipe does the rest in order.
            .spawn()
            .expect("spawn /bin/sh");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().expect("piped stdout"))
            .read_line(&mut line)
            .expect("read pid");
        let pid = line.trim().parse().expect("the supervisor prints the pid first");
        Self { supervisor: Mutex::new(supervisor), pid, log: log.to_path_buf(), log_start }
    }

    /// Returns the pid of the server itself, not of its supervisor.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its exit status. None while it runs or is stopped.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        supervisor.try_wait().expect("wait for the supervisor")
    }

    /// Sends a signal to the server. Returns `false` if it has already ended.
    pub fn signal(&self, signal: Signal) -> bool {
        // The supervisor is not reaped yet, so no other process can have the pid.
        self.exit_status().is_none() && kill_process(self.raw_pid(), signal).is_ok()
    }

    /// Sends SIGKILL, and waits until the process is gone and reaped.
    pub fn kill(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.wait_blocking(Duration::from_secs(10)).expect("a killed process ends")
    }

    /// Sends SIGSTOP, and waits until the kernel reports the process as stopped.
    pub fn pause(&self) {
        assert!(self.signal(Signal::STOP), "pid {} has ended; its log:\n{}", self.pid, self.log_tail());
        let deadline = Instant::now() + Duration::from_secs(5);
        while process_state(self.pid) != Some('T') {
            assert!(Instant::now() < deadline, "pid {} does not stop", self.pid);
            std::thread::sleep(POLL);
        }
    }

    /// Sends SIGCONT.
    pub fn resume(&self) {
        assert!(self.signal(Signal::CONT), "pid {} has ended; its log:\n{}", self.pid, self.log_tail());
    }

    /// Waits for the end of the process without blocking the runtime. Returns `None` after the
    /// deadline.
    pub async fn wait(&self, deadline: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn wait_blocking(&self, deadline: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + deadline;
        while Instant::now() < end {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            std::thread::sleep(POLL);
        }
        None
    }

    /// Returns the output of this run so far, without that of earlier runs with the same log file.
    pub fn log_text(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            file.seek(SeekFrom::Start(self.log_start)).expect("seek in the log file");
            file.read_to_end(&mut text).expect("read the log file");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Returns the last 30 lines of [`Self::log_text`], for messages.
    pub fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn raw_pid(&self) -> Pid {
        Pid::from_raw(self.pid.cast_signed()).expect("a pid is not zero")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // No panic here: a second one while unwinding would abort and hide the first.
        if self.wait_blocking(Duration::from_secs(10)).is_none() {
            eprintln!("pid {} did not end after SIGKILL", self.pid);
        }
    }
}

/// Returns the state letter of a process (`R`, `S`, `T`, `Z`, ...). None if it does not exist.
pub fn process_state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// True if a process runs or is stopped; false for a zombie.
pub fn is_alive(pid: u32) -> bool {
    !matches!(process_state(pid), None | Some('Z' | 'X'))
}
