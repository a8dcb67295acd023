//! Statuses that a real operator wrote, judged by the Lua engine of Argo CD with our health script, and
//! by kstatus, which Flux and Helm 4 use. Each one is recorded in `target/recorded/`.

use super::{documents, repository, text_of};
use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, OPERATOR, binary, eventually, host, succeeded};
use groundlink::api::Reason;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

const SCRIPT: &str = "examples/gitops/argocd/health.lua";

/// The words of both for one object.
#[derive(Debug)]
struct Verdict {
    argo: String,
    argo_message: String,
    kstatus: String,
}

/// Asks `gitops-check`.
fn judge(script: &str, object: &Value) -> Verdict {
    let mut check = Command::new(binary("gitops-check"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(json!([object]).to_string().as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    succeeded("gitops-check", &said);
    let verdicts: Value = serde_json::from_slice(&said.stdout).unwrap();
    let word = |name: &str| verdicts[0][name].as_str().unwrap().to_owned();
    Verdict { argo: word("argo"), argo_message: word("argoMessage"), kstatus: word("kstatus") }
}

struct Records<'a> {
    installation: &'a Installation,
    table: Vec<[String; 4]>,
}

impl Records<'_> {
    /// Records an object as it is on the hub, and returns it with the verdicts.
    async fn record(&mut self, state: &str, kind: &str, namespace: &str, name: &str) -> (Value, Verdict) {
        let server = self.installation.plane.server("hub");
        let got = server.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"]).await;
        succeeded("kubectl get", &got);
        let object: Value = serde_json::from_slice(&got.stdout).unwrap();
        let directory = repository("target/recorded");
        std::fs::create_dir_all(&directory).unwrap();
        let file = format!("{directory}/{kind}-{}.json", state.replace(' ', "-"));
        std::fs::write(file, serde_json::to_string_pretty(&object).unwrap()).unwrap();
        let verdict = judge(&repository(SCRIPT), &object);
        self.table.push([kind.to_owned(), state.to_owned(), verdict.argo.clone(), verdict.kstatus.clone()]);
        (object, verdict)
    }

    /// Waits until both say these words of an object.
    async fn says(
        &mut self,
        state: &str,
        (kind, namespace, name): (&str, &str, &str),
        argo: &str,
        kstatus: &str,
    ) -> Verdict {
        let server = self.installation.plane.server("hub");
        eventually(GENEROUS, &format!("{kind} {state} is {argo} and {kstatus}"), async || {
            let got = server.kubectl(&["get", kind, name, "-n", namespace, "-o", "json"]).await;
            let object: Value = serde_json::from_slice(&got.stdout).map_err(|error| error.to_string())?;
            let verdict = judge(&repository(SCRIPT), &object);
            match verdict.argo == argo && verdict.kstatus == kstatus {
                true => Ok(()),
                false => Err(format!("{verdict:?}: {}", object["status"])),
            }
        })
        .await;
        self.record(state, kind, namespace, name).await.1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn argo_cd_and_kstatus_say_the_same_of_every_state() {
    let installation = Installation::start(&["edge"]).await;
    installation.namespace("team-a").await;
    let object = |name: &'static str| ("monitoringobject", "team-a", name);
    let satellite = |name: &'static str| ("satellitecluster", OPERATOR, name);
    let (waiting, ready) = ("InProgress", "Current");

    // Nobody has looked at them: without the default of the CRD, kstatus would call them Current.
    installation.put("team-a", "web", host("first")).await;
    let mut records = Records { installation: &installation, table: Vec::new() };
    records.says("not observed", object("web"), "Progressing", waiting).await;
    records.says("not observed", satellite("edge"), "Progressing", waiting).await;
    let operator = installation.operator(GROUNDLINK).await;
    let said = records.says("synced", object("web"), "Healthy", ready).await;
    assert!(!said.argo_message.is_empty(), "{said:?}");
    records.says("in sync", satellite("edge"), "Healthy", ready).await;

    // The satellite does not answer. It is published, and not everywhere.
    let silence = Fault::on(Action::refuse(503, "ServiceUnavailable"), |_, _| true);
    installation.proxies["edge"].set_fault(Some(silence));
    // What GitOps tools write on an object stays on it.
    let marks = json!({ "metadata": {
        "labels": { "app.kubernetes.io/instance": "tracked", "kustomize.toolkit.fluxcd.io/name": "tracked" },
        "annotations": { "argocd.argoproj.io/tracking-id": "tracked", "meta.helm.sh/release-name": "tracked" },
    } });
    let objects = installation.objects("team-a");
    objects.patch("web", &PatchParams::default(), &Patch::Merge(marks)).await.unwrap();
    installation.put("team-a", "web", host("second")).await;
    installation.published("team-a", "web").await;
    let said = records.says("waiting for a satellite", object("web"), "Progressing", waiting).await;
    assert!(!said.argo_message.is_empty(), "{said:?}");
    records.says("does not answer", satellite("edge"), "Progressing", waiting).await;
    // Whoever waits for the object waits for the time of its satellites, and not for ever.
    installation.register("edge", json!({ "syncTimeout": "10s" })).await;
    let said = records.says("waiting for too long", object("web"), "Degraded", "Failed").await;
    assert!(said.argo_message.contains("edge (Unreachable)"), "{said:?}");
    installation.proxies["edge"].set_fault(None);
    records.says("synced again", object("web"), "Healthy", ready).await;
    let delivered = installation.plane.server("edge");
    let delivered = delivered.kubectl(&["get", "configmaps", "-n", "icinga", "-o", "json"]).await;
    let delivered = String::from_utf8(delivered.stdout).unwrap();
    assert!(delivered.contains("second") && !delivered.contains("tracked"), "{delivered}");

    // What it names may be on its way. Later, a person must act.
    installation.put("team-a", "wrong", json!({ "host": { "checkCommand": "no such command" } })).await;
    installation.refused("team-a", "wrong", Reason::UnresolvedReference).await;
    let (_, first) = records.record("names what is missing", "monitoringobject", "team-a", "wrong").await;
    assert!(first.argo == "Progressing" && first.kstatus == waiting, "{first:?}");
    assert!(first.argo_message.contains("no such command"), "{first:?}");
    records.says("names it for too long", object("wrong"), "Degraded", "Failed").await;
    // Refused: a person must act.
    installation.put("team-a", "invalid", host("a\u{0}b")).await;
    installation.refused("team-a", "invalid", Reason::Invalid).await;
    let said = records.says("refused", object("invalid"), "Degraded", "Failed").await;
    assert!(said.argo_message.contains("spec.host.notes"), "{said:?}");
    let forbidden = Fault::on(Action::refuse(403, "Forbidden"), |_, _| true);
    installation.proxies["edge"].set_fault(Some(forbidden));
    installation.put("team-a", "web", host("third")).await;
    records.says("refuses", satellite("edge"), "Degraded", "Failed").await;
    installation.proxies["edge"].set_fault(None);
    records.says("in sync again", satellite("edge"), "Healthy", ready).await;

    // Suspended on purpose: Argo CD has a word for it, kstatus has not. Nobody goes on with it.
    installation
        .put("team-a", "pause", json!({ "suspend": true, "host": { "checkCommand": "dummy" } }))
        .await;
    installation.refused("team-a", "pause", Reason::Suspended).await;
    let (_, first) = records.record("suspended", "monitoringobject", "team-a", "pause").await;
    assert!(first.argo == "Suspended" && first.kstatus == "Failed", "{first:?}");
    installation.register("edge", json!({ "suspend": true })).await;
    records.says("suspended", satellite("edge"), "Suspended", "Failed").await;
    installation.register("edge", json!({ "suspend": false })).await;

    // A change that nobody has looked at does not pass for the state before it.
    drop(operator);
    installation.put("team-a", "web", host("fourth")).await;
    let said = records.says("changed, not observed", object("web"), "Progressing", waiting).await;
    assert!(said.argo_message.contains("observe generation"), "{said:?}");

    for [kind, state, argo, kstatus] in &records.table {
        println!("{kind:<18} {state:<26} {argo:<12} {kstatus}");
    }
}

/// A script without the test of the generation passes a stale status: the test can fail.
#[test]
fn the_check_finds_a_script_that_is_wrong() {
    let stale = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "name": "web", "namespace": "a", "generation": 2 }, "spec": {},
        "status": { "observedGeneration": 1, "conditions": [
            { "type": "Ready", "status": "True", "observedGeneration": 1, "reason": "Published", "message": "" },
            { "type": "Synced", "status": "True", "observedGeneration": 1, "reason": "AllSatellites", "message": "" },
        ] },
    });
    assert_eq!(judge(&repository(SCRIPT), &stale).argo, "Progressing");
    let scratch = tempfile::tempdir().unwrap();
    let wrong = scratch.path().join("wrong.lua");
    let text = text_of(SCRIPT);
    let blind = text.replace("observedGeneration < generation", "observedGeneration < 0");
    let blind = blind.replace("condition.observedGeneration >= generation", "true");
    std::fs::write(&wrong, blind).unwrap();
    assert_eq!(judge(wrong.to_str().unwrap(), &stale).argo, "Healthy");
    // Conditions of an earlier generation do not count, whatever the status says of itself.
    let mut half = stale;
    half["status"]["observedGeneration"] = json!(2);
    assert_eq!(judge(&repository(SCRIPT), &half).argo, "Progressing");
}

