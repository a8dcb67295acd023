//! The examples of `examples/agent`: real API servers take them under the restricted Pod Security
//! Standard, systemd takes the unit, and the program knows every flag in them.

use super::fixture::{Clusters, OPERATOR, Run, apply, kubectl};
use crate::GROUNDLINK;
use crate::support::{ApiServer, ControlPlane, skip, succeeded};
use groundlink::api::marks::SHRINK_CONFIRMED;
use serde_json::{Value, json};
use std::process::{Command, Output};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/agent");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");

fn example(name: &str) -> String {
    std::fs::read_to_string(format!("{EXAMPLES}/{name}")).unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Fails unless `groundlink agent` takes these arguments.
fn are_known(arguments: &[&str]) {
    let output = run(GROUNDLINK, &[&["agent"], arguments, &["--help"]].concat());
    succeeded(&format!("groundlink agent {arguments:?}"), &output);
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Returns the Pod that a workload makes, as its controller would.
fn pod(workload: &Value, namespace: &str) -> Value {
    let mut pod = workload["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = workload["metadata"]["name"].clone();
    pod["metadata"]["namespace"] = json!(namespace);
    let claims = workload["spec"]["volumeClaimTemplates"].as_array().cloned().unwrap_or_default();
    let volumes = pod["spec"]["volumes"].as_array_mut().unwrap();
    for claim in claims {
        let name = &claim["metadata"]["name"];
        volumes.push(json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    }
    pod
}

/// `kubectl apply`, as the page says it.
async fn apply_as_a_person(server: &ApiServer, manifest: &str) {
    succeeded("kubectl apply", &server.kubectl_with_input(&["apply", "-f", "-"], manifest).await);
}

async fn dry(server: &ApiServer, manifest: &str) -> Run {
    let arguments = ["apply", "--dry-run=server", "-f", "-"];
    Run::of(&server.kubectl_with_input(&arguments, manifest).await)
}

/// Fails unless the API server takes the manifest without a warning.
async fn is_taken(server: &ApiServer, what: &str, manifest: &str) {
    let said = dry(server, manifest).await;
    assert!(said.code == 0 && !said.err.contains("Warning"), "{what}: {}\n{}", said.out, said.err);
    println!("{what}: {}", said.out);
}

/// Returns the containers of a Pod that mount this volume.
fn mounting<'a>(pod: &'a Value, volume: &str) -> Vec<&'a str> {
    let all = ["initContainers", "containers"].map(|kind| pod["spec"][kind].as_array().unwrap());
    let mounts = |container: &&Value| {
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        mounts.into_iter().any(|mount| mount["name"] == volume)
    };
    let found = all.into_iter().flatten().filter(mounts);
    found.map(|container| container["name"].as_str().unwrap()).collect()
}

fn container<'a>(pod: &'a Value, name: &str) -> &'a Value {
    let all = ["initContainers", "containers"].map(|kind| pod["spec"][kind].as_array().unwrap());
    all.into_iter().flatten().find(|container| container["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_enforces_the_restricted_standard_takes_every_example() {
    let plane = ControlPlane::start(&["edge"]).await;
    let server = plane.server("edge");
    for namespace in ["icinga", "groundlink"] {
        let labels = ["enforce", "warn"].map(|mode| format!("pod-security.kubernetes.io/{mode}=restricted"));
        kubectl(&server, &["create", "namespace", namespace]).await;
        kubectl(&server, &["label", "namespace", namespace, &labels[0], &labels[1]]).await;
    }

    for name in ["icinga-1", "icinga-2"] {
        let flags = ["satellite", "join-manifest", "edge-a", "--only", "satellite", "--agent", name];
        let account = run(GROUNDLINK, &flags);
        succeeded("join-manifest", &account);
        let account = String::from_utf8(account.stdout).unwrap();
        apply(&server, &account).await;

        let manifest = example("satellite.yaml").replace("icinga-1", name);
        is_taken(&server, &format!("satellite.yaml of {name}"), &manifest).await;
        let manifest = documents(&manifest);
        let workload = manifest.iter().find(|document| document["kind"] == "StatefulSet").unwrap();
        let pod = pod(workload, "icinga");
        is_taken(&server, "its Pod", &pod.to_string()).await;

        // The agent is the one that join-manifest made, and nobody else has its token.
        let made = documents(&account);
        let of = |kind: &str| {
            let named =
                |object: &&Value| object["kind"] == kind && object["metadata"]["name"] != "groundlink";
            made.iter().find(named).unwrap()["metadata"]["name"].as_str().unwrap()
        };
        assert_eq!(pod["spec"]["serviceAccountName"], of("ServiceAccount"));
        let agent = container(&pod, "agent");
        let arguments: Vec<_> =
            agent["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        assert!(arguments.contains(&&*format!("--lease={}", of("Lease"))), "{arguments:?}");
        are_known(&arguments);
        assert_eq!(pod["spec"]["automountServiceAccountToken"], json!(false));
        assert_eq!(mounting(&pod, "token"), ["agent"]);
        // Icinga waits for it.
        assert_eq!(agent["restartPolicy"], "Always");
        assert_eq!(agent["startupProbe"]["httpGet"]["path"], "/readyz");

        // The standard is enforced: each of these is refused.
        for (pointer, value) in [
            ("/spec/initContainers/2/securityContext/allowPrivilegeEscalation", json!(true)),
            ("/spec/containers/0/securityContext/capabilities", json!({})),
            ("/spec/securityContext/seccompProfile", Value::Null),
        ] {
            let mut pod = pod.clone();
            *pod.pointer_mut(pointer).unwrap() = value;
            let said = dry(&server, &pod.to_string()).await;
            assert!(said.code != 0 && said.err.contains("violates PodSecurity"), "{pointer}: {}", said.err);
        }
    }

    is_taken(&server, "hub.yaml", &example("hub.yaml")).await;
    let values = format!("{EXAMPLES}/hub-values.yaml");
    let flags =
        ["template", "groundlink", CHART, "-n", "groundlink", "--set", "crds.enabled=false", "-f", &values];
    let chart = server.helm(&flags).await;
    succeeded("helm template", &chart);
    let chart = String::from_utf8(chart.stdout).unwrap();
    is_taken(&server, "hub-values.yaml", &chart).await;
    let chart = documents(&chart);
    let workload = chart.iter().find(|document| document["kind"] == "Deployment").unwrap();
    let pod = pod(workload, "groundlink");
    is_taken(&server, "its Pod", &pod.to_string()).await;
    assert_eq!(
        mounting(&pod, "token"),
        ["groundlink"],
        "the operator's token reads the Secrets of satellites"
    );
    assert_eq!(mounting(&pod, "published"), ["groundlink", "agent"]);
    let arguments = container(&pod, "agent")["args"].as_array().unwrap();
    are_known(&arguments.iter().map(|argument| argument.as_str().unwrap()).collect::<Vec<_>>());
    // Every volume that hub.yaml makes is one that the Pod uses, and the other way round.
    let claims = pod["spec"]["volumes"].as_array().unwrap().iter();
    let mut claims: Vec<_> =
        claims.filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str()).collect();
    claims.retain(|claim| *claim != "groundlink");
    let hub = documents(&example("hub.yaml"));
    let made = hub.iter().filter(|document| document["kind"] == "PersistentVolumeClaim");
    let made: Vec<_> = made.map(|claim| claim["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(claims, made);
}

/// Returns the patches of `docs/agent.md`: what stands in quotes and begins with `{"spec"`.
fn patches() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/agent.md")).unwrap();
    let quoted = page.split("'{\"spec\"").skip(1).filter_map(|rest| rest.split_once('\''));
    quoted.map(|(patch, _)| format!("{{\"spec\"{patch}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_takes_the_patches_of_the_page() {
    let clusters = Clusters::start().await;
    kubectl(&clusters.edge, &["create", "namespace", "icinga"]).await;
    apply_as_a_person(&clusters.edge, &example("satellite.yaml")).await;
    clusters.add("edge-a", &["--agent", "icinga-1"]).await.exits_with(0);
    let patches = patches();
    let with = |word: &str| patches.iter().find(|patch| patch.contains(word)).unwrap().as_str();
    assert_eq!(patches.len(), 3, "{patches:?}");

    let of_the_hub =
        ["-n", OPERATOR, "patch", "satellitecluster", "edge-a", "--type=merge", "-o", "json", "-p"];
    for (word, pointer) in [
        ("ackLevel", "/spec/ackLevel"),
        (SHRINK_CONFIRMED, "/spec/target/annotations/groundlink.dev~1shrink-confirmed"),
    ] {
        let patched = kubectl(&clusters.hub, &[&of_the_hub[..], &[with(word)]].concat()).await;
        let patched: Value = serde_json::from_str(&patched).unwrap();
        assert!(patched.pointer(pointer).is_some(), "{patched}");
    }
    // Another program in the agent's place: no probe ends it, and Icinga starts.
    let patch = ["-n", "icinga", "patch", "statefulset", "icinga-1", "-o", "json", "-p", with("sleep")];
    let patched: Value = serde_json::from_str(&kubectl(&clusters.edge, &patch).await).unwrap();
    let pod = pod(&patched, "icinga");
    let agent = container(&pod, "agent");
    assert_eq!(agent["command"], json!(["sleep", "infinity"]));
    for field in ["args", "startupProbe", "livenessProbe"] {
        assert_eq!(agent[field], Value::Null, "{field}");
    }
    assert_eq!(agent["volumeMounts"].as_array().map(Vec::len), Some(6));
    is_taken(&clusters.edge, "the Pod without an agent", &pod.to_string()).await;
    // The manifest brings it back.
    apply_as_a_person(&clusters.edge, &example("satellite.yaml")).await;
    let get = ["-n", "icinga", "get", "statefulset", "icinga-1", "-o", "json"];
    let now: Value = serde_json::from_str(&kubectl(&clusters.edge, &get).await).unwrap();
    let now = self::pod(&now, "icinga");
    assert_eq!(container(&now, "agent")["command"], json!(["/opt/groundlink/groundlink", "agent"]));
    assert!(container(&now, "agent")["startupProbe"].is_object());
}

#[test]
fn systemd_takes_the_unit_and_the_program_its_arguments() {
    let unit = example("groundlink-agent.service");
    let joined = unit.replace("\\\n", " ");
    let line = joined
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/groundlink agent"))
        .unwrap();
    are_known(&line.replace("%l", "edge-a-1").split_whitespace().collect::<Vec<_>>());

    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return skip("systemd-analyze is not installed");
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("groundlink-agent.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/groundlink", GROUNDLINK)).unwrap();
    let path = path.to_str().unwrap();
    let said = Run::of(&run("systemd-analyze", &["verify", path])).exits_with(0);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""));
    // In tenths: at most 2.5, which systemd calls OK.
    let flags = ["security", "--offline=true", "--threshold=25", "--no-pager", path];
    Run::of(&run("systemd-analyze", &flags)).exits_with(0);
}

#[test]
fn a_copy_of_the_program_runs_where_it_was_installed() {
    let scratch = tempfile::tempdir().unwrap();
    let to = scratch.path().to_str().unwrap();
    for _ in 0..2 {
        succeeded("groundlink install", &run(GROUNDLINK, &["install", "--to", to]));
        let copy = format!("{to}/groundlink");
        assert_eq!(run(&copy, &["--version"]).stdout, run(GROUNDLINK, &["--version"]).stdout);
    }
    let nowhere = format!("{to}/nowhere");
    Run::of(&run(GROUNDLINK, &["install", "--to", &nowhere])).exits_with(1).stderr_has(&["--to", &nowhere]);
}
