//! A satellite's credential as the operator takes it from the Secret on the hub: the same code refuses and builds.

use super::cluster::{Cluster, satellite_clusters};
use super::token::Claims;
use crate::api::satellite_cluster::SecretKeyRef;
use crate::satellite::credential::{Credential, ServerPolicy};
use crate::satellite::{HostPolicy, connect};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::ListParams;
use serde_json::Value;
use std::time::Duration;

/// A credential that was accepted.
pub struct Access {
    credential: Credential,
    /// URL of the satellite's API server.
    pub server: String,
    /// Its token, unless it is a client certificate.
    pub token: Option<String>,
    /// What the token says of itself.
    pub claims: Option<Claims>,
    /// When it ends (Unix seconds), if that can be read from it.
    pub expires: Option<i64>,
}

impl Access {
    /// Reads the Secret.
    ///
    /// # Errors
    /// The key or field that is missing or refused, and what to do; no value of it.
    pub fn of_secret(
        secret: &Secret,
        key: Option<&str>,
        policy: impl Into<ServerPolicy>,
    ) -> Result<Self, String> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let reference = SecretKeyRef { name, key: key.map(str::to_owned) };
        let credential =
            Credential::from_secret(secret, &reference, &policy.into()).map_err(|problem| problem.message)?;
        let plain = serde_json::to_value(credential.kubeconfig())
            .map_err(|_| "the credential cannot be read".to_owned())?;
        let text = |pointer: &str| plain.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let token = text("/users/0/user/token");
        let claims = token.as_deref().and_then(Claims::of);
        let server = text("/clusters/0/cluster/server").unwrap_or_default();
        Ok(Self { expires: credential.expiry(), credential, server, token, claims })
    }

    /// The operator's client with it.
    ///
    /// # Errors
    /// When a certificate or key cannot be read.
    pub async fn client(&self, policy: HostPolicy, request_timeout: Duration) -> Result<Client, String> {
        connect(self.credential.kubeconfig(), policy, request_timeout).await
    }
}

/// Which servers the operator accepts: not its own hub's, as Pods of the hub find it.
pub async fn servers(hub: &Cluster, policy: HostPolicy) -> ServerPolicy {
    let hub = hub.addresses_for_pods().await;
    hub.iter().fold(ServerPolicy::from(policy), ServerPolicy::without_hub)
}

/// The other satellites of this hub whose credential can be read: name and credential. What is done to an account on a satellite
/// is done to all that use it.
///
/// # Errors
/// When the hub does not answer.
pub async fn others(hub: &Cluster, operator: &str, except: &str) -> anyhow::Result<Vec<(String, Access)>> {
    let clusters = hub.objects(&satellite_clusters(), Some(operator));
    let clusters = hub.ask("list SatelliteClusters", clusters.list(&ListParams::default())).await?;
    let secrets = hub.typed::<Secret>(operator);
    let mut found = Vec::new();
    for cluster in clusters.items {
        let name = cluster.metadata.name.unwrap_or_default();
        let reference = &cluster.data["spec"]["kubeconfigSecretRef"];
        let Some(secret) = reference["name"].as_str().filter(|_| name != except) else { continue };
        let read = hub.ask(&format!("read Secret {operator}/{secret}"), secrets.get_opt(secret)).await?;
        // Nothing is connected to with it.
        let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
        let access =
            read.and_then(|secret| Access::of_secret(&secret, reference["key"].as_str(), policy).ok());
        found.extend(access.map(|access| (name, access)));
    }
    Ok(found)
}
