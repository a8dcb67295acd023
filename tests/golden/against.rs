//! `groundlink render --against`: what a change means, by each generation of Icinga.

use crate::icinga;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const BEFORE: &str = r#"
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web-01, namespace: a}
spec: {host: {checkCommand: hostalive, vars: {os: Linux, load: 5}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: web-02, namespace: a}
spec: {host: {checkCommand: hostalive, vars: {os: Linux}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: ops, namespace: a}
spec: {userGroup: {assignWhere: [user.vars.ops == true]}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: jane, namespace: a}
spec: {user: {vars: {ops: true}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: mail, namespace: groundlink}
spec: {notificationCommand: {command: [/bin/true]}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: linux, namespace: a}
spec: {hostGroup: {assignWhere: [host.vars.os == "Linux"]}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: ping, namespace: a}
spec: {service: {checkCommand: ping4, checkInterval: 5m, vars: {ping_wrta: 100}, apply: {assignWhere: [host.vars.os == "Linux"]}}}
---
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: mail-hosts, namespace: a}
spec: {notification: {command: mail, userGroups: [ops], apply: {to: Host, assignWhere: [host.vars.os == "Linux"]}}}
"#;

struct Side(tempfile::TempDir);

impl Side {
    fn new(before: &str, after: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // icinga2 gives up root.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::create_dir(directory.path().join("tmp")).unwrap();
        std::fs::write(directory.path().join("before.yaml"), before).unwrap();
        std::fs::write(directory.path().join("after.yaml"), after).unwrap();
        Self(directory)
    }

    fn temporary(&self) -> std::path::PathBuf {
        self.0.path().join("tmp")
    }

    fn ask(&self, icinga2: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command.arg("render").arg("-f").arg(self.0.path().join("after.yaml"));
        command.arg("--against").arg(self.0.path().join("before.yaml"));
        let output =
            command.args(["--icinga2", icinga2]).args(more).env("TMPDIR", self.temporary()).output().unwrap();
        let left = std::fs::read_dir(self.temporary()).unwrap().count();
        assert_eq!(left, 0, "a private directory is left");
        output
    }
}

/// The programs of all generations that are here.
pub fn programs() -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/icinga2-in.sh");
    let of = |icinga: &icinga::Icinga| match icinga.generation {
        Some(generation) => format!("{} {generation}", script.display()),
        None => "icinga2".to_owned(),
    };
    icinga::generations().into_iter().map(of).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_change_is_told_in_effective_objects() {
    let after =
        BEFORE.replace("ops: true", "ops: false").replace("ping_wrta: 100", "ping_wrta: 200").replace(
            "name: web-02, namespace: a}\nspec: {host: {checkCommand: hostalive, vars: {os: Linux}}}",
            "name: web-02, namespace: a}\nspec: {host: {checkCommand: hostalive, vars: {os: BSD}}}",
        );
    assert_ne!(after, BEFORE);
    let side = Side::new(BEFORE, &after);
    for program in programs() {
        let output = side.ask(&program, &[]);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{program}: {out}{err}");
        for words in [
            "-1 service on 1 host",
            "-1 notification on 1 host",
            "! nobody is notified any more for web-01, web-02",
            "! not monitored any more: service web-02!ping",
            "by a/ping",
            "~! Service vars.ping_wrta",
            "100 -> 200: web-01!ping",
            // By the rules of groups, which Icinga evaluates last.
            "Host groups",
            "[\"linux\"] -> not set: web-02",
            "[\"ops\"] -> not set: jane",
        ] {
            assert!(out.contains(words), "{program}: {words} is missing in:\n{out}");
        }
        let output = side.ask(&program, &["-o", "json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            told["notNotifiedAnyMore"],
            serde_json::json!(["web-01", "web-02"]),
            "{program}: {told:#}"
        );
        assert_eq!(told["removed"][0]["resource"], "a/mail-hosts", "{program}: {told:#}");
        let output = side.ask(&program, &["-o", "markdown"]);
        let out = text(&output.stdout);
        assert!(
            out.starts_with("**Monitoring:** ") && out.contains("- :warning: nobody is notified"),
            "{out}"
        );
    }
}

#[test]
fn exit_codes_are_those_of_diff() {
    let Some(program) = programs().into_iter().next() else { return };
    let same =
        Side::new(BEFORE, &BEFORE.replace("vars: {os: Linux, load: 5}", "vars: {load: 5.0, os: \"Linux\"}"));
    let output = same.ask(&program, &[]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).starts_with("no difference in 10 objects\n"), "{}", text(&output.stdout));

    let refused = Side::new(BEFORE, &BEFORE.replace("checkInterval: 5m", "checkInterval: 5"));
    let output = refused.ask(&program, &[]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(err.contains("MonitoringObject a/ping: Invalid: spec.service.checkInterval"), "{err}");
    assert!(out.contains("1 object refused"), "{out}");

    // Only Icinga sees that nothing declares what is said to be external.
    let external = BEFORE.replace(
        "checkCommand: hostalive, vars: {os: Linux, load",
        "checkCommand: elsewhere, vars: {os: Linux, load",
    );
    let output =
        Side::new(BEFORE, &external).ask(&program, &["--external-objects", "CheckCommand!elsewhere"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{out}{err}");
    assert!(err.contains("icinga2 refuses the manifests of -f: objects.d/a/web-01.conf:"), "{err}");
    assert!(err.contains("elsewhere") && err.contains("--check-with"), "{err}");

    let output = same.ask("/nonexistent/icinga2", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("--icinga2"), "{}", text(&output.stderr));
}
