//! The proof of an import, by each generation of Icinga: a configuration of a user against the
//! rendered files of resources.

use crate::against::programs;
use groundlink::expansion::{Expansion, Icinga, Proof, Verdict, original, proof, result};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

const CONSTANTS: &str = "const PluginDir = \"/opt/plugins\"\nconst NodeName = \"hub\"\nconst ZoneName = \"hub\"\nconst Team = \"web\"\n";
const ORIGINAL: &str = r#"
include "constants.conf"
include <itl>
include <plugins>
object CheckerComponent "checker" { }
template Host "base" {
  check_command = "hostalive"
  check_interval = 1m
}
object Host "web-01" {
  import "base"
  groups = [ "web", "linux" ]
  vars.os = "Linux"
  vars.disks["/"] = { warn = 5 }
}
object HostGroup "web" { }
object HostGroup "linux" { }
object CheckCommand "own" {
  command = [ "/bin/true" ]
  arguments = { "-H" = "$address$", "-v" = { set_if = "$v$" } }
}
apply Service "own" {
  check_command = "own"
  assign where host.vars.os == "Linux"
}
object CheckCommand "function" {
  command = {{ [ "/bin/true", Team ] }}
}
"#;
const RESOURCES: &str = r#"
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: base, namespace: groundlink}
spec: {template: true, host: {checkCommand: hostalive, checkInterval: 60s}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web-01, namespace: groundlink}
spec: {host: {imports: [base], groups: [linux, web], vars: {os: Linux, disks: {/: {warn: 5}}}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web, namespace: groundlink}
spec: {hostGroup: {}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: linux, namespace: groundlink}
spec: {hostGroup: {}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: own, namespace: groundlink}
spec: {checkCommand: {command: [/bin/true], arguments: {-H: {value: $address$}, -v: {setIf: $v$}}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: own-everywhere, namespace: groundlink}
spec: {name: own, service: {checkCommand: own, apply: {assignWhere: [host.vars.os == "Linux"]}}}
"#;

fn files(root: &Path, below: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(root, &entry, found);
        } else {
            let name = entry.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read(&entry).unwrap()));
        }
    }
}

fn rendered(resources: &str) -> Vec<(String, Vec<u8>)> {
    let directory = tempfile::tempdir().unwrap();
    let (input, out) = (directory.path().join("input.yaml"), directory.path().join("out"));
    std::fs::write(&input, resources).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    let output = command.args(["render", "-f"]).arg(&input).arg("--out").arg(&out).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = Vec::new();
    files(&out, &out, &mut found);
    found
}

fn expanded(verdict: Result<Verdict<Expansion>, String>) -> Expansion {
    match verdict.unwrap() {
        Verdict::Accepted(expansion) => expansion,
        Verdict::Refused(findings) => panic!("{findings:#?}"),
    }
}

fn prove(program: &str, resources: &str) -> Proof {
    let directory = tempfile::tempdir().unwrap();
    // icinga2 gives up root.
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(directory.path().join("constants.conf"), CONSTANTS).unwrap();
    let main = directory.path().join("icinga2.conf");
    std::fs::write(&main, ORIGINAL).unwrap();
    let icinga = Icinga::new(program.split_whitespace().map(str::to_owned).collect());
    let (block, left_out) = ORIGINAL.split_at(ORIGINAL.find("object CheckCommand \"function\"").unwrap());
    let first_line = block.lines().count() + 1;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let old = expanded(icinga.expand(&original(&main), 10).await);
        let new = expanded(icinga.expand(&result(&old, rendered(resources), left_out), 10).await);
        proof(&old.objects, &new.objects, |place| place.line as usize >= first_line)
    })
}

#[test]
fn an_import_is_proved_equal_and_a_difference_is_found() {
    for program in programs() {
        let same = prove(&program, RESOURCES);
        assert!(same.comparison.is_same(), "{program}: {:#?}", same.comparison);
        assert_eq!(same.comparison.equal, 5, "{program}: {:#?}", same.comparison);
        assert_eq!(same.left_out.iter().map(|(id, _)| id.name.as_str()).collect::<Vec<_>>(), ["function"]);
        assert_eq!(same.other_types.get("CheckerComponent"), Some(&1), "{program}: {:?}", same.other_types);

        let other = RESOURCES
            .replace("checkInterval: 60s", "checkInterval: 61s")
            .replace("name: own, service", "name: Own, service");
        let other = prove(&program, &other).comparison;
        let difference = &other.changed[0].differences[0];
        assert_eq!(
            (other.changed.len(), difference.path.as_str()),
            (1, "check_interval"),
            "{program}: {other:#?}"
        );
        assert!(
            difference.old.place.file.ends_with("/icinga2.conf") && difference.old.place.line == 8,
            "{difference:?}"
        );
        assert_eq!(difference.new.place.file, "objects.d/groundlink/base.conf");
        assert_eq!(other.only_old[0].0.name, "web-01!own", "{program}: {other:#?}");
        assert_eq!(other.only_new[0].0.name, "web-01!Own", "{program}: {other:#?}");
    }
}
