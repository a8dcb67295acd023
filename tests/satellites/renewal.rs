//! A real API server renews a token. The token works, is written back, and is revoked with the
//! Secret that it is bound to.

use crate::support::{GENEROUS, Installation, OPERATOR, client_of, eventually, succeeded};
use groundlink::api::Reason;
use groundlink::api::satellite_cluster::{SecretKeyRef, TokenRenewal};
use groundlink::satellite::HostPolicy;
use groundlink::satellite::credential::{Credential, ServerPolicy, renew, store};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::json;

const ROLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/satellite-token-renewal.yaml");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");

fn policy() -> ServerPolicy {
    HostPolicy { allow_loopback: true, ..HostPolicy::default() }.into()
}

fn reference(name: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.into(), key: None }
}

async fn client(credential: &Credential) -> Client {
    client_of(&serde_saphyr::to_string(&credential.kubeconfig()).unwrap()).await
}

/// Returns the satellite's HTTP status for a LIST of ConfigMaps with this credential.
async fn answer(credential: &Credential) -> u16 {
    let maps: Api<ConfigMap> = Api::namespaced(client(credential).await, "icinga");
    match maps.list(&ListParams::default()).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_stored_used_and_revoked() {
    let installation = Installation::start_direct(&["sat-a"]).await;
    let server = installation.plane.server("sat-a");
    // With the operator's own rights, as the chart gives them.
    let hub = installation.plane.server("hub");
    let own = client_of(&hub.service_account_kubeconfig(OPERATOR, "groundlink").await).await;
    let secrets: Api<Secret> = Api::namespaced(own, OPERATOR);
    let renewal = TokenRenewal { lifetime: "1h".into(), ..TokenRenewal::default() };

    let old = secrets.get("sat-a").await.unwrap();
    let first = Credential::from_secret(&old, &reference("sat-a"), &policy()).unwrap();
    assert!(first.expiry().is_some_and(|end| (now()..=now() + 3700).contains(&end)), "{:?}", first.expiry());

    // Without the right to renew, then without the Secret that tokens are bound to: each has its
    // own message, and the old token stays.
    let refused = renew(&client(&first).await, "icinga", &renewal, &first, now()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Forbidden, "{}", refused.message);
    assert!(refused.message.contains("serviceaccounts/token"), "{}", refused.message);
    succeeded("kubectl apply", &server.kubectl(&["apply", "-f", ROLE]).await);
    let elsewhere = TokenRenewal { bound_secret: "missing".into(), ..renewal.clone() };
    let refused = renew(&client(&first).await, "icinga", &elsewhere, &first, now()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::CredentialMissing, "{}", refused.message);
    assert!(refused.message.contains("\"missing\" not found"), "{}", refused.message);
    // The right covers tokens of this account only.
    let other = TokenRenewal { service_account: "default".into(), ..renewal.clone() };
    let refused = renew(&client(&first).await, "icinga", &other, &first, now()).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Forbidden, "{}", refused.message);
    assert_eq!(answer(&first).await, 200);

    let started = now();
    let renewed = renew(&client(&first).await, "icinga", &renewal, &first, started).await.unwrap();
    assert!(!renewed.same_as(&first));
    let validity = renewed.validity().unwrap();
    assert_eq!(validity.life(), Some(3600));
    assert!((started..=now() + 1).contains(&validity.issued.unwrap()), "{validity:?}");
    assert_eq!(answer(&renewed).await, 200);
    let refused = store(&secrets, &old, &renewed).await.unwrap_err();
    assert_eq!(refused.reason, Reason::Forbidden, "{}", refused.message);
    assert!(refused.message.contains("rbac.renewTokens"), "{}", refused.message);
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
    // The authorizer sees a new Role only after a while.
    eventually(GENEROUS, "the renewed token is stored", async || {
        store(&secrets, &old, &renewed).await.map_err(|problem| problem.message)
    })
    .await;
    let stored = secrets.get("sat-a").await.unwrap();
    let again = Credential::from_secret(&stored, &reference("sat-a"), &policy()).unwrap();
    assert!(again.same_as(&renewed), "the stored token is not the renewed one");
    let manager = stored.metadata.managed_fields.unwrap_or_default();
    assert!(manager.iter().any(|entry| entry.manager.as_deref() == Some("groundlink")), "{manager:?}");
    // A second write, based on the same read, conflicts and changes nothing.
    let second = renew(&client(&again).await, "icinga", &renewal, &again, now()).await.unwrap();
    let lost = store(&secrets, &old, &second).await.unwrap_err();
    assert_eq!(lost.reason, Reason::Conflict, "{}", lost.message);
    let unchanged = secrets.get("sat-a").await.unwrap();
    assert_eq!(unchanged.metadata.resource_version, stored.metadata.resource_version);

    // A Secret with separate keys: only the token changes.
    let parts = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "parts", "namespace": OPERATOR },
        "stringData": { "server": server.url(), "ca.crt": server.ca_pem(), "token": server.service_account_token("icinga", "groundlink").await, "note": "mine" },
    });
    installation.apply(&[parts]).await;
    let before = secrets.get("parts").await.unwrap();
    let of_parts = Credential::from_secret(&before, &reference("parts"), &policy()).unwrap();
    let renewed = renew(&client(&of_parts).await, "icinga", &renewal, &of_parts, now()).await.unwrap();
    store(&secrets, &before, &renewed).await.unwrap();
    let after = secrets.get("parts").await.unwrap();
    let again = Credential::from_secret(&after, &reference("parts"), &policy()).unwrap();
    assert!(again.same_as(&renewed) && answer(&again).await == 200);
    let (mut before, mut after) = (before.data.unwrap(), after.data.unwrap());
    assert_ne!(before.remove("token"), after.remove("token"));
    assert_eq!(before, after);

    // Deleting the Secret on the satellite revokes every token that is bound to it. The token that
    // was made by hand still works.
    let bound: Api<Secret> = Api::namespaced(server.client().await, "icinga");
    bound.delete("groundlink-token", &DeleteParams::default()).await.unwrap();
    eventually(GENEROUS, "a revoked token is refused", async || match answer(&renewed).await {
        401 => Ok(()),
        code => Err(format!("{code}")),
    })
    .await;
    assert_eq!(answer(&first).await, 200);
}
