//! Asks the hub's API server whether the CRD of MonitoringObjects exists. So the hub distinguishes
//! objects that were deleted with their CRD from objects that a person deleted.

use crate::identity::Uid;
use crate::lasting::{Change, Lasting};
use crate::request::{Failure, ask};
use crate::watch::Crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks for the CRD. Cheap to clone.
#[derive(Clone)]
pub struct CrdProbe {
    api: Api<PartialObjectMeta<CustomResourceDefinition>>,
    forbidden: Arc<Mutex<Lasting>>,
}

impl CrdProbe {
    /// Returns a probe of the hub's API server.
    pub fn new(hub: Client) -> Self {
        Self { api: Api::all(hub), forbidden: Arc::default() }
    }

    /// Asks once. Without the permission to ask (403) the CRD counts as installed, so that
    /// deletions do not wait for ever.
    pub async fn ask(&self) -> Crd {
        let answer = ask(TIMEOUT, self.api.get_opt("monitoringobjects.groundlink.dev")).await;
        let forbidden = match &answer {
            Err(failure @ Failure::Refused { code: 403, .. }) => Some(failure.to_string()),
            _ => None,
        };
        self.log(forbidden);
        match answer {
            Ok(Some(crd)) if crd.metadata.deletion_timestamp.is_none() => {
                Crd::Installed(crd.metadata.uid.as_deref().map(Uid::new))
            }
            Ok(_) => Crd::Lost,
            Err(Failure::Refused { code: 403, .. }) => Crd::Installed(None),
            Err(failure) => Crd::Unknown(failure.to_string()),
        }
    }

    fn log(&self, forbidden: Option<String>) {
        let mut lasting = self.forbidden.lock().unwrap_or_else(PoisonError::into_inner);
        match lasting.set(forbidden) {
            Change::Began(why) | Change::Changed(why) => tracing::warn!(
                %why,
                "the operator may not read its CRD: objects that are deleted with the CRD will be removed as if a person had \
                 deleted them; install the chart's ClusterRole"
            ),
            Change::Ended => tracing::info!("the operator may read its CRD"),
            Change::None => {}
        }
    }
}
