//! Faults in the system calls of a running operator, and what to do where they cannot be injected.

use super::installation::GENEROUS;
use super::operator::Operator;
use super::wait::eventually;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Says on the real standard error, which the test runner does not capture, that something was not
/// tested. In CI nothing may be skipped.
pub fn skip(what: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "this must not be skipped in CI: {what}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: {what}");
}

/// Injects faults into the system calls of a running operator or agent, until dropped. Programs
/// that it starts are left alone.
pub struct Injected(Child);

impl Injected {
    /// Returns `None` if tracing is not permitted here. `faults` is as strace has it: `fsync:delay_enter=1000`.
    pub async fn into(operator: &Operator, faults: &[&str]) -> Option<Self> {
        Self::at(operator, faults, None).await
    }

    /// [`Self::into`], but only calls that concern this file are counted and get a fault.
    pub async fn at(operator: &Operator, faults: &[&str], file: Option<&Path>) -> Option<Self> {
        let calls: Vec<_> = faults.iter().filter_map(|fault| fault.split_once(':')).map(|(c, _)| c).collect();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-b", "execve", "-qq", "-o", "/dev/null", "-p", &operator.pid().to_string()]);
        strace.args(["-e", &format!("trace={}", calls.join(","))]);
        for fault in faults {
            strace.args(["-e", &format!("inject={fault}")]);
        }
        if let Some(file) = file {
            strace.arg("-P").arg(file);
        }
        let child = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = child else {
            skip("strace is not installed");
            return None;
        };
        let mut traced = Self(child);
        let status = format!("/proc/{}/status", operator.pid());
        let is_traced = eventually(GENEROUS, "the operator is traced", async || {
            if traced.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Ok(false);
            }
            let text = std::fs::read_to_string(&status).map_err(|error| error.to_string())?;
            match text.lines().find(|line| line.starts_with("TracerPid:")) {
                Some(line) if !line.ends_with("\t0") => Ok(true),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        if !is_traced {
            skip("strace may not trace here");
        }
        is_traced.then_some(traced)
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // On SIGTERM strace would wait for the thread that it delays. Without strace, that goes on.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
