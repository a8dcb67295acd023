//! Leadership as a claim with an expiry that is asked before every write, not a bool in a channel.
//!
//! The expiry is counted on the monotonic clock from before the renewal was sent. A claim cannot recall a write that is on
//! its way; the satellites therefore refuse an older term, and the volume has its own lock.

use crate::text::clean;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a lease is valid after a renewal.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// Writing stops this long before the lease can be taken by another.
const MARGIN: Duration = Duration::from_secs(3);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Furthest that a term which was read elsewhere may be ahead. A term is one acquisition of the Lease: nobody has missed so many. Without
/// it whoever may edit one ConfigMap on one satellite could use up all terms.
const MAX_LEAP: u64 = 100_000;

/// The right to write, while it lasts.
#[derive(Clone, Default)]
pub struct Claim {
    state: Arc<RwLock<Option<(u64, Instant)>>>,
    /// A term that someone else is known to have used: ours must be higher.
    floor: Arc<AtomicU64>,
    /// The first term that this process had; 0 before.
    first: Arc<AtomicU64>,
}

impl Claim {
    /// Whether this process may write now.
    pub fn is_current(&self) -> bool {
        self.term().is_some()
    }

    /// The term, while the claim lasts. It grows with every acquisition.
    pub fn term(&self) -> Option<u64> {
        let state = self.state.read().ok()?;
        state.filter(|(_, expiry)| Instant::now() < *expiry).map(|(term, _)| term)
    }

    /// Asks for a term above one that was seen on a satellite or in a status (the Lease may have been deleted and made anew). False
    /// if no operator can have had that term: it is far above every one that is known, so somebody wrote it.
    pub fn raise_above(&self, term: u64) -> bool {
        // Not of what was raised since: many small steps are a leap, too.
        if term.saturating_sub(self.first.load(Ordering::Relaxed)) > MAX_LEAP {
            return false;
        }
        self.floor.fetch_max(term.saturating_add(1), Ordering::Relaxed);
        true
    }

    fn set(&self, value: Option<(u64, Instant)>) {
        if let Some((term, _)) = value {
            let _ = self.first.compare_exchange(0, term, Ordering::Relaxed, Ordering::Relaxed);
        }
        if let Ok(mut state) = self.state.write() {
            *state = value;
        }
    }
}

/// Acquires and renews the lease.
pub struct Elector {
    api: Api<Lease>,
    name: String,
    identity: String,
    /// Prefix of every holder that published into the very volume whose lock this process has: such a holder is dead.
    volume_prefix: String,
    claim: Claim,
    /// Highest term that this process held: a Lease that is deleted and made anew must not take it back.
    highest: u64,
    /// When the lease of another was last seen to change, and what it said then.
    seen: Option<(Instant, LeaseSpec)>,
}

/// Why the lease is not held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may be later; why, for a person.
    #[error("{0}")]
    Waiting(String),
    /// Another process held it after this one did. What this one knows may be old, and must not be delivered under a newer term.
    #[error("another process led after this one did ({0}); this one ends, and starts from what is there now")]
    Superseded(String),
}

use Error::Waiting;

impl Elector {
    /// An elector for the Lease `name`; `identity` names this process for people, `volume_id` is the identity of the volume
    /// whose lock this process holds.
    pub fn new(api: Api<Lease>, name: &str, identity: &str, volume_id: &str, claim: Claim) -> Self {
        let volume_prefix = format!("{volume_id}/");
        let identity = format!("{volume_prefix}{identity}_{:08x}", rand::random::<u32>());
        Self { api, name: name.to_owned(), identity, volume_prefix, claim, highest: 0, seen: None }
    }

