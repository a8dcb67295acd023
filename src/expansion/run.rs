//! Lets the installed Icinga 2 expand or check a configuration, in a private directory.

use super::members;
use super::objects::{Id, Objects};
use crate::agent::icinga::netstrings::Netstrings;
use crate::agent::icinga::output::{self, Finding};
use crate::agent::icinga::process::{Check, DEADLINE, DEADLINE_PER_OBJECT, Ended};
use crate::text::clean;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Time for an expansion of nothing: the library alone takes a second on a busy machine.
const TIME: Duration = Duration::from_secs(30).saturating_add(DEADLINE);
/// Processor time for each second of the deadline, because Icinga uses all processors.
const PROCESSORS: u64 = 8;
/// Largest file of constants that is read, in bytes.
const MOST_CONSTANTS: u64 = 1024 * 1024 * 1024;
/// Oldest version that is run: major and minor.
const OLDEST: (u32, u32) = (2, 13);
/// First version that writes `icinga2.debug` in a check only if it is asked to. Older ones do not
/// know the flag.
const DUMPS_ON_REQUEST: (u32, u32) = (2, 14);
/// Certificates of the installed Icinga, which the feature `api` reads even in a check.
const CERTIFICATES: &str = "/var/lib/icinga2/certs";

/// A configuration to expand.
#[derive(Debug, Default)]
pub struct Configuration {
    /// Text of the main file. Relative includes begin in the private directory.
    pub main: String,
    /// Further files: path below the private directory, and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Directory that Icinga takes for `zones.d`. None for that of `files`, which may be empty.
    pub zones: Option<PathBuf>,
    /// Constants, as `icinga2 --define` takes them.
    pub defines: BTreeMap<String, String>,
}

/// What Icinga says to a configuration.
#[derive(Debug)]
pub enum Verdict<T> {
    /// It would load it.
    Accepted(T),
    /// It would not, or would skip files of it. There is at least one finding; files of the
    /// private directory are named by their path below it.
    Refused(Vec<Finding>),
}

/// What Icinga makes of a configuration.
#[derive(Debug, Default)]
pub struct Expansion {
    /// Every object, those of Icinga's library included.
    pub objects: Objects,
    /// The version that Icinga named, such as `r2.13.6-1`.
    pub version: String,
}

/// The Icinga 2 that expands.
#[derive(Clone, Debug)]
pub struct Icinga {
    command: Vec<String>,
    time: Duration,
}

impl Icinga {
    /// Uses the program with these arguments, such as `icinga2`, without `daemon`.
    pub fn new(mut command: Vec<String>) -> Self {
        command.push("daemon".into());
        Self { command, time: TIME }
    }

    /// Replaces the time for a configuration of nothing, one minute.
    #[must_use]
    pub fn with_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Asks whether Icinga would load the configuration. `objects` is their number, for the
    /// deadline.
    ///
    /// # Errors
    /// If Icinga cannot be run, crashes, or does not end in time; the text has the cause.
    pub async fn check(&self, configuration: &Configuration, objects: usize) -> Result<Verdict<()>, String> {
        let directory = Private::new(configuration).map_err(|error| error.to_string())?;
        Ok(match self.run(&self.command, &directory, configuration, objects).await? {
            Some(findings) => Verdict::Refused(findings),
            None => Verdict::Accepted(()),
        })
    }

    /// Expands the configuration. `objects` is as in [`Self::check`].
    ///
    /// # Errors
    /// As [`Self::check`], and if what Icinga wrote cannot be read.
    pub async fn expand(
        &self,
        configuration: &Configuration,
        objects: usize,
    ) -> Result<Verdict<Expansion>, String> {
        let probed = Configuration {
            main: format!("{}\ninclude \"members.conf\"\n", configuration.main),
            files: Vec::new(),
            zones: configuration.zones.clone(),
            defines: configuration.defines.clone(),
        };
        let directory = Private::new(configuration).map_err(|error| error.to_string())?;
        directory.write("main.conf", probed.main.as_bytes()).map_err(|error| error.to_string())?;
        directory.write("members.conf", members::probe().as_bytes()).map_err(|error| error.to_string())?;
        let version = self.version().await?;
        let mut command = self.command.clone();
        if number(&version).is_none_or(|number| number >= DUMPS_ON_REQUEST) {
            command.push("--dump-objects".into());
        }
        if let Some(findings) = self.run(&command, &directory, &probed, objects).await? {
            return Ok(Verdict::Refused(findings));
        }
        let read = tokio::task::spawn_blocking(move || directory.read().map_err(|error| error.to_string()));
        let expansion = read.await.map_err(|error| error.to_string())??;
        Ok(Verdict::Accepted(Expansion { version, ..expansion }))
    }

    /// Returns the version that Icinga names, such as `r2.13.6-1`.
    async fn version(&self) -> Result<String, String> {
        let mut words = self.command.iter().filter(|word| *word != "daemon");
        let program = words.next().ok_or("the command is empty")?;
        let mut command = Command::new(program);
        command.args(words).arg("--version").stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(self.time.min(TIME), command.output()).await;
        let output = output.map_err(|_| format!("{program} --version did not end in time"))?;
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once("(version: ").and_then(|(_, rest)| rest.split_once(')'));
        let Some((version, _)) = version else {
            let line = text.lines().next().unwrap_or_default();
            return Err(format!("{program} --version names no version: {:?}", clean(line, 200)));
        };
        let version = clean(version, 64);
        if number(&version).is_some_and(|number| number < OLDEST) {
            let (major, minor) = OLDEST;
            return Err(format!(
                "{program} is {version}, and {major}.{minor} is the oldest that can do this"
            ));
        }
        Ok(version)
    }

