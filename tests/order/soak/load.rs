//! The load of a soak, and its model: which objects there are, and the marker of each.

use super::stage::Stage;
use crate::support::reader::{difference, digest_of, published};
use crate::support::{Reader, condition_of};
use futures::{StreamExt, stream};
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject, Reason};
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Error, ResourceExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Namespaces of the load.
pub const NAMESPACES: [&str; 3] = ["team-a", "team-b", "team-c"];
/// Groups that hosts name, and that the load never changes.
const GROUPS: usize = 5;
/// Objects in the model that no operation touches: those of [`Load::fixed`].
const FIXED: usize = GROUPS + NAMESPACES.len();
/// Concurrent requests of a wave.
const HANDS: usize = 16;
/// The longest outage of the hub that an operation waits for.
const PATIENCE: Duration = Duration::from_secs(180);

/// One create or change that the hub acknowledged.
#[derive(Clone, Debug)]
pub struct Operation {
    /// `<namespace>/<name>`.
    pub key: String,
    pub generation: i64,
    pub at: Instant,
}

/// The load. Every fourth object is a service of the host before it, so it is published only while
/// that host exists.
pub struct Load {
    rng: StdRng,
    objects: usize,
    /// The marker of each object that exists.
    present: BTreeMap<usize, u64>,
    marker: u64,
    /// The last create or change of each object since [`Self::begin`].
    pub operations: BTreeMap<usize, Operation>,
    /// Creates, changes, deletes since [`Self::begin`].
    pub counts: [usize; 3],
}

fn place(index: usize) -> (&'static str, String) {
    let word = if index % 4 == 3 { "service" } else { "host" };
    (NAMESPACES[index % NAMESPACES.len()], format!("{word}-{index:05}"))
}

/// Returns the key of an object that is there only so that others may change its file.
pub fn decoy(namespace: &str) -> String {
    format!("{namespace}/decoy-{namespace}")
}

fn spec(index: usize, marker: u64) -> Value {
    let display = format!("v{marker}");
    if index % 4 == 3 {
        let host = place(index - 1).1;
        return json!({ "service": { "displayName": display, "checkCommand": "ping4", "hostName": host } });
    }
    // Hardly compresses, so that a set of some thousand objects needs several shards.
    let mut rng = StdRng::seed_from_u64(marker);
    let notes: String = (0..12).map(|_| format!("{:016x}", rng.random::<u64>())).collect();
    let group = format!("group-{}", index % GROUPS);
    json!({ "host": {
        "displayName": display, "checkCommand": "hostalive", "groups": [group], "vars": { "notes": notes },
    } })
}

fn marker_of(bytes: &[u8]) -> Option<u64> {
    super::super::load::marker_of(std::str::from_utf8(bytes).ok()?)
}

