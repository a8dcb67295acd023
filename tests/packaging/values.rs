//! Each set of values in `ci/` is installed on a real API server that knows the Prometheus operator's
//! kinds and enforces the restricted Pod Security Standard.

use super::{documents, repository, text_of};
use crate::support::{ApiServer, ControlPlane, succeeded};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Applies manifests in a dry run of the API server, which must take each without a warning.
async fn is_taken(server: &ApiServer, what: &str, namespace: &str, manifest: &str) {
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-n",
        namespace,
        "-f",
        "-",
    ];
    let answer = server.kubectl_with_input(&arguments, manifest).await;
    succeeded(what, &answer);
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(!said.contains("Warning"), "{what}: {said}");
}

/// Returns the Pod of a Deployment, as its controller would make it.
fn pod(deployment: &Value) -> String {
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("groundlink-0");
    pod.to_string()
}

fn sets() -> Vec<String> {
    let files = std::fs::read_dir(repository("charts/groundlink/ci")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix("-values.yaml").expect("a name as chart-testing wants it").to_owned())
        .collect();
    names.sort();
    names
}

/// Returns the namespaces that a set names, which must exist.
fn watched(set: &str) -> Vec<String> {
    let values: Value =
        serde_saphyr::from_str(&text_of(&format!("charts/groundlink/ci/{set}-values.yaml"))).unwrap();
    let names = values["watchNamespaces"].as_array().into_iter().flatten();
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

async fn install(server: &ApiServer, set: &str, namespace: &str) -> std::process::Output {
    let (chart, file) =
        (repository("charts/groundlink"), repository(&format!("charts/groundlink/ci/{set}-values.yaml")));
    let install = ["install", "groundlink", &chart, "-n", namespace, "-f", &file, "--wait=false"];
    // Another release owns the CRDs, and the rights of the cluster.
    server.helm(&[&install[..], &["--take-ownership"]].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_set_of_values_is_installed_upgraded_and_removed() {
    let plane = ControlPlane::start(&["hub"]).await;
    let server = plane.server("hub");
    // Before the kinds of the Prometheus operator are known.
    succeeded("namespace", &server.kubectl(&["create", "namespace", "early"]).await);
    let refused = install(&server, "monitoring", "early").await;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("does not know the kind ServiceMonitor"), "{said}");
    let installed = install(&server, "skipped", "early").await;
    succeeded("helm install", &installed);
    let notes = String::from_utf8_lossy(&installed.stdout).into_owned();
    assert!(
        notes.contains("monitoring.podMonitor is left out") && notes.contains("helm test groundlink"),
        "{notes}"
    );
    let manifest = server.helm(&["get", "manifest", "groundlink", "-n", "early"]).await;
    let manifest = String::from_utf8(manifest.stdout).unwrap();
    assert!(manifest.contains("kind: Deployment") && !manifest.contains("monitoring.coreos.com"));
    succeeded("helm uninstall", &server.helm(&["uninstall", "groundlink", "-n", "early"]).await);

    let crds = repository(".cache/monitoring-crds");
    succeeded("crds", &server.kubectl(&["apply", "--server-side", "-f", &crds]).await);
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
    succeeded("crds", &server.kubectl(&wait).await);
    let sets = sets();
    assert!(sets.len() >= 7, "{sets:?}");
    for set in &sets {
        let namespace = format!("ci-{set}");
        succeeded("namespace", &server.kubectl(&["create", "namespace", &namespace]).await);
        let enforce = ["enforce", "warn"].map(|m| format!("pod-security.kubernetes.io/{m}=restricted"));
        succeeded(
            "label",
            &server.kubectl(&["label", "namespace", &namespace, &enforce[0], &enforce[1]]).await,
        );
        for watched in watched(set) {
            succeeded("namespace", &server.kubectl(&["create", "namespace", &watched]).await);
        }
        let installed = install(&server, set, &namespace).await;
        succeeded(&format!("helm install of {set}"), &installed);
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(!said.contains("arning"), "{set}: {said}");

        let manifest = server.helm(&["get", "manifest", "groundlink", "-n", &namespace]).await;
        let manifest = String::from_utf8(manifest.stdout).unwrap();
        let all = documents(&manifest);
        // kubectl takes objects of one namespace at a time.
        let place_of =
            |document: &Value| document["metadata"]["namespace"].as_str().unwrap_or(&namespace).to_owned();
        let places: BTreeSet<_> = all.iter().map(place_of).collect();
        for place in places {
            let items: Vec<_> = all.iter().filter(|document| place_of(document) == place).collect();
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string();
            is_taken(&server, &format!("{set} in {place}"), &place, &list).await;
        }
        let deployment = all.iter().find(|document| document["kind"] == "Deployment").unwrap();
        is_taken(&server, &format!("the Pod of {set}"), &namespace, &pod(deployment)).await;
        let kinds = all.iter().map(|document| document["kind"].as_str().unwrap());
        let monitoring =
            kinds.filter(|kind| ["ServiceMonitor", "PodMonitor", "PrometheusRule"].contains(kind));
        let wanted: &[&str] = match set.as_str() {
            "monitoring" => &["PrometheusRule", "ServiceMonitor"],
            "pod-monitor" => &["PodMonitor"],
            "skipped" => &["PodMonitor", "PrometheusRule"],
            _ => &[],
        };
        let mut monitoring: Vec<_> = monitoring.collect();
        monitoring.sort_unstable();
        assert_eq!(monitoring, wanted, "{set}");

        // helm test: its account first, which the Pod needs.
        let hooks = server.helm(&["get", "hooks", "groundlink", "-n", &namespace]).await;
        let (pods, rest): (Vec<_>, Vec<_>) = documents(&String::from_utf8(hooks.stdout).unwrap())
            .into_iter()
            .partition(|document| document["kind"] == "Pod");
        assert_eq!((pods.len(), rest.len()), (1, 3), "{set}");
        let rest = json!({ "apiVersion": "v1", "kind": "List", "items": rest }).to_string();
        succeeded("hooks", &server.kubectl_with_input(&["apply", "-f", "-"], &rest).await);
        is_taken(&server, &format!("the test Pod of {set}"), &namespace, &pods[0].to_string()).await;

        let chart = repository("charts/groundlink");
        let upgrade = ["upgrade", "groundlink", &chart, "-n", &namespace, "--reset-then-reuse-values"];
        succeeded("helm upgrade", &server.helm(&[&upgrade[..], &["--wait=false"]].concat()).await);
        let uninstall = server.helm(&["uninstall", "groundlink", "-n", &namespace]).await;
        succeeded("helm uninstall", &uninstall);
        let left = server.kubectl(&["get", "crd", "monitoringobjects.groundlink.dev", "-o", "name"]).await;
        succeeded("the CRDs stay", &left);
    }
    println!("installed, upgraded and removed: {}", sets.join(", "));
}

/// Parts of the values file and of the schema that must name the same keys.
fn compare(path: &str, values: &Value, schema: &Value, root: &Value, wrong: &mut Vec<String>) {
    let resolved = |schema: &Value| match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).cloned().unwrap_or_default(),
        None => schema.clone(),
    };
    let schema = resolved(schema);
    let (Some(values), Some(known)) = (values.as_object(), schema["properties"].as_object()) else { return };
    for (key, value) in values {
        match known.get(key) {
            Some(schema) => compare(&format!("{path}.{key}"), value, schema, root, wrong),
            None => wrong.push(format!("{path}.{key} is not in the schema")),
        }
    }
    // What has a default set of fields is optional inside, as resources are.
    let is_closed = !values.is_empty() && !["resources"].contains(&path.trim_start_matches('.'));
    let missing = known.keys().filter(|key| is_closed && !values.contains_key(*key));
    wrong.extend(missing.map(|key| format!("{path}.{key} is in the schema and not in values.yaml")));
}

#[test]
fn values_and_schema_have_the_same_keys_at_every_level() {
    let values: Value = serde_saphyr::from_str(&text_of("charts/groundlink/values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&text_of("charts/groundlink/values.schema.json")).unwrap();
    let mut wrong = Vec::new();
    compare("", &values, &schema, &schema, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_metadata_of_the_chart_are_true() {
    let chart: Value = serde_saphyr::from_str(&text_of("charts/groundlink/Chart.yaml")).unwrap();
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(own), &json!(own)));
    let annotation = |name: &str| -> Value {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
        serde_saphyr::from_str(text).unwrap()
    };
    assert_eq!(annotation("images")[0]["image"], json!(format!("groundlink:{own}")));
    let crds = annotation("crds");
    let mut named: Vec<_> =
        crds.as_array().unwrap().iter().map(|crd| crd["name"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["monitoringobjects.groundlink.dev", "satelliteclusters.groundlink.dev"]);
    for change in annotation("changes").as_array().unwrap() {
        let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
        assert!(kinds.contains(&change["kind"].as_str().unwrap()), "{change}");
    }
    let examples = annotation("crdsExamples");
    assert_eq!(examples.as_array().unwrap().len(), 2);
}