    /// Runs Icinga. None if it accepts the configuration.
    async fn run(
        &self,
        command: &[String],
        directory: &Private,
        configuration: &Configuration,
        objects: usize,
    ) -> Result<Option<Vec<Finding>>, String> {
        let limit = DEADLINE_PER_OBJECT.saturating_mul(u32::try_from(objects).unwrap_or(u32::MAX));
        let limit = self.time.saturating_add(limit);
        let at = |name: &str| directory.path.join(name);
        let [cache, log, data, zones] = ["cache", "log", "data", "zones.d"].map(at);
        let zones = configuration.zones.as_ref().unwrap_or(&zones);
        let mut definitions: Vec<(&str, &OsStr)> = vec![
            ("Configuration.CacheDir", cache.as_os_str()),
            ("Configuration.LogDir", log.as_os_str()),
            ("Configuration.DataDir", data.as_os_str()),
            ("Configuration.ZonesDir", zones.as_os_str()),
        ];
        let defines = configuration.defines.iter();
        definitions.extend(defines.map(|(name, value)| (name.as_str(), OsStr::new(value))));
        let main = at("main.conf");
        let check = Check {
            command,
            main: Some(main.as_os_str()),
            definitions: &definitions,
            limit,
            processor_seconds: Some(limit.as_secs().max(1).saturating_mul(PROCESSORS)),
        };
        let program = command.first().map(String::as_str).unwrap_or_default();
        let Some(Ended { status, text }) = check.run().await? else {
            return Err(format!("{program} daemon -C did not end within {} s", limit.as_secs()));
        };
        let root = format!("{}/", directory.path.display());
        let text = text.replace(&root, "/");
        let mut findings = output::findings(&text, "/");
        if findings.is_empty() && status.success() {
            return Ok(None);
        }
        if findings.is_empty() {
            let words = output::last_words(&text).unwrap_or_else(|| "no output".into());
            if status.code().is_none_or(|code| code > 128) {
                return Err(format!("{program} daemon -C: {status}; its last words: {words}"));
            }
            findings.push(Finding { message: clean(&words, 500), ..Finding::default() });
        }
        for finding in &mut findings {
            // What was below the private directory is so again.
            if let Some(file) = finding.file.as_mut().filter(|file| directory.path.join(&file[1..]).exists())
            {
                file.remove(0);
            }
        }
        Ok(Some(findings))
    }
}

/// Returns major and minor of a version such as `r2.12.3-1`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version
        .trim_start_matches(|c: char| !c.is_ascii_digit())
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next())
}

/// A directory that is removed on drop. Icinga may run as another user, who must read it and write
/// into parts of it, and its objects hold secrets: so it has a name that nobody else can list.
struct Private {
    outer: PathBuf,
    path: PathBuf,
}

impl Private {
    fn new(configuration: &Configuration) -> io::Result<Self> {
        let named =
            |error: io::Error| io::Error::other(format!("cannot create a private directory: {error}"));
        let name = format!("groundlink-{}-{:016x}", std::process::id(), rand::random::<u64>());
        let outer = std::env::temp_dir().join(name);
        let directory = Self { path: outer.join(format!("{:032x}", rand::random::<u128>())), outer };
        let make = |path: &Path, mode| {
            std::fs::DirBuilder::new().mode(0o700).create(path).map_err(named)?;
            permit(path, mode)
        };
        make(&directory.outer, 0o711)?;
        make(&directory.path, 0o755)?;
        for name in ["cache", "log", "data", "zones.d"] {
            make(&directory.path.join(name), 0o777)?;
        }
        make(&directory.path.join("objects.d"), 0o755)?;
        if Path::new(CERTIFICATES).exists() {
            std::os::unix::fs::symlink(CERTIFICATES, directory.path.join("data/certs"))?;
        }
        for (name, content) in &configuration.files {
            directory.write(name, content)?;
        }
        directory.write("main.conf", configuration.main.as_bytes())?;
        Ok(directory)
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let written = || {
            let parent = path.parent().unwrap_or(&self.path);
            if !parent.exists() {
                std::fs::create_dir_all(parent)?;
                permit(parent, 0o755)?;
            }
            std::fs::write(&path, content)?;
            permit(&path, 0o644)
        };
        written().map_err(|error| io::Error::other(format!("cannot write {name}: {error}")))
    }

    /// Reads what Icinga wrote.
    fn read(self) -> io::Result<Expansion> {
        let open = |name: &str| {
            let file = std::fs::File::open(self.path.join("cache").join(name));
            file.map(BufReader::new).map_err(|error| io::Error::other(format!("{name}: {error}")))
        };
        let mut groups = BTreeMap::new();
        let mut stream = Netstrings::new(open("icinga2.vars")?, MOST_CONSTANTS);
        while let Some(json) = stream.next()? {
            let mut constant: Value = serde_json::from_slice(&json)?;
            if constant["name"] == members::CONSTANT
                && let Value::String(text) = constant["value"].take()
            {
                let broken = || io::Error::other("icinga2.vars: the groups cannot be read");
                groups = members::parse(&text).ok_or_else(broken)?;
            }
        }
        let root = format!("{}/", self.path.display());
        let wanted = |id: &Id| id.name != members::PROBE;
        let objects = Objects::read(open("icinga2.debug")?, &root, wanted)?;
        Ok(Expansion { objects: objects.with_groups(groups), version: String::new() })
    }
}

/// Sets a mode that the umask does not cut.
fn permit(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

impl Drop for Private {
    fn drop(&mut self) {
        // Best effort: it is in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.outer);
    }
}
