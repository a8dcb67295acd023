//! Runs `icinga2 daemon -C` to its end, with a deadline and bounded output.

mod reading;

use reading::Reading;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit, setpriority_process};
use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Time for a validation of nothing. One of 40,000 objects takes 9 s on two free cores.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Time for each object beside that.
pub(crate) const DEADLINE_PER_OBJECT: Duration = Duration::from_millis(2);
/// How far a validation yields to the daemon (`nice`).
const NICE: i32 = 10;
/// How long the end of a killed validation, and the rest of its output, are waited for.
const END: Duration = Duration::from_secs(5);

/// How a validation ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Beginning and end of its output.
    pub(crate) text: String,
}

/// A validation to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    /// Starts the daemon, such as `icinga2 daemon`.
    pub(crate) command: &'a [String],
    /// The configuration file. None if the command or the daemon's default names it.
    pub(crate) main: Option<&'a OsStr>,
    /// Constants to define, such as `Configuration.CacheDir`.
    pub(crate) definitions: &'a [(&'a str, &'a OsStr)],
    /// It is killed after this time.
    pub(crate) limit: Duration,
    /// Most time of all processors, in seconds. Ends processes that have left the group, too.
    pub(crate) processor_seconds: Option<u64>,
}

impl Check<'_> {
    /// Runs the validation to its end. None if it had to be killed.
    ///
    /// # Errors
    /// If it cannot be started, or another process holds its output open after its end.
    pub(crate) async fn run(self) -> Result<Option<Ended>, String> {
        let (program, arguments) = self.command.split_first().ok_or("the validator's command is empty")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("-C");
        if let Some(main) = self.main {
            command.arg("-c").arg(main);
        }
        for (name, value) in self.definitions {
            let mut definition = std::ffi::OsString::from(format!("{name}="));
            definition.push(value);
            command.arg("-D").arg(definition);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let mut group = Group::of(&child);
        if let (Some(seconds), Some(pid)) = (self.processor_seconds, group.0) {
            let limit = Rlimit { current: Some(seconds), maximum: Some(seconds) };
            // If it cannot be set, the deadline is still there.
            let _ = prlimit(Some(pid), Resource::Cpu, limit);
        }
        let [out, err] = [Reading::of(child.stdout.take()), Reading::of(child.stderr.take())];
        match tokio::time::timeout(self.limit, child.wait()).await {
            Ok(status) => {
                // Its number may belong to another group from now on.
                group.0 = None;
                let status = status.map_err(|error| format!("{program}: {error}"))?;
                let text = async { out.text().await + "\n" + &err.text().await };
                match tokio::time::timeout(END, text).await {
                    Ok(text) => Ok(Some(Ended { status, text })),
                    Err(_) => {
                        Err(format!("{program}: it has ended, and another process holds its output open"))
                    }
                }
            }
            Err(_) => {
                drop(group);
                // It is reaped later if it does not end now.
                let _ = tokio::time::timeout(END, child.wait()).await;
                Ok(None)
            }
        }
    }
}

/// The process group of a child, which is killed when this is dropped. A group without a process
/// is not reused before its leader is reaped; `kill` then fails, which is right.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // A validator that does not yield is still a validator.
            let _ = setpriority_process(Some(pid), NICE);
        }
        Self(pid)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}
