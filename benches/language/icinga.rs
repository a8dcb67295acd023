//! A real Icinga 2: the machine's own, or a generation of `.cache`.

use crate::process::{self, Cost};
use anyhow::{Context as _, ensure};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// The library, as Debian's icinga2.conf includes it.
const LIBRARY: &str = "const PluginDir = \"/\"\nconst ManubulonPluginDir = \"/\"\nconst PluginContribDir = \"/\"\n\
include <itl>\ninclude <plugins>\ninclude <plugins-contrib>\ninclude <manubulon>\ninclude <windows-plugins>\n\
include <nscp>\n";

/// How to run it.
pub struct Icinga {
    program: Vec<String>,
    /// For people.
    pub version: String,
}

/// What a check cost, and what Icinga said that it made.
pub struct Checked {
    /// What it cost.
    pub cost: Cost,
    /// Number of objects by type, as its log has them, the library's among them.
    pub objects: String,
}

impl Icinga {
    /// The first that runs.
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

    /// Lets it read everything below `directory`, which must be readable for everybody.
    pub fn check(&self, directory: &Path, scratch: &Path) -> anyhow::Result<Checked> {
        let cache = scratch.join("cache");
        std::fs::create_dir_all(&cache)?;
        // icinga2 gives up root.
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o777))?;
        let (main, log) = (scratch.join("main.conf"), scratch.join("icinga.log"));
        std::fs::write(&main, format!("{LIBRARY}include_recursive \"{}\"\n", directory.display()))?;
        let mut command = Command::new(&self.program[0]);
        command.args(&self.program[1..]).args(["daemon", "-C", "-c"]).arg(&main);
        for (name, path) in [("CacheDir", cache.clone()), ("VarsPath", cache.join("vars"))] {
            command.args(["--define", &format!("{name}={}", path.display())]);
        }
        let (status, cost) = process::run(&mut command, &log)?;
        let said = std::fs::read_to_string(&log).context("what icinga2 said")?;
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
