//! An operator of named namespaces: with the chart's Roles alone it publishes their objects and asks for
//! nothing else; one namespace that fails removes nothing; two such operators share a cluster.

use super::second::SecondRelease;
use crate::GROUNDLINK;
use crate::support::{
    Exchange, GENEROUS, Installation, OPERATOR, Operator, eventually, host, succeeded, watching,
};
use groundlink::api::{ConditionStatus, ConditionType};
use kube::api::{Api, ListParams};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

const A: &str = "team-a";
const B: &str = "team-b";
const C: &str = "team-c";

/// Starts the operator of these namespaces, with a LIST of each every two seconds.
async fn start(installation: &Installation, namespaces: &str) -> Operator {
    let arguments = ["--watch-namespaces", namespaces, "--relist-every", "2s"];
    installation.operator_builder(GROUNDLINK).await.args(arguments).spawn()
}

async fn says(operator: &Operator, code: u16, words: &[&str]) -> String {
    eventually(GENEROUS, &format!("/readyz is {code} and says {words:?}"), async || {
        let (found, body) = operator.get("/readyz").await;
        match found == code && words.iter().all(|word| body.contains(word)) {
            true => Ok(body),
            false => Err(format!("{found} {body}")),
        }
    })
    .await
}

fn names(installation: &Installation) -> Vec<String> {
    installation.files().into_keys().collect()
}

