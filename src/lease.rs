//! Leadership: the right to write, with an expiry that is asked before every write instead of a
//! bool in a channel.
//!
//! The expiry is counted on the monotonic clock, from before the renewal was sent. Leadership that
//! ends cannot recall a write that is already on its way: satellites therefore refuse an older
//! term, and the volume has a lock of its own.

use crate::api::marks::REMOVALS_ALLOWED_UNTIL;
use crate::backoff::Backoff;
use crate::identity::may_have_been;
use crate::lasting::{Change, Lasting};
use crate::request::{Failure, Server, ask};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a lease is valid after a renewal.
pub const DURATION: Duration = Duration::from_secs(15);
/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// Pause after a failed attempt, or while another process holds the lease. It does not grow: a
/// successor waits for nothing else.
const RETRY: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(1) };
/// Writing stops this long before another process can take the lease.
const MARGIN: Duration = Duration::from_secs(3);
/// Longest time of one attempt: a read and a write.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Longest time to give the lease back when the process ends.
const RELEASE: Duration = Duration::from_secs(2);
/// The right to write, while it lasts.
#[derive(Clone, Default)]
pub struct Leadership {
    state: Arc<RwLock<Option<(u64, Instant)>>>,
    /// The least term that the next acquisition takes: above every term that another process is
    /// known to have used.
    floor: Arc<AtomicU64>,
    /// The first term of this process; 0 before.
    first: Arc<AtomicU64>,
    /// Until when the Lease's annotation allows large removals, Unix seconds.
    removals_allowed_until: Arc<AtomicI64>,
    /// Who sees a status of another operator, one bit each.
    others: Arc<AtomicU8>,
}

/// Who sees whose status it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The hub, in MonitoringObjects.
    Objects = 1,
    /// The registry, in SatelliteClusters.
    Satellites = 2,
}

impl Leadership {
    /// Returns whether this process may write now.
    pub fn is_current(&self) -> bool {
        self.term().is_some()
    }

    /// Returns the term while leadership lasts and no status of another operator is seen. It grows with every acquisition.
    pub fn term(&self) -> Option<u64> {
        self.held().filter(|_| self.others.load(Ordering::SeqCst) == 0)
    }

    /// Takes the right to write away while a status of another operator is seen, or gives it back.
    pub fn hold(&self, seen: Seen, is_held: bool) {
        match is_held {
            true => self.others.fetch_or(seen as u8, Ordering::SeqCst),
            false => self.others.fetch_and(!(seen as u8), Ordering::SeqCst),
        };
    }

    /// Returns the term while the Lease is held.
    fn held(&self) -> Option<u64> {
        let state = self.state.read().ok()?;
        state.filter(|(_, expiry)| Instant::now() < *expiry).map(|(term, _)| term)
    }

    /// Asks for a term above one that was seen on a satellite or in a status: the Lease may have
    /// been deleted and recreated. Returns false if no operator can have had that term, because it
    /// is too far above the terms of this process.
    pub fn raise_above(&self, term: u64) -> bool {
        if !may_have_been(term, self.first.load(Ordering::Relaxed)) {
            return false;
        }
        self.floor.fetch_max(term.saturating_add(1), Ordering::Relaxed);
        true
    }

    /// Returns until when a person allows that more is removed than usual, in Unix seconds, as the Lease said when it was read
    /// last. 0 if nobody did, `i64::MAX` if the annotation is no time.
    pub fn removals_allowed_until(&self) -> i64 {
        self.removals_allowed_until.load(Ordering::Relaxed)
    }

    /// Returns a leadership that lasts so long, for tests of what asks for it.
    #[cfg(test)]
    pub(crate) fn lasting(time: Duration) -> Self {
        let leadership = Self::default();
        leadership.set(Some((1, Instant::now() + time)));
        leadership
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
    server: Server,
    /// `<namespace>/<name>`, for messages.
    described: String,
    name: String,
    identity: String,
    /// Prefix of every holder that published into the volume whose lock this process has. Such a
    /// holder is dead.
    volume_prefix: String,
    leadership: Leadership,
    /// Highest term that this process held. A Lease that is deleted and recreated must not take it
    /// back.
    highest: u64,
    /// The lease of another process as it was last seen to change, and when.
    seen: Option<(Instant, LeaseSpec)>,
    /// Why renewals fail.
    trouble: Lasting,
}

/// Why the lease is not held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It may be held later. The text says why it is not held now.
    #[error("{0}")]
    Waiting(String),
    /// Another process led after this one did. What this one knows may be old, and must not be
    /// delivered under a newer term.
    #[error(
        "another process led after this one did ({0}); this one ends, so that its successor starts from the present state"
    )]
    Superseded(String),
}

use Error::Waiting;

impl Elector {
    /// Returns an elector for the Lease `namespace`/`name`. `identity` names this process to
    /// people, `volume_id` is the identity of the volume whose lock this process has.
    pub fn new(
        (client, server): (kube::Client, Server),
        (namespace, name): (&str, &str),
        identity: &str,
        volume_id: &str,
        leadership: Leadership,
    ) -> Self {
        let volume_prefix = format!("{volume_id}/");
        Self {
            api: Api::namespaced(client, namespace),
            server,
            described: format!("Lease {namespace}/{name}"),
            name: name.to_owned(),
            identity: format!("{volume_prefix}{identity}_{:08x}", rand::random::<u32>()),
            volume_prefix,
            leadership,
            highest: 0,
            seen: None,
            trouble: Lasting::default(),
        }
    }

    /// Tries once to hold the lease.
    async fn try_hold(&mut self) -> Result<(), Error> {
        let before = Instant::now();
        let term = self.attempt(before + ATTEMPT).await?;
        self.highest = self.highest.max(term);
        self.leadership.set(Some((term, before + DURATION - MARGIN)));
        Ok(())
    }

