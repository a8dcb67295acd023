//! `satellite remove`: deletes everything of ours, and touches nothing else.

use super::fixture::{Clusters, OPERATOR, apply, assert_same, everything, kubectl};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Clusters {
    async fn remove(&self, name: &str, more: &[&str]) -> super::fixture::Run {
        self.satellite(&[&["remove", name, "--context", "edge"][..], more].concat()).await
    }

    async fn patch_satellite(&self, name: &str, patch: Value) {
        let patch = patch.to_string();
        let patch = ["-n", OPERATOR, "patch", "satellitecluster", name, "--type=merge", "-p", &patch];
        kubectl(&self.hub, &patch).await;
    }
}

/// Returns the objects without their metadata.
fn content(all: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    all.into_iter()
        .map(|(name, mut object)| {
            object["metadata"] = json!(null);
            (name, object)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn remove_leaves_nothing_of_ours_and_touches_nothing_else() {
    let clusters = Clusters::start().await;
    kubectl(&clusters.edge, &["create", "namespace", "icinga"]).await;
    // Foreign objects with names like ours.
    for arguments in [
        ["-n", "icinga", "create", "configmap", "foreign"],
        ["-n", "icinga", "create", "serviceaccount", "groundlink-other"],
        ["-n", "icinga", "create", "secret", "generic"],
    ] {
        let name = if arguments[4] == "generic" { &["groundlink-token-foreign"][..] } else { &[] };
        kubectl(&clusters.edge, &[&arguments[..], name].concat()).await;
    }
    kubectl(&clusters.hub, &["-n", OPERATOR, "create", "secret", "generic", "foreign"]).await;
    let before = (content(everything(&clusters.hub).await), content(everything(&clusters.edge).await));

    // Everything that the commands create, with self-renewal.
    clusters.add("edge-a", &["--self-renewal"]).await.exits_with(0);
    let role = kubectl(
        &clusters.edge,
        &["-n", "icinga", "get", "role", "groundlink-token", "-o", "jsonpath={.rules}"],
    )
    .await;
    assert_eq!(
        role,
        r#"[{"apiGroups":[""],"resourceNames":["groundlink"],"resources":["serviceaccounts/token"],"verbs":["create"]}]"#
    );
    let get = ["-n", OPERATOR, "get", "satellitecluster", "edge-a", "-o", "jsonpath={.spec.tokenRenewal}"];
    let renewal: Value = serde_json::from_str(&kubectl(&clusters.hub, &get).await).unwrap();
    assert_eq!(
        renewal,
        json!({ "serviceAccount": "groundlink", "boundSecret": "groundlink-token", "lifetime": "24h" })
    );
    assert_eq!(clusters.check("edge-a").await.0, 0);
    // After a rotation, renewals are bound to the new Secret.
    let rotate =
        ["rotate", "edge-a", "--context", "edge", "--allow-loopback-satellites", "--without-operator"];
    clusters.satellite(&rotate).await.exits_with(0);
    let renewal: Value = serde_json::from_str(&kubectl(&clusters.hub, &get).await).unwrap();
    let bound = [
        "-n",
        "icinga",
        "get",
        "secrets",
        "-l",
        "groundlink.dev/account",
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ];
    assert_eq!(renewal["boundSecret"], kubectl(&clusters.edge, &bound).await);
    clusters.add("edge-a", &["--self-renewal"]).await.exits_with(0);
    assert_eq!(clusters.check("edge-a").await.0, 0);
    // Self-renewal stays until a flag removes it, together with the right.
    clusters.add("edge-a", &[]).await.exits_with(0);
    assert_eq!(serde_json::from_str::<Value>(&kubectl(&clusters.hub, &get).await).unwrap(), renewal);
    let add = clusters.add("edge-a", &["--self-renewal=false"]).await.exits_with(0);
    assert!(add.out.contains("deleted"), "{}", add.out);
    let roles = ["-n", "icinga", "get", "roles,rolebindings", "-o", "name"];
    assert_eq!(kubectl(&clusters.edge, &roles).await.lines().count(), 2);
    assert_eq!(kubectl(&clusters.hub, &get).await, "", "spec.tokenRenewal must be removed too");
    // A second satellite that shares the account.
    clusters.add("edge-b", &["--target-name", "other"]).await.exits_with(0);

    let stored = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let dry = clusters.remove("edge-a", &["--dry-run"]).await.exits_with(0);
    assert!(dry.out.contains("would be deleted"), "{}", dry.out);
    assert_same(&everything(&clusters.hub).await, &stored.0);
    assert_same(&everything(&clusters.edge).await, &stored.1);

    // Held by a finalizer: the credential stays for the cleanup, until the finalizer is removed.
    clusters
        .patch_satellite(
            "edge-a",
            json!({ "metadata": { "finalizers": ["groundlink.dev/satellite-cleanup"] } }),
        )
        .await;
    let held = clusters.remove("edge-a", &["--timeout", "2s", "--keep-configmaps"]).await.exits_with(1);
    held.stderr_has(&["groundlink.dev/satellite-cleanup", "operator run", "run this again"]);
    let get =
        ["-n", OPERATOR, "get", "satellitecluster", "edge-a", "-o", "jsonpath={.spec.deletion.cleanup}"];
    assert_eq!(kubectl(&clusters.hub, &get).await, "Orphan");
    kubectl(&clusters.hub, &["-n", OPERATOR, "get", "secret", "edge-a"]).await;
    clusters.patch_satellite("edge-a", json!({ "metadata": { "finalizers": null } })).await;
    // Delivered ConfigMaps stay and are reported. Those of another hub for a satellite of this name
    // are not reported.
    let get = ["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"];
    let hub_id = kubectl(&clusters.hub, &get).await;
    for (name, hub) in [("groundlink", hub_id.as_str()), ("of-another-hub", "another")] {
        let labels = json!({
            "app.kubernetes.io/managed-by": "groundlink", "groundlink.dev/satellite": "edge-a",
            "groundlink.dev/hub": hub,
        });
        let metadata = json!({ "name": name, "namespace": "icinga", "labels": labels });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        apply(&clusters.edge, &map.to_string()).await;
    }
    let shared = clusters.remove("edge-a", &[]).await.exits_with(0);
    println!("{}", shared.out);
    for words in ["ConfigMap          icinga/groundlink      left", "satellite edge-b uses it"] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&shared.out).contains(&squeezed(words)), "{words}: {}", shared.out);
    }
    assert!(!shared.out.contains("of-another-hub"), "{}", shared.out);
    assert_eq!(clusters.check("edge-b").await.0, 0, "the shared account must keep working");
    let delete = shared.out.split("to delete what is left: kubectl ").nth(1).unwrap().lines().next().unwrap();
    kubectl(&clusters.edge, &delete.split(' ').collect::<Vec<_>>()).await;
    let maps = ["-n", "icinga", "get", "configmaps", "-l", "groundlink.dev/satellite", "-o", "name"];
    assert_eq!(kubectl(&clusters.edge, &maps).await, "configmap/of-another-hub\n");
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "configmap", "of-another-hub"]).await;

    // Without the satellite's context: reports the leftovers there, and how to delete them.
    let hub_only = clusters.satellite(&["remove", "edge-b"]).await.exits_with(0);
    println!("{}", hub_only.out);
    assert!(hub_only.out.contains("account icinga/groundlink is left"), "{}", hub_only.out);
    assert_same(&content(everything(&clusters.hub).await), &before.0);
    // The hub no longer has a token that identifies the account. The printed command has its uid.
    let unknown = clusters.remove("edge-b", &[]).await.exits_with(1);
    unknown.stderr_has(&["nothing was deleted", "--account-uid"]);
    let command = hub_only.out.split("groundlink satellite ").nth(1).unwrap().lines().next().unwrap();
    let command = command.replace("<the satellite's>", "edge");
    let last = clusters.satellite(&command.split(' ').collect::<Vec<_>>()).await.exits_with(0);
    println!("{}", last.out);
    // Everything of ours is gone.
    assert_same(&content(everything(&clusters.edge).await), &before.1);
    // A second run finds nothing.
    let again = clusters.remove("edge-b", &[]).await.exits_with(0);
    assert!(!again.out.contains("deleted"), "{}", again.out);
    // A foreign account with our name stays.
    kubectl(&clusters.edge, &["-n", "icinga", "create", "serviceaccount", "groundlink"]).await;
    let foreign = clusters.remove("edge-b", &[]).await.exits_with(0);
    assert!(foreign.out.contains("left: this program did not make it"), "{}", foreign.out);
    kubectl(&clusters.edge, &["-n", "icinga", "get", "serviceaccount", "groundlink"]).await;
    // Nor is it adopted silently, which would let the next removal delete it.
    let stored = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let refused = clusters.add("edge-b", &[]).await.exits_with(1);
    refused.stderr_has(&[
        "ServiceAccount icinga/groundlink exists",
        "not made by this command",
        "--force-conflicts",
    ]);
    assert_same(&everything(&clusters.hub).await, &stored.0);
    assert_same(&everything(&clusters.edge).await, &stored.1);
    clusters.add("edge-b", &["--force-conflicts"]).await.exits_with(0);
    assert_eq!(clusters.check("edge-b").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_of_another_satellite_is_never_deleted() {
    let clusters = Clusters::joined().await;
    // The hub's own cluster is a satellite too, with an account of the same name.
    let add = ["add", "edge-h", "--context", "hub", "--create-namespace", "--allow-loopback-satellites"];
    clusters.satellite(&add).await.exits_with(0);
    let before = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let wrong = clusters.satellite(&["remove", "edge-a", "--context", "hub"]).await.exits_with(1);
    wrong.stderr_has(&[
        "nothing was deleted",
        "icinga/groundlink",
        "not the account that the hub's token is of",
    ]);
    clusters.remove("edge-h", &["--dry-run"]).await.exits_with(1).stderr_has(&["nothing was deleted"]);
    // Another account in the right cluster.
    clusters.add("edge-b", &["--account", "writer", "--target-name", "b"]).await.exits_with(0);
    let other = clusters.remove("edge-b", &["--account", "groundlink"]).await.exits_with(1);
    other.stderr_has(&["nothing was deleted", "not the account that the hub's token is of"]);
    // Nothing on the hub identifies the account: one in use is left, and another is deleted only by
    // its uid.
    clusters.satellite(&["remove", "edge-b"]).await.exits_with(0);
    clusters.remove("edge-b", &["--account", "groundlink"]).await.exits_with(0);
    assert_eq!(clusters.answer(&clusters.token("edge-a").await).await, 0, "edge-a uses it");
    clusters.remove("edge-b", &["--account", "writer"]).await.exits_with(1).stderr_has(&["--account-uid"]);
    let uid = ["-n", "icinga", "get", "serviceaccount", "writer", "-o", "jsonpath={.metadata.uid}"];
    let uid = kubectl(&clusters.edge, &uid).await;
    let other = ["--account", "writer", "--account-uid", &uid.replace(|c: char| c.is_ascii_digit(), "x")];
    clusters.remove("edge-b", &other).await.exits_with(1).stderr_has(&["another uid"]);
    clusters.remove("edge-b", &["--account", "writer", "--account-uid", &uid]).await.exits_with(0);
    assert_same(&everything(&clusters.hub).await, &before.0);
    assert_same(&everything(&clusters.edge).await, &before.1);
    // Objects of a deleted account are reported, and stay.
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "serviceaccount", "groundlink"]).await;
    let gone = clusters.remove("edge-a", &[]).await.exits_with(0);
    assert_eq!(gone.out.matches("owner cannot be determined").count(), 3, "{}", gone.out);
    let left = ["-n", "icinga", "get", "roles,rolebindings,secrets", "-o", "name"];
    assert_eq!(kubectl(&clusters.edge, &left).await.lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_remove_reports_its_progress_and_how_to_finish() {
    let clusters = Clusters::start().await;
    let before = content(everything(&clusters.hub).await);
    let add = ["-n", "ns-a", "--create-namespace", "--account", "writer", "--secret-name", "credential"];
    clusters.add("edge-a", &add).await.exits_with(0);
    // A user who may read everything on the satellite, and delete nothing.
    kubectl(&clusters.edge, &["create", "serviceaccount", "reader"]).await;
    let role = ["create", "clusterrole", "reader", "--verb=get,list", "--resource=*.*"];
    kubectl(&clusters.edge, &role).await;
    let binding =
        ["create", "clusterrolebinding", "reader", "--clusterrole=reader", "--serviceaccount=default:reader"];
    kubectl(&clusters.edge, &binding).await;
    let token = clusters.edge.service_account_token("default", "reader").await;
    let path =
        clusters.file("reader.kubeconfig", &clusters.edge.kubeconfig_for(&clusters.edge.url(), &token));
    let remove = ["remove", "edge-a", "--kubeconfig", path.to_str().unwrap(), "-o", "json"];
    let failed = clusters.satellite(&remove).await.exits_with(1);
    failed.stderr_has(&["cannot delete RoleBinding ns-a/writer", "403"]);
    let said = failed.json();
    let done: Vec<_> = said["objects"].as_array().unwrap().iter().collect();
    assert_eq!(
        (done.len(), &done[0]["kind"], &done[0]["result"]),
        (1, &json!("SatelliteCluster"), &json!("deleted"))
    );
    kubectl(&clusters.hub, &["-n", OPERATOR, "get", "secret", "credential"]).await;
    // The printed command finishes the removal, with a context that may delete.
    let next = said["next"].as_str().unwrap();
    let next = next.strip_prefix("groundlink satellite ").unwrap();
    let next = next.replace(&format!("--kubeconfig {}", path.display()), "--context edge");
    let finished = clusters
        .satellite(&next.split(' ').chain(["-o", "json"]).collect::<Vec<_>>())
        .await
        .exits_with(0)
        .json();
    let lines: Vec<_> = finished["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            format!("{} {} {}", text("kind"), text("name"), text("result"))
        })
        .collect();
    let expected = [
        "SatelliteCluster edge-a absent",
        "RoleBinding writer deleted",
        "Role writer deleted",
        "Secret writer-token deleted",
        "ServiceAccount writer deleted",
        "Secret credential deleted",
    ];
    assert_eq!(lines, expected);
    assert_eq!(finished["dryRun"], false);
    let left = ["-n", "ns-a", "get", "serviceaccounts,secrets,roles,rolebindings", "-o", "name"];
    assert_eq!(kubectl(&clusters.edge, &left).await, "");
    assert_same(&content(everything(&clusters.hub).await), &before);
}
