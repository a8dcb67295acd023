//! Satellites that join, leave, and accept a part of the set.

use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, OPERATOR, assert_closed, carries, eventually, host,
};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use std::time::{Duration, Instant};

/// R8: a late satellite gets the current snapshot in one pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_joiner_gets_everything_in_one_pass_and_leaves_by_its_cleanup_policy() {
    let mut installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    let objects: Vec<_> = (0..60)
        .map(|i| {
            json!({
                "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
                "metadata": { "name": format!("host-{i}"), "namespace": "team-a" }, "spec": host("early"),
            })
        })
        .collect();
    installation.apply(&objects).await;
    for i in 0..60 {
        installation.synced("team-a", &format!("host-{i}")).await;
    }
    let all = installation.equal("sat-a", GENEROUS).await;
    assert_eq!(all.len(), 60);

    // A late joiner costs one pass, and no status write of an object.
    installation.prepare("sat-b").await;
    installation.recorder.clear();
    let started = Instant::now();
    installation.register("sat-b", json!({})).await;
    assert_eq!(installation.equal("sat-b", GENEROUS).await, all);
    let took = started.elapsed();
    installation.satellite_in_sync("sat-b", GENEROUS).await;
    // Status writes that the join caused, if any, are sent before those of a later object.
    installation.put("team-a", "later", host("later")).await;
    installation.synced("team-a", "later").await;
    let writes = installation.satellite_writes();
    let join: Vec<_> = writes.iter().filter(|e| e.server == "sat-b" && !carries(e, "later")).collect();
    assert!((1..=2).contains(&join.len()), "{} mutating requests for a join", join.len());
    let statuses = installation.recorder.matching(|e| {
        e.is_mutating() && e.path.contains("/monitoringobjects/") && !e.path.ends_with("/later/status")
    });
    assert!(statuses.is_empty(), "a join rewrote {} statuses", statuses.len());
    println!("late joiner: 60 objects after {took:?} with {} requests, 0 statuses", join.len());

    // Removed: only its own ConfigMap is deleted.
    for (name, deletion, stays) in
        [("leaves", json!({ "cleanup": "Delete" }), false), ("orphans", json!({ "cleanup": "Orphan" }), true)]
    {
        let spec = json!({ "kubeconfigSecretRef": { "name": "sat-b" }, "target": { "name": name }, "deletion": deletion });
        installation.register(name, spec).await;
        installation.satellite_in_sync(name, GENEROUS).await;
        let maps = installation.config_maps("sat-b").await;
        let held = maps.get(name).await.unwrap().data.unwrap();
        assert_eq!(held.len(), 61);
        installation.satellites().delete(name, &DeleteParams::default()).await.unwrap();
        installation.satellite_gone(name, GENEROUS).await;
        let left = maps.get_opt(name).await.unwrap();
        assert_eq!(left.is_some(), stays, "cleanup {deletion}");
        if let Some(left) = left {
            assert_eq!(left.data.unwrap(), held, "an orphaned ConfigMap must keep its data");
        }
        assert!(
            maps.get_opt("groundlink").await.unwrap().is_some(),
            "another satellite's pointer was touched"
        );
    }
    assert!(operator.metrics().await.contains("satellite=\"sat-b\""));

    // Suspended: nothing is written there, not even for cleanup.
    installation
        .register("held", json!({ "kubeconfigSecretRef": { "name": "sat-b" }, "target": { "name": "held" } }))
        .await;
    installation.satellite_in_sync("held", GENEROUS).await;
    installation
        .kubectl(&[
            "patch",
            "sat",
            "held",
            "-n",
            OPERATOR,
            "--type=merge",
            "-p",
            r#"{"spec":{"suspend":true}}"#,
        ])
        .await;
    let suspended = (ConditionStatus::False, Reason::Suspended);
    installation.satellite_says("held", ConditionType::Ready, suspended, GENEROUS).await;
    installation.satellites().delete("held", &DeleteParams::default()).await.unwrap();
    installation.satellite_gone("held", GENEROUS).await;
    leftovers_are_reported(&installation, "held").await;
    assert!(installation.config_maps("sat-b").await.get_opt("held").await.unwrap().is_some());

    // Removed while it is unreachable: the SatelliteCluster goes within its own timeout, whether
    // requests are refused or hang.
    for (name, hangs) in [("hangs", true), ("dead", false)] {
        let spec = json!({
            "kubeconfigSecretRef": { "name": "sat-b" }, "target": { "name": name }, "deletion": { "timeout": "2s" },
        });
        installation.register(name, spec).await;
        installation.satellite_in_sync(name, GENEROUS).await;
        match hangs {
            true => installation.proxies["sat-b"].pause_all(),
            false => installation.plane.server("sat-b").stop(),
        }
        let started = Instant::now();
        installation.satellites().delete(name, &DeleteParams::default()).await.unwrap();
        installation.satellite_gone(name, Duration::from_secs(15)).await;
        println!("{name}: gone after {:?}", started.elapsed());
        leftovers_are_reported(&installation, name).await;
        installation.proxies["sat-b"].resume_all();
        // No other satellite is affected.
        installation.put("team-a", "later", host(name)).await;
        installation.published("team-a", "later").await;
        assert!(installation.equal("sat-a", GENEROUS).await["team-a.later.conf"].contains(name));
        if hangs {
            let left = installation.config_maps("sat-b").await.get_opt(name).await.unwrap();
            assert!(left.is_some(), "a ConfigMap that could not be deleted in time must be left");
        }
    }
}

