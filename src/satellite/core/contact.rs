//! When a satellite is called, and how long to wait between two calls.

use super::breaker::{Breaker, Event, PROBE_EVERY};
use super::times::{RECHECK, jitter};
use crate::api::Reason;
use crate::api::satellite_cluster::BreakerState;
use crate::satellite::problem::{Contact, Problem};
use std::time::Duration;

/// When a refused set is tried again for the first time.
const REFUSED: Duration = Duration::from_secs(5);
/// A delivery is followed by a rest of this many times its own length, so that a burst takes only
/// a share of the satellite's API server.
const REST: u32 = 3;
/// Longest rest.
const REST_MAX: Duration = Duration::from_secs(2);

/// The contact with one satellite.
#[derive(Clone, Debug, Default)]
pub(super) struct ContactState {
    pub breaker: Breaker,
    /// Steps in a row that failed.
    pub attempts: u32,
    /// When the satellite answered last.
    answered: Option<Duration>,
    /// No step before this time.
    rested: Duration,
}

impl ContactState {
    /// True if the satellite did not answer for longer than `limit`.
    pub fn is_quiet(&self, limit: Duration, now: Duration) -> bool {
        self.answered.is_none_or(|answered| now.saturating_sub(answered) > limit)
    }

    pub fn is_closed(&self) -> bool {
        self.breaker.state() == BreakerState::Closed
    }

    pub fn is_open(&self) -> bool {
        self.breaker.state() == BreakerState::Open
    }

    pub fn answered(&mut self, now: Duration) {
        self.answered = Some(now);
    }

    pub fn after(&mut self, event: Event, now: Duration) {
        self.breaker = self.breaker.after(event, now);
    }

    /// Takes the length of a delivery that wrote something.
    pub fn wrote(&mut self, took: Duration, now: Duration) {
        self.answered = Some(now);
        self.rested = now + (took * REST).min(REST_MAX);
    }

    /// Returns the time before which nothing may be done. None if it has passed.
    pub fn rest(&self, now: Duration) -> Option<Duration> {
        Some(self.rested).filter(|rested| *rested > now)
    }

    /// Counts a failed step.
    pub fn failed(&mut self, problem: &Problem, now: Duration) {
        self.attempts = self.attempts.saturating_add(1);
        match problem.contact {
            Contact::Silent => self.after(Event::Silent, now),
            Contact::Answered => self.after(Event::Answered, now),
            Contact::None => {}
        }
    }

    /// Returns the pause after a failed step. `is_refused` is true if the satellite refused the
    /// set. Then another set may be accepted.
    pub fn pause(&self, problem: &Problem, is_refused: bool, random: f64) -> Duration {
        if problem.reason == Reason::Unauthorized && self.attempts == 1 {
            return self.breaker.pause(1, random);
        }
        if !problem.transient && is_refused && self.attempts == 1 {
            // The content may be the reason for the refusal, so the next snapshot is tried soon.
            return REFUSED;
        }
        if !problem.transient {
            // A person who mends a Role, a quota or a namespace waits no longer than for a probe.
            // A set that is too large or rejected would only be refused again, and sending it
            // costs more than a probe.
            let every = match problem.reason {
                Reason::TooLarge | Reason::Rejected => RECHECK,
                _ => PROBE_EVERY,
            };
            return jitter(every, random);
        }
        self.breaker.pause(self.attempts, random).max(problem.retry_after.unwrap_or_default())
    }
}
