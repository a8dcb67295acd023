//! Each permission of the example Role is revoked on a working satellite. Its SatelliteCluster
//! names the refused request and the remedy. Work without that request continues, and it heals when
//! the permission returns.

use super::stage::{LONG, TEAM, equal, volume_holds};
use crate::support::reader::Files;
use crate::support::{Installation, Place, Reader, bulk_host, change_all, create_all, eventually};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use futures::future::join_all;
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Instant;

/// Enough for a few shards, most of which a change does not touch.
const OBJECTS: usize = 180;
const NOTES: usize = 8000;
const FORBIDDEN: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::Forbidden);

/// A verb of the Role, the operator's word for its request, and whether a change is delivered
/// without it.
const VERBS: [(&str, &str, bool); 7] = [
    ("get", "read", false),
    ("list", "list", true),
    ("watch", "watch", true),
    ("create", "create", false),
    ("update", "replace", false),
    ("patch", "patch", false),
    ("delete", "delete", true),
];

/// The satellite that loses one verb.
struct Loser {
    verb: &'static str,
    action: &'static str,
    delivers: bool,
    place: Place,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_revoked_permission_is_named_and_its_return_heals() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let places = installation.join_fleet(&["sats"], VERBS.len(), json!({})).await;
    for place in &places {
        installation.change_satellite(&place.satellite, json!({ "target": { "layout": "Snapshot" } })).await;
    }
    let losers: Vec<Loser> = VERBS
        .into_iter()
        .zip(places)
        .map(|((verb, action, delivers), place)| Loser { verb, action, delivers, place })
        .collect();
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    let files = volume_holds(&volume, OBJECTS, OBJECTS, |_| true).await;
    let mut first = BTreeSet::new();
    for loser in &losers {
        first = equal(&loser.place, &reader, &files, LONG).await.shards;
        installation.satellite_in_sync(&loser.place.satellite, LONG).await;
    }
    assert!(first.len() >= 4, "{first:?}");
    let change = async |version: usize| -> Files {
        change_all(&installation.hub, TEAM, 7..8, |number| bulk_host(number, version, NOTES)).await;
        let marker = format!("version {version};");
        volume_holds(&volume, OBJECTS, 1, |text| text.contains(&marker)).await
    };

    join_all(losers.iter().map(Loser::lose)).await;
    // A change creates a shard and replaces the pointer. After two changes there is a shard to
    // delete.
    for version in [2, 3] {
        let files = change(version).await;
        for loser in losers.iter().filter(|loser| loser.delivers || loser.verb == "patch") {
            equal(&loser.place, &reader, &files, LONG).await;
        }
    }
    for loser in &losers {
        loser.force(&installation, &reader, &first).await;
    }
    let started = Instant::now();
    for loser in &losers {
        let message = loser.names_the_request(&installation).await;
        println!("permissions: without {}, {:.1?} later: {message}", loser.verb, started.elapsed());
    }

    // Deliveries without the refused request continue.
    let files = change(4).await;
    for loser in &losers {
        let name = &loser.place.satellite;
        let (synced, wanted) = if loser.delivers {
            equal(&loser.place, &reader, &files, LONG).await;
            (ConditionType::Synced, (ConditionStatus::True, Reason::InSync))
        } else {
            (ConditionType::Synced, FORBIDDEN)
        };
        installation.satellite_says(name, synced, wanted, LONG).await;
        loser.names_the_request(&installation).await;
        // The satellite answers, so neither the connection nor the credential is to blame.
        let connected = (ConditionStatus::True, Reason::Connected);
        for kind in [ConditionType::Reachable, ConditionType::CredentialsValid] {
            installation.satellite_says(name, kind, connected, LONG).await;
        }
    }

    join_all(losers.iter().map(Loser::regain)).await;
    let started = Instant::now();
    for loser in &losers {
        equal(&loser.place, &reader, &files, LONG).await;
        installation.satellite_in_sync(&loser.place.satellite, LONG).await;
        println!("permissions: {} is back: healed after {:.1?}", loser.verb, started.elapsed());
    }
    for loser in &losers {
        no_garbage(&loser.place, &reader).await;
    }
    println!("permissions: no garbage is left after {:.1?}", started.elapsed());
    assert!(operator.exit_status().is_none());
}

impl Loser {
    fn roles(&self) -> Api<Role> {
        Api::namespaced(self.place.client.clone(), &self.place.namespace)
    }