    /// Tries once to hold the lease.
    ///
    /// # Errors
    /// Why it is not held, for a person.
    pub async fn try_hold(&mut self) -> Result<(), Error> {
        let before = Instant::now();
        let attempt = tokio::time::timeout(REQUEST_TIMEOUT, self.attempt()).await;
        let term = match attempt {
            Err(_) => return Err(Waiting(format!("Lease {}: no answer from the API server", self.name))),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(term)) => term,
        };
        self.highest = self.highest.max(term);
        self.claim.set(Some((term, before + DURATION - MARGIN)));
        Ok(())
    }

    async fn attempt(&mut self) -> Result<u64, Error> {
        let name = self.name.clone();
        let explain =
            |error: kube::Error| Waiting(format!("Lease {name}: {}", clean(&error.to_string(), 300)));
        let floor = self.claim.floor.load(Ordering::Relaxed);
        let next = floor.max(self.highest + 1);
        let Some(mut lease) = self.api.get_opt(&self.name).await.map_err(explain)? else {
            let term = next;
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: Some(self.spec(term, None)),
            };
            self.api.create(&PostParams::default(), &lease).await.map_err(explain)?;
            return Ok(term);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let term = u64::try_from(spec.lease_transitions.unwrap_or(0)).unwrap_or(0);
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let is_other = !holder.is_empty() && holder != self.identity;
        // One who led and has given it back left a higher term.
        if self.highest > 0 && (is_other || holder.is_empty() && term > self.highest) {
            let by = if is_other { format!("by {holder}") } else { "and given back".to_owned() };
            return Err(Error::Superseded(format!("Lease {} was held {by}", self.name)));
        }
        let ours = holder == self.identity && self.claim.term() == Some(term) && term >= floor;
        let term = if ours { term } else { next.max(term + 1) };
        if is_other && !self.is_free(&spec) {
            return Err(Waiting(format!("Lease {} is held by {holder}", self.name)));
        }
        lease.spec = Some(self.spec(term, ours.then_some(spec)));
        // Carries the resourceVersion that was read: whoever loses the race gets a conflict.
        self.api.replace(&self.name, &PostParams::default(), &lease).await.map_err(explain)?;
        Ok(term)
    }

    /// Whether the lease of another may be taken: released, held by a process of our own volume (whose lock we have now, so
    /// it is dead), or not changed for its whole duration as this process saw it.
    fn is_free(&mut self, spec: &LeaseSpec) -> bool {
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder.starts_with(&self.volume_prefix) {
            return true;
        }
        let duration =
            Duration::from_secs(u64::try_from(spec.lease_duration_seconds.unwrap_or(15)).unwrap_or(15));
        match &self.seen {
            Some((since, seen)) if seen == spec => since.elapsed() > duration,
            _ => {
                self.seen = Some((Instant::now(), spec.clone()));
                false
            }
        }
    }

    fn spec(&self, term: u64, renewed: Option<LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(DURATION.as_secs() as i32),
            lease_transitions: Some(i32::try_from(term).unwrap_or(i32::MAX)),
            acquire_time: renewed.and_then(|spec| spec.acquire_time).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    /// Keeps the lease until `stop`, then gives it back so that a successor need not wait. Tells `state` why it is not held,
    /// and nothing once it is.
    ///
    /// # Errors
    /// [`Error::Superseded`]: the process must end.
    pub async fn run(mut self, stop: CancellationToken, state: impl Fn(Option<String>)) -> Result<(), Error> {
        loop {
            let pause = match self.try_hold().await {
                Ok(()) => {
                    state(None);
                    RENEW_EVERY
                }
                Err(superseded @ Error::Superseded(_)) => {
                    self.claim.set(None);
                    return Err(superseded);
                }
                Err(Waiting(why)) => {
                    if !self.claim.is_current() {
                        state(Some(why));
                    }
                    Duration::from_millis(rand::random_range(500..1000))
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let held = self.claim.is_current();
        self.claim.set(None);
        if held && tokio::time::timeout(Duration::from_secs(2), self.release()).await.is_err() {
            tracing::warn!("could not give the lease back; a successor waits for it to expire");
        }
        Ok(())
    }

    async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else { return };
        if let Some(spec) =
            lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity))
        {
            spec.holder_identity = Some(String::new());
            // A failure only makes the successor wait.
            let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        }
    }
}
