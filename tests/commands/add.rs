//! `satellite add` and `join-manifest`: the created objects, the idle second run, and the least
//! rights of the new account.

use super::fixture::{Clusters, OPERATOR, apply, assert_same, everything, kubectl};
use crate::support::{blocks, eventually};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn add_makes_the_least_account_and_a_second_run_writes_nothing() {
    let clusters = Clusters::start().await;
    let before = (everything(&clusters.hub).await, everything(&clusters.edge).await);

    // Every possible refusal comes before the first write, and a dry run writes nothing.
    clusters
        .add("edge-a", &[])
        .await
        .exits_with(1)
        .stderr_has(&["no namespace icinga", "--create-namespace"]);
    clusters.satellite(&["add", "edge-a"]).await.exits_with(2).stderr_has(&["--context"]);
    clusters.add("Edge", &[]).await.exits_with(2).stderr_has(&["lower-case"]);
    clusters.add("edge-a", &["--token-lifetime", "5m"]).await.exits_with(2).stderr_has(&["10m"]);
    let arguments = ["add", "edge-a", "--context", "edge", "--create-namespace"];
    clusters.satellite(&arguments).await.exits_with(1).stderr_has(&["loopback", "--server"]);
    let arguments = ["add", "edge-a", "--context", "nowhere"];
    clusters.satellite(&arguments).await.exits_with(1).stderr_has(&["no context nowhere", "hub, edge"]);
    let dry = clusters.add("edge-a", &["--create-namespace", "--dry-run"]).await.exits_with(0);
    assert!(dry.out.contains("would be created") && dry.out.contains("nothing was written"), "{}", dry.out);
    let after = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    assert_same(&after.0, &before.0);
    assert_same(&after.1, &before.1);

    let first = clusters.add("edge-a", &["--create-namespace", "-o", "json"]).await.exits_with(0);
    println!("{}", first.out);
    let said = first.json();
    let made: Vec<_> = said["objects"].as_array().unwrap().iter().map(described).collect();
    assert_eq!(
        made,
        [
            "satellite Namespace /icinga created",
            "satellite ServiceAccount icinga/groundlink created",
            "satellite Role icinga/groundlink created",
            "satellite RoleBinding icinga/groundlink created",
            "satellite Secret icinga/groundlink-token created",
            "hub Secret groundlink/edge-a created",
            "hub SatelliteCluster groundlink/edge-a created",
        ]
    );
    assert_eq!(said["next"], "groundlink satellite check edge-a");
    assert_eq!(
        (&said["token"]["askedSeconds"], &said["token"]["grantedSeconds"]),
        (&json!(31_536_000), &json!(31_536_000))
    );
    let (hub, edge) = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let new: Vec<_> = hub.keys().filter(|key| !before.0.contains_key(*key)).collect();
    assert_eq!(new, ["SatelliteCluster groundlink/edge-a", "Secret groundlink/edge-a"]);
    assert_eq!(edge.len() - before.1.len(), 5);
    let secret = &hub["Secret groundlink/edge-a"];
    let keys: Vec<_> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["ca.crt", "server", "token"]);
    assert_eq!(
        secret["metadata"].get("annotations"),
        None,
        "the Secret must have no annotation with a copy of the token"
    );
    assert_eq!(edge["ServiceAccount icinga/groundlink"]["automountServiceAccountToken"], json!(false));

    // A second run changes no resourceVersion, and keeps the token.
    let again = clusters.add("edge-a", &[]).await.exits_with(0);
    println!("{}", again.out);
    assert_unchanged(&again.out, 6);
    assert_same(&everything(&clusters.hub).await, &hub);
    assert_same(&everything(&clusters.edge).await, &edge);

    // The credential has these rights, and those of every account.
    let token = clusters.token("edge-a").await;
    let kubeconfig = clusters.edge.kubeconfig_for(&clusters.edge.url(), &token);
    let kubeconfig = clusters.file("edge-a.kubeconfig", &kubeconfig);
    let list = ["--kubeconfig", kubeconfig.to_str().unwrap(), "auth", "can-i", "--list", "-n"];
    let inside = kubectl(&clusters.edge, &[&list[..], &["icinga"]].concat()).await;
    println!("kubectl auth can-i --list -n icinga\n{inside}");
    let everyones = [
        "clustertrustbundles.certificates.k8s.io [] [] [get list watch]",
        "selfsubjectreviews.authentication.k8s.io [] [] [create]",
        "selfsubjectaccessreviews.authorization.k8s.io [] [] [create]",
        "selfsubjectrulesreviews.authorization.k8s.io [] [] [create]",
    ];
    let own = [
        "configmaps [] [] [get list watch create update patch delete]",
        "leases.coordination.k8s.io [] [] [get list watch]",
    ];
    assert_eq!(rules(&inside), sorted(&[&everyones[..], &own].concat()));
    let outside = kubectl(&clusters.edge, &[&list[..], &["default"]].concat()).await;
    assert_eq!(rules(&outside), sorted(&everyones));

    // Deleting the Secret that the token is bound to revokes it. The next run makes a new one, and
    // says why.
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "secret", "groundlink-token"]).await;
    let renewed = clusters.add("edge-a", &[]).await.exits_with(0);
    assert!(renewed.out.contains("was bound to does not exist"), "{}", renewed.out);
    assert_ne!(clusters.token("edge-a").await, token);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_reports_foreign_owners_and_join_manifest_has_the_same_objects() {
    let clusters = Clusters::joined().await;
    // A field with another owner.
    let patch =
        ["-n", OPERATOR, "patch", "satellitecluster", "edge-a", "--type=merge", "--field-manager=argocd"];
    kubectl(&clusters.hub, &[&patch[..], &["-p", r#"{"spec":{"zones":["eu"]}}"#]].concat()).await;
    let conflict = clusters.add("edge-a", &["--zone", "us"]).await.exits_with(1);
    conflict.stderr_has(&[
        "SatelliteCluster groundlink/edge-a",
        ".spec.zones is argocd's",
        "--force-conflicts",
    ]);
    clusters.add("edge-a", &["--zone", "us", "--force-conflicts"]).await.exits_with(0);
    let zones = ["-n", OPERATOR, "get", "satellitecluster", "edge-a", "-o", "jsonpath={.spec.zones}"];
    assert_eq!(kubectl(&clusters.hub, &zones).await, r#"["us"]"#);
    // A Secret with another owner.
    kubectl(&clusters.hub, &["-n", OPERATOR, "create", "secret", "generic", "edge-x"]).await;
    clusters
        .add("edge-x", &[])
        .await
        .exits_with(1)
        .stderr_has(&["Secret groundlink/edge-x", "--secret-name"]);
    let bare = ["add", "edge-b", "--context", "edge", "--hub-context", "edge", "--allow-loopback-satellites"];
    clusters
        .satellite(&bare)
        .await
        .exits_with(1)
        .stderr_has(&["does not know the kind SatelliteCluster", "chart"]);

    // A satellite that was joined by hand with a kubeconfig moves over to separate keys.
    let kubeconfig = clusters.edge.kubeconfig_for(&clusters.edge.url(), &clusters.token("edge-a").await);
    let by_hand = json!({ "apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "by-hand", "namespace": OPERATOR },
            "stringData": { "value": kubeconfig },
        },
        {
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
            "metadata": { "name": "by-hand", "namespace": OPERATOR },
            "spec": { "kubeconfigSecretRef": { "name": "by-hand", "key": "value" } },
        },
    ] });
    apply(&clusters.hub, &by_hand.to_string()).await;
    assert_eq!(clusters.check("by-hand").await.0, 0);
    let over = ["--secret-name", "by-hand-token"];
    clusters
        .add("by-hand", &over)
        .await
        .exits_with(1)
        .stderr_has(&[".spec.kubeconfigSecretRef.name is kubectl's"]);
    let over = ["--secret-name", "by-hand-token", "--force-conflicts"];
    clusters
        .add("by-hand", &over)
        .await
        .exits_with(1)
        .stderr_has(&["spec.kubeconfigSecretRef.key", "remove that field"]);
    let remove = r#"[{"op":"remove","path":"/spec/kubeconfigSecretRef/key"}]"#;
    let patch = ["-n", OPERATOR, "patch", "satellitecluster", "by-hand", "--type=json", "-p", remove];
    kubectl(&clusters.hub, &patch).await;
    clusters.add("by-hand", &over).await.exits_with(0);
    assert_eq!(clusters.check("by-hand").await.0, 0);
    let bound = clusters.satellite(&["check", "by-hand", "--allow-loopback-satellites"]).await.exits_with(0);
    assert!(bound.out.contains("Secret groundlink/by-hand-token holds a token"), "{}", bound.out);

    // The same objects, applied by kubectl from the manifest.
    let flags =
        ["--create-namespace", "--account", "writer", "--zone", "eu", "--from-namespace", "team-a,team-b"];
    clusters.add("one", &[&flags[..], &["-n", "ns-one"]].concat()).await.exits_with(0);
    let manifest = ["join-manifest", "two", "-n", "ns-two", "--context", "edge"];
    let manifest = clusters.satellite(&[&manifest[..], &flags].concat()).await.exits_with(0);
    println!("{}", manifest.out);
    let satellite = manifest.out.split("# On the hub.").next().unwrap();
    let only = ["join-manifest", "two", "-n", "ns-two", "--context", "edge", "--only", "hub"];
    let hub = clusters.satellite(&[&only[..], &flags].concat()).await.exits_with(0).out;
    apply(&clusters.edge, satellite).await;
    let command = hub.lines().find_map(|line| line.strip_prefix("# kubectl")).unwrap();
    let command: Vec<_> =
        command.split_whitespace().filter(|word| !["--context", "edge"].contains(word)).collect();
    let token = kubectl(&clusters.edge, &command).await;
    apply(&clusters.hub, &hub.replace("<TOKEN>", token.trim())).await;
    let (hub, edge) = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    for (stored, prefix) in [(&hub, "SatelliteCluster groundlink/"), (&hub, "Secret groundlink/")] {
        assert_eq!(content(&stored[&format!("{prefix}two")]), content(&stored[&format!("{prefix}one")]));
    }
    for name in [
        "ServiceAccount ns-two/writer",
        "Role ns-two/writer",
        "RoleBinding ns-two/writer",
        "Secret ns-two/writer-token",
    ] {
        assert_eq!(content(&edge[name]), content(&edge[&name.replace("ns-two", "ns-one")]), "{name}");
    }
    // The `add` command that the manifest prints adopts the objects, and changes nothing.
    let again =
        manifest.out.lines().find_map(|line| line.strip_prefix("# groundlink satellite add ")).unwrap();
    let again: Vec<_> = again.split(' ').collect();
    let taken = clusters
        .satellite(&[&["add", "--allow-loopback-satellites"], &again[..]].concat())
        .await
        .exits_with(0);
    assert_unchanged(&taken.out, 6);
    assert_same(&everything(&clusters.hub).await, &hub);
    assert_unchanged(&clusters.add("two", &[]).await.exits_with(0).out, 6);
    assert_eq!(clusters.check("two").await.0, 0);

    // As a kubectl plugin.
    let help = clusters.plugin(&["satellite", "add", "--help"]).await.exits_with(0);
    assert!(help.out.contains("Usage: kubectl groundlink satellite add"), "{}", help.out);
    assert!(help.out.contains("Exit codes:"));
    let list = clusters.plugin(&["satellite", "list"]).await.exits_with(0);
    println!("{}", list.out);
    assert_eq!(list.out.lines().count(), 5, "{}", list.out);
    assert!(list.out.contains("in 364 days"), "{}", list.out);
    // `list` prints the status that the operator wrote.
    let status = json!({ "status": {
        "observedGeneration": 1,
        "desired": { "revision": "3.12", "digest": "sha256:x" }, "acked": { "revision": "3.10", "digest": "sha256:y" },
        "stats": { "objects": 7, "bytes": 9, "shards": 0 },
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "Unauthorized", "message": "renew the token",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    } });
    let patch =
        ["-n", OPERATOR, "patch", "satellitecluster", "one", "--subresource=status", "--type=merge", "-p"];
    kubectl(&clusters.hub, &[&patch[..], &[&status.to_string()]].concat()).await;
    let rows = clusters.satellite(&["list", "-o", "json"]).await.exits_with(0).json();
    let one = rows["satellites"].as_array().unwrap().iter().find(|row| row["name"] == "one").unwrap();
    let expected = json!({ "ready": "False", "synced": "Unknown", "reason": "Unauthorized", "revisionsBehind": 2, "objects": 7 });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&one[field], value, "{field} of {one}");
    }
    let yaml = clusters.satellite(&["list", "-o", "yaml"]).await.exits_with(0).out;
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_keeps_every_field_that_no_flag_sets() {
    let clusters = Clusters::start().await;
    let spec = async || -> Value {
        let get = ["-n", OPERATOR, "get", "satellitecluster", "edge-a", "-o", "jsonpath={.spec}"];
        serde_json::from_str(&kubectl(&clusters.hub, &get).await).unwrap()
    };
    // Another address than that of the context, like that of a load balancer.
    let server = clusters.edge.url().replace("127.0.0.1", "localhost");
    let flags = [
        "-n",
        "ns-a",
        "--create-namespace",
        "--account",
        "writer",
        "--secret-name",
        "credential",
        "--zone",
        "eu,us",
        "--from-namespace",
        "team-a",
        "--target-name",
        "delivered",
        "--icinga-version",
        "2.14",
        "--self-renewal",
        "--token-lifetime",
        "48h",
        "--server",
        &server,
        "--tls-server-name",
        "127.0.0.1",
    ];
    clusters.add("edge-a", &flags).await.exits_with(0);
    let (hub, edge) = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let joined = spec().await;
    assert_unchanged(&clusters.add("edge-a", &[]).await.exits_with(0).out, 8);
    assert_same(&everything(&clusters.hub).await, &hub);
    assert_same(&everything(&clusters.edge).await, &edge);
    // Only the given flag changes a field.
    clusters.add("edge-a", &["--zone", "eu"]).await.exits_with(0);
    let mut expected = joined.clone();
    expected["zones"] = json!(["eu"]);
    assert_eq!(spec().await, expected);
    // The remedies that `check` prints lose no field either.
    kubectl(&clusters.edge, &["-n", "ns-a", "delete", "rolebinding", "writer"]).await;
    let step = |steps: Vec<Value>, name: &str| -> Vec<String> {
        let step = steps.into_iter().find(|step| step["name"] == name).unwrap();
        let remedy = step["remedy"].as_str().unwrap().split(" satellite add ").nth(1).unwrap().to_owned();
        let command = remedy.split(", or ").next().unwrap().replace("<the satellite's>", "edge");
        command.split(' ').map(str::to_owned).collect()
    };
    let run = async |command: Vec<String>| {
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        clusters
            .satellite(&[&["add", "--allow-loopback-satellites"], &command[..]].concat())
            .await
            .exits_with(0)
    };
    run(step(clusters.check("edge-a").await.1, "get configmaps")).await;
    assert_eq!(spec().await, expected);
    kubectl(&clusters.hub, &["-n", OPERATOR, "delete", "secret", "credential"]).await;
    run(step(clusters.check("edge-a").await.1, "credential")).await;
    assert_eq!(spec().await, expected);
    assert_eq!(clusters.check("edge-a").await.0, 0);

    // A context of another cluster: its token must not be sent to the known address.
    let wrong = ["add", "edge-a", "--context", "hub", "--create-namespace", "--allow-loopback-satellites"];
    clusters.satellite(&wrong).await.exits_with(1).stderr_has(&["the context is", "--server"]);
    // A value that the hub refuses is reported verbatim. A field that the hub does not know is
    // reported with the remedy.
    let long = clusters.add("edge-a", &["--token-lifetime", "9000h"]).await.exits_with(1);
    long.stderr_has(&["between 10m and 365d"]);
    assert!(!long.err.contains("upgrade"), "{}", long.err);
    // A token of a year is replaced when the operator begins to renew, and not again.
    kubectl(&clusters.edge, &["-n", "ns-a", "delete", "secret", "writer-token"]).await;
    clusters.add("edge-a", &["--self-renewal=false"]).await.exits_with(0);
    let said = clusters.add("edge-a", &["--self-renewal"]).await.exits_with(0);
    assert!(said.out.contains("the old one was made for 8760h"), "{}", said.out);
    assert!(said.out.contains("satellite rotate edge-a --context edge"), "{}", said.out);
    assert_unchanged(&clusters.add("edge-a", &[]).await.exits_with(0).out, 8);
    // Flags that remove a field.
    let none = ["--zone", "", "--from-namespace", "", "--self-renewal=false"];
    let said = clusters.add("edge-a", &none).await.exits_with(0);
    assert_eq!(said.out.matches(" deleted\n").count(), 2, "{}", said.out);
    let left = spec().await;
    assert_eq!(
        (left.get("zones"), &left["namespaces"], left.get("tokenRenewal")),
        (None, &json!({ "from": "All" }), None)
    );
    assert_eq!((&left["icingaVersion"], &left["target"]["name"]), (&json!("2.14"), &json!("delivered")));
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/tokenRenewal";
    let remove = json!([{ "op": "remove", "path": path }]).to_string();
    let patch = ["patch", "crd", "satelliteclusters.groundlink.dev", "--type=json", "-p", &remove];
    kubectl(&clusters.hub, &patch).await;
    eventually(Duration::from_secs(30), "a hub with an older CRD is reported", async || {
        let said = clusters.add("edge-a", &["--self-renewal", "--dry-run"]).await;
        match said.err.contains("tokenRenewal") && said.err.contains("upgrade Groundlink there") {
            true => Ok(()),
            false => Err(said.err),
        }
    })
    .await;
}

/// Fails unless a text report has this many objects, all unchanged.
#[track_caller]
fn assert_unchanged(out: &str, objects: usize) {
    let lines: Vec<_> = out.lines().take_while(|line| !line.starts_with("token:")).collect();
    assert_eq!(lines.len(), objects, "{out}");
    assert!(lines.iter().all(|line| line.ends_with(" unchanged")), "{out}");
    assert!(out.contains("token: unchanged"), "{out}");
}

fn described(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or_default();
    format!("{} {} {}/{} {}", text("cluster"), text("kind"), text("namespace"), text("name"), text("result"))
}

/// Returns the rules of `kubectl auth can-i --list` for resources, without those for URLs.
fn rules(list: &str) -> Vec<String> {
    let rows = list.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut rules: Vec<_> = rows.filter(|row| !row.starts_with('[')).collect();
    rules.sort();
    rules
}

fn sorted(list: &[&str]) -> Vec<String> {
    let mut list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
    list.sort();
    list
}

/// Returns an object without what differs between two satellites: names, tokens, and server fields.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"] = json!({ "labels": object["metadata"]["labels"] });
    if object["kind"] == "Secret" && object["data"]["token"].is_string() {
        object["data"]["token"] = json!("a token");
    }
    let text = object.to_string().replace("ns-two", "ns-one").replace("\"two\"", "\"one\"");
    serde_json::from_str(&text).unwrap()
}

