//! Reads the API server's stream into [`Event`]s. Keeps no object: kube's reflector store costs 6-17 KB for each and
//! doubles on a relist.

use super::event::{Event, Received};
use crate::api::MonitoringObject;
use crate::request::{Failure, Server};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that may wait for the hub. A full channel stops the reading, and loses nothing.
pub const CAPACITY: usize = 1024;

/// Longest time without a sign from the API server before a client gives up a read.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest life of one watch request, in seconds. A silent connection is found after this time instead of kube's 295 s.
const WATCH_SECONDS: u32 = 50;

/// Watches until the receiver is dropped. A failure is sent as [`Event::Broken`] at every attempt, because each extends the
/// interruption; whoever logs it does so when the text changes.
pub async fn run(client: Client, server: Server, events: mpsc::Sender<Event>) {
    let api = Api::<Received>::all(client);
    let config = watcher::Config::default().timeout(WATCH_SECONDS);
    // kube's own backoff: it is part of the stream, which resets it when the watch works again. `readiness::Interruption`
    // knows its figures.
    let stream = watcher(api, config).default_backoff().map_err(|error| explain(&error, &server));
    let mut stream = stream.boxed();
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

/// Returns a watch error for a person: every cause, and what to do.
fn explain(error: &watcher::Error, server: &Server) -> String {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    let failure = match error {
        InitialListFailed(error) | WatchStartFailed(error) | WatchFailed(error) => Failure::from(error),
        WatchError(status) => Failure::from(&**status),
        NoResourceVersion => Failure::Transport(error.to_string()),
    };
    match failure.code() {
        Some(404) => "the CRD monitoringobjects.groundlink.dev is not installed; apply crds/".into(),
        Some(403) => {
            "the operator may not list and watch monitoringobjects; install the chart's ClusterRole".into()
        }
        _ => format!("cannot watch MonitoringObjects: {}", server.explain(&failure)),
    }
}
