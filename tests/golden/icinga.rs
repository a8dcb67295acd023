//! A real Icinga 2: loads a configuration, and says what it understood.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Name of the object of each type that sets nothing but what it must: what Icinga adds by itself
/// is read from it.
const REFERENCE: &str = "reference of the golden suite";

pub struct Icinga {
    /// `2.13` and so on; nothing for what `icinga2` on PATH is.
    pub generation: Option<&'static str>,
    program: Vec<String>,
    /// Type and name of what a configuration holds before anything is declared.
    pub shipped: BTreeSet<(String, String)>,
    /// Properties of the reference object of each type.
    pub reference: BTreeMap<String, Map<String, Value>>,
}

/// An object as Icinga understood it.
#[derive(Clone, Debug)]
pub struct Object {
    pub kind: String,
    /// `host!service` for a service.
    pub name: String,
    pub properties: Map<String, Value>,
}

/// What `icinga2` on PATH is; nothing, said aloud, where there is none. In CI (`CI=true`) that
/// fails.
pub fn installed() -> Option<&'static Icinga> {
    static ICINGA: OnceLock<Option<Icinga>> = OnceLock::new();
    let icinga = ICINGA.get_or_init(|| {
        let version = Command::new("icinga2").arg("--version").output().ok()?;
        version.status.success().then(|| Icinga::start(None, vec!["icinga2".into()]))
    });
    if icinga.is_none() {
        let text = "SKIPPED: icinga2 is not installed, so nothing shows what Icinga makes of the configuration; \
                    hack/icinga.sh installs it";
        say_aloud(text);
        let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!in_ci, "{text}");
    }
    icinga.as_ref()
}

/// The installed one, and each other generation that `hack/icinga-generations.sh` has made; those
/// that are not there are said aloud.
pub fn generations() -> Vec<&'static Icinga> {
    static OTHERS: OnceLock<Vec<Icinga>> = OnceLock::new();
    let others = OTHERS.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/icinga2-in.sh");
        let start = |generation: &'static str| {
            let is_there = Command::new(script).args([generation, "--version"]).output().unwrap().status.success();
            if !is_there {
                let text = format!(
                    "SKIPPED: icinga2 {generation} is not here, so nothing shows what it makes of the configuration; \
                     hack/icinga-generations.sh makes it"
                );
                say_aloud(&text);
            }
            is_there.then(|| Icinga::start(Some(generation), vec![script.into(), generation.into()]))
        };
        ["2.14", "2.16"].into_iter().filter_map(start).collect()
    });
    installed().into_iter().chain(others).collect()
}

