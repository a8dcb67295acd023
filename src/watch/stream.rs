//! Reads the API server's stream into [`Event`]s. Keeps no object: kube's reflector store costs
//! 6-17 KB for each and doubles on a relist.

use super::event::{Event, Received};
use crate::api::MonitoringObject;
use crate::follow::follow;
use crate::request::{Failure, Server};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that may wait for the hub. A full channel stops the reading, and loses nothing.
pub(crate) const CAPACITY: usize = 1024;

/// Watches until the receiver is dropped. A failure is sent as [`Event::Broken`] at every attempt,
/// because each extends the interruption; whoever logs it does so when the text changes.
pub(crate) async fn run(client: Client, server: Server, relist: Duration, events: mpsc::Sender<Event>) {
    let mut stream = pin!(follow(Api::<Received>::all(client), relist));
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
            Err(failure) => Event::Broken(explain(&failure, &server)),
        };
        if events.send(event).await.is_err() {
            return;
        }
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

/// Returns a failure for a person: every cause, and what to do.
fn explain(failure: &Failure, server: &Server) -> String {
    match failure.code() {
        Some(404) => "the CRD monitoringobjects.groundlink.dev is not installed; apply crds/".into(),
        Some(403) => {
            "the operator may not list and watch monitoringobjects; install the chart's ClusterRole".into()
        }
        _ => format!("cannot watch MonitoringObjects: {}", server.explain(failure)),
    }
}
