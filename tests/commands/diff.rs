//! `groundlink diff`: each version of an object, and where they differ.

use super::fixture::Run;
use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, eventually, host, succeeded};
use groundlink::api::AgentReport;
use groundlink::api::agent_report::{AgentResult, HeldContent, HeldObject, RunningSet};
use groundlink::identity::Digest;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Command;

async fn diff(installation: &Installation, arguments: &[&str]) -> Run {
    let kubeconfig = installation.plane.server("hub").admin_kubeconfig_path();
    let mut command = Command::new(GROUNDLINK);
    command.arg("diff").args(arguments).arg("--hub-kubeconfig").arg(kubeconfig).kill_on_drop(true);
    let output = tokio::time::timeout(GENEROUS, command.output()).await.expect("it ends").expect("it runs");
    Run::of(&output)
}

/// Returns the document, when the command ends with this code.
async fn document(installation: &Installation, object: &str, code: i32) -> Value {
    eventually(GENEROUS, &format!("diff {object} ends with {code}"), async || {
        let said = diff(installation, &[object, "-n", "team-a", "-o", "json"]).await;
        if said.code == code {
            Ok(said.json())
        } else {
            Err(format!("{}: {}{}", said.code, said.out, said.err))
        }
    })
    .await
}

/// Returns place, satellite, state and whether it differs, of each version.
fn sides(document: &Value) -> Vec<String> {
    let text = |side: &Value, field: &str| side[field].as_str().unwrap_or("-").to_owned();
    let one = |side: &Value| {
        let words = ["place", "satellite", "state"].map(|field| text(side, field));
        format!("{} {}", words.join(" "), side["differs"])
    };
    document["sides"].as_array().expect("sides").iter().map(one).collect()
}

