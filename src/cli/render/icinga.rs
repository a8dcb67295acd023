//! What the installed Icinga says to a rendered set.

use crate::cli::output::write_file;
use crate::render::Rendered;
use anyhow::{Context as _, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, pidfd_open, prlimit};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Longest run of Icinga.
const DEADLINE_SECONDS: u32 = 60;
/// The library, as Debian's icinga2.conf includes it.
const LIBRARY: &str = "const PluginDir = \"/\"\nconst ManubulonPluginDir = \"/\"\nconst PluginContribDir = \"/\"\n\
include <itl>\ninclude <plugins>\ninclude <plugins-contrib>\ninclude <manubulon>\ninclude <windows-plugins>\ninclude <nscp>\n";

/// Nothing if Icinga accepts the set, else its words.
///
/// # Errors
/// When icinga2 cannot be run, or does not end within a minute.
pub(super) fn check(published: &[&Arc<Rendered>], with: Option<&Path>) -> anyhow::Result<Option<String>> {
    let directory = Scratch::new()?;
    let at = directory.0.display().to_string();
    for content in published {
        write_file(&directory.0.join(content.key().path()), &content.bytes())?;
    }
    let mut main = LIBRARY.to_owned();
    if let Some(with) = with {
        let text = std::fs::read(with).with_context(|| format!("cannot read {}", with.display()))?;
        write_file(&directory.0.join("with.conf"), &text)?;
        main.push_str(&format!("include \"{at}/with.conf\"\n"));
    }
    main.push_str(&format!("include_recursive \"{at}/objects.d\"\n"));
    write_file(&directory.0.join("main.conf"), main.as_bytes())?;
    let log = std::fs::File::create(directory.0.join("log"))?;
    let mut icinga = Command::new("icinga2")
        .args(["daemon", "-C", "-c", &format!("{at}/main.conf")])
        .args(["--define", &format!("CacheDir={at}/cache"), "--define", &format!("VarsPath={at}/cache/vars")])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("--check needs icinga2 on PATH")?;
    let pid = Pid::from_child(&icinga);
    // Icinga works in a process of its own that outlives this child; the limit is inherited and ends it too.
    let cpu = Some(u64::from(DEADLINE_SECONDS));
    prlimit(Some(pid), Resource::Cpu, Rlimit { current: cpu, maximum: cpu })?;
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Timespec { tv_sec: DEADLINE_SECONDS.into(), tv_nsec: 0 };
    if poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&deadline))? == 0 {
        icinga.kill()?;
        icinga.wait()?;
        bail!("icinga2 daemon -C did not end within {DEADLINE_SECONDS} s");
    }
    let status = icinga.wait()?;
    if status.success() {
        return Ok(None);
    }
    let log =
        String::from_utf8_lossy(&std::fs::read(directory.0.join("log"))?).replace(&format!("{at}/"), "");
    let words = log.lines().filter(|line| !line.contains("information/")).collect::<Vec<_>>().join("\n");
    Ok(Some(format!("icinga2 daemon -C: {status}\n{words}")))
}

/// A directory that is removed again. Icinga may run as another user, which writes into `cache`.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> anyhow::Result<Self> {
        let name = format!("groundlink-check-{}-{:016x}", std::process::id(), rand::random::<u64>());
        let scratch = Self(std::env::temp_dir().join(name));
        std::fs::DirBuilder::new()
            .mode(0o755)
            .create(&scratch.0)
            .context("cannot create a scratch directory")?;
        let cache = scratch.0.join("cache");
        std::fs::create_dir(&cache)?;
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777))?;
        std::fs::create_dir(scratch.0.join("objects.d"))?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: it lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
