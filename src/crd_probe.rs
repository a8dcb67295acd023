//! Asks the hub's API server whether the CRD of MonitoringObjects exists. So the hub distinguishes
//! objects that were deleted with their CRD from objects that a person deleted.

use crate::identity::Uid;
use crate::lasting::{Change, Lasting};
use crate::request::{Failure, ask};
use crate::watch::Crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longest wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where discovery lists the kinds of Groundlink.
const GROUP: &str = "groundlink.dev/v1alpha1";

/// Asks for the CRD. Cheap to clone.
#[derive(Clone)]
pub struct CrdProbe {
    way: Way,
    forbidden: Arc<Mutex<Lasting>>,
}

#[derive(Clone)]
enum Way {
    Definition(Api<PartialObjectMeta<CustomResourceDefinition>>),
    Discovery(Client),
}

impl CrdProbe {
    /// Returns a probe that reads the CRD, for which only a ClusterRole gives the right.
    pub fn new(hub: Client) -> Self {
        Self { way: Way::Definition(Api::all(hub)), forbidden: Arc::default() }
    }

    /// Returns a probe that asks discovery, which everybody may. It does not know the CRD's UID, so a
    /// CRD that is deleted and created again between two questions is the same one to it.
    pub fn by_discovery(hub: Client) -> Self {
        Self { way: Way::Discovery(hub), forbidden: Arc::default() }
    }

    /// Asks once. Without the permission to ask (403) the CRD counts as installed, so that
    /// deletions do not wait for ever.
    pub async fn ask(&self) -> Crd {
        let answer = match &self.way {
            Way::Definition(api) => read(api).await,
            Way::Discovery(client) => discover(client).await,
        };
        let forbidden = match &answer {
            Err(failure @ Failure::Refused { code: 403, .. }) => Some(failure.to_string()),
            _ => None,
        };
        self.log(forbidden);
        match answer {
            Ok(crd) => crd,
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

async fn read(api: &Api<PartialObjectMeta<CustomResourceDefinition>>) -> Result<Crd, Failure> {
    let found = ask(TIMEOUT, api.get_opt("monitoringobjects.groundlink.dev")).await?;
    Ok(match found.filter(|crd| crd.metadata.deletion_timestamp.is_none()) {
        Some(crd) => Crd::Installed(crd.metadata.uid.as_deref().map(Uid::new)),
        None => Crd::Lost,
    })
}

async fn discover(client: &Client) -> Result<Crd, Failure> {
    match ask(TIMEOUT, client.list_api_group_resources(GROUP)).await {
        Ok(group) => Ok(discovered(&group)),
        Err(failure) if failure.code() == Some(404) => Ok(Crd::Lost),
        Err(failure) => Err(failure),
    }
}

/// Returns the state of the CRD by what discovery says. While a CRD is being deleted, none of its
/// objects can be created.
fn discovered(group: &APIResourceList) -> Crd {
    let known = group.resources.iter().find(|resource| resource.name == "monitoringobjects");
    match known.is_some_and(|resource| resource.verbs.iter().any(|verb| verb == "create")) {
        true => Crd::Installed(None),
        false => Crd::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;

    #[test]
    fn a_crd_that_is_being_deleted_is_lost() {
        let group = |name: &str, verbs: &[&str]| APIResourceList {
            resources: vec![APIResource {
                name: name.into(),
                verbs: verbs.iter().map(|&verb| verb.into()).collect(),
                ..APIResource::default()
            }],
            ..APIResourceList::default()
        };
        let whole = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
        assert_eq!(discovered(&group("monitoringobjects", &whole)), Crd::Installed(None));
        let ending = ["delete", "deletecollection", "get", "list", "watch"];
        assert_eq!(discovered(&group("monitoringobjects", &ending)), Crd::Lost);
        assert_eq!(discovered(&group("satelliteclusters", &whole)), Crd::Lost);
    }
}
