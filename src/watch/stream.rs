//! Reads the API server's stream into [`Event`]s. Keeps no object: kube's reflector store costs
//! 6-17 KB for each and doubles on a relist.

use super::event::{Event, Received};
use super::scope::{Place, Scope, Seen};
use crate::api::MonitoringObject;
use crate::backoff::Backoff;
use crate::follow::follow;
use crate::request::{Failure, Server, ask};
use futures::stream::{BoxStream, select_all};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Events that may wait for the hub. A full channel stops the reading, and loses nothing.
pub(crate) const CAPACITY: usize = 1024;
/// Longest wait for the answer whether a namespace exists.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before a namespace that does not exist is listed again: the pauses of `follow.rs`.
const PAUSE: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(30) };

/// Watches each place of the scope by itself until the receiver is dropped: one that fails, pauses or lists again delays no
/// other. A failure is sent as [`Event::Broken`] at every attempt, because each extends the interruption; whoever logs it does
/// so when the text changes.
pub(crate) async fn run(
    client: Client,
    server: Server,
    relist: Duration,
    scope: Scope,
    events: mpsc::Sender<Seen>,
) {
    let watches = scope.places().into_iter().map(|place| {
        let watch = Watch::new(client.clone(), server.clone(), relist, place.clone());
        let stream = stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch)));
        stream.map(move |event| (place.clone(), event)).boxed()
    });
    let mut all = select_all(watches);
    while let Some(seen) = all.next().await {
        if events.send(seen).await.is_err() {
            return;
        }
    }
}

type Followed = BoxStream<'static, Result<watcher::Event<Received>, Failure>>;

/// The watch of one place.
struct Watch {
    client: Client,
    server: Server,
    relist: Duration,
    place: Place,
    followed: Followed,
    /// The LIST that is running has named nothing.
    is_empty: bool,
    /// LISTs in a row of a namespace that does not exist.
    failures: u32,
    /// The end of the pause.
    resume: Option<Instant>,
}

impl Watch {
    fn new(client: Client, server: Server, relist: Duration, place: Place) -> Self {
        let followed = begin(&client, relist, &place);
        Self { client, server, relist, place, followed, is_empty: true, failures: 0, resume: None }
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(resume) = self.resume.take() {
            sleep_until(resume).await;
        }
        Some(match self.followed.next().await? {
            Ok(watcher::Event::Init) => {
                self.is_empty = true;
                Event::ListBegins
            }
            Ok(watcher::Event::InitApply(object)) => {
                self.is_empty = false;
                Event::Object(Box::new(object))
            }
            Ok(watcher::Event::Apply(object)) => Event::Object(Box::new(object)),
            Ok(watcher::Event::InitDone) => self.list_complete().await,
            Ok(watcher::Event::Delete(object)) => Event::Deleted {
                namespace: object.namespace().unwrap_or_default(),
                name: object.name_any(),
                uid: object.uid().unwrap_or_default(),
            },
            Err(failure) => Event::Broken(explain(&failure, &self.server, &self.place)),
        })
    }

    /// An API server answers the LIST of a namespace that does not exist as one without objects. That one is not complete.
    async fn list_complete(&mut self) -> Event {
        let place = self.place.clone().filter(|_| self.is_empty);
        let found = match place {
            None => Ok(()),
            Some(namespace) => exists(self.client.clone(), self.server.clone(), &namespace).await,
        };
        match found {
            Ok(()) => {
                self.failures = 0;
                Event::ListComplete
            }
            Err(why) => {
                self.failures = self.failures.saturating_add(1);
                self.resume = Some(Instant::now() + PAUSE.pause(self.failures, rand::random()));
                self.followed = begin(&self.client, self.relist, &self.place);
                Event::Broken(why)
            }
        }
    }
}

/// Asks whether a namespace in which nothing was found exists. Who may not ask may list, and that counts.
async fn exists(client: Client, server: Server, namespace: &str) -> Result<(), String> {
    let api = Api::<PartialObjectMeta<Namespace>>::all(client);
    match ask(TIMEOUT, api.get_metadata(namespace)).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.code() == Some(403) => Ok(()),
        Err(failure) if failure.code() == Some(404) => Err(gone(namespace)),
        Err(failure) => Err(format!("cannot read Namespace {namespace}: {}", server.explain(&failure))),
    }
}

fn begin(client: &Client, relist: Duration, place: &Place) -> Followed {
    let api = match place {
        None => Api::<Received>::all(client.clone()),
        Some(namespace) => Api::namespaced(client.clone(), namespace),
    };
    follow(api, relist).boxed()
}

fn gone(namespace: &str) -> String {
    format!(
        "namespace {namespace} does not exist, and what was published of it stays; create it, or take it out of \
         --watch-namespaces (watchNamespaces of the chart)"
    )
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
fn explain(failure: &Failure, server: &Server, place: &Place) -> String {
    match (failure.code(), place) {
        (Some(404), _) => "the CRD monitoringobjects.groundlink.dev is not installed; apply crds/".into(),
        (Some(403), None) => {
            "the operator may not list and watch monitoringobjects; install the chart's ClusterRole".into()
        }
        (Some(403), Some(namespace)) => format!(
            "the operator may not list and watch monitoringobjects in namespace {namespace}, and what was published of it stays; if \
             the namespace exists, install the chart's Role there (helm upgrade), else create it, or take it out of \
             --watch-namespaces (watchNamespaces of the chart)"
        ),
        (_, None) => format!("cannot watch MonitoringObjects: {}", server.explain(failure)),
        (_, Some(namespace)) => {
            format!("cannot watch MonitoringObjects in namespace {namespace}: {}", server.explain(failure))
        }
    }
}
