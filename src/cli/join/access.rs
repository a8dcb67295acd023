//! A satellite's credential, read from the Secret on the hub by the operator's own code, which refuses the same things.

use crate::api::satellite_cluster::SecretKeyRef;
use crate::cli::clusters::{Cluster, satellite_clusters};
use crate::cli::join::token::Claims;
use crate::satellite::credential::{Credential, ServerPolicy};
use crate::satellite::{HostPolicy, connect};
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::ListParams;
use serde_json::Value;
use std::time::Duration;

/// A credential that the operator accepts.
pub(in crate::cli) struct Access {
    credential: Credential,
    /// URL of the satellite's API server.
    pub(in crate::cli) server: String,
    /// The token. `None` if it is a client certificate.
    pub(in crate::cli) token: Option<String>,
    /// The claims of the token. `None` if it has none that can be read.
    pub(in crate::cli) claims: Option<Claims>,
    /// When it ends (Unix seconds). `None` if it does not say so.
    pub(in crate::cli) expires: Option<i64>,
}

impl Access {
    /// Reads the credential of a Secret.
    ///
    /// # Errors
    /// If a key or field is missing or refused. The text names it and the remedy, and holds no value of it.
    pub(in crate::cli) fn of_secret(
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

    /// Returns the client that the operator would use.
    ///
    /// # Errors
    /// If a certificate or key cannot be read.
    pub(in crate::cli) async fn client(
        &self,
        policy: HostPolicy,
        request_timeout: Duration,
    ) -> Result<Client, String> {
        connect(self.credential.kubeconfig(), policy, request_timeout).await
    }
}

/// Returns the servers that the operator accepts: all but its own hub, under the addresses that Pods use.
pub(in crate::cli) async fn servers(hub: &Cluster, policy: HostPolicy) -> ServerPolicy {
    let hub = hub.addresses_for_pods().await;
    hub.iter().fold(ServerPolicy::from(policy), ServerPolicy::without_hub)
}

/// Returns name and credential of the other satellites of this hub, as far as their credentials can be read. They matter because
/// several can use one account.
///
/// # Errors
/// If the hub cannot be read.
pub(in crate::cli) async fn others(
    hub: &Cluster,
    operator: &str,
    except: &str,
) -> anyhow::Result<Vec<(String, Access)>> {
    let clusters = hub.objects(&satellite_clusters(), Some(operator));
    let clusters = hub.ask("list SatelliteClusters", clusters.list(&ListParams::default())).await?;
    let secrets = hub.typed::<Secret>(operator);
    let mut found = Vec::new();
    for cluster in clusters.items {
        let name = cluster.metadata.name.unwrap_or_default();
        let reference = &cluster.data["spec"]["kubeconfigSecretRef"];
        let Some(secret) = reference["name"].as_str().filter(|_| name != except) else { continue };
        let read = hub.ask(&format!("read Secret {operator}/{secret}"), secrets.get_opt(secret)).await?;
        // Only read: no connection is made with it.
        let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
        let access =
            read.and_then(|secret| Access::of_secret(&secret, reference["key"].as_str(), policy).ok());
        found.extend(access.map(|access| (name, access)));
    }
    Ok(found)
}
