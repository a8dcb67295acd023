//! One pass over one satellite: read what it holds, write what it should hold, and say what it acknowledged.
//!
//! The pointer is written with the resourceVersion that was read, so a late request of an earlier pass loses; and never over
//! a higher revision, so a satellite does not go backwards.

use super::problem::Problem;
use crate::api::Reason;
use crate::api::satellite_cluster::AdoptionPolicy;
use crate::identity::{Digest, Revision};
use crate::lease::Claim;
use crate::snapshot::single::{self, Held, MAX_BYTES, Target};
use crate::snapshot::{Snapshot, View};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams, Preconditions};
use std::time::Duration;

/// A connection to one satellite, and what is known of its pointer.
pub struct Remote {
    api: Api<ConfigMap>,
    target: Target,
    adoption: AdoptionPolicy,
    deadline: Duration,
    /// The pointer as last read or written.
    known: Option<Known>,
}

#[derive(Clone)]
struct Known {
    /// As the API server has it; nothing if there is no pointer.
    pointer: Option<ConfigMap>,
    held: Option<Held>,
}

/// What a pass found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Revision that the pointer carries.
    pub pointer_revision: Revision,
    /// Digest of what it holds.
    pub digest: Digest,
    /// Whether this pass wrote it.
    pub wrote: bool,
}

impl Remote {
    /// A remote for one target.
    pub fn new(client: Client, target: Target, adoption: AdoptionPolicy, request_timeout: Duration) -> Self {
        let api = Api::namespaced(client, &target.namespace);
        // A whole answer, body included, must arrive within this time.
        Self { api, target, adoption, deadline: request_timeout + Duration::from_secs(2), known: None }
    }

