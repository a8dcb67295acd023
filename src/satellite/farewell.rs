//! The finalizer of a SatelliteCluster, and what happens on the satellite when the resource is deleted.

use super::actor::{Actor, Next};
use super::connection::{duration, target};
use super::context::HUB_TIMEOUT;
use super::problem::Problem;
use crate::api::marks::FINALIZER;
use crate::api::satellite_cluster::Cleanup;
use crate::api::{Reason, SatelliteCluster};
use crate::text::clean;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

impl Actor {
    /// The finalizer is there if the ConfigMaps are to be deleted with the resource, and only then.
    pub(super) async fn keep_finalizer(&self, object: &SatelliteCluster) -> Result<(), Problem> {
        let has = object.finalizers().iter().any(|name| name == FINALIZER);
        match (object.spec.deletion.cleanup, has) {
            (Cleanup::Delete, false) => self.set_finalizer(object, true).await,
            (Cleanup::Orphan, true) => self.set_finalizer(object, false).await,
            _ => Ok(()),
        }
    }

    async fn set_finalizer(&self, object: &SatelliteCluster, wanted: bool) -> Result<(), Problem> {
        let failed = |why: String| {
            Problem::transient(Reason::Pending, format!("cannot change metadata.finalizers: {why}"))
        };
        if !self.context.claim.is_current() {
            return Err(failed("this process is not the leader any more".into()));
        }
        let mut finalizers: Vec<_> =
            object.finalizers().iter().filter(|name| *name != FINALIZER).cloned().collect();
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        // The resourceVersion makes a patch from an old reading fail.
        let patch = json!({ "metadata": { "finalizers": finalizers, "resourceVersion": object.metadata.resource_version } });
        let api = Api::<SatelliteCluster>::namespaced(self.context.hub.clone(), &self.context.namespace);
        let parameters = PatchParams::default();
        let patch = Patch::Merge(patch);
        match tokio::time::timeout(HUB_TIMEOUT, api.patch(&self.name, &parameters, &patch)).await {
            Err(_) => Err(failed("the hub's API server does not answer".into())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
            Ok(Err(error)) => Err(failed(clean(&error.to_string(), 200))),
        }
    }

    /// The resource is being deleted: removes the ConfigMaps if that is wanted, within the time that is allowed for it.
    pub(super) async fn clean_up(&mut self, object: &SatelliteCluster) -> Next {
        let since = *self.deleting_since.get_or_insert_with(Instant::now);
        if !object.finalizers().iter().any(|name| name == FINALIZER) {
            return Next::Finished;
        }
        if object.spec.deletion.cleanup == Cleanup::Delete {
            let allowed = duration(&object.spec.deletion.timeout);
            let left = allowed.saturating_sub(since.elapsed());
            let result = match object.spec.suspend {
                true => Err(Problem::stalled(Reason::Suspended, "spec.suspend is set")),
                false => self.delete_configmaps(object, left).await,
            };
            if let Err(problem) = result {
                if since.elapsed() < allowed && !object.spec.suspend {
                    // Not a moment longer than is allowed.
                    return match self.failed(problem) {
                        Next::Wait(pause) => Next::Wait(pause.min(allowed.saturating_sub(since.elapsed()))),
                        Next::Finished => Next::Finished,
                    };
                }
                let target = target(&self.context, object);
                let (namespace, name) = (&target.namespace, &target.name);
                let note = format!(
                    "ConfigMap {namespace}/{name} and its shards may be left on the satellite: {}; delete them there with kubectl -n \
                     {namespace} delete configmap -l {}",
                    problem.message,
                    target.selector()
                );
                tracing::warn!(satellite = %self.name, reason = ?Reason::CleanupSkipped, why = %note, "not cleaned up");
                self.context.events.warning(object, Reason::CleanupSkipped, &note).await;
            }
        }
        match self.set_finalizer(object, false).await {
            Ok(()) => Next::Finished,
            Err(problem) => self.failed(problem),
        }
    }

    async fn delete_configmaps(
        &mut self,
        object: &SatelliteCluster,
        within: Duration,
    ) -> Result<(), Problem> {
        let clean_up = async {
            self.connect(object).await?;
            match self.connection.as_mut() {
                Some(connection) => {
                    connection.remote.stop_watching();
                    connection.remote.clean_up().await
                }
                None => Ok(()),
            }
        };
        match tokio::time::timeout(within, clean_up).await {
            Ok(result) => result,
            Err(_) => Err(Problem::silent(
                Reason::Unreachable,
                format!("not done within spec.deletion.timeout ({} s)", within.as_secs()),
            )),
        }
    }
}
