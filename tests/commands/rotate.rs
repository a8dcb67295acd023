//! `satellite rotate`: the old token is revoked, but never before the new one was proven to work.

use super::fixture::{Clusters, OPERATOR, apply, assert_same, everything, kubectl};
use crate::support::{ApiServer, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::{Value, json};
use std::time::Duration;

impl Clusters {
    /// Returns 0 if the satellite lets this token list ConfigMaps, else the HTTP status.
    pub async fn answer(&self, token: &str) -> u16 {
        let api = Api::<ConfigMap>::namespaced(self.as_token(token).await, "icinga");
        match api.list(&Default::default()).await {
            Ok(_) => 0,
            Err(kube::Error::Api(status)) => status.code,
            Err(error) => panic!("{error}"),
        }
    }

    async fn rotate(&self, more: &[&str]) -> super::fixture::Run {
        let arguments = ["rotate", "edge-a", "--context", "edge", "--allow-loopback-satellites"];
        self.satellite(&[&arguments[..], more].concat()).await
    }
}

impl Clusters {
    /// Renews the operator's Lease.
    async fn renew_lease(&self) {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": "groundlink", "namespace": OPERATOR },
            "spec": {
                "holderIdentity": "someone", "leaseDurationSeconds": 15,
                "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            },
        });
        apply(&self.hub, &lease.to_string()).await;
    }

    /// Writes the operator's condition that the credential is valid.
    async fn report_valid(&self) {
        let status = json!({ "status": { "observedGeneration": 1, "conditions": [{
            "type": "CredentialsValid", "status": "True", "reason": "Connected", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }] } })
        .to_string();
        let patch = [
            "-n",
            OPERATOR,
            "patch",
            "satellitecluster",
            "edge-a",
            "--subresource=status",
            "--type=merge",
            "-p",
        ];
        kubectl(&self.hub, &[&patch[..], &[&status]].concat()).await;
    }
}

