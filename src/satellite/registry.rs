//! Which satellites there are: one actor for each SatelliteCluster of the operator's namespace.

use super::actor::Actor;
use super::context::Context;
use crate::api::SatelliteCluster;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Handle {
    uid: Option<String>,
    config: watch::Sender<Arc<SatelliteCluster>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Follows the SatelliteClusters and their Secrets until `stop`.
pub async fn run(context: Context, stop: CancellationToken) {
    let clusters = Api::<SatelliteCluster>::namespaced(context.hub.clone(), &context.namespace);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(context.hub.clone(), &context.namespace);
    let config = watcher::Config::default().timeout(50);
    let mut clusters = watcher(clusters, config.clone()).default_backoff().map_err(Box::new).boxed();
    let mut secrets = watcher(secrets, config).default_backoff().map_err(Box::new).boxed();
    let mut registry =
        Registry { context, stop: stop.clone(), handles: BTreeMap::new(), listed: BTreeSet::new() };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(event) = clusters.next() => registry.cluster(event).await,
            Some(event) = secrets.next() => registry.secret(event),
        }
    }
    for (_, handle) in std::mem::take(&mut registry.handles) {
        handle.stop.cancel();
        // An actor ends at its next await; a panic in it has been reported by then.
        let _ = handle.task.await;
    }
}

struct Registry {
    context: Context,
    stop: CancellationToken,
    handles: BTreeMap<String, Handle>,
    listed: BTreeSet<String>,
}

impl Registry {
    async fn cluster(&mut self, event: Result<watcher::Event<SatelliteCluster>, Box<watcher::Error>>) {
        match event {
            Ok(watcher::Event::Init) => self.listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                self.listed.insert(object.name_any());
                self.apply(object).await;
            }
            Ok(watcher::Event::InitDone) => {
                let gone: Vec<_> =
                    self.handles.keys().filter(|name| !self.listed.contains(*name)).cloned().collect();
                for name in gone {
                    self.remove(&name).await;
                }
                self.context.fleet.send_if_modified(|fleet| !std::mem::replace(&mut fleet.listed, true));
                self.context.readiness.set("satellites", None);
            }
            Ok(watcher::Event::Apply(object)) => self.apply(object).await,
            Ok(watcher::Event::Delete(object)) => self.remove(&object.name_any()).await,
            Err(error) => {
                let why = crate::api::condition::clean(&error.to_string(), 300);
                self.context
                    .readiness
                    .set("satellites", Some(format!("cannot watch SatelliteClusters: {why}")));
            }
        }
    }

    async fn apply(&mut self, object: SatelliteCluster) {
        let name = object.name_any();
        if self.handles.get(&name).is_some_and(|handle| handle.uid != object.metadata.uid) {
            self.remove(&name).await;
        }
        let object = Arc::new(object);
        if let Some(handle) = self.handles.get(&name) {
            // Our own status writes come back as events; only what a person changed matters to the actor.
            handle.config.send_if_modified(|current| {
                let same = current.metadata.generation == object.metadata.generation
                    && current.metadata.deletion_timestamp == object.metadata.deletion_timestamp
                    && current.metadata.finalizers == object.metadata.finalizers;
                *current = object;
                !same
            });
            return;
        }
        let (config, receiver) = watch::channel(object.clone());
        let secret_changed = Arc::new(Notify::new());
        let stop = self.stop.child_token();
        let actor =
            Actor::new(self.context.clone(), name.clone(), receiver, secret_changed.clone(), stop.clone());
        let task = tokio::spawn(actor.run());
        self.handles
            .insert(name, Handle { uid: object.metadata.uid.clone(), config, secret_changed, stop, task });
    }

    async fn remove(&mut self, name: &str) {
        let Some(handle) = self.handles.remove(name) else { return };
        handle.stop.cancel();
        // A write that is under way is cut off at its deadline at the latest.
        let _ = handle.task.await;
        // Only here: an actor also ends with the process, and then its satellite is still there.
        self.context.fleet.send_modify(|fleet| {
            fleet.satellites.remove(name);
        });
        self.context.metrics.satellite_gone(name);
    }

    fn secret(&mut self, event: Result<watcher::Event<PartialObjectMeta<Secret>>, Box<watcher::Error>>) {
        match event {
            Ok(watcher::Event::Apply(secret) | watcher::Event::Delete(secret)) => {
                let name = secret.name_any();
                for handle in self.handles.values() {
                    if handle.config.borrow().spec.kubeconfig_secret_ref.name == name {
                        handle.secret_changed.notify_one();
                    }
                }
            }
            Ok(watcher::Event::InitDone) => {
                // Whatever was missed while the watch was broken.
                self.handles.values().for_each(|handle| handle.secret_changed.notify_one());
                self.context.readiness.set("secrets", None);
            }
            Ok(_) => {}
            Err(error) => {
                let why = crate::api::condition::clean(&error.to_string(), 300);
                self.context.readiness.set("secrets", Some(format!("cannot watch Secrets: {why}")));
            }
        }
    }
}
