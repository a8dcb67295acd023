//! The choices in a SatelliteCluster: namespaces by label, the drift policy, and the adoption
//! policy.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

async fn change(installation: &Installation, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({ "spec": spec }));
    installation.satellites().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_selector_follows_label_changes() {
    let installation = Installation::start(&["sat-a"]).await;
    let label = async |namespace: &str, label: &str| {
        installation.kubectl(&["label", "namespace", namespace, "--overwrite", label]).await;
    };
    for namespace in ["team-a", "team-b"] {
        installation.namespace(namespace).await;
    }
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "a", host("a")).await;
    installation.put("team-b", "b", host("b")).await;
    installation.synced("team-b", "b").await;
    let both = ["team-a.a.conf", "team-b.b.conf"];
    installation.holds_keys("sat-a", "groundlink", &both).await;

    // Without the right to read namespaces a condition says so, and the delivered set stays.
    change(
        &installation,
        "sat-a",
        json!({ "namespaces": { "from": "Selector", "selector": { "monitored": "yes" } } }),
    )
    .await;
    let unknown = (ConditionStatus::False, Reason::Pending);
    eventually(GENEROUS, "the condition names the missing permission", async || {
        let said = installation.satellite_says("sat-a", ConditionType::Ready, unknown, GENEROUS).await;
        if said.contains("rbac.readNamespaces") { Ok(()) } else { Err(said) }
    })
    .await;
    installation.holds_keys("sat-a", "groundlink", &both).await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "read-namespaces" },
        "rules": [{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"] }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "read-namespaces" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "read-namespaces" },
        "subjects": [{ "kind": "ServiceAccount", "name": "groundlink", "namespace": OPERATOR }],
    });
    installation.apply(&[role, binding]).await;
    installation.holds_keys("sat-a", "groundlink", &[]).await;
    label("team-a", "monitored=yes").await;
    installation.holds_keys("sat-a", "groundlink", &both[..1]).await;
    installation.put("team-a", "later", host("later")).await;
    installation.synced("team-a", "later").await;
    label("team-b", "monitored=yes").await;
    installation
        .holds_keys("sat-a", "groundlink", &["team-a.a.conf", "team-a.later.conf", "team-b.b.conf"])
        .await;
    label("team-a", "monitored=no").await;
    installation.holds_keys("sat-a", "groundlink", &both[1..]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_reported_or_corrected_by_policy_and_ignored_while_suspended() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    let maps = installation.config_maps("sat-a").await;
    let edit = async || {
        let edit = Patch::Merge(json!({ "data": { "team-a.web.conf": "edited" } }));
        let manager = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
        maps.patch("groundlink", &manager, &edit).await.unwrap();
    };
    let is_edited =
        async || maps.get("groundlink").await.unwrap().data.unwrap()["team-a.web.conf"] == "edited";

    change(&installation, "sat-a", json!({ "driftPolicy": "Report" })).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    edit().await;
    let drifted = (ConditionStatus::True, Reason::ContentChanged);
    let said = installation.satellite_says("sat-a", ConditionType::Drifted, drifted, GENEROUS).await;
    assert!(said.contains("somebody") && said.contains("ConfigMaps, for example groundlink"), "{said}");
    assert!(is_edited().await, "the drift policy Report must not correct");
    change(&installation, "sat-a", json!({ "driftPolicy": "Correct" })).await;
    let in_sync = (ConditionStatus::False, Reason::InSync);
    installation.satellite_says("sat-a", ConditionType::Drifted, in_sync, GENEROUS).await;
    assert!(!is_edited().await);

    // Suspended: a condition says so, and neither a correction nor a change is written.
    change(&installation, "sat-a", json!({ "suspend": true })).await;
    let suspended = (ConditionStatus::False, Reason::Suspended);
    installation.satellite_says("sat-a", ConditionType::Synced, suspended, GENEROUS).await;
    installation.recorder.clear();
    edit().await;
    installation.put("team-a", "web", host("second")).await;
    installation.published("team-a", "web").await;
    installation.put("team-a", "more", host("more")).await;
    installation.published("team-a", "more").await;
    assert!(is_edited().await);
    assert_eq!(installation.satellite_writes().len(), 0);
    change(&installation, "sat-a", json!({ "suspend": false })).await;
    installation.synced("team-a", "more").await;
    assert_eq!(installation.equal("sat-a", GENEROUS).await.len(), 2);

    // Repeated edits: after six corrections further ones are rare, and a condition reports the
    // fight. Changes are still delivered.
    eventually(GENEROUS, "the fight is reported", async || {
        edit().await;
        let fights = (ConditionStatus::True, Reason::DriftFight);
        let drifted = installation.satellites().get("sat-a").await.unwrap().status.unwrap().conditions;
        let drifted = drifted.into_iter().find(|c| c.r#type == ConditionType::Drifted).unwrap();
        if (drifted.status, drifted.reason.known()) == (fights.0, Some(fights.1)) {
            Ok(())
        } else {
            Err(format!("{drifted:?}"))
        }
    })
    .await;
    let text = operator.metrics().await;
    let line = "groundlink_satellite_drift_corrections_total{satellite=\"sat-a\"} ";
    let corrections: u32 = text.lines().find_map(|l| l.strip_prefix(line)).unwrap().parse().unwrap();
    assert!((6..=8).contains(&corrections), "{corrections}");
    installation.put("team-a", "web", host("third")).await;
    installation.synced("team-a", "web").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_config_map_is_adopted_only_by_policy() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    let held = installation.pointer("sat-a").await.unwrap();
    let maps = installation.config_maps("sat-a").await;
    let foreign = async |name: &str, data: Value| {
        let map = json!({ "metadata": { "name": name }, "data": data });
        maps.create(&Default::default(), &serde_json::from_value(map).unwrap()).await.unwrap()
    };
    let register = async |name: &str, more: Value| {
        let mut spec = json!({ "kubeconfigSecretRef": { "name": "sat-a" }, "target": { "name": name } });
        spec.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        installation.register(name, spec).await;
    };
    let conflict = (ConditionStatus::True, Reason::Conflict);
    // Adoption policy Never, and IfIdentical with a ConfigMap that differs: both refuse.
    for (name, more) in [("never", json!({})), ("other", json!({ "adoptionPolicy": "IfIdentical" }))] {
        let before = foreign(name, json!({ "mine": "theirs" })).await;
        register(name, more).await;
        let said = installation.satellite_says(name, ConditionType::Stalled, conflict, GENEROUS).await;
        assert!(said.contains(&format!("icinga/{name}")) && said.contains("adoptionPolicy"), "{said}");
        assert_eq!(maps.get(name).await.unwrap().metadata.resource_version, before.metadata.resource_version);
    }
    foreign("identical", json!(held.data)).await;
    register("identical", json!({ "adoptionPolicy": "IfIdentical" })).await;
    installation.satellite_in_sync("identical", GENEROUS).await;
    change(&installation, "never", json!({ "adoptionPolicy": "Always" })).await;
    installation.satellite_in_sync("never", GENEROUS).await;
    assert_eq!(maps.get("never").await.unwrap().data, held.data);
    // A ConfigMap that belongs to another hub by its label, although it names this
    // SatelliteCluster.
    change(&installation, "identical", json!({ "adoptionPolicy": "Never" })).await;
    eventually(GENEROUS, "the change is observed", async || {
        let object = installation.satellites().get("identical").await.unwrap();
        let known = object.status.unwrap().observed_generation == object.metadata.generation.unwrap();
        if known { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "groundlink.dev/hub": "another" } } }));
    maps.patch("identical", &PatchParams::default(), &patch).await.unwrap();
    installation.satellite_says("identical", ConditionType::Stalled, conflict, GENEROUS).await;
    let labels = maps.get("identical").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["groundlink.dev/hub"], "another");
}
