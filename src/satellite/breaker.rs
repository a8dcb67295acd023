//! When a satellite is called and when it is only probed. Pure: time is passed in, in any monotonic unit of the caller's.

use crate::api::satellite_cluster::BreakerState;
use std::time::Duration;

/// Connection failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// Time of failing that opens it, however few the failures.
const FAILING_FOR: Duration = Duration::from_secs(15);
/// Time between probes, ±20 %.
const PROBE_EVERY: Duration = Duration::from_secs(10);
const BACKOFF_BASE: Duration = Duration::from_millis(250);
const BACKOFF_CAP: Duration = Duration::from_secs(30);

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

    /// No connection, or no answer. `now` is a monotonic time.
    pub fn failed(&mut self, now: Duration) {
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(now);
        let opens = self.failures >= FAILURES || now.saturating_sub(since) >= FAILING_FOR;
        if self.state == BreakerState::HalfOpen || opens {
            self.state = BreakerState::Open;
        }
    }

    /// The API server answered, whatever it said. A probe's answer half-opens the breaker; a full pass closes it.
    pub fn answered(&mut self) {
        self.state = match self.state {
            BreakerState::Open => BreakerState::HalfOpen,
            BreakerState::HalfOpen | BreakerState::Closed => {
                self.failures = 0;
                self.failing_since = None;
                BreakerState::Closed
            }
        };
    }

    /// How long to wait before the next attempt. `random` is in 0..1; a closed breaker uses full jitter.
    pub fn pause(&self, attempts: u32, random: f64) -> Duration {
        match self.state {
            BreakerState::Open => PROBE_EVERY.mul_f64(0.8 + 0.4 * random),
            BreakerState::HalfOpen => BACKOFF_BASE,
            BreakerState::Closed => BACKOFF_BASE
                .saturating_mul(1 << attempts.saturating_sub(1).min(10))
                .min(BACKOFF_CAP)
                .mul_f64(random.max(0.05)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn opens_after_five_failures_or_fifteen_seconds() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|i| breaker.failed(s(i)));
        assert_eq!(breaker.state(), BreakerState::Closed);
        breaker.failed(s(4));
        assert_eq!(breaker.state(), BreakerState::Open);

        let mut slow = Breaker::default();
        slow.failed(s(100));
        slow.failed(s(116));
        assert_eq!(slow.state(), BreakerState::Open);
    }

    #[test]
    fn a_probe_half_opens_and_a_pass_closes_or_opens() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|i| breaker.failed(s(i)));
        breaker.answered();
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.pause(9, 0.5), BACKOFF_BASE);
        breaker.failed(s(20));
        assert_eq!(breaker.state(), BreakerState::Open);
        breaker.answered();
        breaker.answered();
        assert_eq!((breaker.state(), breaker.failures()), (BreakerState::Closed, 0));
    }

    #[test]
    fn pauses_are_bounded_and_jittered() {
        let closed = Breaker::default();
        assert_eq!(closed.pause(1, 1.0), BACKOFF_BASE);
        assert_eq!(closed.pause(1000, 1.0), BACKOFF_CAP);
        assert!(closed.pause(3, 0.0) < closed.pause(3, 1.0));
        let mut open = Breaker::default();
        (0..5).for_each(|i| open.failed(s(i)));
        assert_eq!((open.pause(1, 0.0), open.pause(1, 1.0)), (s(8), s(12)));
    }
}
