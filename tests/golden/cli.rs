//! `groundlink render` as a job of a GitOps repository uses it: JSON, exit codes, and Icinga's own
//! word.

use crate::example::{self, Example};
use crate::icinga;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases").join(name)
}

fn render(name: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    command.arg("render").arg("-f").arg(case(name).join("input.yaml")).args(more).output().unwrap()
}

#[test]
fn json_tells_what_is_published_and_what_is_refused() {
    let output = render("refusals", &["-o", "json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text: String =
        told["published"].as_array().unwrap().iter().map(|file| file["content"].as_str().unwrap()).collect();
    assert_eq!(text, std::fs::read_to_string(case("refusals").join("expected.conf")).unwrap());
    let refused: String = told["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| {
            let [namespace, name, reason, message] =
                ["namespace", "name", "reason", "message"].map(|field| o[field].as_str().unwrap());
            format!("MonitoringObject {namespace}/{name}: {reason}: {message}\n")
        })
        .collect();
    assert_eq!(refused, std::fs::read_to_string(case("refusals").join("refusals.txt")).unwrap());
}

/// A constant of the user's own is one, and without the setting it is a macro.
#[test]
fn commands_name_the_constants_that_are_set() {
    let command = json!({ "command": ["$MyDir$/check"], "env": { "A": "$MyDir$" } });
    let object = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "name": "c", "namespace": "groundlink" }, "spec": { "eventCommand": command },
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("c.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let render = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command.arg("render").arg("-f").arg(&file).args(more).output().unwrap()
    };
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    assert!(text(render(&[])).contains("command = [ \"$MyDir$/check\" ]"));
    let with = text(render(&["--constants", "Other,MyDir"]));
    let own = "const MyDir = \"/my$\"\n".to_owned() + &with;
    for icinga in icinga::generations() {
        for (configuration, value) in [(&with, "(this Icinga has no constant MyDir)"), (&own, "/my$$")] {
            let understood = icinga.load(configuration, "").unwrap();
            assert_eq!(understood[0].properties["command"], json!([format!("{value}/check")]), "{with}");
            assert_eq!(understood[0].properties["env"], json!({ "A": value }));
        }
    }
    let wrong = render(&["--constants", "myDir"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("capital letter"));
}

/// What `helm template` and `kubectl get -o yaml` give of a large hub is one file.
#[test]
fn one_file_may_hold_a_whole_hub() {
    let count = 3_000;
    let list = ["1"; 120].join(", ");
    let object = |number| {
        format!(
            "apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\n\
             metadata: {{ name: h-{number}, namespace: a }}\n\
             spec: {{ host: {{ checkCommand: hostalive, vars: {{ a: [{list}] }} }} }}\n---\n"
        )
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.yaml");
    std::fs::write(&file, (0..count).map(object).collect::<String>()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    let output = command.arg("render").arg("-f").arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("object Host ")).count(), count);
}

/// Aliases that name aliases: a few lines that would be billions.
#[test]
fn a_small_file_cannot_become_a_large_one() {
    let line = |number: usize| {
        let names = [format!("*a{}", number.saturating_sub(1)), "x".into()][usize::from(number == 0)].clone();
        format!("a{number}: &a{number} [{}]\n", vec![names; 10].join(", "))
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.yaml");
    std::fs::write(&file, (0..12).map(line).collect::<String>()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
    let output = command.arg("render").arg("-f").arg(file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("budget"), "{told}");
}

/// A wrong path, or a template that made nothing, must not look like manifests that are right.
#[test]
fn manifests_without_an_object_are_an_error_unless_they_may_be_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("only.yaml");
    let other = directory.path().join("one.yaml");
    std::fs::write(&path, "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n---\n").unwrap();
    std::fs::write(
        &other,
        "apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\nmetadata: { name: g }\nspec: { hostGroup: {} }\n",
    )
    .unwrap();
    let empty = tempfile::tempdir().unwrap();
    let render = |files: &[&Path], more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command.arg("render");
        for file in files {
            command.arg("-f").arg(file);
        }
        let output = command.args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let against = ["--against", other.to_str().unwrap()];
    for (files, more, code) in [
        (vec![path.as_path()], vec![], Some(1)),
        (vec![path.as_path(), empty.path()], vec!["-o", "json"], Some(1)),
        (vec![empty.path()], vec![], Some(1)),
        (vec![path.as_path()], against.to_vec(), Some(2)),
    ] {
        let (is, told) = render(&files, &more);
        assert_eq!(is, code, "{told}");
        assert!(told.contains("has no MonitoringObject; ") && told.contains("--allow-empty"), "{told}");
        assert!(told.contains(files[0].to_str().unwrap()), "{told}");
    }
    assert_eq!(render(&[&path], &["--allow-empty"]), (Some(0), String::new()));
    assert_eq!(render(&[&path, &other], &[]), (Some(0), String::new()));
    let against = ["--against", path.to_str().unwrap()];
    let (is, told) = render(&[&other], &against);
    assert!(
        is == Some(2) && told.contains("--against") && told.contains("has no MonitoringObject"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_hides_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let one = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "name": "g" }, "spec": { "hostGroup": {} },
    });
    std::fs::write(directory.path().join("one.json"), one.to_string()).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("a.yaml")).unwrap();
    let render = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command
            .args(["render", "-f", "missing.yaml", "-f"])
            .arg(directory.path())
            .args(more)
            .output()
            .unwrap()
    };
    let output = render(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("object HostGroup"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("missing.yaml: Invalid: cannot read missing.yaml: No such file"), "{told}");
    assert!(told.contains("a.yaml: Invalid: cannot read"), "{told}");
    // A difference of manifests that are not all there would not be true.
    let path = directory.path().join("one.json");
    let output = render(&["--against", path.to_str().unwrap()]);
    assert!(output.status.code() == Some(2) && output.stdout.is_empty());
}