/// `docs/satellites.md`: a person with exactly the Roles of the page.
#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_page_lists_are_enough() {
    let clusters = Clusters::start().await;
    kubectl(&clusters.edge, &["create", "namespace", "icinga"]).await;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/satellites.md")).unwrap();
    let roles: Vec<_> = blocks(&page).into_iter().map(|block| block.lines.join("\n")).collect();
    let roles: Vec<_> = roles.iter().filter(|text| text.contains("name: groundlink-join")).collect();
    assert_eq!(roles.len(), 2);
    let mut kubeconfigs = Vec::new();
    for (cluster, namespace, role) in
        [(&clusters.hub, OPERATOR, roles[1]), (&clusters.edge, "icinga", roles[0])]
    {
        apply(cluster, role).await;
        kubectl(cluster, &["-n", namespace, "create", "serviceaccount", "person"]).await;
        let bind = ["-n", namespace, "create", "rolebinding", "groundlink-join", "--role=groundlink-join"];
        let subject = format!("--serviceaccount={namespace}:person");
        kubectl(cluster, &[&bind[..], &[&subject]].concat()).await;
        let kubeconfig = cluster.service_account_kubeconfig(namespace, "person").await;
        let path = clusters.file(&format!("person.{}.kubeconfig", cluster.name()), &kubeconfig);
        kubeconfigs.push(path.to_str().unwrap().to_owned());
    }
    let of_the_person =
        ["--hub-kubeconfig", &kubeconfigs[0], "--kubeconfig", &kubeconfigs[1]].map(str::to_owned);
    let run = async |arguments: &[&str]| {
        let mine = of_the_person.iter().map(String::as_str);
        let all: Vec<_> = arguments.iter().copied().chain(mine).collect();
        clusters.satellite(&all).await
    };
    let loopback = "--allow-loopback-satellites";
    run(&["add", "edge-a", "--agent", "one", loopback]).await.exits_with(0);
    run(&["add", "edge-a", "--agent", "one", loopback]).await.exits_with(0);
    let hub = ["--hub-kubeconfig", &kubeconfigs[0]];
    clusters.satellite(&[&["check", "edge-a", loopback], &hub[..]].concat()).await.exits_with(0);
    let said = run(&["remove", "edge-a"]).await.exits_with(0);
    println!("{}", said.out);
    assert!(said.out.contains("groundlink-agent-one"), "{}", said.out);
    let left = ["-n", "icinga", "get", "serviceaccounts,secrets,leases", "-o", "name"];
    assert_eq!(kubectl(&clusters.edge, &left).await, "serviceaccount/person\n");
}
