//! How an actor comes to a connection: from the Secret that its resource names, without a gap when that changes, and with a new
//! token in time where that is wanted.

use super::actor::Actor;
use super::client::connect;
use super::context::{Context, HUB_TIMEOUT};
use super::credential::{Credential, Schedule, lifetime, renew, store};
use super::delivery::RECHECK;
use super::problem::Problem;
use super::remote::{Remote, Requests};
use crate::api::duration::parse_duration;
use crate::api::{Reason, SatelliteCluster};
use crate::metrics::WriteCounts;
use crate::snapshot::pointer::Destination;
use crate::text::clean;
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::{Client, ResourceExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What became of a token.
pub enum Renewal {
    /// There is nothing to do yet.
    NotDue,
    /// The hub's Secret has another one already.
    Overtaken,
    /// A new one is in the hub's Secret.
    Done,
}

/// A connection to one satellite, and what it was made of.
pub struct Connection {
    /// The way to its ConfigMaps.
    pub remote: Remote,
    /// What it was made of.
    pub credential: Credential,
    /// Whether the satellite accepted it once.
    pub is_proven: bool,
    client: Client,
}

impl Connection {
    /// Opens a connection; nothing is sent yet.
    ///
    /// # Errors
    /// When the certificate or the key cannot be used.
    pub async fn open(
        context: &Context,
        object: &SatelliteCluster,
        credential: Credential,
        written: &Arc<WriteCounts>,
    ) -> Result<Self, Problem> {
        let timeout =
            duration(&object.spec.request_timeout).clamp(Duration::from_secs(1), Duration::from_secs(60));
        let secret = &object.spec.kubeconfig_secret_ref.name;
        let client = connect(credential.kubeconfig(), context.policy, timeout)
            .await
            .map_err(|why| Problem::stalled(Reason::CredentialRefused, format!("Secret {secret}: {why}")))?;
        let target = target(context, object);
        let requests = Requests::new(
            client.clone(),
            &target,
            timeout,
            context.claim.clone(),
            written.clone(),
            credential.redaction(),
        );
        let (layout, adoption) = (object.spec.target.layout, object.spec.adoption_policy);
        let remote = Remote::new(requests, target, layout, adoption, context.claim.clone());
        Ok(Self { remote, credential, is_proven: false, client })
    }

    /// The same, which works: the satellite accepted this credential.
    pub fn proven(self) -> Self {
        Self { is_proven: true, ..self }
    }

    /// Renews the token if that is wanted and due, and writes it into the hub's Secret, whose watch brings it back here. `now` in
    /// Unix seconds, because a token says when it ends by a clock.
    ///
    /// # Errors
    /// Why not; the present token stays in use, and it is tried again.
    pub async fn renew(
        &self,
        context: &Context,
        object: &SatelliteCluster,
        renewals: &mut Schedule,
        now: i64,
    ) -> Result<Renewal, Problem> {
        let Some(renewal) = &object.spec.token_renewal else { return Ok(Renewal::Done) };
        let (life, present) = (lifetime(renewal), self.credential.validity());
        if now < renewals.due(present, life) || !context.claim.is_current() {
            return Ok(Renewal::NotDue);
        }
        let began = Instant::now();
        let result = async {
            let (secret, stored) = read_secret(context, object).await?;
            if !stored.same_as(&self.credential) {
                // A newer one is on its way here already.
                return Ok(None);
            }
            let namespace = &object.spec.target.namespace;
            let renewed = renew(&self.client, namespace, renewal, &self.credential, now).await?;
            store(&secrets(context), &secret, &renewed).await?;
            Ok(Some(renewed))
        };
        match result.await {
            Ok(Some(renewed)) => {
                renewals.renewed(now, renewed.validity(), life);
                Ok(Renewal::Done)
            }
            Ok(None) => Ok(Renewal::Overtaken),
            Err(problem) => {
                renewals.failed(now.saturating_add(began.elapsed().as_secs() as i64), present);
                Err(problem)
            }
        }
    }
}

impl Actor {
    /// Has a connection that is made of what the Secret and the resource say now. A connection that works stays in use until the new
    /// one has worked.
    pub(super) async fn connect(&mut self, object: &SatelliteCluster) -> Result<(), Problem> {
        let is_due = self.reload_at.is_some_and(|at| at <= Instant::now());
        if self.connection.is_some() && !self.reload && !is_due {
            return Ok(());
        }
        let is_proven = self.connection.as_ref().is_some_and(|connection| connection.is_proven);
        let read = credential(&self.context, object).await;
        if let (Some(present), Ok(new)) = (&self.connection, &read)
            && present.credential.same_as(new)
            && !self.is_changed
        {
            self.settled();
            return Ok(());
        }
        let opened = match read {
            Ok(credential) => Connection::open(&self.context, object, credential, &self.written).await,
            Err(problem) => Err(problem),
        };
        let tried = match opened {
            Ok(mut new) if is_proven => {
                let has_changed =
                    self.connection.as_ref().is_some_and(|old| !old.credential.same_as(&new.credential));
                match has_changed {
                    true => new.remote.read().await.map(|()| new.proven()),
                    false => Ok(new.proven()),
                }
            }
            other => other,
        };
        match tried {
            Ok(connection) => {
                self.left_behind(object, &connection);
                self.context.metrics.satellite_credential_expiry(&self.name, connection.credential.expiry());
                self.connection = Some(connection);
                self.settled();
                self.report.renewal = None;
                Ok(())
            }
            Err(problem) if is_proven => {
                self.reload = false;
                self.reload_at = Some(Instant::now() + RECHECK);
                if self.is_changed
                    && let Some(present) = &self.connection
                {
                    // The resource changed too: with the credential that works.
                    let credential = present.credential.clone();
                    let again = Connection::open(&self.context, object, credential, &self.written).await?;
                    self.left_behind(object, &again);
                    self.connection = Some(again.proven());
                    self.is_changed = false;
                }
                self.report.credential = Some(problem);
                Ok(())
            }
            Err(problem) => Err(problem),
        }
    }

    /// Says what stays where the satellite, or its target, was before: nothing is deleted there, because somebody may still load it.
    fn left_behind(&mut self, object: &SatelliteCluster, new: &Connection) {
        let Some(old) = &self.connection else { return };
        let is_elsewhere = !old.credential.same_server(&new.credential);
        let place = old.remote.pointer_name();
        if !is_elsewhere && place == new.remote.pointer_name() {
            return;
        }
        if old.remote.holds_ours() {
            let (cluster, file) = match is_elsewhere {
                true => ("the cluster of before", "with its kubeconfig, "),
                false => ("the satellite", ""),
            };
            let note = format!(
                "ConfigMap {place} and its shards, whose names begin with it, stay on {cluster} as they are: when nothing loads them \
                 any more, delete them, {file}with kubectl"
            );
            tracing::warn!(satellite = %self.name, why = %note, "another target");
            let (events, object) = (self.context.events.clone(), Arc::new(object.clone()));
            tokio::spawn(async move { events.warning(&object, Reason::CleanupSkipped, &note).await });
        }
        if is_elsewhere {
            self.last = None;
            self.not_held();
        }
    }

    fn settled(&mut self) {
        (self.reload, self.reload_at) = (false, None);
        self.is_changed = false;
        self.report.credential = None;
    }
}

/// The credential that a resource names.
///
/// # Errors
/// [`Reason::CredentialMissing`] or [`Reason::CredentialRefused`].
pub async fn credential(context: &Context, object: &SatelliteCluster) -> Result<Credential, Problem> {
    read_secret(context, object).await.map(|(_, credential)| credential)
}

fn secrets(context: &Context) -> Api<Secret> {
    Api::namespaced(context.hub.clone(), &context.namespace)
}

async fn read_secret(context: &Context, object: &SatelliteCluster) -> Result<(Secret, Credential), Problem> {
    let reference = &object.spec.kubeconfig_secret_ref;
    let name = &reference.name;
    let missing = |what: String| {
        Problem::transient(Reason::CredentialMissing, format!("spec.kubeconfigSecretRef: {what}"))
    };
    let secret = match tokio::time::timeout(HUB_TIMEOUT, secrets(context).get_opt(name)).await {
        Err(_) => return Err(missing("the hub's API server does not answer".into())),
        Ok(Err(error)) => {
            return Err(missing(format!("cannot read Secret {name}: {}", clean(&error.to_string(), 200))));
        }
        Ok(Ok(None)) => return Err(missing(format!("Secret {name} does not exist; create it"))),
        Ok(Ok(Some(secret))) => secret,
    };
    let credential = Credential::from_secret(&secret, reference, &context.servers)?;
    Ok((secret, credential))
}

/// A duration of a resource.
pub fn duration(text: &crate::api::text::Duration) -> Duration {
    // The CRD admits nothing that cannot be parsed.
    Duration::from_secs_f64(parse_duration(text.as_str()).unwrap_or(10.0))
}

/// Where a satellite's ConfigMaps are.
pub fn target(context: &Context, object: &SatelliteCluster) -> Destination {
    let target = &object.spec.target;
    Destination {
        hub: context.hub_id.to_string(),
        satellite: object.name_any(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        labels: target.labels.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
        annotations: target.annotations.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
    }
}