/// Returns the names of the Secrets that tokens are bound to.
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

    // A dry run, and a run without the satellite's context, write nothing.
    let dry = clusters.rotate(&["--dry-run"]).await.exits_with(0);
    assert!(dry.out.contains("would be deleted"), "{}", dry.out);
    clusters.satellite(&["rotate", "edge-a"]).await.exits_with(2).stderr_has(&["--context"]);
    unchanged().await;
    // The context of another cluster: its token is not one of the satellite.
    kubectl(&clusters.hub, &["create", "namespace", "icinga"]).await;
    kubectl(&clusters.hub, &["-n", "icinga", "create", "serviceaccount", "groundlink"]).await;
    let wrong = ["rotate", "edge-a", "--context", "hub", "--allow-loopback-satellites"];
    clusters
        .satellite(&wrong)
        .await
        .exits_with(1)
        .stderr_has(&["old token stays", "does not accept the new token: 401"]);
    assert_eq!(bound(&clusters.hub).await, Vec::<String>::new(), "the failed attempt left a Secret");
    kubectl(&clusters.hub, &["delete", "serviceaccount", "-n", "icinga", "groundlink"]).await;
    assert_eq!(clusters.token("edge-a").await, old);
    // An account without its rights: the new token cannot do what the old one could.
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "rolebinding", "groundlink"]).await;
    clusters.rotate(&[]).await.exits_with(1).stderr_has(&["old token stays", "403"]);
    clusters.add("edge-a", &[]).await.exits_with(0);
    assert_eq!((clusters.token("edge-a").await, clusters.answer(&old).await), (old.clone(), 0));
    assert_eq!(bound(&clusters.edge).await, ["secret/groundlink-token"]);

    // Without a Lease it is unknown whether an operator runs: the hub gets the new token, and the
    // old one is not revoked.
    let unknown = clusters.rotate(&["--timeout", "1s"]).await.exits_with(1);
    unknown.stderr_has(&[
        "no Lease groundlink/groundlink",
        "old token was not revoked",
        "--without-operator",
    ]);
    let second = clusters.token("edge-a").await;
    assert_ne!(second, old);
    // An operator that hangs or has ended: its last condition is not about the new token, whatever
    // the clocks say.
    clusters.report_valid().await;
    clusters.renew_lease().await;
    let stopped = clusters.rotate(&["--timeout", "5s"]).await.exits_with(1);
    stopped.stderr_has(&[
        "Lease groundlink/groundlink was not renewed",
        "run groundlink satellite rotate edge-a",
    ]);
    let third = clusters.token("edge-a").await;
    // An operator that runs, but does not accept the token.
    let status = json!({ "status": { "conditions": null } }).to_string();
    let patch = [
        "-n",
        OPERATOR,
        "patch",
        "satellitecluster",
        "edge-a",
        "--subresource=status",
        "--type=merge",
        "-p",
        &status,
    ];
    kubectl(&clusters.hub, &patch).await;
    let (refusing, ()) = tokio::join!(clusters.rotate(&["--timeout", "5s"]), async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            clusters.renew_lease().await;
        }
    });
    refusing.exits_with(1).stderr_has(&["the operator said nothing", "old token was not revoked"]);
    let fourth = clusters.token("edge-a").await;
    for token in [&old, &second, &third, &fourth] {
        assert_eq!(clusters.answer(token).await, 0);
    }
    assert_eq!(bound(&clusters.edge).await.len(), 4);
    kubectl(&clusters.hub, &["-n", OPERATOR, "delete", "lease", "groundlink"]).await;
    // Another satellite with the same account has its own token.
    clusters.add("edge-b", &["--target-name", "other", "--token-lifetime", "72h"]).await.exits_with(0);
    let other = clusters.token("edge-b").await;

    // Without an operator the command's own proof counts, and the leftovers of the earlier runs are
    // revoked. The requested lifetimes are kept.
    let dry = clusters.rotate(&["--dry-run", "-o", "json"]).await.exits_with(0).json();
    let rotated = clusters
        .rotate(&["--without-operator", "--token-lifetime", "48h", "-o", "json"])
        .await
        .exits_with(0)
        .json();
    println!("{rotated:#}");
    let results = |said: &Value| -> Vec<String> {
        let objects = said["objects"].as_array().unwrap().iter();
        let mut results: Vec<_> = objects
            .map(|line| format!("{} {} {}", line["cluster"], line["kind"], line["result"]).replace('"', ""))
            .collect();
        results.sort();
        results
    };
    let expected = [
        "hub Secret changed",
        "satellite Secret created",
        "satellite Secret deleted",
        "satellite Secret deleted",
        "satellite Secret deleted",
        "satellite Secret left",
    ];
    assert_eq!(
        (results(&rotated), results(&dry)),
        (expected.map(str::to_owned).to_vec(), expected.map(str::to_owned).to_vec())
    );
    assert_eq!((&dry["dryRun"], &dry["token"]["result"]), (&json!(true), &json!("wouldBeCreated")));
    let token = &rotated["token"];
    assert_eq!(token["result"], "created");
    assert_eq!((&token["askedSeconds"], &token["grantedSeconds"]), (&json!(172_800), &json!(172_800)));
    let notes = rotated["notes"].to_string();
    assert!(
        notes.contains("the satellite refuses the old token") && notes.contains("was not tested"),
        "{notes}"
    );
    let left = rotated["objects"].as_array().unwrap().iter().find(|line| line["result"] == "left").unwrap();
    assert!(left["note"].as_str().unwrap().contains("tokens of edge-b"), "{left}");
    let fifth = clusters.token("edge-a").await;
    for (token, code) in [(&fourth, 401), (&fifth, 0), (&other, 0)] {
        assert_eq!(clusters.answer(token).await, code);
    }
    // API servers cache accepted tokens for some seconds.
    for token in [&second, &third] {
        eventually(Duration::from_secs(30), "the satellite refuses the tokens of earlier runs", async || {
            match clusters.answer(token).await {
                401 => Ok(()),
                code => Err(format!("{code}")),
            }
        })
        .await;
    }
    assert_eq!((clusters.check("edge-a").await.0, clusters.check("edge-b").await.0), (0, 0));
    assert_eq!(bound(&clusters.edge).await.len(), 2);
    clusters.satellite(&["remove", "edge-b"]).await.exits_with(0);
    let third = fifth;
    // `add` recognises the Secret of the rotated token, and changes nothing.
    let stored = everything(&clusters.edge).await;
    clusters.add("edge-a", &[]).await.exits_with(0);
    assert_same(&everything(&clusters.edge).await, &stored);
    assert_eq!(&clusters.token("edge-a").await, &third);
    // A token in the Secret from another field manager is a conflict; one from the operator is not.
    let now = jiff::Timestamp::now().as_second();
    let write_as = async |manager: &str, token: &str| {
        let patch = json!({ "stringData": { "token": token } }).to_string();
        let manager = format!("--field-manager={manager}");
        let patch = ["-n", OPERATOR, "patch", "secret", "edge-a", "--type=merge", &manager, "-p", &patch];
        kubectl(&clusters.hub, &patch).await;
    };
    write_as("argocd", &clusters.signed(&third, now - 100, now + 7200)).await;
    let theirs = clusters.rotate(&[]).await.exits_with(1);
    theirs.stderr_has(&["Secret groundlink/edge-a", ".data.token is argocd's", "--force-conflicts"]);
    assert_same(&everything(&clusters.edge).await, &stored);
    write_as("groundlink", &clusters.signed(&third, now - 50, now + 7200)).await;
    clusters.rotate(&["--without-operator"]).await.exits_with(0);
    let fourth = clusters.token("edge-a").await;
    assert_eq!((clusters.answer(&third).await, clusters.answer(&fourth).await), (401, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn rotate_reports_that_the_hub_refused_the_new_token_and_names_the_leftover() {
    let clusters = Clusters::joined().await;
    let old = clusters.token("edge-a").await;
    // This policy accepts a dry run, and refuses the write.
    let rules = json!([
        { "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"] },
    ]);
    clusters.close(&rules, "request.dryRun").await;
    let failed = clusters.rotate(&["--without-operator"]).await.exits_with(1);
    failed.stderr_has(&[
        "closed for the weekend",
        "no token was revoked",
        "is left on the satellite; run groundlink satellite rotate",
    ]);
    let left = bound(&clusters.edge).await;
    assert_eq!(left.len(), 2);
    let new = left.iter().find(|name| *name != "secret/groundlink-token").unwrap();
    failed.stderr_has(&[&new.replace("secret/", "Secret icinga/")]);
    assert_eq!((clusters.token("edge-a").await, clusters.answer(&old).await), (old.clone(), 0));
    // The next run deletes that leftover as well.
    kubectl(&clusters.hub, &["delete", "validatingadmissionpolicybindings", "closed"]).await;
    eventually(Duration::from_secs(30), "the hub accepts the token", async || {
        match clusters.rotate(&["--without-operator"]).await.code {
            0 => Ok(()),
            code => Err(format!("{code}")),
        }
    })
    .await;
    assert_eq!((bound(&clusters.edge).await.len(), clusters.answer(&old).await), (1, 401));
}
