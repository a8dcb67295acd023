//! Starts and stops one actor for each SatelliteCluster of the operator's namespace.

use super::actor::Driver;
use super::context::{Context, HUB_TIMEOUT, HubIdentity};
use super::core::config::Config;
use super::namespaces::{self, Known};
use super::received::Received;
use super::supervise::supervise;
use crate::api::satellite_cluster::NamespacesFrom;
use crate::follow::{RELIST, follow};
use crate::lease::Seen;
use crate::metrics::Work;
use crate::ownership::Others;
use crate::readiness::Interruption;
use crate::request::{Failure, ask};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::ResourceExt;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The names of the two watches in `/readyz`.
const SATELLITES: &str = "satellites";
const SECRETS: &str = "secrets";
/// The name in `/readyz` of SatelliteClusters with a status of another operator.
const OWNERSHIP: &str = "satellite-ownership";

struct Handle {
    uid: Option<String>,
    config: watch::Sender<Arc<Config>>,
    secret_changed: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Watches the SatelliteClusters, their Secrets, and the namespaces that they choose, until
/// `stop`.
pub async fn run(mut context: Context, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => return,
        id = hub_id(&context) => context.hub_id = id,
    }
    let clusters = Api::<Received>::namespaced(context.hub.clone(), &context.namespace);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(context.hub.clone(), &context.namespace);
    let mut clusters = pin!(follow(clusters, RELIST));
    let mut secrets = pin!(follow(secrets, RELIST));
    let (sender, mut namespaces) = watch::channel(Err("not listed yet".to_owned()));
    let started = Instant::now();
    let mut registry = Registry {
        started,
        context,
        stop: stop.clone(),
        handles: BTreeMap::new(),
        listed: BTreeSet::new(),
        others: Others::default(),
        namespaces: namespaces.clone(),
        unfollowed: Some(sender),
        broken: BTreeMap::new(),
        complete: BTreeSet::new(),
    };
    loop {
        let works = registry.broken.values().map(|broken| started + broken.over()).min();
        tokio::select! {
            () = stop.cancelled() => break,
            Some(event) = clusters.next() => registry.cluster(event).await,
            Some(event) = secrets.next() => registry.secret(event),
            Ok(()) = namespaces.changed() => {
                namespaces.mark_unchanged();
                registry.namespaces_changed();
            }
            () = tokio::time::sleep_until(works.unwrap_or_else(Instant::now)), if works.is_some() => registry.works(),
        }
    }
    for (_, handle) in std::mem::take(&mut registry.handles) {
        handle.stop.cancel();
        // An actor ends at its next await. A panic in it has been logged by then.
        let _ = handle.task.await;
    }
}

struct Registry {
    started: Instant,
    context: Context,
    stop: CancellationToken,
    handles: BTreeMap<String, Handle>,
    listed: BTreeSet<String>,
    others: Others<String>,
    namespaces: watch::Receiver<Known>,
    /// The sender for the task that watches the namespaces. None once that task runs.
    unfollowed: Option<watch::Sender<Known>>,
    /// Watches that failed.
    broken: BTreeMap<&'static str, Interruption>,
    /// Watches that have had a complete list.
    complete: BTreeSet<&'static str>,
}