async fn suspend(installation: &Installation, satellite: &str, suspend: bool) {
    let merge = Patch::Merge(json!({ "spec": { "suspend": suspend } }));
    installation.satellites().patch(satellite, &PatchParams::default(), &merge).await.expect("a patch");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_which_version_differs_and_how() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("first")).await;

    let equal = document(&installation, "mo/web", 0).await;
    assert_eq!(
        (&equal["apiVersion"], &equal["kind"]),
        (&json!("cli.groundlink.dev/v1"), &json!("Diff")),
        "{equal}"
    );
    let delivered = ["delivered sat-a present false", "delivered sat-b present false"];
    assert_eq!(
        sides(&equal),
        [&["resource - present false", "hub - present false"], &delivered[..]].concat()
    );
    let file = &installation.files()["team-a.web.conf"];
    assert_eq!(equal["sides"][0]["digest"], Digest::of(file.as_bytes()).to_string());
    let volume = installation.volume().to_str().expect("UTF-8");
    let with = diff(&installation, &["team-a/web", "--volume", volume]).await.exits_with(0);
    assert!(with.out.contains("\nvolume ") && with.out.ends_with("\nNo difference.\n"), "{}", with.out);

    // A suspended satellite keeps the previous content.
    suspend(&installation, "sat-b", true).await;
    eventually(GENEROUS, "it is suspended", async || {
        let status = installation.satellites().get("sat-b").await.expect("it exists").status;
        let said = serde_json::to_value(status).expect("JSON").to_string();
        if said.contains("Suspended") { Ok(()) } else { Err(said) }
    })
    .await;
    installation.put("team-a", "web", host("second")).await;
    let differs = eventually(GENEROUS, "only the suspended one differs", async || {
        let found = document(&installation, "mo/web", 1).await;
        let wanted =
            ["resource - present false", "hub - present false", delivered[0], "delivered sat-b present true"];
        if sides(&found) == wanted { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    let [difference] = &differs["differences"].as_array().expect("a list")[..] else { panic!("{differs}") };
    assert_eq!(difference["of"], json!(["sat-b delivered"]));
    let unified = difference["unified"].as_str().expect("texts");
    assert!(
        unified.contains("-  notes = \"second\"") && unified.contains("+  notes = \"first\""),
        "{unified}"
    );
    let text = diff(&installation, &["team-a/web"]).await.exits_with(1).out;
    assert!(text.contains("--- resource\n+++ sat-b delivered\n@@ "), "{text}");
    assert!(text.contains("not waited for: Suspended"), "{text}");

    // A resource that is refused differs from what is published, with which the rest is compared.
    let bad = json!({ "host": { "checkCommand": "dummy", "vars": { "x": "$open" } } });
    installation.put("team-a", "web", bad).await;
    let refused = document(&installation, "mo/web", 1).await;
    assert_eq!(
        sides(&refused),
        ["resource - refused true", "hub - present false", delivered[0], "delivered sat-b present true"]
    );

    // Who still has it after the deletion.
    installation.delete("team-a", "web").await;
    let left = eventually(GENEROUS, "only the suspended one has it", async || {
        let found = document(&installation, "mo/web", 1).await;
        let wanted = [
            "resource - absent false",
            "hub - absent false",
            "delivered sat-a absent false",
            "delivered sat-b present true",
        ];
        if sides(&found) == wanted { Ok(found) } else { Err(found.to_string()) }
    })
    .await;
    assert!(left["differences"][0]["unified"].as_str().expect("texts").starts_with("@@ -0,0 +1,"), "{left}");
    diff(&installation, &["team-a/none"])
        .await
        .exits_with(2)
        .stderr_has(&["no MonitoringObject team-a/none"]);

    // What cannot be read is not known to be equal.
    installation.put("team-a", "app", host("first")).await;
    installation.synced("team-a", "app").await;
    installation.plane.server("sat-b").stop();
    let unknown = document(&installation, "mo/app", 2).await;
    let side = &unknown["sides"][3];
    assert_eq!((&side["state"], &unknown["complete"]), (&json!("unknown"), &json!(false)), "{unknown}");
    assert!(side["detail"].as_str().expect("text").contains("cannot read ConfigMap"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn diff_shows_what_an_icinga_runs_by_the_report_of_its_agent() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("first")).await;
    document(&installation, "mo/web", 0).await;

    let pointer = installation.pointer("sat-a").await.expect("a pointer");
    let annotation = |name: &str| pointer.metadata.annotations.as_ref().expect("annotations")[name].clone();
    let (revision, digest) = (annotation("groundlink.dev/revision"), annotation("groundlink.dev/digest"));
    let server = installation.plane.server("sat-a");
    let says = async |running: RunningSet, held: Vec<HeldObject>| {
        let report = AgentReport {
            result: AgentResult::Loaded,
            running: Some(running),
            held,
            ..AgentReport::new("groundlink")
        };
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": "groundlink-agent-one", "namespace": "icinga",
                "labels": { "app.kubernetes.io/managed-by": "groundlink", "groundlink.dev/part": "agent" },
                "annotations": { "groundlink.dev/agent-report": report.text() },
            },
            "spec": { "holderIdentity": "one", "renewTime": "2026-11-29T12:00:00.000000Z", "leaseDurationSeconds": 100 },
        });
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        succeeded("kubectl apply", &server.kubectl_with_input(&apply, &lease.to_string()).await);
    };
    let loaded = async |code: i32| {
        let found = document(&installation, "mo/web", code).await;
        let side = found["sides"].as_array().expect("sides").last().expect("a side").clone();
        assert_eq!(
            (&side["place"], &side["agent"]),
            (&json!("loaded"), &json!("groundlink-agent-one")),
            "{found}"
        );
        side
    };
    let running = |digest: &str, revision: &str| RunningSet {
        revision: revision.to_owned(),
        digest: digest.to_owned(),
        loaded_at: "2026-11-29T12:00:00Z".into(),
    };
    says(running(&digest, &revision), Vec::new()).await;
    let equal = loaded(0).await;
    assert_eq!((&equal["state"], &equal["differs"]), (&json!("present"), &json!(false)), "{equal}");
    let held = |content| vec![HeldObject::new("team-a/web".into(), content, "Object 'nope' does not exist.")];
    says(running(&digest, &revision), held(HeldContent::Previous)).await;
    let refused = loaded(1).await;
    assert_eq!(refused["state"], "other", "{refused}");
    assert!(refused["detail"].as_str().expect("text").contains("Object 'nope' does not exist."), "{refused}");
    says(running(&digest, &revision), held(HeldContent::LeftOut)).await;
    assert_eq!(loaded(1).await["state"], "absent");
    says(running(&Digest::of(b"older").to_string(), "0.1"), Vec::new()).await;
    let older = loaded(1).await;
    assert_eq!(older["state"], "other", "{older}");
    assert!(older["detail"].as_str().expect("text").contains("0.1, from before this content"), "{older}");
}
