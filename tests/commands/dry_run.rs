//! `--dry-run=client|server`: neither writes anything, and only the second asks the servers whether they would
//! take it.

use super::fixture::{Clusters, OPERATOR, apply, assert_same, everything, kubectl};
use serde_json::{Value, json};

const MODES: [&str; 3] = ["--dry-run", "--dry-run=server", "--dry-run=client"];

fn results(said: &Value) -> Vec<String> {
    let objects = said["objects"].as_array().expect("objects").iter();
    objects
        .map(|line| format!("{} {} {}", line["kind"], line["name"], line["result"]).replace('"', ""))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_modes_say_what_would_be_done_and_write_nothing() {
    let clusters = Clusters::start().await;
    let stored = async || (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let unchanged = async |before: &(_, _)| {
        let now = stored().await;
        assert_same(&now.0, &before.0);
        assert_same(&now.1, &before.1);
    };
    let before = stored().await;
    let mut said = Vec::new();
    for mode in MODES {
        let run =
            clusters.add("edge-a", &["--create-namespace", mode, "-o", "json"]).await.exits_with(0).json();
        assert_eq!(
            (&run["dryRun"], &run["token"]["result"]),
            (&json!(true), &json!("wouldBeCreated")),
            "{mode}"
        );
        assert_eq!(
            (&run["apiVersion"], &run["kind"]),
            (&json!("cli.groundlink.dev/v1"), &json!("SatelliteReport"))
        );
        said.push(results(&run));
        unchanged(&before).await;
    }
    assert!(said[0].len() == 7 && said.iter().all(|one| *one == said[0]), "{said:?}");
    clusters.add("edge-a", &["--dry-run=none", "--create-namespace"]).await.exits_with(0);
    clusters.add("edge-a", &["--dry-run=maybe"]).await.exits_with(2).stderr_has(&["none, client, server"]);

    // A second run would change one thing, and a removal delete everything.
    let before = stored().await;
    for mode in MODES {
        let add = clusters.add("edge-a", &["--zone", "eu", mode, "-o", "json"]).await.exits_with(0).json();
        let changed: Vec<_> = results(&add).into_iter().filter(|line| !line.ends_with("unchanged")).collect();
        assert_eq!(changed, ["SatelliteCluster edge-a changed"], "{mode}");
        let remove = ["remove", "edge-a", "--context", "edge", mode, "-o", "json"];
        let remove = results(&clusters.satellite(&remove).await.exits_with(0).json());
        let deleted: Vec<_> = remove.iter().filter(|line| line.ends_with("deleted")).collect();
        assert_eq!(deleted.len(), 6, "{mode}: {remove:?}");
        let rotate =
            ["rotate", "edge-a", "--context", "edge", "--without-operator", "--allow-loopback-satellites"];
        let rotate = clusters.satellite(&[&rotate[..], &[mode]].concat()).await.exits_with(0);
        assert!(rotate.out.contains("would be deleted"), "{mode}: {}", rotate.out);
        unchanged(&before).await;
    }
    let check = async |mode| {
        let check = ["check", "edge-a", "--allow-loopback-satellites", mode, "-o", "json"];
        let steps = clusters.satellite(&check).await.exits_with(0).json()["steps"].clone();
        let skipped = steps.as_array().unwrap().iter().filter(|step| step["result"] == "skipped");
        skipped.map(|step| step["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(check("--dry-run=server").await, ["write"]);
    assert_eq!(check("--dry-run=client").await, ["namespace", "write"]);

    // The permission to remove, and the object of the self test.
    let lease = json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "groundlink", "namespace": OPERATOR } });
    apply(&clusters.hub, &lease.to_string()).await;
    let read = ["-n", OPERATOR, "get", "lease", "groundlink", "-o", "json"];
    let stored_lease = kubectl(&clusters.hub, &read).await;
    for mode in MODES {
        let allow = clusters.plugin(&["removals", "allow", mode, "--hub-context", "hub"]).await.exits_with(0);
        allow.stderr_has(&["dry run: nothing was written", "Lease groundlink/groundlink"]);
        assert_eq!(kubectl(&clusters.hub, &read).await, stored_lease, "{mode}");
        let missing = ["removals", "allow", mode, "--hub-context", "hub", "--lease-name", "none"];
        clusters.plugin(&missing).await.exits_with(1).stderr_has(&["404"]);
        let test = clusters.plugin(&["selftest", mode, "--hub-context", "hub"]).await.exits_with(0);
        assert_eq!(test.out.contains("kind: MonitoringObject"), mode.ends_with("client"), "{}", test.out);
        let objects = ["get", "monitoringobjects", "-A", "-o", "name"];
        assert_eq!(kubectl(&clusters.hub, &objects).await, "", "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_dry_run_of_the_server_meets_its_refusal() {
    let clusters = Clusters::joined().await;
    let rule = |group: &str, version: &str, operation: &str, resource: &str| json!({ "apiGroups": [group], "apiVersions": [version], "operations": [operation], "resources": [resource] });
    let rules = json!([
        rule("groundlink.dev", "v1alpha1", "DELETE", "satelliteclusters"),
        rule("groundlink.dev", "v1alpha1", "UPDATE", "satelliteclusters"),
        rule("groundlink.dev", "v1alpha1", "CREATE", "monitoringobjects"),
        rule("", "v1", "UPDATE", "secrets"),
    ]);
    clusters.close(&rules, "false").await;
    let rotate =
        ["rotate", "edge-a", "--context", "edge", "--without-operator", "--allow-loopback-satellites"];
    let add = ["add", "edge-a", "--context", "edge", "--allow-loopback-satellites", "--zone", "eu"];
    for command in [&["remove", "edge-a", "--context", "edge"][..], &rotate, &add] {
        let run = async |mode| clusters.satellite(&[command, &[mode]].concat()).await;
        run("--dry-run=server").await.exits_with(1).stderr_has(&["closed for the weekend"]);
        run("--dry-run=client").await.exits_with(0);
    }
    let test = async |mode| clusters.plugin(&["selftest", mode, "--hub-context", "hub"]).await;
    test("--dry-run=server").await.exits_with(1).stderr_has(&["closed for the weekend"]);
    test("--dry-run=client").await.exits_with(0);
}
