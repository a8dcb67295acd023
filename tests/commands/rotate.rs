//! Rotation: the old token is refused afterwards, and never before the new one was proven.

use crate::fixture::{Clusters, OPERATOR, apply, assert_same, everything, kubectl};
use crate::support::{ApiServer, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use std::time::Duration;

impl Clusters {
    /// What the satellite answers to a token: 0 if it lets it read ConfigMaps.
    pub async fn answer(&self, token: &str) -> u16 {
        let api = Api::<ConfigMap>::namespaced(self.as_token(token).await, "icinga");
        match api.list(&Default::default()).await {
            Ok(_) => 0,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }

    async fn rotate(&self, more: &[&str]) -> crate::fixture::Said {
        let arguments = ["rotate", "edge-a", "--context", "edge", "--allow-loopback-satellites"];
        self.satellite(&[&arguments[..], more].concat()).await
    }
}

/// Names of the Secrets that tokens are bound to.
async fn bound(server: &ApiServer) -> Vec<String> {
    let list = ["-n", "icinga", "get", "secrets", "-l", "groundlink.dev/account=groundlink", "-o", "name"];
    kubectl(server, &list).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_token_is_refused_after_a_rotation_and_not_before_the_new_one_is_proven() {
    let clusters = Clusters::joined().await;
    let old = clusters.token("edge-a").await;
    assert_eq!(clusters.answer(&old).await, 0);
    let before = (everything(&clusters.hub).await, everything(&clusters.edge).await);
    let unchanged = async || {
        assert_same(&everything(&clusters.hub).await, &before.0);
        assert_same(&everything(&clusters.edge).await, &before.1);
    };

    // Nothing is written in a dry run, without a satellite, or over someone else's Secret.
    let dry = clusters.rotate(&["--dry-run"]).await.ended(0);
    assert!(dry.out.contains("would be deleted"), "{}", dry.out);
    clusters.satellite(&["rotate", "edge-a"]).await.ended(2).tells(&["--context"]);
    unchanged().await;
    // The context of another cluster: the token that it makes is not the satellite's.
    kubectl(&clusters.hub, &["create", "namespace", "icinga"]).await;
    kubectl(&clusters.hub, &["-n", "icinga", "create", "serviceaccount", "groundlink"]).await;
    let wrong = ["rotate", "edge-a", "--context", "hub", "--allow-loopback-satellites"];
    clusters
        .satellite(&wrong)
        .await
        .ended(1)
        .tells(&["old token stays", "does not accept the new token: 401"]);
    assert_eq!(bound(&clusters.hub).await, Vec::<String>::new(), "nothing of the attempt is left");
    kubectl(&clusters.hub, &["delete", "serviceaccount", "-n", "icinga", "groundlink"]).await;
    assert_eq!(clusters.token("edge-a").await, old);
    // An account that lost its rights: the new token does not do what the old one did.
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "rolebinding", "groundlink"]).await;
    clusters.rotate(&[]).await.ended(1).tells(&["old token stays", "403"]);
    clusters.add("edge-a", &[]).await.ended(0);
    assert_eq!((clusters.token("edge-a").await, clusters.answer(&old).await), (old.clone(), 0));
    assert_eq!(bound(&clusters.edge).await, ["secret/groundlink-token"]);

    // An operator that runs and does not accept it: the hub has the new one, and the old one is not revoked.
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "groundlink", "namespace": OPERATOR },
        "spec": {
            "holderIdentity": "someone", "leaseDurationSeconds": 15,
            "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        },
    });
    apply(&clusters.hub, &lease.to_string()).await;
    let stopped = clusters.rotate(&["--timeout", "2s"]).await.ended(1);
    stopped.tells(&["the operator said nothing", "old token was not revoked", "run this again"]);
    let second = clusters.token("edge-a").await;
    assert_ne!(second, old);
    assert_eq!((clusters.answer(&old).await, clusters.answer(&second).await), (0, 0));
    kubectl(&clusters.hub, &["-n", OPERATOR, "delete", "lease", "groundlink"]).await;

    // No operator: the command's own proof counts. Lifetimes go on as they were asked for.
    let rotated = clusters.rotate(&["--token-lifetime", "48h"]).await.ended(0);
    println!("{}", rotated.out);
    assert!(rotated.out.contains("the satellite refuses the old token"), "{}", rotated.out);
    assert!(rotated.out.contains("asked for 48h, granted 48h"), "{}", rotated.out);
    let third = clusters.token("edge-a").await;
    assert_eq!((clusters.answer(&second).await, clusters.answer(&third).await), (401, 0));
    assert_eq!(clusters.check("edge-a").await.0, 0);
    // The first is still good, because the run between was cut off: what it is bound to is there to be seen and deleted.
    assert_eq!((bound(&clusters.edge).await.len(), clusters.answer(&old).await), (2, 0));
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "secret", "groundlink-token"]).await;
    eventually(Duration::from_secs(30), "a real API server refuses the token", async || {
        match clusters.answer(&old).await {
            401 => Ok(()),
            code => Err(format!("{code}")),
        }
    })
    .await;
    // `add` finds the Secret of the rotated token, and changes nothing.
    let stored = everything(&clusters.edge).await;
    clusters.add("edge-a", &[]).await.ended(0);
    assert_same(&everything(&clusters.edge).await, &stored);
    assert_eq!(&clusters.token("edge-a").await, &third);
    // A token that someone else wrote into the Secret is theirs; one that the operator wrote is not.
    let now = jiff::Timestamp::now().as_second();
    let write_as = async |manager: &str, token: &str| {
        let patch = json!({ "stringData": { "token": token } }).to_string();
        let manager = format!("--field-manager={manager}");
        let patch = ["-n", OPERATOR, "patch", "secret", "edge-a", "--type=merge", &manager, "-p", &patch];
        kubectl(&clusters.hub, &patch).await;
    };
    write_as("argocd", &clusters.signed(&third, now - 100, now + 7200)).await;
    let theirs = clusters.rotate(&[]).await.ended(1);
    theirs.tells(&["Secret groundlink/edge-a", ".data.token is argocd's", "--force-conflicts"]);
    assert_same(&everything(&clusters.edge).await, &stored);
    write_as("groundlink", &clusters.signed(&third, now - 50, now + 7200)).await;
    clusters.rotate(&[]).await.ended(0);
    let fourth = clusters.token("edge-a").await;
    assert_eq!((clusters.answer(&third).await, clusters.answer(&fourth).await), (401, 0));
}
