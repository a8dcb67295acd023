//! A real Icinga 2: the installed one, or a generation in `.cache`.

use crate::process::{self, Cost};
use anyhow::{Context as _, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// The library, as Debian's icinga2.conf includes it.
const LIBRARY: &str = "const PluginDir = \"/\"\nconst ManubulonPluginDir = \"/\"\nconst PluginContribDir = \"/\"\n\
include <itl>\ninclude <plugins>\ninclude <plugins-contrib>\ninclude <manubulon>\ninclude <windows-plugins>\n\
include <nscp>\n";

/// An Icinga 2 program that runs on this machine.
pub struct Icinga {
    program: Vec<String>,
    /// As `icinga2 --version` prints it.
    pub version: String,
}

/// The result of one `icinga2 daemon -C`.
pub struct Checked {
    /// The resources that it used.
    pub cost: Cost,
    /// Number of objects by type, from its log. Includes those of the template library.
    pub objects: String,
}

impl Icinga {
    /// Returns the first Icinga 2 that runs, or `None`.
    pub fn find() -> Option<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/icinga2-in.sh");
        let others =
            ["2.13", "2.14", "2.16"].map(|generation| vec![script.to_owned(), generation.to_owned()]);
        std::iter::once(vec!["icinga2".to_owned()]).chain(others).find_map(Self::new)
    }

    fn new(program: Vec<String>) -> Option<Self> {
        let output = Command::new(&program[0]).args(&program[1..]).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().next()?.split_once("version: ")?.1.trim_end_matches(')').to_owned();
        output.status.success().then_some(Self { program, version })
    }

    /// Validates everything below `directory`, which must be world-readable.
    pub fn check(&self, directory: &Path, scratch: &Path) -> anyhow::Result<Checked> {
        let cache = scratch.join("cache");
        std::fs::create_dir_all(&cache)?;
        // icinga2 drops root privileges.
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777))?;
        let (main, log) = (scratch.join("main.conf"), scratch.join("icinga.log"));
        std::fs::write(&main, format!("{LIBRARY}include_recursive \"{}\"\n", directory.display()))?;
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(["daemon", "-C", "-c"]).arg(&main);
        for (name, path) in [("CacheDir", cache.clone()), ("VarsPath", cache.join("vars"))] {
            command.args(["--define", &format!("{name}={}", path.display())]);
        }
        let (status, cost) = process::run(&mut command, &log)?;
        let said = std::fs::read_to_string(&log).context("read the log of icinga2")?;
        let words: Vec<&str> = said.lines().filter(|line| !line.contains("information/")).take(10).collect();
        ensure!(status.success(), "icinga2 daemon -C: {status}\n{}", words.join("\n"));
        let made = said.lines().filter_map(|line| line.split_once("Instantiated ")?.1.strip_suffix('.'));
        let of_interest = |made: &&str| {
            ["Host", "Service", "Notification"]
                .iter()
                .any(|kind| made.split_once(' ').is_some_and(|(_, word)| word.trim_end_matches('s') == *kind))
        };
        Ok(Checked { cost, objects: made.filter(of_interest).collect::<Vec<_>>().join(", ") })
    }
}