    /// Digest of what the pointer held when it was last read or written.
    pub fn digest(&self) -> Option<Digest> {
        self.known.as_ref()?.held.as_ref().map(|held| held.digest)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.target.namespace, self.target.name)
    }

    async fn bounded<T>(
        &self,
        action: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.deadline, call).await {
            Err(_) => {
                let message = format!(
                    "cannot {action} ConfigMap {}: no answer within {:?}",
                    self.name(),
                    self.deadline
                );
                Err(Failure { problem: Problem::silent(Reason::Unreachable, message), code: None })
            }
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
                Err(Failure { problem: Problem::of(action, &self.name(), &error), code })
            }
        }
    }

    /// Reads the pointer: the cheap probe.
    ///
    /// # Errors
    /// The problem.
    pub async fn read(&mut self) -> Result<(), Problem> {
        self.known = None;
        let pointer =
            self.bounded("read", self.api.get_opt(&self.target.name)).await.map_err(|f| f.problem)?;
        let held = pointer.as_ref().map(|pointer| single::read(pointer, &self.target));
        self.known = Some(Known { pointer, held });
        Ok(())
    }

    /// Brings the satellite to `view`; writes nothing if it holds that already.
    ///
    /// # Errors
    /// The problem; what the satellite held before is still there.
    pub async fn pass(&mut self, snapshot: &Snapshot, view: &View, claim: &Claim) -> Result<Acked, Problem> {
        if view.bytes > MAX_BYTES {
            return Err(Problem::stalled(
                Reason::TooLarge,
                format!(
                    "the set has {} bytes in {} files; layout Single holds {MAX_BYTES}: restrict spec.zones or spec.namespaces",
                    view.bytes,
                    view.files.len()
                ),
            ));
        }
        // A conflict means that the pointer changed since it was read: read it again and decide anew, a few times.
        let mut attempt = 0;
        loop {
            if self.known.is_none() {
                self.read().await?;
            }
            match self.write(snapshot, view, claim).await {
                Err(Failure { code: Some(409), .. }) if attempt < 3 => {
                    attempt += 1;
                    self.known = None;
                }
                Err(failure) => {
                    self.known = None;
                    return Err(failure.problem);
                }
                Ok(acked) => return Ok(acked),
            }
        }
    }

    async fn write(&mut self, snapshot: &Snapshot, view: &View, claim: &Claim) -> Result<Acked, Failure> {
        let known = self.known.clone().unwrap_or(Known { pointer: None, held: None });
        if let Some(held) = &known.held {
            self.check_owner(held, view)?;
            if held.ours && held.marked && held.digest == view.digest {
                let pointer_revision = held.revision.unwrap_or_else(|| snapshot.revision());
                return Ok(Acked { pointer_revision, digest: view.digest, wrote: false });
            }
            if let Some(revision) =
                held.revision.filter(|revision| held.ours && *revision >= snapshot.revision())
            {
                if revision.term > snapshot.revision().term {
                    claim.raise_above(revision.term);
                }
                // The same or a newer revision with other content: someone changed it, or another term wrote it. Only a
                // higher revision may replace it.
                if revision > snapshot.revision() {
                    let message = format!(
                        "ConfigMap {} holds revision {revision}, which is newer than {}; taking a newer term",
                        self.name(),
                        snapshot.revision()
                    );
                    return Err(Problem::transient(Reason::Conflict, message).into());
                }
            }
        }
        let mut pointer = single::pointer(&self.target, snapshot.revision(), view);
        if !claim.is_current() {
            return Err(Problem::transient(Reason::Pending, "this process is not the leader any more").into());
        }
        let parameters = PostParams { field_manager: Some("groundlink".into()), ..PostParams::default() };
        let written = match &known.pointer {
            Some(old) => {
                pointer.metadata.resource_version = old.metadata.resource_version.clone();
                pointer.metadata.uid = old.metadata.uid.clone();
                let call = self.api.replace(&self.target.name, &parameters, &pointer);
                match self.bounded("replace", call).await {
                    // Deleted since it was read.
                    Err(Failure { code: Some(404), problem }) => {
                        return Err(Failure { code: Some(409), problem });
                    }
                    other => other?,
                }
            }
            None => self.bounded("create", self.api.create(&parameters, &pointer)).await?,
        };
        // The answer is the acknowledgement: what the server stored, not what was sent.
        let held = single::read(&written, &self.target);
        let digest = held.digest;
        self.known = Some(Known { pointer: Some(stripped(written)), held: Some(held) });
        if digest != view.digest {
            let message = format!(
                "the satellite stored ConfigMap {} with other content (an admission webhook?)",
                self.name()
            );
            return Err(Problem::transient(Reason::Rejected, message).into());
        }
        Ok(Acked { pointer_revision: snapshot.revision(), digest, wrote: true })
    }

    fn check_owner(&self, held: &Held, view: &View) -> Result<(), Failure> {
        let may_adopt = match self.adoption {
            AdoptionPolicy::Never => false,
            AdoptionPolicy::IfIdentical => held.digest == view.digest,
            AdoptionPolicy::Always => true,
        };
        if held.ours || may_adopt {
            return Ok(());
        }
        let message = format!(
            "ConfigMap {} exists and is not this SatelliteCluster's; delete it, choose another spec.target.name, or set \
             spec.adoptionPolicy",
            self.name()
        );
        Err(Problem::stalled(Reason::Conflict, message).into())
    }

    /// Deletes the pointer, if it is ours.
    ///
    /// # Errors
    /// The problem; it may be tried again.
    pub async fn delete(&mut self) -> Result<(), Problem> {
        self.read().await?;
        let Some(Known { pointer: Some(pointer), held: Some(held) }) = self.known.take() else {
            return Ok(());
        };
        if !held.ours {
            return Ok(());
        }
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: pointer.metadata.uid.clone(),
                resource_version: pointer.metadata.resource_version.clone(),
            }),
            ..DeleteParams::default()
        };
        match self.bounded("delete", self.api.delete(&self.target.name, &parameters)).await {
            Ok(_) | Err(Failure { code: Some(404), .. }) => Ok(()),
            Err(failure) => Err(failure.problem),
        }
    }
}

/// The pointer without its files, which need not be kept in memory.
fn stripped(mut pointer: ConfigMap) -> ConfigMap {
    pointer.data = None;
    pointer.binary_data = None;
    pointer.metadata.managed_fields = None;
    pointer
}

struct Failure {
    problem: Problem,
    code: Option<u16>,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, code: None }
    }
}
