//! The pause between attempts: doubles up to a cap, with jitter. Every retry of this program waits by it.

use std::time::Duration;

/// How the pauses of one kind of work grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Longest pause after the first failure.
    pub base: Duration,
    /// Longest pause after any number of failures.
    pub cap: Duration,
}

impl Backoff {
    /// Least share of the ceiling that a pause lasts, so that nothing is repeated at once.
    const LEAST: f64 = 0.1;

    /// Returns the pause after `attempts` failures in a row (from 1). `random` is in 0..1: full jitter, so that work
    /// which failed together does not return together.
    pub fn pause(&self, attempts: u32, random: f64) -> Duration {
        let doubled = self.base.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(self.cap).mul_f64(random.clamp(Self::LEAST, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_are_never_nothing() {
        let backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(30) };
        assert_eq!(backoff.pause(1, 1.0), Duration::from_millis(250));
        assert_eq!(backoff.pause(3, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.pause(u32::MAX, 1.0), Duration::from_secs(30));
        assert_eq!(backoff.pause(0, 0.0), Duration::from_millis(25));
        assert_eq!(backoff.pause(1, 0.5), Duration::from_millis(125));
    }
}
