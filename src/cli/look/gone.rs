//! `groundlink wait --for gone`: waits until nothing has a deleted object any more.

use super::absence::{Held, Look, Memory, Verdict};
use super::journey::{Journey, Taken};
use super::repeat::{Shown, until_shown};
use super::sets::{Away, InSet, PARALLEL, digest_of};
use super::target::Found;
use super::volume::Volume;
use crate::cli::clusters::Observed;
use crate::cli::output::progress;
use crate::identity::{Digest, ObjectKey};
use crate::render::read_back;
use crate::text::clean;
use futures::StreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::DynamicObject;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// What `--for gone` needs beside the object.
pub(super) struct Settings<'a> {
    /// The hub's volume, if it is mounted here.
    pub(super) volume: Option<&'a Volume>,
    /// How long no look may find an object that was never seen.
    pub(super) settle: Duration,
    /// Name of the operator's Lease.
    pub(super) lease: &'a str,
}

/// Waits until the object is gone. A request that fails is repeated.
///
/// # Errors
/// If it is not so in time, or cannot be known.
pub(super) async fn wait(found: &Found, settings: &Settings<'_>, deadline: Instant) -> anyhow::Result<()> {
    let mut waiting = Waiting {
        found,
        settings,
        key: ObjectKey::new(&found.namespace, &found.name),
        began: Instant::now(),
        memory: Memory::default(),
        known: BTreeMap::new(),
    };
    until_shown(found, deadline, "not gone in time", async || {
        Ok(match waiting.look().await? {
            Verdict::Gone(notes) => {
                notes.iter().for_each(|note| progress(note));
                Shown::Reached
            }
            Verdict::Hopeless(why) => Shown::Hopeless(why),
            Verdict::Waiting(why) => Shown::Waiting(why),
        })
    })
    .await
}

struct Waiting<'a> {
    found: &'a Found,
    settings: &'a Settings<'a>,
    key: ObjectKey,
    began: Instant,
    memory: Memory,
    /// The sets that were read whole, by digest: the zone of the object's file, if they have it.
    known: BTreeMap<Digest, Option<Option<String>>>,
}

impl Waiting<'_> {
    async fn look(&mut self) -> anyhow::Result<Verdict> {
        let found = self.found;
        let renewed = self.renewed().await;
        let on_volume = self.on_volume()?;
        let object = found.object().await?;
        let labels = found.labels().await;
        let satellites = found.satellites().await?;
        let all: Vec<_> = satellites.iter().map(Observed).collect();
        if let Some(object) = object {
            let object = Observed(&object);
            let journey = Journey::of(object, &all, labels.as_ref());
            let had = journey.satellites.into_iter().filter(|leg| leg.delivered == Taken::Yes);
            self.memory.exists(object.text("/spec/zone"), had.map(|leg| leg.satellite).collect());
            return Ok(Verdict::Waiting(exists(object)));
        }
        let held = self.held(&satellites).await;
        let look = Look {
            now: self.began.elapsed(),
            namespace: &found.namespace,
            labels: labels.as_ref(),
            on_volume,
            satellites: all.into_iter().zip(held).collect(),
            renewed,
        };
        Ok(self.memory.judge(&look, self.settings.settle))
    }

    /// Returns when the operator's Lease was renewed. None if nobody holds it.
    async fn renewed(&self) -> Result<Option<String>, String> {
        let (hub, operator, name) = (&self.found.hub, &self.found.operator, self.settings.lease);
        let api = hub.typed::<Lease>(operator);
        let lease = hub.ask(&format!("read Lease {operator}/{name}"), api.get_opt(name)).await;
        let lease = lease.map_err(|refused| refused.to_string())?;
        let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
        let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
        Ok(holder.and(spec.renew_time).map(|time| time.0.to_string()))
    }

    /// True if the volume has the file.
    fn on_volume(&self) -> anyhow::Result<Option<bool>> {
        self.settings.volume.map(|volume| Ok(volume.file(&self.key)?.is_some())).transpose()
    }

    /// Reads what each satellite holds.
    async fn held(&mut self, satellites: &[DynamicObject]) -> Vec<Held> {
        let reads = satellites.iter().map(|satellite| self.read(Observed(satellite)));
        let read: Vec<_> = futures::stream::iter(reads).buffered(PARALLEL).collect().await;
        let mut held = Vec::new();
        for one in read {
            let (digest, file) = match one {
                Ok(Some(InSet { digest, file, .. })) => (digest, file),
                Ok(None) => {
                    held.push(Held::Nothing);
                    continue;
                }
                Err(why) => {
                    held.push(Held::Unknown(why));
                    continue;
                }
            };
            let zone = file.map(|bytes| {
                read_back(&self.key, bytes).and_then(|rendered| rendered.zone().map(str::to_owned))
            });
            if let Some(zone) = &zone {
                self.memory.zone = Some(zone.clone());
            }
            held.push(Held::Set { digest, has: zone.is_some() });
            if let Some(digest) = digest {
                self.known.insert(digest, zone);
            }
        }
        held
    }

    /// Reads the pointer of a satellite, and its set if a set with this digest was not read before.
    async fn read(&self, satellite: Observed<'_>) -> Result<Option<InSet>, String> {
        let away = Away::open(self.found, satellite).await?;
        let Some(pointer) = away.pointer().await? else { return Ok(None) };
        let digest = digest_of(&pointer);
        // A digest stands for a content, so a set that lacks the object lacks it for ever.
        if digest.is_some_and(|digest| self.known.get(&digest) == Some(&None)) {
            return Ok(Some(InSet { revision: None, digest, file: None }));
        }
        away.read(pointer, &self.key).await.map(Some)
    }
}

/// Returns why a resource that exists is not gone.
fn exists(object: Observed<'_>) -> String {
    let metadata = &object.0.metadata;
    if metadata.deletion_timestamp.is_none() {
        return "it exists; delete it".to_owned();
    }
    let finalizers = metadata.finalizers.iter().flatten().map(String::as_str).collect::<BTreeSet<_>>();
    let finalizers = finalizers.into_iter().collect::<Vec<_>>().join(", ");
    format!("it is being deleted, and waits for the finalizers {}", clean(&finalizers, 300))
}
