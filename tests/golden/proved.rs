//! `groundlink import --prove`, by each generation of Icinga.

use crate::against::programs;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MAIN: &str = r#"include "constants.conf"
include <itl>
include <plugins>
object CheckerComponent "checker" { }
object Zone "all" { global = true }
include_recursive "conf.d"
"#;
const CONSTANTS: &str = "const PluginDir = \"/opt/plugins\"\nconst NodeName = \"hub\"\nconst ZoneName = \"hub\"\nconst Team = \"web\"\n";
const OBJECTS: &str = r#"object Endpoint NodeName { }
object Zone ZoneName { endpoints = [ NodeName ] }
template Host "base" {
  check_command = "hostalive"
  check_interval = 1m
}
var os = "Linux"
object Host "web-01" use (os) {
  import "base"
  groups = [ "web", "linux" ]
  vars.os = os
  vars.disks["/"] = { warn = 5 }
}
object HostGroup "web" { }
object HostGroup "linux" { }
object CheckCommand "own" {
  command = [ PluginDir + "/true" ]
  arguments = { "-H" = "$address$", "-v" = { set_if = "$v$" } }
}
apply Service "own" {
  check_command = "own"
  assign where host.vars.os == "Linux"
}
"#;
const FUNCTION: &str = r#"object CheckCommand "function" {
  command = {{ [ "/bin/true", Team ] }}
}
apply Service "left-" for (x in [ "a", os ]) use (os) {
  check_command = "function"
  vars.who = {{ Team }}
  assign where true
}
"#;

/// Rules as people write them.
const RULES: &str = r#"template Service "base" { max_check_attempts = 3 }
object Endpoint "web-02" { }
object Zone "web-02" { endpoints = [ "web-02" ], parent = ZoneName }
object Host "web-02" {
  check_command = "dummy"
  vars.os = "Linux"
  vars.ports = [ 80, "443", 2.5 ]
  vars.mounts = { "/" = { size = 5 }, "/var-lib" = { size = 9 }, "/tmp" = "none" }
}
object HostGroup "nrpe" { assign where host.name == "web-01" }
apply Service "port-" for (port in host.vars.ports) {
  import "base"
  check_command = "dummy"
  vars.port = port
  vars.next = port + 1
  notes = "Port " + port
  ignore where port == 443
}
apply Service for (mount => config in host.vars.mounts) {
  check_command = "dummy"
  vars += config
  display_name = "Disk " + mount.replace("/", " ").replace("-", "--")
  assign where typeof(config) == Dictionary && (config.size > 5 || mount == "/")
  assign where host.name == "web-01"
  ignore where typeof(config) != Dictionary
}
apply Service "agent" {
  check_command = "dummy"
  assign where get_object("Endpoint", host.name) != null && host.vars.os
}
apply Service "plain" {
  check_command = "dummy"
  assign where host.vars.os in [ "Linux", "BSD" ]
  ignore where get_object(Endpoint, host.name)
}
apply Service "users" {
  import "base"
  if ("nrpe" in host.groups) {
    check_command = "nrpe"
    notes = "by nrpe"
  } else if (host.vars.ssh) {
  } else {
    check_command = "users"
  }
  assign where host.vars.os
}
apply Service "load" {
  import "base"
  if (host.name == "web-01") {
    check_command = "load"
  } else {
    check_command = "dummy"
  }
  assign where true
}
object User "ops" { }
object NotificationCommand "mail" { command = [ "/bin/true" ] }
object CheckCommand "args" {
  import "plugin-check-command"
  command = [ PluginDir + "/args" ]
}
apply Service "args" for (mount => config in host.vars.mounts) {
  import "base"
  check_command = "args"
  vars.args["-P"] = "3"
  vars.args["-H"] = host.name
  vars.args["-o"] = config.size
  vars.args.deep = { of = mount }
  vars += config
  assign where !match([ "web-0*", "x\"" ], host.name, MatchAny)
  ignore where typeof(config) != Dictionary
}
object Host "included" {
  include "../parts/host.inc"
  vars.own = vars.os + "!"
}
apply Notification "mail" to Service {
  command = "mail"
  users = [ "ops" ]
  assign where service.host
}
"#;