/// Past the capture of the test harness: a skipped test must not look like a passed one.
pub fn say_aloud(text: &str) {
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

impl Icinga {
    fn start(generation: Option<&'static str>, program: Vec<String>) -> Self {
        let reference = format!(
            "object Host \"{REFERENCE}\" {{ check_command = \"dummy\" }}\n\
             object Service \"{REFERENCE}\" {{ check_command = \"dummy\"\n host_name = \"{REFERENCE}\" }}\n\
             object HostGroup \"{REFERENCE}\" {{ }}\n\
             object CheckCommand \"{REFERENCE}\" {{ command = [ \"/bin/true\" ] }}\n\
             object ServiceGroup \"{REFERENCE}\" {{ }}\n\
             object User \"{REFERENCE}\" {{ }}\n\
             object UserGroup \"{REFERENCE}\" {{ }}\n\
             object EventCommand \"{REFERENCE}\" {{ command = [ \"/bin/true\" ] }}\n\
             object NotificationCommand \"{REFERENCE}\" {{ command = [ \"/bin/true\" ] }}\n\
             object Notification \"{REFERENCE}\" {{ host_name = \"{REFERENCE}\"\n command = \"{REFERENCE}\"\n users = [ \"{REFERENCE}\" ] }}\n\
             object TimePeriod \"{REFERENCE}\" {{ }}\n\
             object ScheduledDowntime \"{REFERENCE}\" {{ host_name = \"{REFERENCE}\"\n author = \"a\"\n comment = \"c\"\n ranges = {{ monday = \"01:00-02:00\" }} }}\n\
             object Dependency \"{REFERENCE}\" {{ parent_host_name = \"{REFERENCE}\"\n child_host_name = \"{REFERENCE}\"\n child_service_name = \"{REFERENCE}\" }}\n\
             object Endpoint \"{REFERENCE}\" {{ }}\n\
             object Zone \"{REFERENCE}\" {{ endpoints = [ \"{REFERENCE}\" ] }}\n"
        );
        let objects = run(&program, "", &reference).unwrap();
        let (own, library): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.name.contains(REFERENCE));
        assert!(
            own.len() == crate::vocabulary::MEMBERS.len() && library.len() > 50,
            "{} and {} objects",
            own.len(),
            library.len()
        );
        let mut reference: BTreeMap<_, _> =
            own.into_iter().map(|object| (object.kind, object.properties)).collect();
        reference.get_mut("Zone").unwrap().insert("endpoints".into(), Value::Null);
        // No default: who leaves it out gets nothing, and must have been refused.
        for (kind, attribute) in [
            ("CheckCommand", "command"),
            ("EventCommand", "command"),
            ("NotificationCommand", "command"),
            ("Notification", "command"),
            ("Dependency", "parent_host_name"),
            ("Dependency", "child_host_name"),
            ("ScheduledDowntime", "author"),
            ("ScheduledDowntime", "comment"),
            ("ScheduledDowntime", "ranges"),
        ] {
            reference.get_mut(kind).unwrap().insert(attribute.into(), "(required)".into());
        }
        reference.get_mut("Dependency").unwrap().insert("child_service_name".into(), "".into());
        for attribute in ["users", "user_groups"] {
            reference.get_mut("Notification").unwrap().insert(attribute.into(), Value::Null);
        }
        let library = library.into_iter().map(|object| (object.kind, object.name)).collect();
        Self { generation, program, shipped: library, reference }
    }

    /// Every object of a configuration beside the library's and those of `extra`, or Icinga's
    /// words why it is refused.
    pub fn load(&self, configuration: &str, extra: &str) -> Result<Vec<Object>, String> {
        let objects = run(&self.program, configuration, extra)?;
        let library =
            objects.iter().filter(|o| self.shipped.contains(&(o.kind.clone(), o.name.clone()))).count();
        if library != self.shipped.len() {
            return Err(format!("{library} of {} objects of the library are there", self.shipped.len()));
        }
        let foreign = |object: &Object| {
            let path = object.properties["source_location"]["path"].as_str().unwrap_or_default();
            !self.shipped.contains(&(object.kind.clone(), object.name.clone()))
                && !path.ends_with("/extra.conf")
        };
        Ok(objects.into_iter().filter(foreign).collect())
    }
}

fn run(program: &[String], configuration: &str, extra: &str) -> Result<Vec<Object>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    // icinga2 gives up root.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::write(path.join("case.conf"), configuration).unwrap();
    std::fs::write(path.join("extra.conf"), extra).unwrap();
    let at = path.display();
    let main = format!(
        "const PluginDir = \"/\"\ninclude <itl>\ninclude <plugins>\ninclude \"{at}/extra.conf\"\ninclude \"{at}/case.conf\"\n"
    );
    std::fs::write(path.join("main.conf"), main).unwrap();
    // Templates can be made to take for ever. Icinga leaves the process group, so a limit that its
    // processes inherit ends what the end of the first process does not. It is one of the
    // processor's time: a busy machine refuses nothing. The clock is for what waits and does not
    // work.
    let mut command = Command::new("prlimit");
    command.args(["--cpu=12", "timeout", "--kill-after=1", "60"]).args(program);
    command.args(["daemon", "-C", "-c"]).arg(path.join("main.conf"));
    command.args(["--define", &format!("CacheDir={at}"), "--define", &format!("VarsPath={at}/vars")]);
    let output = command.output().unwrap();
    if !output.status.success() {
        let log =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let words: Vec<_> =
            log.lines().filter(|line| line.contains("critical/") || !line.starts_with('[')).collect();
        return Err(format!("Icinga refuses the configuration ({}):\n{}", output.status, words.join("\n")));
    }
    Ok(read_debug_file(&path.join("icinga2.debug")))
}

/// `icinga2.debug` is a stream of netstrings, each a JSON object.
fn read_debug_file(path: &Path) -> Vec<Object> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':').unwrap();
        let length: usize = std::str::from_utf8(&rest[..colon]).unwrap().parse().unwrap();
        let json = &rest[colon + 1..colon + 1 + length];
        let mut value: Value = serde_json::from_slice(json).unwrap_or_else(|error| {
            panic!("icinga2.debug: {error}: {}", String::from_utf8_lossy(json));
        });
        let Value::Object(properties) = value["properties"].take() else { panic!("{value}") };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        objects.push(Object { kind: text(&value["type"]), name: text(&properties["__name"]), properties });
        rest = &rest[colon + 1 + length + 1..];
    }
    objects
}