    /// Removes the verb from the Role, which must grant exactly those of [`VERBS`].
    async fn lose(&self) {
        let role = self.roles().get("groundlink").await.unwrap();
        let rules = role.rules.unwrap_or_default();
        // The right to read Leases is that of tests/satellites/agents.rs.
        let [rule, leases] = &rules[..] else { panic!("not two rules: {rules:?}") };
        assert_eq!(leases.resources, Some(vec!["leases".to_owned()]));
        let granted: BTreeSet<&str> = rule.verbs.iter().map(String::as_str).collect();
        assert_eq!(
            granted,
            VERBS.iter().map(|(verb, ..)| *verb).collect(),
            "the Role has a verb that this test does not revoke"
        );
        self.grant(&|verb| verb != self.verb).await;
    }

    /// Restores the verb.
    async fn regain(&self) {
        self.grant(&|_| true).await;
    }

    /// Writes the Role, and waits until the API server applies it.
    async fn grant(&self, is_granted: &(dyn Fn(&str) -> bool + Sync)) {
        let verbs: Vec<&str> = VERBS.iter().map(|(verb, ..)| *verb).filter(|verb| is_granted(verb)).collect();
        let rules = json!({ "rules": [
            { "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs },
            { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "watch"] },
        ] });
        self.roles().patch("groundlink", &PatchParams::default(), &Patch::Merge(rules)).await.unwrap();
        let reviews = Api::<SubjectAccessReview>::all(self.place.client.clone());
        let namespace = &self.place.namespace;
        eventually(LONG, &format!("{namespace}: {verbs:?} alone are allowed"), async || {
            for (verb, ..) in VERBS {
                let review: SubjectAccessReview = serde_json::from_value(json!({ "spec": {
                    "user": format!("system:serviceaccount:{namespace}:groundlink"),
                    "resourceAttributes": { "namespace": namespace, "verb": verb, "resource": "configmaps" },
                } }))
                .unwrap();
                let answer = reviews.create(&PostParams::default(), &review).await;
                let allowed =
                    answer.map_err(|error| error.to_string())?.status.is_some_and(|status| status.allowed);
                if allowed != is_granted(verb) {
                    return Err(format!("{verb} is allowed: {allowed}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// Causes the request that needs the verb, unless a change of an object does.
    async fn force(&self, installation: &Installation, reader: &Reader, first: &BTreeSet<String>) {
        match self.verb {
            // A touched pointer is read again, and then garbage is deleted.
            "get" | "delete" => {
                self.patch("groundlink", json!({ "annotations": { "touched": "yes" } })).await
            }
            // A new connection begins with a LIST.
            "list" => {
                let spec = json!({ "requestTimeout": "4s" });
                installation.change_satellite(&self.place.satellite, spec).await;
            }
            // A cut watch is started again.
            "watch" => installation.proxies["sats"].cut_connections(),
            // A named shard without labels gets them back.
            "patch" => {
                let held = self.place.read(reader).await.unwrap().shards;
                let kept = first.intersection(&held).next().expect("a shard that no change has replaced");
                self.patch(kept, json!({ "labels": null })).await;
            }
            _ => {}
        }
    }

    async fn patch(&self, name: &str, metadata: Value) {
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        self.place.api().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until the SatelliteCluster names the refused request and the remedy. Returns the
    /// message.
    async fn names_the_request(&self, installation: &Installation) -> String {
        let name = &self.place.satellite;
        let said = installation.satellite_says(name, ConditionType::Ready, FORBIDDEN, LONG).await;
        for wanted in [
            format!("cannot {} ConfigMap {}/", self.action, self.place.namespace),
            format!("cannot {} resource", self.verb),
            "grant the Role of examples/satellite-rbac.yaml".to_owned(),
        ] {
            assert!(said.contains(&wanted), "without {}: {wanted:?} is not in {said:?}", self.verb);
        }
        said
    }
}

/// Waits until there is nothing but the pointer, its shards and those of the previous revision.
async fn no_garbage(place: &Place, reader: &Reader) {
    eventually(LONG, &format!("{} has no garbage", place.satellite), async || {
        let held = place.read(reader).await?;
        let mut named: BTreeSet<String> = held.shards.union(&held.previous).cloned().collect();
        named.insert(place.pointer.clone());
        let names = place.names().await?;
        if names == named { Ok(()) } else { Err(format!("{names:?}, and named are {named:?}")) }
    })
    .await;
}
