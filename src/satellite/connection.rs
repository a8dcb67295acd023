//! A connection to one satellite, and the requests of its actor to the hub: for the Secret and the
//! finalizer.

use super::client::connect;
use super::context::{Context, HUB_TIMEOUT};
use super::core::access::Renewal;
use super::core::config::duration;
use super::core::delivery::Delivery;
use super::credential::{Credential, renew, store};
use super::problem::Problem;
use super::remote::{Remote, Requests};
use crate::api::marks::FINALIZER;
use crate::api::satellite_cluster::TokenRenewal;
use crate::api::{Reason, SatelliteCluster};
use crate::metrics::WriteCounts;
use crate::request::ask;
use crate::snapshot::pointer::Destination;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A connection to one satellite, with the inputs that it was made from.
pub struct Connection {
    /// Sends requests for its ConfigMaps.
    pub remote: Remote,
    /// The inputs that it was made from.
    pub credential: Credential,
    client: Client,
}

impl Connection {
    /// Opens a connection; nothing is sent yet.
    ///
    /// # Errors
    /// If the certificate or the key cannot be used.
    pub async fn open(
        context: &Context,
        object: &SatelliteCluster,
        target: Destination,
        credential: Credential,
        written: &Arc<WriteCounts>,
    ) -> Result<Self, Problem> {
        let timeout =
            duration(&object.spec.request_timeout).clamp(Duration::from_secs(1), Duration::from_secs(60));
        let secret = &object.spec.kubeconfig_secret_ref.name;
        let client = connect(credential.kubeconfig(), context.policy, timeout)
            .await
            .map_err(|why| Problem::stalled(Reason::CredentialRefused, format!("Secret {secret}: {why}")))?;
        let requests = Requests::new(
            client.clone(),
            &target,
            timeout,
            context.leadership.clone(),
            written.clone(),
            credential.redaction(),
        );
        let delivery = Delivery::new(target, object.spec.target.layout, object.spec.adoption_policy);
        let remote = Remote::new(requests, delivery, context.leadership.clone());
        Ok(Self { remote, credential, client })
    }

    /// Renews the token and writes it into the hub's Secret, whose watch brings it back here.
    ///
    /// # Errors
    /// If the satellite makes no token, or the hub does not store it. The present token stays in
    /// use.
    pub async fn renew(
        &self,
        context: &Context,
        object: &SatelliteCluster,
        renewal: &TokenRenewal,
    ) -> Result<Renewal, Problem> {
        let (secret, stored) = read_secret(context, object).await?;
        if !stored.same_as(&self.credential) {
            return Ok(Renewal::Overtaken);
        }
        let namespace = &object.spec.target.namespace;
        // In Unix seconds, because a token says when it ends by a clock.
        let now = jiff::Timestamp::now().as_second();
        let renewed = renew(&self.client, namespace, renewal, &self.credential, now).await?;
        store(&secrets(context), &secret, &renewed).await?;
        Ok(Renewal::Renewed(renewed.validity()))
    }
}

fn secrets(context: &Context) -> Api<Secret> {
    Api::namespaced(context.hub.clone(), &context.namespace)
}

/// Reads the Secret that a resource names, and the credential in it.
///
/// # Errors
/// With [`Reason::CredentialMissing`] or [`Reason::CredentialRefused`].
pub async fn read_secret(
    context: &Context,
    object: &SatelliteCluster,
) -> Result<(Secret, Credential), Problem> {
    let reference = &object.spec.kubeconfig_secret_ref;
    let name = &reference.name;
    let missing = |what: String| {
        Problem::transient(Reason::CredentialMissing, format!("spec.kubeconfigSecretRef: {what}"))
    };
    let secret = match ask(HUB_TIMEOUT, secrets(context).get_opt(name)).await {
        Err(failure) => return Err(missing(format!("cannot read Secret {name}: {failure}"))),
        Ok(None) => return Err(missing(format!("Secret {name} does not exist; create it"))),
        Ok(Some(secret)) => secret,
    };
    let credential = Credential::from_secret(&secret, reference, &context.servers)?;
    Ok((secret, credential))
}

/// Adds the finalizer to a resource, or removes it.
///
/// # Errors
/// If the hub does not store it, or this process is not the leader any more.
pub async fn set_finalizer(
    context: &Context,
    object: &SatelliteCluster,
    wanted: bool,
) -> Result<(), Problem> {
    let failed = |why: String| {
        Problem::transient(Reason::Pending, format!("cannot change metadata.finalizers: {why}"))
    };
    if !context.leadership.is_current() {
        return Err(failed("this process is not the leader any more".into()));
    }
    let others = object.finalizers().iter().filter(|name| *name != FINALIZER).cloned();
    let finalizers: Vec<_> = others.chain(wanted.then(|| FINALIZER.to_owned())).collect();
    // The resourceVersion makes a patch from an old reading fail.
    let metadata = json!({ "finalizers": finalizers, "resourceVersion": object.metadata.resource_version });
    let api = Api::<SatelliteCluster>::namespaced(context.hub.clone(), &context.namespace);
    let (parameters, patch) = (PatchParams::default(), Patch::Merge(json!({ "metadata": metadata })));
    match ask(HUB_TIMEOUT, api.patch_metadata(&object.name_any(), &parameters, &patch)).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.code() == Some(404) => Ok(()),
        Err(failure) => Err(failed(failure.to_string())),
    }
}

/// Publishes the warning, if there is one, and removes the finalizer. In this order, because an
/// event needs a resource that it is about.
///
/// # Errors
/// If [`set_finalizer`] fails.
pub async fn release(
    context: &Context,
    object: &SatelliteCluster,
    warning: Option<(Reason, String)>,
) -> Result<(), Problem> {
    if let Some((reason, note)) = warning {
        context.events.warning(object, reason, &note).await;
    }
    set_finalizer(context, object, false).await
}