    async fn attempt(&mut self, deadline: Instant) -> Result<u64, Error> {
        let described = self.described.clone();
        let server = self.server.clone();
        let explain = |action: &str, failure: Failure| {
            let failure = match failure {
                Failure::Deadline(_) => Failure::Deadline(ATTEMPT),
                other => other,
            };
            Waiting(format!("cannot {action} {described}: {}", server.explain(&failure)))
        };
        let left = || deadline.saturating_duration_since(Instant::now());
        let floor = self.leadership.floor.load(Ordering::Relaxed);
        let next = floor.max(self.highest + 1);
        let found =
            ask(left(), self.api.get_opt(&self.name)).await.map_err(|failure| explain("read", failure))?;
        let until =
            found.as_ref().and_then(|lease| lease.metadata.annotations.as_ref()?.get(REMOVALS_ALLOWED_UNTIL));
        let until = until
            .map_or(0, |text| text.parse::<jiff::Timestamp>().map_or(i64::MAX, |until| until.as_second()));
        self.leadership.removals_allowed_until.store(until, Ordering::Relaxed);
        let Some(mut lease) = found else {
            let term = next;
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: Some(self.spec(term, None)),
            };
            let created = ask(left(), self.api.create(&PostParams::default(), &lease)).await;
            created.map_err(|failure| explain("create", failure))?;
            return Ok(term);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let term = u64::try_from(spec.lease_transitions.unwrap_or(0)).unwrap_or(0);
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let is_other = !holder.is_empty() && holder != self.identity;
        // A leader that gave the lease back left a higher term.
        if self.highest > 0 && (is_other || holder.is_empty() && term > self.highest) {
            let by = if is_other { format!("held by {holder}") } else { "held and given back".to_owned() };
            return Err(Error::Superseded(format!("{} was {by}", self.described)));
        }
        let ours = holder == self.identity && self.leadership.held() == Some(term) && term >= floor;
        let term = if ours { term } else { next.max(term + 1) };
        if is_other && !self.is_free(&spec) {
            return Err(Waiting(format!(
                "{} is held by {holder}; wait until that process ends",
                self.described
            )));
        }
        lease.spec = Some(self.spec(term, ours.then_some(spec)));
        // Carries the resourceVersion that was read: whoever loses the race gets a conflict.
        let replaced = ask(left(), self.api.replace(&self.name, &PostParams::default(), &lease)).await;
        replaced.map_err(|failure| explain("write", failure))?;
        Ok(term)
    }

    /// Returns whether another holder's lease may be taken. It may if it was released, if its
    /// holder published into our own volume (whose lock this process has, so the holder is dead),
    /// or if this process saw no change of it for its whole duration.
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

    /// Keeps the lease until `stop`, then gives it back so that a successor need not wait. Calls
    /// `state` with the reason while the lease is not held, and with `None` while it is.
    ///
    /// # Errors
    /// [`Error::Superseded`]: the process must end.
    pub async fn run(mut self, stop: CancellationToken, state: impl Fn(Option<String>)) -> Result<(), Error> {
        loop {
            let pause = match self.try_hold().await {
                Ok(()) => {
                    self.log(None);
                    state(None);
                    RENEW_EVERY
                }
                Err(superseded @ Error::Superseded(_)) => {
                    self.leadership.set(None);
                    return Err(superseded);
                }
                Err(Waiting(why)) => {
                    match self.leadership.held().is_some() {
                        true => self.log(Some(why)),
                        false => state(Some(why)),
                    }
                    RETRY.pause(1, rand::random_range(0.5..1.0))
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        let held = self.leadership.held().is_some();
        self.leadership.set(None);
        if held && let Err(why) = self.release().await {
            tracing::warn!(%why, "cannot give the lease back; a successor waits until it expires");
        }
        Ok(())
    }

    /// Logs why the renewal fails while leadership still lasts. Readiness reports it afterwards.
    fn log(&mut self, why: Option<String>) {
        match self.trouble.set(why) {
            Change::Began(why) | Change::Changed(why) => {
                tracing::warn!(%why, "cannot renew the lease; writing goes on until it expires");
            }
            Change::Ended => tracing::info!("the lease is renewed again"),
            Change::None => {}
        }
    }

    async fn release(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + RELEASE;
        let left = || deadline.saturating_duration_since(Instant::now());
        let Some(mut lease) = ask(left(), self.api.get_opt(&self.name)).await? else { return Ok(()) };
        let ours = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
        let Some(spec) = ours else { return Ok(()) };
        spec.holder_identity = Some(String::new());
        ask(left(), self.api.replace(&self.name, &PostParams::default(), &lease)).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn leadership_ends_by_itself() {
        assert!(!Leadership::default().is_current(), "nobody leads without the Lease");
        let leadership = Leadership::lasting(DURATION - MARGIN);
        tokio::time::advance(DURATION - MARGIN - Duration::from_millis(1)).await;
        assert_eq!(leadership.term(), Some(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((leadership.term(), leadership.is_current()), (None, false));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_writes_while_a_status_names_another_operator_and_the_lease_is_kept() {
        let leadership = Leadership::lasting(DURATION);
        leadership.hold(Seen::Objects, true);
        leadership.hold(Seen::Satellites, true);
        assert_eq!((leadership.term(), leadership.held()), (None, Some(1)));
        leadership.hold(Seen::Objects, false);
        assert!(!leadership.is_current(), "a SatelliteCluster still names it");
        leadership.hold(Seen::Satellites, false);
        assert_eq!(leadership.term(), Some(1));
    }
}