/// A configuration, and a directory for what an import makes of it.
struct Case {
    directory: tempfile::TempDir,
}

impl Case {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let case = Self { directory };
        // icinga2 gives up root.
        std::fs::set_permissions(case.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(case.path("tmp")).unwrap();
        for (name, text) in files {
            let path = case.path("etc").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        case
    }

    fn small(more: &str) -> Self {
        let objects = format!("{OBJECTS}{more}");
        let period = "object TimePeriod \"always\" { ranges = { monday = \"00:00-24:00\" } }\n";
        Self::new(&[
            ("icinga2.conf", MAIN),
            ("constants.conf", CONSTANTS),
            ("conf.d/objects.conf", &objects),
            ("parts/host.inc", "import \"base\"\nvars.os = \"Inc\" // comment\ninclude \"more.inc\"\n"),
            ("parts/more.inc", "groups += [ \"linux\" ]"),
            ("zones.d/all/periods.conf", period),
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Imports and proves. Returns the exit code, and what was printed.
    fn prove(&self, icinga2: &str, more: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command.arg("import").arg(self.path("etc/icinga2.conf")).arg("--out").arg(self.path("out"));
        command.args(["--prove", "--icinga2", icinga2]).args(more).env("TMPDIR", self.path("tmp"));
        let Output { status, stdout, stderr } = command.output().unwrap();
        let left = std::fs::read_dir(self.path("tmp")).unwrap().count();
        assert_eq!(left, 0, "a private directory is left");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.code().unwrap_or(-1), text(&stdout), text(&stderr))
    }

    /// Returns a program that changes rendered files before it runs Icinga.
    fn changing(&self, program: &str, change: &str) -> String {
        let path = self.path("changing");
        let script = format!(
            "#!/bin/bash\nfor main in \"$@\"; do case $main in */main.conf) \
             find \"${{main%main.conf}}objects.d\" -name '*.conf' -exec sed -i '{change}' {{}} + ;; esac; done\n\
             exec {program} \"$@\"\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn proof(out: &str) -> Value {
    let document: Value = serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"));
    document["proof"].clone()
}

#[test]
fn an_import_is_proved_equal() {
    for program in programs() {
        let (code, out, err) = Case::small("").prove(&program, &["--strict"]);
        assert_eq!(code, 0, "{program}: {out}{err}");
        for words in [
            ": 7 objects, 0 differences.",
            "In Icinga's own configuration: 2 objects of 2 blocks (OwnNode 2).",
            "CheckerComponent 1",
            "From global zones, and without a zone as resources: 1 object.",
        ] {
            assert!(out.contains(words), "{program}: {words} is missing in:\n{out}{err}");
        }
        assert!(!out.contains("Left out, not proved"), "{program}: {out}");
    }
}

#[test]
fn what_rules_say_of_entries_objects_and_branches_is_proved_equal() {
    for program in programs() {
        let case = Case::small(RULES);
        let (code, out, err) = case.prove(&program, &["--strict", "-o", "json"]);
        let proof = proof(&out);
        assert_eq!((code, &proof["differences"]), (0, &serde_json::json!([])), "{program}: {out}{err}");
        assert!(proof["objects"].as_u64() > Some(25), "{program}: {proof:#}");
    }
}

#[test]
fn directories_that_icinga_ignores_are_left_out() {
    for program in programs() {
        let case = Case::small("");
        for (name, text) in [
            ("zones.d/gone/hosts.conf", "object Host \"gone\" { check_command = \"dummy\" }\n"),
            ("zones.d/lone.conf", "object Host \"lone\" { check_command = \"dummy\" }\n"),
        ] {
            let path = case.path("etc").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
        }
        let (code, out, err) = case.prove(&program, &[]);
        assert_eq!(code, 0, "{program}: {out}{err}");
        for words in [
            ": 7 objects, 0 differences.",
            "zones.d/gone: Icinga does not read it, because no file that was given declares the zone; declare object Zone \"gone\"",
            "zones.d/lone.conf: Icinga does not read it",
        ] {
            assert!(out.contains(words), "{program}: {words} is missing in:\n{out}{err}");
        }
    }
}

#[test]
fn a_changed_value_is_found_with_its_origin() {
    for program in programs() {
        let case = Case::small("");
        let changing = case.changing(
            &program,
            "s/check_interval = 60/check_interval = 61/; s/^apply Service \"own\"/apply Service \"Own\"/",
        );
        let (code, out, err) = case.prove(&changing, &[]);
        assert_eq!(code, 4, "{program}: {out}{err}");
        let expected = "Host web-01: check_interval: 60 (conf.d/objects.conf:5, MonitoringObject default/base) \
                        -> 61 (MonitoringObject default/base (from conf.d/objects.conf:3:1))";
        assert!(out.contains(expected), "{program}: {out}");
        let missing = "Service web-01!own: is missing in the result; it is from conf.d/objects.conf:20, MonitoringObject default/own";
        assert!(out.contains(missing), "{program}: {out}");
        assert!(out.contains("Service web-01!Own: is only in the result"), "{program}: {out}");
        let (code, out, _) = case.prove(&changing, &["-o", "json"]);
        let proof = proof(&out);
        assert_eq!((code, proof["differing"].as_u64()), (4, Some(3)), "{program}: {proof:#}");
        let changed = proof["differences"].as_array().unwrap();
        let changed = changed.iter().find(|one| one["attribute"] == "check_interval").unwrap();
        assert_eq!(changed["original"]["line"], 5, "{program}: {proof:#}");
        assert_eq!(changed["result"]["resource"], "default/base", "{program}: {proof:#}");
    }
}

#[test]
fn blocks_that_are_left_out_are_counted_apart() {
    for program in programs() {
        let case = Case::small(FUNCTION);
        let (code, out, err) = case.prove(&program, &[]);
        assert_eq!(code, 0, "{program}: {out}{err}");
        for words in [
            ": 7 objects, 0 differences.",
            "Left out, not proved: 3 objects of 2 blocks (Function 1, UnknownName 2).",
        ] {
            assert!(out.contains(words), "{program}: {words} is missing in:\n{out}{err}");
        }
        let (code, out, _) = case.prove(&program, &["--strict", "-o", "json"]);
        let proof = proof(&out);
        assert_eq!(code, 1, "{program}: {proof:#}");
        assert_eq!(proof["leftOut"]["reasons"]["UnknownName"]["objects"], 2, "{program}: {proof:#}");
        assert_eq!(proof["objects"], 7, "{program}: {proof:#}");
    }
}

#[test]
fn a_result_that_does_not_load_is_refused_by_name() {
    for program in programs() {
        let case = Case::small("");
        let changing = case.changing(&program, "s/^object HostGroup \"web\".*/&\\n  bogus = 1/");
        let (code, out, err) = case.prove(&changing, &[]);
        assert_eq!(code, 3, "{program}: {out}{err}");
        let expected =
            "icinga2 refuses the result: MonitoringObject default/web (from conf.d/objects.conf:14:1): ";
        assert!(err.contains(expected) && err.contains("bogus"), "{program}: {err}");
    }
}

#[test]
fn an_original_that_does_not_load_is_refused() {
    let case = Case::small("object Host \"h\" { check_command = \"gone\" }\n");
    for program in programs() {
        let (code, out, err) = case.prove(&program, &[]);
        assert_eq!(code, 3, "{program}: {out}{err}");
        assert!(
            err.contains("icinga2 refuses the original: conf.d/objects.conf:24: Host h: "),
            "{program}: {err}"
        );
    }
}

#[test]
fn an_icinga_that_cannot_prove_is_an_error() {
    let case = Case::small("");
    let script = |name: &str, text: &str| {
        let path = case.path(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let version = "echo 'icinga2 - The Icinga 2 network monitoring daemon (version: r2.12.3-1)'";
    let hangs = "case $1 in --version) echo '(version: r2.13.6-1)';; *) exec sleep 600;; esac";
    for (program, words) in [
        ("/no/such/icinga2".to_owned(), "/no/such/icinga2: No such file or directory"),
        (script("old", version), "is r2.12.3-1, and 2.13 is the oldest that can do this"),
        (script("hangs", hangs), "did not end within"),
        (script("other", "echo hello"), "names no version: \"hello\""),
    ] {
        let (code, out, err) = case.prove(&program, &["--timeout", "1s"]);
        assert_eq!(code, 2, "{program}: {out}{err}");
        assert!(err.contains(words), "{program}: {err}");
        // What was imported is of use without a proof.
        assert!(out.contains("manifests in"), "{out}");
    }
    std::fs::rename(case.path("etc/icinga2.conf"), case.path("etc/other.conf")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    command.arg("import").arg(case.path("etc/conf.d")).arg("--out").arg(case.path("out2")).arg("--prove");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("name it with --icinga2-conf"), "{output:?}");
}

/// The configuration that a package of Icinga installs.
#[test]
fn the_configuration_of_a_new_icinga_is_proved_equal() {
    for program in programs() {
        let generation = program.rsplit_once(' ').map(|(_, generation)| generation);
        let root = generation.map_or(PathBuf::from("/"), |generation| {
            Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/icinga").join(generation)
        });
        let case = Case::new(&[]);
        let copied =
            Command::new("cp").arg("-rL").arg(root.join("etc/icinga2")).arg(case.path("etc")).status();
        assert!(copied.unwrap().success());
        let opened = Command::new("chmod").args(["-R", "a+rX"]).arg(case.path("etc")).status();
        assert!(opened.unwrap().success());
        let (code, out, err) = case.prove(&program, &["-D", "NodeName=hub", "-o", "json"]);
        assert_eq!(code, 0, "{program}: {out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["leftOut"], serde_json::json!([]), "{program}: {out}");
        assert_eq!(report["proof"]["differences"], serde_json::json!([]), "{program}: {out}");
        assert!(report["proof"]["objects"].as_u64() > Some(30), "{program}: {out}");
    }
}

#[test]
fn hostile_files_are_refused_by_name() {
    let parentheses = format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let large = "#".repeat((16 << 20) + 1);
    let case = Case::new(&[
        ("icinga2.conf", "include_recursive \"conf.d\"\n"),
        ("conf.d/a-deep.conf", &parentheses),
        ("conf.d/b-large.conf", &large),
        ("conf.d/c-nul.conf", "object Host \"a\0b\" { }\n"),
        ("conf.d/d-circle.conf", "include \"d2.txt\"\n"),
        ("conf.d/d2.txt", "include \"d-circle.conf\"\n"),
        ("conf.d/z.conf", "object Host \"h\" { check_command = \"dummy\" }\n"),
    ]);
    std::fs::write(case.path("etc/conf.d/e-bytes.conf"), b"object Host \"\xff\" { }\n").unwrap();
    let fifo = Command::new("mkfifo").arg(case.path("etc/conf.d/f-pipe.conf")).status().unwrap();
    assert!(fifo.success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    command.arg("import").arg(case.path("etc/icinga2.conf")).arg("--out").arg(case.path("out"));
    let Output { status, stdout, .. } = command.output().unwrap();
    let out = String::from_utf8_lossy(&stdout);
    assert_eq!(status.code(), Some(2), "{out}");
    for words in [
        "conf.d/a-deep.conf:1:105: is nested more than 100 levels deep",
        "conf.d/b-large.conf: is larger than 16 MiB",
        "conf.d/c-nul.conf:1:15: has a NUL byte",
        "conf.d/d-circle.conf: includes itself",
        "conf.d/e-bytes.conf:1:14: is not UTF-8",
        "1 block: 1 manifest in 1 file, 5 left out",
    ] {
        assert!(out.contains(words), "{words} is missing in:\n{out}");
    }
}