#[test]
fn icinga_accepts_the_examples() {
    let sets = ["monitoring", "zones"].map(|directory| (example::directory().join(directory), Vec::new()));
    let of_types = Example::all().into_iter().map(|example| (example.path.clone(), example.rendered()));
    for (path, shown) in sets.into_iter().chain(of_types) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groundlink"));
        command.arg("render").arg("-f").arg(&path);
        if icinga::installed().is_some() {
            command.arg("--check");
        }
        let output = command.output().unwrap();
        let path = path.display();
        assert_eq!(output.status.code(), Some(0), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let configuration = String::from_utf8(output.stdout).unwrap();
        assert!(!configuration.is_empty());
        for icinga in icinga::generations() {
            let generation = icinga.generation.unwrap_or("installed");
            let objects = icinga.load(&configuration, "");
            let objects = objects.unwrap_or_else(|why| panic!("{path}, icinga2 {generation}: {why}"));
            // A rule that matches nothing would show nothing.
            for (kind, name) in shown.iter().filter_map(|one| Some((&one.icinga_type, one.object.as_ref()?)))
            {
                let is_it = |object: &icinga::Object| {
                    object.kind == *kind && object.name.rsplit('!').next() == Some(name)
                };
                assert!(
                    objects.iter().any(is_it),
                    "{path}, icinga2 {generation}: there is no {kind} {name:?}"
                );
            }
        }
    }
}

#[test]
fn check_is_icingas_own_word() {
    if icinga::installed().is_none() {
        return;
    }
    let good = render("host-groups", &["--check"]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    // What is external must be there for Icinga too.
    let external = "TimePeriod!around the clock,EventCommand!restart,HostGroup!elsewhere";
    let arguments = ["--external-objects", external, "--check"];
    let without = render("host-every-attribute", &arguments);
    assert_eq!(without.status.code(), Some(3));
    let words = String::from_utf8(without.stderr).unwrap();
    assert!(words.contains("around the clock") && words.contains("objects.d/team-a/web.conf"), "{words}");
    let with = case("host-every-attribute").join("extra.conf");
    let with =
        render("host-every-attribute", &[&arguments[..], &["--check-with", with.to_str().unwrap()]].concat());
    assert_eq!(with.status.code(), Some(0), "{}", String::from_utf8_lossy(&with.stderr));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // More than a pipe holds.
    let host = |i: usize| {
        json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "namespace": "n", "name": format!("host-{i}") }, "spec": { "host": { "checkCommand": "dummy" } },
        })
    };
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("hosts.json");
    let items: Vec<_> = (0..2000).map(host).collect();
    std::fs::write(&input, json!({ "kind": "List", "items": items }).to_string()).unwrap();
    // The status of the program, not of the reader.
    let line = r#""$1" render -f "$2" | head -c 1; exit "${PIPESTATUS[0]}""#;
    let mut command = Command::new("bash");
    let output =
        command.args(["-c", line, "bash", env!("CARGO_BIN_EXE_groundlink")]).arg(&input).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors, "");
    assert_eq!(output.stdout, b"/");
}
