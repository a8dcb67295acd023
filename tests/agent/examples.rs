//! The configuration of Icinga in `examples/agent` and in `docs/agent.md`.

use super::stage::{HOST, candidate, validator};
use crate::support::{Hook, Icinga, NODE, generations, succeeded};
use groundlink::agent::icinga::candidate::hook;
use groundlink::agent::icinga::validator::Validation;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/hack/icinga2-in.sh");
const ACTIVE: &str = "/var/lib/groundlink-agent/active.conf";

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Returns the `icinga2.conf` of each example, with the name of its endpoint.
fn configurations() -> Vec<(&'static str, String)> {
    let of = |name: &str| {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&file(&format!("examples/agent/{name}"))).unwrap();
        let found = documents.iter().find_map(|document| document["data"]["icinga2.conf"].as_str());
        found.unwrap().to_owned()
    };
    vec![("icinga-1", of("satellite.yaml")), ("icinga-hub", of("hub.yaml"))]
}

#[test]
fn the_lines_that_include_the_set_are_those_that_the_agent_expects() {
    for (name, text) in configurations() {
        assert!(text.ends_with(&hook(ACTIVE)), "{name}: {text}");
    }
    let page = file("docs/agent.md");
    assert!(page.contains(&hook(ACTIVE)), "docs/agent.md must show:\n{}", hook(ACTIVE));
}

#[tokio::test]
async fn icinga_loads_a_set_through_the_configuration_of_each_example() {
    for generation in generations() {
        for (name, text) in configurations() {
            let icinga = Icinga::prepare(generation, Hook::Missing);
            // The files of this stage are elsewhere, and it has the certificate of another name.
            let text = text.replace(ACTIVE, &icinga.text("load/active.conf")).replace(name, NODE);
            std::fs::write(icinga.path("etc/icinga2.conf"), text).unwrap();
            let tree = icinga.tree("one", &[HOST]);
            let path = icinga.path("load/candidate.conf");
            std::fs::write(&path, candidate("1.1 one", &tree, true)).unwrap();
            let verdict = validator(&icinga).validate(&path, "1.1 one", 1).await;
            assert!(matches!(verdict, Validation::Accepted(_)), "{name}, {generation}: {verdict:?}");
        }
    }
}

/// Returns the script of the container `prepare` in each example, with the name of its endpoint, up to the
/// run of the validator, which needs the directories of the image.
fn prepare_scripts() -> Vec<(&'static str, String)> {
    let of = |name: &str, list: &str| {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&file(&format!("examples/agent/{name}"))).unwrap();
        let all = documents.iter().filter_map(|document| document.pointer(list)?.as_array());
        let prepare = all.flatten().find(|container| container["name"] == "prepare").unwrap();
        let script = prepare["command"][2].as_str().unwrap();
        script.split_once("# Creates what Icinga writes").unwrap().0.to_owned()
    };
    let satellite = of("satellite.yaml", "/spec/template/spec/initContainers");
    vec![("icinga-1", satellite), ("icinga-hub", of("hub-values.yaml", "/extraInitContainers"))]
}

#[test]
fn prepare_takes_the_certificates_of_a_secret_or_makes_its_own() {
    let Some(generation) = generations().into_iter().next() else { return };
    for (name, script) in prepare_scripts() {
        let icinga = Icinga::prepare(generation, Hook::Missing);
        let (data, secret) = (icinga.path("data"), icinga.path("secret"));
        let script = script.replace("/data/var", &format!("{}/var", data.display()));
        let script = script.replace("/certificates", &secret.display().to_string());
        let certs = data.join("var/lib/icinga2/certs");
        let read = |file: &str| std::fs::read_to_string(certs.join(file)).unwrap();
        let bin = icinga.path("bin");
        std::fs::create_dir(&bin).unwrap();
        let path = std::env::var("PATH").unwrap();
        // The script that it runs looks for the program itself, and must not find this one.
        let wrapper = format!(
            "#!/bin/sh\nexec env PATH='{path}' ICINGA2_USER=$(id -un) ICINGA2_GROUP=$(id -gn) {SCRIPT} {generation} \"$@\" \
             -D Configuration.DataDir=\"$PWD\"\n"
        );
        std::fs::write(bin.join("icinga2"), wrapper).unwrap();
        std::fs::set_permissions(bin.join("icinga2"), PermissionsExt::from_mode(0o755)).unwrap();
        let path = format!("{}:{path}", bin.display());
        let prepare = || {
            let mut shell = std::process::Command::new("sh");
            let output = shell.args(["-ec", &script]).env("PATH", &path).output().unwrap();
            succeeded("prepare", &output);
        };
        prepare();
        let own = (read("ca.crt"), read(&format!("{name}.crt")));
        assert!(own.1.contains("BEGIN CERTIFICATE"), "{name}: {}", own.1);
        prepare();
        assert_eq!((read("ca.crt"), read(&format!("{name}.crt"))), own, "{name}: they stay");
        std::fs::create_dir(&secret).unwrap();
        for (key, text) in [("ca.crt", "an authority"), ("tls.crt", "a certificate"), ("tls.key", "a key")] {
            std::fs::write(secret.join(key), text).unwrap();
        }
        prepare();
        let given = ["ca.crt", &format!("{name}.crt"), &format!("{name}.key")].map(read);
        assert_eq!(given, ["an authority", "a certificate", "a key"], "{name}");
    }
}
