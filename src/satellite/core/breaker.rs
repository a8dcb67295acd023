//! The breaker: decides when a satellite is called, and when it is only probed.

use super::times::jitter;
use crate::api::satellite_cluster::BreakerState;
use crate::backoff::Backoff;
use std::time::Duration;

/// Connection failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// It also opens after failures for this long, however few they are.
const FAILING_FOR: Duration = Duration::from_secs(15);
/// Time between probes, ±20 %.
pub const PROBE_EVERY: Duration = Duration::from_secs(10);
/// The pause between two attempts while the breaker is closed.
const PAUSE: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(30) };

/// The result of a request, for the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// No connection, or no answer.
    Silent,
    /// Any answer.
    Answered,
    /// A delivery succeeded.
    Passed,
}

/// The breaker of one satellite.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Breaker {
    state: BreakerState,
    failures: u32,
    failing_since: Option<Duration>,
}

impl Breaker {
    /// Its state.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Connection failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the breaker after an event.
    #[must_use]
    pub fn after(&self, event: Event, now: Duration) -> Self {
        use BreakerState::{Closed, HalfOpen, Open};
        let closed = Self::default();
        let failures = self.failures.saturating_add(1);
        let since = self.failing_since.unwrap_or(now);
        let opens = failures >= FAILURES || now.saturating_sub(since) >= FAILING_FOR;
        match (self.state, event) {
            (Closed, Event::Silent) => {
                Self { state: if opens { Open } else { Closed }, failures, failing_since: Some(since) }
            }
            (Open | HalfOpen, Event::Silent) => Self { state: Open, failures, failing_since: Some(since) },
            // A probe is cheap. Only a delivery shows that requests work.
            (Open, Event::Answered) => Self { state: HalfOpen, ..self.clone() },
            (HalfOpen, Event::Answered) | (Closed, Event::Answered) | (_, Event::Passed) => closed,
        }
    }

    /// Returns the pause before the next attempt. `random` is in 0..1.
    pub fn pause(&self, attempts: u32, random: f64) -> Duration {
        match self.state {
            BreakerState::Open => jitter(PROBE_EVERY, random),
            BreakerState::HalfOpen => PAUSE.base,
            BreakerState::Closed => PAUSE.pause(attempts, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn after(events: &[(Event, u64)]) -> Breaker {
        events.iter().fold(Breaker::default(), |breaker, (event, second)| breaker.after(*event, s(*second)))
    }

    #[test]
    fn opens_after_five_failures_or_fifteen_seconds() {
        use Event::Silent;
        let four: Vec<_> = (0..4).map(|second| (Silent, second)).collect();
        assert_eq!(after(&four).state(), BreakerState::Closed);
        assert_eq!(after(&[&four[..], &[(Silent, 4)]].concat()).state(), BreakerState::Open);
        assert_eq!(after(&[(Silent, 100), (Silent, 114)]).state(), BreakerState::Closed);
        assert_eq!(after(&[(Silent, 100), (Silent, 115)]).state(), BreakerState::Open);
        let between =
            [(Silent, 0), (Silent, 1), (Silent, 2), (Silent, 3), (Event::Answered, 4), (Silent, 20)];
        assert_eq!((after(&between).state(), after(&between).failures()), (BreakerState::Closed, 1));
    }

    #[test]
    fn a_probe_half_opens_and_what_comes_then_closes_or_opens() {
        use Event::{Answered, Passed, Silent};
        let open: Vec<_> = (0..5).map(|second| (Silent, second)).collect();
        let with = |more: &[(Event, u64)]| after(&[&open[..], more].concat());
        assert_eq!(with(&[(Answered, 10)]).state(), BreakerState::HalfOpen);
        assert_eq!(with(&[(Answered, 10)]).pause(9, 0.5), PAUSE.base);
        assert_eq!(with(&[(Answered, 10), (Silent, 11)]).state(), BreakerState::Open);
        for closing in [Answered, Passed] {
            assert_eq!(with(&[(Answered, 10), (closing, 11)]), Breaker::default());
        }
        assert_eq!(with(&[(Silent, 10)]).failures(), 6);
    }

    #[test]
    fn pauses_are_bounded_and_jittered() {
        let closed = Breaker::default();
        assert_eq!(closed.pause(1, 1.0), PAUSE.base);
        assert_eq!(closed.pause(1000, 1.0), PAUSE.cap);
        assert!(closed.pause(3, 0.0) < closed.pause(3, 1.0));
        let open = after(&[(Event::Silent, 0), (Event::Silent, 15)]);
        assert_eq!((open.pause(1, 0.0), open.pause(1, 1.0)), (s(8), s(12)));
    }
}