#[test]
fn the_patch_of_argo_cd_has_the_script_for_both_kinds() {
    let patch = &documents(&text_of("examples/gitops/argocd/argocd-cm.yaml"))[0];
    let data = patch["data"].as_object().unwrap();
    let script = text_of(SCRIPT);
    let keys: Vec<_> = data.keys().map(String::as_str).collect();
    let key = |kind: &str| format!("resource.customizations.health.groundlink.dev_{kind}");
    assert_eq!(keys, [key("MonitoringObject"), key("SatelliteCluster")]);
    assert!(data.values().all(|text| text == script.as_str()), "argocd-cm.yaml and health.lua differ");
}

/// The manifests of the page and of the examples, with the place of each.
fn manifests() -> Vec<(String, Value)> {
    let page = text_of("docs/gitops.md");
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    let mut found: Vec<_> =
        blocks.flat_map(documents).map(|document| ("docs/gitops.md".to_owned(), document)).collect();
    for directory in ["", "/argocd", "/flux"] {
        for entry in std::fs::read_dir(repository(&format!("examples/gitops{directory}"))).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.extend(
                    documents(&text).into_iter().map(|document| (path.display().to_string(), document)),
                );
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifests_for_gitops_are_right() {
    let installation = Installation::start(&[]).await;
    installation.namespace("monitoring").await;
    let server = installation.plane.server("hub");
    let all = manifests();
    assert!(all.len() >= 12, "{}", all.len());
    let values = installation.scratch().join("values.json");
    let mut values_of = 0;
    for (place, document) in &all {
        assert_ne!(document["kind"], "Secret", "{place}: a secret in Git");
        match document["apiVersion"].as_str() {
            Some("groundlink.dev/v1alpha1") => {
                let arguments =
                    ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
                succeeded(place, &server.kubectl_with_input(&arguments, &document.to_string()).await);
            }
            // The values in it are values of the chart.
            Some("argoproj.io/v1alpha1" | "helm.toolkit.fluxcd.io/v2") => {
                let inside =
                    [&document["spec"]["source"]["helm"]["valuesObject"], &document["spec"]["values"]];
                let Some(given) = inside.into_iter().find(|values| values.is_object()) else { continue };
                std::fs::write(&values, given.to_string()).unwrap();
                let chart = repository("charts/groundlink");
                let template = ["template", "groundlink", &chart, "-f", values.to_str().unwrap()];
                let rendered = server.helm(&template).await;
                succeeded(place, &rendered);
                values_of += 1;
                if document["kind"] == "Application" {
                    let rendered = String::from_utf8(rendered.stdout).unwrap();
                    let kept =
                        rendered.matches("argocd.argoproj.io/sync-options: Prune=false,Delete=false").count();
                    assert_eq!(kept, 3, "the CRDs and the claim are kept");
                }
            }
            Some(_) => {}
            None => {
                assert!(document.get("monitoring").or(document.get("crds")).is_some(), "{place}: {document}")
            }
        }
    }
    assert!(values_of >= 2, "{values_of}");
}
