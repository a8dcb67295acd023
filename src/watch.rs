//! Every watch of MonitoringObjects: turns the API server's stream into [`Event`]s. Keeps nothing: no reflector store (it
//! costs 6-17 KB per object and doubles on a relist).

use crate::api::{MonitoringObject, MonitoringObjectSpec};
use crate::text::clean;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;

/// What the watch says.
#[derive(Debug)]
pub enum Event {
    /// A LIST begins: what it does not name is gone when it is complete.
    ListBegins,
    /// An object of the LIST, or one that changed.
    Object(Box<Received>),
    /// The LIST was complete.
    ListComplete,
    /// An object was deleted.
    Deleted {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// The watch does not work now; the message is for a person. Nothing follows from it.
    Broken(String),
}

/// An object, or why it could not be read.
#[derive(Clone, Debug)]
pub struct Received {
    /// The object; with an empty spec if that could not be read, and of the metadata only what decides something.
    pub object: MonitoringObject,
    /// Why the spec could not be read: one bad object must not end the watch.
    pub unreadable: Option<String>,
}

/// Events that may wait for the hub; a full channel stops the reading, and nothing is lost.
pub const CAPACITY: usize = 1024;

/// Watches until the receiver is dropped.
pub async fn run(client: Client, events: mpsc::Sender<Event>) {
    let api = Api::<Received>::all(client);
    // A silent connection is found after this time, not after kube's 295 s.
    let config = watcher::Config::default().timeout(50);
    let mut stream = watcher(api, config).default_backoff().map_err(|error| explain(&error)).boxed();
    while let Some(event) = stream.next().await {
        let event = match event {
            Ok(watcher::Event::Init) => Event::ListBegins,
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object)) => {
                Event::Object(Box::new(object))
            }
            Ok(watcher::Event::InitDone) => Event::ListComplete,
            Ok(watcher::Event::Delete(object)) => Event::Deleted {
                namespace: object.namespace().unwrap_or_default(),
                name: object.name_any(),
                uid: object.uid().unwrap_or_default(),
            },
            Err(why) => Event::Broken(why),
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

/// Reads spec and status by themselves, so that one of another shape than ours does not end the stream. Managed fields, which
/// are most of an object, are skipped.
impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            metadata: RawMetadata,
            #[serde(default)]
            spec: serde_json::Value,
            #[serde(default)]
            status: serde_json::Value,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct RawMetadata {
            name: Option<String>,
            namespace: Option<String>,
            uid: Option<String>,
            generation: Option<i64>,
            resource_version: Option<String>,
            creation_timestamp: Option<Time>,
        }
        let Raw { metadata, spec, status } = Raw::deserialize(deserializer)?;
        let (spec, unreadable) = match serde_json::from_value(spec) {
            Ok(spec) => (spec, None),
            Err(error) => (MonitoringObjectSpec::default(), Some(clean(&error.to_string(), 500))),
        };
        let object = MonitoringObject {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                generation: metadata.generation,
                resource_version: metadata.resource_version,
                creation_timestamp: metadata.creation_timestamp,
                ..ObjectMeta::default()
            },
            spec,
            // A status that cannot be read is none: it is written again.
            status: serde_json::from_value(status).ok(),
        };
        Ok(Self { object, unreadable })
    }
}

impl Resource for Received {
    type DynamicType = ();
    type Scope = <MonitoringObject as Resource>::Scope;

    fn kind(_: &()) -> Cow<'_, str> {
        MonitoringObject::kind(&())
    }

    fn group(_: &()) -> Cow<'_, str> {
        MonitoringObject::group(&())
    }

    fn version(_: &()) -> Cow<'_, str> {
        MonitoringObject::version(&())
    }

    fn plural(_: &()) -> Cow<'_, str> {
        MonitoringObject::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.object.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.object.metadata
    }
}

/// A watch error for a person: what is missing, and what to do.
fn explain(error: &watcher::Error) -> String {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    let status = match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status),
        watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match status.map(|status| status.code) {
        Some(404) => "the CRD monitoringobjects.groundlink.dev is not installed; apply crds/".into(),
        Some(401) => "the API server does not accept the operator's credential (401)".into(),
        Some(403) => {
            "the operator may not list and watch monitoringobjects; install the chart's ClusterRole".into()
        }
        _ => clean(&error.to_string(), 300),
    }
}

/// How the CRD of MonitoringObjects is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crd {
    /// Installed.
    Installed,
    /// Being deleted, or not there: its objects were deleted by that, not by a person.
    Lost,
    /// The API server did not say; ask again.
    Unknown(String),
}

/// Asks how the CRD is. Without the permission to ask (403) it counts as installed, so that deletes are not held for ever.
pub async fn crd(client: &Client) -> Crd {
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client.clone());
    let answer = tokio::time::timeout(CRD_TIMEOUT, api.get_opt("monitoringobjects.groundlink.dev")).await;
    match answer {
        Err(_) => Crd::Unknown(format!("no answer within {} s", CRD_TIMEOUT.as_secs())),
        Ok(Ok(Some(crd))) if crd.metadata.deletion_timestamp.is_none() => Crd::Installed,
        Ok(Ok(_)) => Crd::Lost,
        Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => {
            tracing::warn!(
                "not permitted to read the CRD: a deleted CRD cannot be told from deleted objects"
            );
            Crd::Installed
        }
        Ok(Err(error)) => Crd::Unknown(clean(&error.to_string(), 300)),
    }
}

const CRD_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time without a sign from the API server before a client gives up a read.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