/// Reads the identity of the hub, however long that takes.
async fn hub_id(context: &Context) -> Arc<str> {
    let api = Api::<PartialObjectMeta<Namespace>>::all(context.hub.clone());
    loop {
        let namespace = context.identity.namespace();
        let why = match ask(HUB_TIMEOUT, api.get_metadata(namespace)).await {
            Ok(found) => match found.metadata.uid {
                Some(uid) => return uid.into(),
                None => "it has no UID".to_owned(),
            },
            Err(failure) => failure.to_string(),
        };
        let why = format!("cannot read Namespace {namespace}, whose UID is the hub's identity: {why}");
        context.readiness.set(SATELLITES, Some(why));
        tokio::time::sleep(Duration::from_secs(2).mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

impl Registry {
    fn config(&mut self, received: Received) -> Config {
        let Received { object, unreadable } = received;
        let object = Arc::new(object);
        let selection = &object.spec.namespaces;
        if selection.from != NamespacesFrom::Selector {
            return Config { object, selected: Ok(BTreeSet::new()), unreadable };
        }
        if let Some(known) = self.unfollowed.take() {
            match &self.context.identity {
                HubIdentity::Cluster => {
                    drop(tokio::spawn(namespaces::follow(self.context.hub.clone(), known)));
                }
                HubIdentity::Own(_) => drop(known.send_replace(Err(namespaces::NOT_READ.to_owned()))),
            }
        }
        let selected = namespaces::selected(&self.namespaces.borrow(), selection);
        Config { object, selected, unreadable }
    }

    fn namespaces_changed(&mut self) {
        let known = self.namespaces.borrow().clone();
        for handle in self.handles.values() {
            handle.config.send_if_modified(|config| {
                let selection = &config.object.spec.namespaces;
                if selection.from != NamespacesFrom::Selector {
                    return false;
                }
                let selected = namespaces::selected(&known, selection);
                // A selection that is known stays known if the watch fails.
                let changed = config.selected != selected && (selected.is_ok() || config.selected.is_err());
                if changed {
                    *config = Arc::new(Config { selected, ..Config::clone(config) });
                }
                changed
            });
        }
    }

    async fn cluster(&mut self, event: Result<Event<Received>, Failure>) {
        match event {
            Ok(Event::Init) => {
                self.listed.clear();
                self.others.list_begins(|_| true);
            }
            Ok(Event::InitApply(object)) => {
                self.listed.insert(object.name_any());
                self.apply(object).await;
            }
            Ok(Event::InitDone) => {
                self.others.list_complete(|_| true);
                self.hold_before_others();
                let gone: Vec<_> =
                    self.handles.keys().filter(|name| !self.listed.contains(*name)).cloned().collect();
                for name in gone {
                    self.remove(&name).await;
                }
                self.context.fleet.send_if_modified(|fleet| !std::mem::replace(&mut fleet.listed, true));
                self.restored(SATELLITES);
            }
            Ok(Event::Apply(object)) => self.apply(object).await,
            Ok(Event::Delete(object)) => {
                self.others.gone(&object.name_any());
                self.hold_before_others();
                self.remove(&object.name_any()).await;
            }
            Err(why) => self.fails(SATELLITES, format!("cannot watch SatelliteClusters: {why}")),
        }
    }

    /// Takes the right to write away while the status of a SatelliteCluster names another operator.
    fn hold_before_others(&self) {
        let claim = &self.context.claim;
        let first = self.others.first();
        let why = first.map(|(name, other)| {
            let cluster = format!("SatelliteCluster {}/{name}", self.context.namespace);
            claim.refusal(&cluster, other)
        });
        self.context.leadership.hold(Seen::Satellites, why.is_some());
        self.context.metrics.of_another_operator("SatelliteCluster", self.others.count());
        self.context.readiness.set(OWNERSHIP, why);
    }

    fn fails(&mut self, watch: &'static str, why: String) {
        let before = self.broken.get(watch).copied();
        self.broken.insert(watch, Interruption::again(before, self.started.elapsed()));
        self.context.readiness.set(watch, Some(why));
    }

    fn restored(&mut self, watch: &'static str) {
        self.complete.insert(watch);
        self.broken.remove(watch);
        self.context.readiness.set(watch, None);
    }

    /// Ends the interruptions that are over. A watch resumes where it failed and reports nothing
    /// while nothing changes.
    fn works(&mut self) {
        for watch in [SATELLITES, SECRETS] {
            if self.broken.get(watch).is_some_and(|broken| broken.over() <= self.started.elapsed()) {
                self.broken.remove(watch);
                // Without a complete list, the list is still waited for.
                if self.complete.contains(watch) {
                    self.context.readiness.set(watch, None);
                }
            }
        }
    }

    /// Takes a resource. One that cannot be read has an actor too, which reports it and does nothing
    /// else: it was not deleted.
    async fn apply(&mut self, mut received: Received) {
        let name = received.name_any();
        let operator = received.object.status.as_ref().and_then(|status| status.operator.as_deref());
        self.others.seen(&name, &self.context.claim, operator);
        self.hold_before_others();
        if self.handles.get(&name).is_some_and(|handle| handle.uid != received.object.metadata.uid) {
            self.remove(&name).await;
        }
        let uid = received.object.metadata.uid.clone();
        if let Some(handle) = self.handles.get(&name).filter(|_| received.unreadable.is_some()) {
            received.object.spec = handle.config.borrow().object.spec.clone();
        }
        let next = Arc::new(self.config(received));
        if let Some(handle) = self.handles.get(&name) {
            // Our own status writes come back as events. The actor needs only what a person
            // changed.
            handle.config.send_if_modified(|current| {
                let (old, new) = (&current.object.metadata, &next.object.metadata);
                let same = current.selected == next.selected
                    && current.unreadable == next.unreadable
                    && old.generation == new.generation
                    && old.deletion_timestamp == new.deletion_timestamp
                    && old.finalizers == new.finalizers;
                *current = next;
                !same
            });
            return;
        }
        let (config, receiver) = watch::channel(next);
        let secret_changed = Arc::new(Notify::new());
        let stop = self.stop.child_token();
        let driver = {
            let (context, name) = (self.context.clone(), name.clone());
            let (secret_changed, stop) = (secret_changed.clone(), stop.clone());
            move || {
                Driver::new(
                    context.clone(),
                    name.clone(),
                    receiver.clone(),
                    secret_changed.clone(),
                    stop.clone(),
                )
            }
        };
        // Made here, and not in its task: from now on the hub knows of the satellite.
        let mut first = Some(driver());
        let task = tokio::spawn({
            let (stop, metrics, name) = (stop.clone(), self.context.metrics.clone(), name.clone());
            async move {
                let begin = || first.take().unwrap_or_else(&driver).run();
                let panicked = |why: &str| {
                    tracing::error!(satellite = %name, why, "its actor panicked, and runs again after a pause");
                    metrics.panicked(Work::Satellite);
                };
                supervise(&stop, begin, panicked).await;
            }
        });
        self.handles.insert(name, Handle { uid, config, secret_changed, stop, task });
    }

    async fn remove(&mut self, name: &str) {
        let Some(handle) = self.handles.remove(name) else { return };
        handle.stop.cancel();
        let _ = handle.task.await;
        // Not when the actor ends: it also ends with the process, and then its satellite still
        // exists.
        self.context.fleet.send_modify(|fleet| {
            fleet.satellites.remove(name);
        });
        self.context.board.remove(name);
        self.context.metrics.satellite_gone(name);
    }

    fn secret(&mut self, event: Result<Event<PartialObjectMeta<Secret>>, Failure>) {
        match event {
            Ok(Event::Apply(secret) | Event::Delete(secret)) => {
                let name = secret.name_any();
                for handle in self.handles.values() {
                    if handle.config.borrow().object.spec.kubeconfig_secret_ref.name == name {
                        handle.secret_changed.notify_one();
                    }
                }
            }
            Ok(Event::InitDone) => {
                // Any Secret may have changed while the watch was interrupted.
                self.handles.values().for_each(|handle| handle.secret_changed.notify_one());
                self.restored(SECRETS);
            }
            Ok(_) => {}
            Err(why) => self.fails(SECRETS, format!("cannot watch Secrets: {why}")),
        }
    }
}