impl Load {
    pub fn new(seed: u64, objects: usize) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            objects,
            present: BTreeMap::new(),
            marker: 0,
            operations: BTreeMap::new(),
            counts: [0; 3],
        }
    }

    /// Forgets what was counted, and draws from another seed.
    pub fn begin(&mut self, seed: u64) {
        self.rng = StdRng::seed_from_u64(seed);
        self.operations.clear();
        self.counts = [0; 3];
    }

    /// The objects that nobody changes: groups and decoys, with their marker 0.
    fn fixed() -> Vec<(&'static str, String, Value)> {
        let groups = (0..GROUPS).map(|at| {
            let spec = json!({ "hostGroup": { "displayName": "v0" } });
            (NAMESPACES[at % NAMESPACES.len()], format!("group-{at}"), spec)
        });
        let decoys = NAMESPACES.map(|namespace| {
            let spec = json!({ "host": { "displayName": "v0", "checkCommand": "hostalive" } });
            (namespace, format!("decoy-{namespace}"), spec)
        });
        groups.chain(decoys).collect()
    }

    /// Creates namespaces, groups and about four fifths of all objects.
    pub async fn prepare(&mut self, stage: &Stage) {
        for namespace in NAMESPACES {
            stage.installation.namespace(namespace).await;
        }
        for (namespace, name, spec) in Self::fixed() {
            stage.installation.put(namespace, &name, spec).await;
        }
        let all: Vec<_> = (0..self.objects).filter(|index| index % 5 != 4).collect();
        self.create(stage, &all).await;
    }

    /// Carries out single operations at `rate` a second until `end`, and one wave: a part of the
    /// objects is deleted and created again.
    pub async fn run(&mut self, stage: &Stage, rate: u64, end: Instant) {
        let begun = Instant::now();
        let wave_at = begun + (end - begun).mul_f64(self.rng.random_range(0.1..0.6));
        let mut wave = true;
        while Instant::now() < end {
            if wave && Instant::now() > wave_at {
                wave = false;
                self.wave(stage).await;
            }
            self.step(stage).await;
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(0..=2000 / rate))).await;
        }
    }

    async fn step(&mut self, stage: &Stage) {
        let index = self.rng.random_range(0..self.objects);
        match self.present.contains_key(&index) {
            true if self.rng.random_bool(0.3) => self.delete(stage, &[index]).await,
            _ => self.create(stage, &[index]).await,
        }
    }

    async fn wave(&mut self, stage: &Stage) {
        let size = (self.objects / 8).min(500);
        let first = self.rng.random_range(0..self.objects - size);
        let block: Range<usize> = first..first + size;
        let there: Vec<_> = block.clone().filter(|index| self.present.contains_key(index)).collect();
        self.delete(stage, &there).await;
        self.create(stage, &block.collect::<Vec<_>>()).await;
    }

    /// Creates or changes objects, and waits until the hub has them.
    async fn create(&mut self, stage: &Stage, indices: &[usize]) {
        let first = self.marker + 1;
        self.marker += indices.len() as u64;
        let puts = indices.iter().zip(first..).map(async |(index, marker)| {
            let (namespace, name) = place(*index);
            let what = format!("{namespace}/{name} is written");
            let object = stage
                .patiently(&what, async || {
                    stage.installation.try_put(namespace, &name, spec(*index, marker)).await
                })
                .await;
            let generation = object.metadata.generation.unwrap_or_default();
            let operation = Operation { key: format!("{namespace}/{name}"), generation, at: Instant::now() };
            (*index, marker, operation)
        });
        let done: Vec<_> = stream::iter(puts).buffer_unordered(HANDS).collect().await;
        for (index, marker, operation) in done {
            let existed = self.present.insert(index, marker).is_some();
            self.counts[usize::from(existed)] += 1;
            self.operations.insert(index, operation);
        }
    }

    async fn delete(&mut self, stage: &Stage, indices: &[usize]) {
        let deletes = indices.iter().map(async |index| {
            let (namespace, name) = place(*index);
            let what = format!("{namespace}/{name} is deleted");
            stage
                .patiently(&what, async || {
                    let api = stage.installation.objects(namespace);
                    match api.delete(&name, &DeleteParams::default()).await {
                        Err(Error::Api(status)) if status.code == 404 => Ok(()),
                        answer => answer.map(drop),
                    }
                })
                .await;
        });
        stream::iter(deletes).buffer_unordered(HANDS).collect::<Vec<()>>().await;
        for index in indices {
            self.present.remove(index);
            self.operations.remove(index);
            self.counts[2] += 1;
        }
    }

    /// Creates each missing host that a service names, so that none waits for one. The status of an
    /// object that waits changes once more after half a minute.
    pub async fn repair(&mut self, stage: &Stage) {
        let services = self.present.keys().filter(|index| !self.is_visible(**index));
        let missing: Vec<_> = services.map(|index| index - 1).collect();
        self.create(stage, &missing).await;
    }

    /// True if an object that exists can be published.
    pub fn is_visible(&self, index: usize) -> bool {
        index % 4 != 3 || self.present.contains_key(&(index - 1))
    }

    /// Returns the number of objects, with those that nobody changes.
    pub fn size(&self) -> usize {
        self.present.len() + FIXED
    }

    /// Compares volume, hub and satellites with the model.
    ///
    /// # Errors
    /// If they differ, with the first differences.
    pub async fn compare(&self, stage: &Stage, reader: &Reader) -> Result<(), String> {
        let files = published(stage.installation.volume());
        let mut wanted: BTreeMap<String, u64> = Self::fixed()
            .into_iter()
            .map(|(namespace, name, _)| (format!("{namespace}.{name}.conf"), 0))
            .collect();
        for (index, marker) in self.present.iter().filter(|(index, _)| self.is_visible(**index)) {
            let (namespace, name) = place(*index);
            wanted.insert(format!("{namespace}.{name}.conf"), *marker);
        }
        let found: BTreeMap<String, u64> =
            files.iter().map(|(key, bytes)| (key.clone(), marker_of(bytes).unwrap_or(u64::MAX))).collect();
        if wanted != found {
            let keys = wanted.keys().chain(found.keys());
            let wrong = keys.filter(|key| wanted.get(*key) != found.get(*key)).map(|key| {
                format!("{key}: marker {:?} on the volume, not {:?}", found.get(key), wanted.get(key))
            });
            return Err(some(wrong));
        }
        self.statuses(stage).await?;
        let digest = digest_of(&files);
        for place in &stage.places {
            let marked = place.marked_digest().await?;
            if marked != digest {
                return Err(format!("{} claims {marked}, not {digest}", place.satellite));
            }
            let delivered = place.read(reader).await?;
            if let Some(difference) = difference(&files, &delivered.files) {
                return Err(format!("{}: {difference}", place.satellite));
            }
        }
        Ok(())
    }

    /// Compares every status with the model.
    async fn statuses(&self, stage: &Stage) -> Result<(), String> {
        use ConditionStatus::{False, True};
        let list = Api::<MonitoringObject>::all(stage.installation.hub.clone())
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let objects: BTreeMap<_, _> = list
            .items
            .iter()
            .map(|object| ((object.namespace().unwrap_or_default(), object.name_any()), object))
            .collect();
        if objects.len() != self.size() {
            return Err(format!("the hub has {} objects, the model {}", objects.len(), self.size()));
        }
        let mut wrong = Vec::new();
        let mut judge = |namespace: &str, name: &str, is_visible: bool| {
            let object = objects.get(&(namespace.to_owned(), name.to_owned()));
            let of = |kind| object.and_then(|object| condition_of(object, kind)).map(|(s, r, _)| (s, r));
            let found = [ConditionType::Ready, ConditionType::Synced, ConditionType::Stalled].map(of);
            let missing = Reason::UnresolvedReference;
            let expected = match is_visible {
                true => [(True, Reason::Published), (True, Reason::AllSatellites), (False, Reason::Complete)],
                // A wait ends in Stalled after half a minute.
                false => [(False, missing), (False, missing), (True, missing)],
            };
            if found != expected.map(Some) {
                wrong.push(format!("{namespace}/{name}: Ready, Synced, Stalled {found:?}, not {expected:?}"));
            }
        };
        for (namespace, name, _) in Self::fixed() {
            judge(namespace, &name, true);
        }
        for index in self.present.keys() {
            let (namespace, name) = place(*index);
            judge(namespace, &name, self.is_visible(*index));
        }
        if wrong.is_empty() { Ok(()) } else { Err(some(wrong.into_iter())) }
    }
}

fn some(wrong: impl Iterator<Item = String>) -> String {
    let wrong: Vec<_> = wrong.collect();
    format!("{} differences: {:#?}", wrong.len(), &wrong[..wrong.len().min(5)])
}

impl Stage {
    /// Repeats a request until the hub answers it.
    async fn patiently<T>(&self, what: &str, request: impl AsyncFn() -> kube::Result<T>) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            match request().await {
                Ok(answer) => return answer,
                Err(error) => assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