async fn has_files(installation: &Installation, wanted: &[&str]) {
    eventually(GENEROUS, &format!("the volume has {wanted:?}"), async || {
        let found = names(installation);
        if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Returns the requests that go beyond these namespaces, and those that were forbidden.
fn beyond(exchanges: &[Exchange], namespaces: &[&str]) -> Vec<String> {
    let is_within = |path: &str| {
        path == "/apis/groundlink.dev/v1alpha1"
            || path
                .split_once("/namespaces/")
                .is_some_and(|(_, rest)| namespaces.contains(&rest.split('/').next().unwrap_or_default()))
    };
    let wrong = |e: &&Exchange| matches!(e.status, Some(401 | 403)) || !is_within(&e.path);
    exchanges.iter().filter(wrong).map(|e| format!("{} {} {:?}", e.method, e.path, e.status)).collect()
}

/// Waits until the operator has listed this path several times more.
async fn listed_again(installation: &Installation, path: &'static str) {
    let from = installation.recorder.sequence().now();
    let is_list = move |e: &Exchange| {
        e.seq_start > from && !e.is_watch() && e.status == Some(200) && e.path.ends_with(path)
    };
    eventually(GENEROUS, &format!("{path} is listed again, several times"), async || {
        let count = installation.recorder.matching(is_list).len();
        if count > 2 { Ok(()) } else { Err(format!("{count}")) }
    })
    .await;
}

async fn kubectl(installation: &Installation, arguments: &[&str]) -> String {
    let output = installation.plane.server("hub").kubectl(arguments).await;
    succeeded(&arguments.join(" "), &output);
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_of_the_chart_are_enough_and_nothing_beyond_them_is_asked() {
    let installation = Installation::start_in(&["sat-a"], &[A, B]).await;
    for kind in ["clusterroles", "clusterrolebindings"] {
        let ours = kubectl(&installation, &["get", kind, "-l", "app.kubernetes.io/name", "-o", "name"]).await;
        assert_eq!(ours, "", "the release made something outside of namespaces");
    }
    installation.namespace(C).await;
    installation.put(C, "web", host("c")).await;
    installation.put(OPERATOR, "own", host("own")).await;
    let operator = start(&installation, "team-a,team-b").await;
    installation.ready(&operator).await;
    for (namespace, name) in [(A, "a-1"), (A, "a-2"), (B, "b-1"), (B, "b-2")] {
        installation.put(namespace, name, host(namespace)).await;
        installation.synced(namespace, name).await;
    }
    let bad = json!({ "host": { "checkCommand": "no-such-command" } });
    installation.put(A, "bad", bad).await;
    installation.condition(A, "bad", ConditionType::Ready, ConditionStatus::False).await;
    eventually(GENEROUS, "events are published", async || {
        let arguments = ["get", "events.events.k8s.io", "-n", A, "-o", "name"];
        let found = kubectl(&installation, &arguments).await;
        if found.contains("event") { Ok(()) } else { Err(found) }
    })
    .await;
    installation.delete(B, "b-2").await;
    let all = ["team-a.a-1.conf", "team-a.a-2.conf", "team-b.b-1.conf"];
    has_files(&installation, &all).await;
    installation.equal("sat-a", GENEROUS).await;
    for (namespace, name) in [(C, "web"), (OPERATOR, "own")] {
        let status = installation.objects(namespace).get(name).await.unwrap().status.unwrap();
        assert_eq!((status.observed_generation, status.operator), (-1, None), "{namespace}/{name}");
    }

    // What identifies the hub is its own namespace: no other UID can be read.
    let uid = ["get", "namespace", OPERATOR, "-o", "jsonpath={.metadata.uid}"];
    let uid = kubectl(&installation, &uid).await;
    let pointer = installation.pointer("sat-a").await.unwrap();
    assert_eq!(pointer.metadata.labels.unwrap()["groundlink.dev/hub"], uid);

    // A satellite that chooses namespaces by label cannot know them, and keeps what it has.
    let chooses = |namespaces: serde_json::Value| {
        let patch = json!({ "spec": { "namespaces": namespaces } }).to_string();
        let installation = &installation;
        async move {
            let arguments = ["-n", OPERATOR, "patch", "sat", "sat-a", "--type=merge", "-p", &patch];
            kubectl(installation, &arguments).await;
        }
    };
    chooses(json!({ "from": "Selector", "selector": { "monitored": "yes" } })).await;
    eventually(GENEROUS, "the SatelliteCluster says so", async || {
        let satellite = installation.satellites().get("sat-a").await.map_err(|error| error.to_string())?;
        let conditions = satellite.status.map(|status| status.conditions).unwrap_or_default();
        let says = conditions.iter().any(|c| c.message.contains("set spec.namespaces.from to List"));
        if says { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
    chooses(json!({ "from": "List", "names": [A, B], "selector": null })).await;

    // A CRD that is deleted takes its objects with it, and removes nothing.
    let held = installation.equal("sat-a", GENEROUS).await;
    kubectl(&installation, &["delete", "crd", "monitoringobjects.groundlink.dev"]).await;
    says(&operator, 503, &["the CRD was deleted, and 4 objects"]).await;
    assert_eq!((installation.files(), installation.equal("sat-a", GENEROUS).await), (held.clone(), held));

    let requests = installation.recorder.matching(|e| e.server == "hub");
    assert!(requests.len() > 50, "{}", requests.len());
    assert_eq!(beyond(&requests, &[OPERATOR, A, B]), Vec::<String>::new());
    let log = operator.log_text();
    assert!(!log.contains("orbidden"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_cannot_be_listed_keeps_its_objects_and_delays_no_other() {
    let installation = Installation::start_in(&["sat-a"], &[A, B]).await;
    let operator = start(&installation, "team-a,team-b").await;
    installation.ready(&operator).await;
    for namespace in [A, B] {
        for number in 1..4 {
            let name = format!("{namespace}-{number}");
            installation.put(namespace, &name, host("x")).await;
            installation.synced(namespace, &name).await;
        }
    }
    // The Role of one namespace is gone.
    let binding = ["-n", B, "get", "rolebinding", "groundlink-objects", "-o", "json"];
    let binding: serde_json::Value = serde_json::from_str(&kubectl(&installation, &binding).await).unwrap();
    kubectl(&installation, &["-n", B, "delete", "rolebinding", "groundlink-objects"]).await;
    installation.hub_proxy.cut_connections();
    says(&operator, 503, &["in namespace team-b", "what was published of it stays", "--watch-namespaces"])
        .await;
    installation.delete(B, "team-b-1").await;
    installation.delete(A, "team-a-1").await;
    installation.put(A, "new", host("x")).await;
    installation.synced(A, "new").await;
    let without = [
        "team-a.new.conf",
        "team-a.team-a-2.conf",
        "team-a.team-a-3.conf",
        "team-b.team-b-1.conf",
        "team-b.team-b-2.conf",
        "team-b.team-b-3.conf",
    ];
    has_files(&installation, &without).await;
    let held = installation.equal("sat-a", GENEROUS).await;
    listed_again(&installation, "team-a/monitoringobjects").await;
    assert_eq!(
        (installation.files(), installation.equal("sat-a", GENEROUS).await),
        (held.clone(), held.clone())
    );

    // After a restart nothing is decided before it can be listed, and nothing is missing meanwhile.
    assert!(operator.terminate(GENEROUS).await.success());
    let before = installation.recorder.sequence().now();
    let operator = start(&installation, "team-a,team-b").await;
    says(&operator, 503, &["monitoringobjects: ", "in namespace team-b"]).await;
    assert_eq!((installation.files(), installation.equal("sat-a", GENEROUS).await), (held.clone(), held));
    let is_write =
        |e: &Exchange| e.seq_start > before && e.is_mutating() && e.path.contains("monitoringobjects");
    assert_eq!(installation.recorder.matching(is_write).len(), 0);

    let mut binding = binding;
    binding["metadata"] = json!({ "name": "groundlink-objects", "namespace": B });
    installation.apply(&[binding]).await;
    installation.ready(&operator).await;
    let without: Vec<_> = without.into_iter().filter(|name| *name != "team-b.team-b-1.conf").collect();
    has_files(&installation, &without).await;
    installation.equal("sat-a", GENEROUS).await;
}

/// With more rights than the chart's, an API server answers the LIST of a namespace that does not exist
/// as one without objects.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_does_not_exist_is_not_an_empty_one() {
    let installation = Installation::start(&[]).await;
    let operator = installation.operator(GROUNDLINK).await;
    for namespace in [A, B] {
        installation.namespace(namespace).await;
        installation.put(namespace, namespace, host("x")).await;
        installation.published(namespace, namespace).await;
    }
    assert!(operator.terminate(GENEROUS).await.success());
    let rights = [
        "create",
        "clusterrolebinding",
        "all",
        "--clusterrole=cluster-admin",
        "--serviceaccount=groundlink:groundlink",
    ];
    kubectl(&installation, &rights).await;
    installation.hub_proxy.cut_connections();
    let operator = start(&installation, "team-a,team-b,missing").await;
    says(&operator, 503, &["namespace missing does not exist", "create it, or take it out"]).await;
    installation.namespace("missing").await;
    installation.ready(&operator).await;
    has_files(&installation, &["team-a.team-a.conf", "team-b.team-b.conf"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_namespace_that_is_taken_out_stay_until_a_person_allows_it() {
    let installation = Installation::start_in(&["sat-a"], &[A, B]).await;
    let operator = start(&installation, "team-a,team-b").await;
    installation.ready(&operator).await;
    for namespace in [A, B] {
        installation.put(namespace, namespace, host("x")).await;
        installation.synced(namespace, namespace).await;
    }
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(operator.terminate(GENEROUS).await.success());
    let operator = start(&installation, A).await;
    let both = ["1 files on the volume", "objects.d/team-b/team-b.conf", "groundlink removals allow"];
    says(&operator, 503, &both).await;
    installation.put(A, "new", host("x")).await;
    installation.published(A, "new").await;
    has_files(&installation, &["team-a.new.conf", "team-a.team-a.conf", "team-b.team-b.conf"]).await;
    assert_eq!(installation.pointer("sat-a").await.unwrap().data.unwrap(), held, "the satellite keeps it");

    let mut allow = tokio::process::Command::new(GROUNDLINK);
    allow
        .args(["removals", "allow"])
        .env("KUBECONFIG", installation.plane.server("hub").admin_kubeconfig_path());
    succeeded("groundlink removals allow", &allow.output().await.unwrap());
    has_files(&installation, &["team-a.new.conf", "team-a.team-a.conf"]).await;
    installation.ready(&operator).await;
    installation.equal("sat-a", GENEROUS).await;
}

async fn install_second(installation: &Installation, namespaces: &[&str]) -> SecondRelease {
    let values = watching(namespaces);
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    SecondRelease::install(installation, &values).await
}

/// Starts the second release's operator of these namespaces.
fn start_second(release: &SecondRelease, namespaces: &str) -> Operator {
    release.start(&["--allow-loopback-satellites", "--watch-namespaces", namespaces])
}

/// Joins the satellite of the first release to the second one, with a target of its own.
async fn join_second(installation: &Installation, satellite: &str) {
    let secret = ["-n", OPERATOR, "get", "secret", satellite, "-o", "json"];
    let mut secret: serde_json::Value = serde_json::from_str(&kubectl(installation, &secret).await).unwrap();
    secret["metadata"] = json!({ "name": satellite, "namespace": "second" });
    let cluster = json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "SatelliteCluster",
        "metadata": { "name": satellite, "namespace": "second" },
        "spec": {
            "kubeconfigSecretRef": { "name": satellite }, "requestTimeout": "3s", "target": { "name": "second" },
        },
    });
    installation.apply(&[secret, cluster]).await;
}

/// Returns who wrote the status of each object, and which version it has.
async fn statuses(installation: &Installation) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let api = Api::<groundlink::api::MonitoringObject>::all(installation.hub.clone());
    let list = api.list(&ListParams::default()).await.unwrap();
    let of = |object: groundlink::api::MonitoringObject| {
        let (namespace, name) = (object.metadata.namespace.unwrap(), object.metadata.name.unwrap());
        let operator = object.status.and_then(|status| status.operator);
        (format!("{namespace}/{name}"), (operator, object.metadata.resource_version))
    };
    list.items.into_iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_operators_of_different_namespaces_share_a_cluster_and_an_overlap_is_refused_by_name() {
    let installation = Installation::start_in(&["sat-a"], &[A, B]).await;
    let first = start(&installation, A).await;
    installation.ready(&first).await;
    let release = install_second(&installation, &[B]).await;
    join_second(&installation, "sat-a").await;
    let second = start_second(&release, B);
    installation.ready(&second).await;
    for version in ["1", "2", "3"] {
        installation.put(A, "web", host(version)).await;
        installation.put(B, "web", host(version)).await;
        installation.put(A, &format!("a{version}"), host(version)).await;
        installation.put(B, &format!("b{version}"), host(version)).await;
    }
    for (namespace, name) in
        [(A, "web"), (B, "web"), (A, "a1"), (A, "a2"), (A, "a3"), (B, "b1"), (B, "b2"), (B, "b3")]
    {
        installation.synced(namespace, name).await;
    }
    let mine = installation.equal("sat-a", GENEROUS).await;
    assert_eq!(mine.len(), 4);
    let client = installation.plane.server("sat-a").client().await;
    let maps = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client, "icinga");
    let theirs = maps.get("second").await.unwrap().data.unwrap();
    assert!(theirs.len() == 4 && theirs.keys().all(|key| key.starts_with("team-b.")), "{theirs:?}");
    let written = statuses(&installation).await;
    for (object, (operator, _)) in &written {
        let wanted = if object.starts_with(A) { "groundlink/groundlink" } else { "second/groundlink" };
        assert_eq!(operator.as_deref(), Some(wanted), "{object}");
    }
    // Neither disturbs the other: nothing is written once everything is said.
    listed_again(&installation, "team-a/monitoringobjects").await;
    assert_eq!(statuses(&installation).await, written);
    for operator in [&first, &second] {
        let metrics = operator.metrics().await;
        assert!(
            metrics.contains("groundlink_objects_of_another_operator{kind=\"MonitoringObject\"} 0\n"),
            "{metrics}"
        );
    }

    // The second release gets a namespace of the first.
    assert!(second.terminate(Duration::from_secs(10)).await.success());
    let release = install_second(&installation, &[A, B]).await;
    let second = start_second(&release, "team-a,team-b");
    says(
        &second,
        503,
        &["ownership: ", "groundlink/groundlink", "MonitoringObject team-a/", "--take-over-from"],
    )
    .await;
    installation.put(A, "web", host("4")).await;
    installation.put(B, "web", host("4")).await;
    installation.synced(A, "web").await;
    assert_eq!(first.get("/readyz").await.0, 200);
    assert_eq!(release.writes(), Vec::<String>::new(), "a refused operator writes nothing");
    // Without the overlap it goes on.
    assert!(second.terminate(Duration::from_secs(10)).await.success());
    let second = start_second(&release, B);
    installation.ready(&second).await;
    installation.synced(B, "web").await;
}