/// Waits for the event that says where a satellite's ConfigMaps may be left, and how to delete them
/// but not those of another hub.
async fn leftovers_are_reported(installation: &Installation, name: &str) {
    eventually(GENEROUS, &format!("an event names the leftovers of {name}"), async || {
        let events: Api<Event> = Api::namespaced(installation.hub.clone(), OPERATOR);
        let events = events.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let note = events.items.into_iter().find_map(|event| {
            let of_this_one = event.regarding.and_then(|object| object.name).as_deref() == Some(name);
            event.note.filter(|_| of_this_one && event.reason.as_deref() == Some("CleanupSkipped"))
        });
        let words = [&format!("icinga/{name}"), "kubectl -n icinga delete", "groundlink.dev/hub="];
        match note {
            Some(note) if words.iter().all(|word| note.contains(word)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_gets_the_objects_it_accepts_and_a_rotated_secret_is_picked_up() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.namespace("team-b").await;
    // Four SatelliteClusters with different views in one cluster, each with its own ConfigMap.
    for (name, spec) in [
        ("eu", json!({ "zones": ["eu"] })),
        ("team-a", json!({ "namespaces": { "from": "List", "names": ["team-a"] } })),
        (
            "both",
            json!({ "zones": ["eu", "us"], "namespaces": { "from": "List", "names": ["team-a", "team-b"] } }),
        ),
    ] {
        let mut spec = spec;
        spec["kubeconfigSecretRef"] = json!({ "name": "sat-a" });
        spec["target"] = json!({ "name": name });
        installation.register(name, spec).await;
    }
    let zoned = |zone: &str| json!({ "zone": zone, "host": { "checkCommand": "hostalive" } });
    let grouped = json!({ "host": { "checkCommand": "hostalive", "groups": ["shared"] } });
    for (namespace, name, spec) in [
        ("team-b", "eu", json!({ "zoneObject": {} })),
        ("team-b", "us", json!({ "zoneObject": {} })),
        ("team-b", "shared", json!({ "hostGroup": {} })),
        ("team-a", "in-eu", zoned("eu")),
        ("team-b", "in-us", zoned("us")),
        ("team-a", "plain", host("plain")),
        ("team-a", "grouped", grouped),
    ] {
        installation.put(namespace, name, spec).await;
    }
    for (namespace, name) in
        [("team-a", "in-eu"), ("team-b", "in-us"), ("team-a", "plain"), ("team-b", "shared")]
    {
        installation.synced(namespace, name).await;
    }
    // An object that a satellite accepts but must leave out is not Synced, and its message names
    // the satellite.
    let left_out = installation.rejected("team-a", "grouped").await;
    assert!(left_out.contains("left out by team-a"), "{left_out}");
    let zones = ["team-b.eu.conf", "team-b.us.conf"];
    let common = ["team-a.grouped.conf", "team-a.plain.conf", "team-b.shared.conf"];
    let with = |more: &[&'static str]| [&zones[..], &common[..], more].concat();
    for (name, keys) in [
        ("groundlink", with(&[])),
        ("eu", with(&["team-a.in-eu.conf"])),
        ("both", with(&["team-a.in-eu.conf", "team-b.in-us.conf"])),
        // Without the group, which it does not accept, and without the object that names the group.
        ("team-a", vec!["team-a.plain.conf"]),
    ] {
        assert_closed(&installation.holds_keys("sat-a", name, &keys).await);
    }
    let in_sync = (ConditionStatus::True, Reason::InSync);
    eventually(GENEROUS, "the condition names the objects that are left out", async || {
        let message = installation.satellite_says("team-a", ConditionType::Synced, in_sync, GENEROUS).await;
        let is_named = message.contains("1 objects") && message.contains("team-a/grouped");
        if is_named { Ok(()) } else { Err(message) }
    })
    .await;
    let message = installation.satellite_says("both", ConditionType::Synced, in_sync, GENEROUS).await;
    assert!(!message.contains("except"), "{message}");
    // The object becomes Synced once the satellite accepts the group.
    let change = async |name: &str, spec: serde_json::Value| {
        let patch = Patch::Merge(json!({ "spec": spec }));
        installation.satellites().patch(name, &PatchParams::default(), &patch).await.unwrap();
    };
    let namespaces = json!({ "from": "List", "names": ["team-a", "team-b", OPERATOR] });
    for name in ["team-a", "both"] {
        change(name, json!({ "namespaces": namespaces })).await;
    }
    installation.synced("team-a", "grouped").await;
    // A newer Icinga has a command of this name itself. So neither the declared one nor its users
    // fit there.
    change("both", json!({ "icingaVersion": "2.16" })).await;
    installation.put(OPERATOR, "curl", json!({ "checkCommand": { "command": ["/usr/bin/curl"] } })).await;
    installation.put("team-a", "by-curl", json!({ "host": { "checkCommand": "curl" } })).await;
    for (namespace, name) in [(OPERATOR, "curl"), ("team-a", "by-curl")] {
        let left_out = installation.rejected(namespace, name).await;
        assert!(left_out.contains("left out by both"), "{left_out}");
    }
    change("both", json!({ "icingaVersion": null })).await;
    installation.synced("team-a", "by-curl").await;
    // An object that was delivered and is left out from now on is no longer Synced.
    change("both", json!({ "icingaVersion": "2.16" })).await;
    installation.rejected("team-a", "by-curl").await;
    change("both", json!({ "icingaVersion": null })).await;
    installation.synced("team-a", "by-curl").await;
    // The same if another satellite answers after the one that leaves it out.
    let late = Fault::on(Action::Hang, |head, _| head.uri.path().ends_with("/configmaps/eu"));
    installation.proxies["sat-a"].set_fault(Some(late.clone()));
    change("eu", json!({ "icingaVersion": "2.13" })).await;
    eventually(GENEROUS, "a request to satellite eu hangs", async || {
        if late.hits() > 0 { Ok(()) } else { Err("not asked".into()) }
    })
    .await;
    change("both", json!({ "icingaVersion": "2.16" })).await;
    eventually(GENEROUS, "satellite both leaves it out", async || {
        let message = installation.satellite_says("both", ConditionType::Synced, in_sync, GENEROUS).await;
        if message.contains("except 2 objects") { Ok(()) } else { Err(message) }
    })
    .await;
    installation.proxies["sat-a"].set_fault(None);
    installation.proxies["sat-a"].release();
    installation.rejected("team-a", "by-curl").await;
    change("eu", json!({ "icingaVersion": null })).await;
    change("both", json!({ "icingaVersion": null })).await;
    installation.synced("team-a", "by-curl").await;
    for (namespace, name) in [("team-a", "by-curl"), (OPERATOR, "curl")] {
        installation.delete(namespace, name).await;
    }
    for (name, more) in [
        ("groundlink", &[][..]),
        ("team-a", &[]),
        ("eu", &["team-a.in-eu.conf"]),
        ("both", &["team-a.in-eu.conf", "team-b.in-us.conf"]),
    ] {
        installation.holds_keys("sat-a", name, &with(more)).await;
    }
    // A change that only one of them accepts is written to that one alone.
    installation.recorder.clear();
    installation
        .put(
            "team-b",
            "in-us",
            json!({ "zone": "us", "host": { "checkCommand": "hostalive", "notes": "n" } }),
        )
        .await;
    installation.synced("team-b", "in-us").await;
    let paths: Vec<_> = installation.satellite_writes().into_iter().map(|e| e.path).collect();
    assert_eq!(paths, ["/api/v1/namespaces/icinga/configmaps/both"]);
    // A newly accepted zone.
    installation
        .register(
            "eu",
            json!({
                "kubeconfigSecretRef": { "name": "sat-a" }, "target": { "name": "eu" }, "zones": ["us"],
            }),
        )
        .await;
    installation.holds_keys("sat-a", "eu", &with(&["team-b.in-us.conf"])).await;

    // The Secret: first a token that the server does not know, then garbage, then a new token.
    for name in ["eu", "both", "team-a"] {
        installation.satellites().delete(name, &DeleteParams::default()).await.unwrap();
        installation.satellite_gone(name, GENEROUS).await;
    }
    let (server, proxy) = (installation.plane.server("sat-a"), &installation.proxies["sat-a"]);
    let pid = operator.pid();
    installation.set_secret("sat-a", &server.kubeconfig_for(&proxy.url(), "not-a-token")).await;
    let unauthorized = (ConditionStatus::False, Reason::Unauthorized);
    let message =
        installation.satellite_says("sat-a", ConditionType::CredentialsValid, unauthorized, GENEROUS).await;
    assert!(message.contains("renew the credential"), "{message}");
    // Deliveries continue with the previous credential.
    assert!(message.contains("still using the previous credential"), "{message}");
    let delivered = async |notes: &str| {
        installation.put("team-a", "plain", host(notes)).await;
        installation.synced("team-a", "plain").await;
        let held = installation.pointer("sat-a").await.unwrap().data.unwrap();
        assert!(held["team-a.plain.conf"].contains(notes));
    };
    delivered("with a wrong token in the Secret").await;
    installation.set_secret("sat-a", "garbage: [").await;
    let refused = (ConditionStatus::False, Reason::CredentialRefused);
    installation.satellite_says("sat-a", ConditionType::CredentialsValid, refused, GENEROUS).await;
    delivered("with garbage in the Secret").await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(installation.hub.clone(), OPERATOR);
    secrets.delete("sat-a", &DeleteParams::default()).await.unwrap();
    let missing = (ConditionStatus::False, Reason::CredentialMissing);
    let message =
        installation.satellite_says("sat-a", ConditionType::CredentialsValid, missing, GENEROUS).await;
    assert!(message.contains("Secret sat-a does not exist"), "{message}");
    delivered("without a Secret").await;
    let token = server.service_account_token("icinga", "groundlink").await;
    let started = Instant::now();
    installation.set_secret("sat-a", &server.kubeconfig_for(&proxy.url(), &token)).await;
    let valid = (ConditionStatus::True, Reason::Connected);
    installation.satellite_says("sat-a", ConditionType::CredentialsValid, valid, GENEROUS).await;
    println!("the new Secret was used after {:?}", started.elapsed());
    delivered("rotated").await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    assert!(operator.exit_status().is_none() && operator.pid() == pid);
}
