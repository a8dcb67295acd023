//! The life of a credential: the operator reports when it ends, renews it in time, and adopts a new
//! one without mistaking it for drift.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, eventually, host, succeeded};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use serde_json::json;

const SAT: &str = "sat-a";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");
const EXPIRY: &str = "groundlink_satellite_credential_expiry_timestamp_seconds{satellite=\"sat-a\"} ";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_while_delivery_is_suspended() {
    let installation = Installation::start(&[SAT]).await;
    let server = installation.plane.server(SAT);
    installation.namespace("team-a").await;
    installation.change_satellite(SAT, json!({ "suspend": true })).await;
    let operator = installation.operator(GROUNDLINK).await;
    let suspended = (ConditionStatus::False, Reason::Suspended);
    installation.satellite_says(SAT, ConditionType::Ready, suspended, GENEROUS).await;
    let expiry =
        async || operator.metrics().await.lines().find_map(|l| l.strip_prefix(EXPIRY).map(str::to_owned));
    assert!(expiry().await.is_some(), "a token of an hour");

    // A token without an end is renewed at once. Without the right to store it, it is not renewed,
    // and a message says so.
    let secrets: Api<Secret> = Api::namespaced(installation.hub.clone(), OPERATOR);
    let admin = server.admin_kubeconfig().replace(&server.url(), &installation.proxies[SAT].url());
    installation.set_secret(SAT, &admin).await;
    let renewal = json!({ "tokenRenewal": { "serviceAccount": "groundlink", "lifetime": "10m" } });
    installation.change_satellite(SAT, renewal).await;
    let expiring = (ConditionStatus::True, Reason::CredentialExpiring);
    let said = installation.satellite_says(SAT, ConditionType::CredentialsValid, expiring, GENEROUS).await;
    assert!(said.contains("Secret sat-a") && said.contains("rbac.renewTokens"), "{said}");
    assert_eq!(expiry().await, None);

    let hub = installation.plane.server("hub");
    let allow = [
        "upgrade",
        OPERATOR,
        CHART,
        "--namespace",
        OPERATOR,
        "--set",
        "rbac.renewTokens=true",
        "--wait=false",
    ];
    succeeded("helm upgrade", &hub.helm(&allow).await);
    // A changed SatelliteCluster is retried at once. Change it repeatedly, because the authorizer
    // sees the new Role only after a while.
    let mut minutes = 11;
    let renewed = eventually(GENEROUS, "the token is renewed", async || {
        let secret = secrets.get(SAT).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8(secret.data.unwrap_or_default()["value"].0.clone()).unwrap();
        if text.contains("eyJ") {
            return Ok(text);
        }
        minutes += 1;
        let renewal = json!({ "tokenRenewal": { "lifetime": format!("{minutes}m") } });
        installation.change_satellite(SAT, renewal).await;
        Err("the Secret still has the old token".to_owned())
    })
    .await;
    let valid = (ConditionStatus::True, Reason::Connected);
    installation.satellite_says(SAT, ConditionType::CredentialsValid, valid, GENEROUS).await;
    eventually(GENEROUS, "the expiry is a metric", async || {
        expiry().await.map(drop).ok_or_else(|| "none".to_owned())
    })
    .await;
    installation.satellite_says(SAT, ConditionType::Ready, suspended, GENEROUS).await;

    // The new token delivers, and no message contains any part of it.
    installation.change_satellite(SAT, json!({ "suspend": false })).await;
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    let start = renewed.find("eyJ").unwrap();
    let token: String = renewed[start..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    assert!(token.len() > 100 && !operator.log_text().contains(&token[..100]));
    // Deleting the Secret that it is bound to revokes it. The operator is then refused, so it uses
    // no other token.
    let delete = ["delete", "secret", "groundlink-token", "-n", "icinga"];
    succeeded("kubectl delete", &server.kubectl(&delete).await);
    let refused = (ConditionStatus::False, Reason::Unauthorized);
    installation.satellite_says(SAT, ConditionType::CredentialsValid, refused, GENEROUS).await;
}

/// A new connection has no knowledge of the delivered ConfigMaps yet. That must not count as drift.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_is_not_reported_as_drift() {
    let installation = Installation::start(&[SAT]).await;
    let server = installation.plane.server(SAT);
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    installation
        .change_satellite(SAT, json!({ "driftPolicy": "Report", "target": { "layout": "Snapshot" } }))
        .await;
    for name in ["one", "two", "three"] {
        installation.put("team-a", name, host("first")).await;
        installation.synced("team-a", name).await;
    }
    installation.satellite_in_sync(SAT, GENEROUS).await;
    installation.recorder.clear();
    let token = server.service_account_token("icinga", "groundlink").await;
    let proxied = installation.proxies[SAT].url();
    installation.set_secret(SAT, &server.kubeconfig_for(&proxied, &token)).await;
    // Wait for a read of the shard with the new token, and for a later delivery. The recorder has
    // every status that was written in between.
    eventually(GENEROUS, "the shard is read", async || {
        let looks = installation.recorder.count(|e| {
            e.method == http::Method::GET && e.path.contains("/configmaps/groundlink-") && e.is_acknowledged()
        });
        if looks > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    installation.put("team-a", "later", host("later")).await;
    installation.synced("team-a", "later").await;
    let said = installation
        .recorder
        .matching(|e| e.path.ends_with("/satelliteclusters/sat-a/status") && e.is_mutating());
    for write in said {
        let status = write.request_json()[1]["value"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let drifted = conditions.iter().find(|condition| condition["type"] == "Drifted").unwrap();
        assert_eq!(drifted["status"], "False", "{drifted}");
    }
    let hub = installation.plane.server("hub");
    let events = String::from_utf8(hub.kubectl(&["get", "events", "-n", OPERATOR]).await.stdout).unwrap();
    assert!(!events.contains("ContentChanged"), "{events}");
    assert!(operator.exit_status().is_none());
}
