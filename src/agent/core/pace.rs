//! When the next load may begin. A reload is not free: Icinga checks nothing and answers nobody for
//! a moment. So the first change after a quiet time is loaded at once, and the next ones wait for a
//! multiple of what the last load cost.

use std::time::Duration;

/// The pause after a load, in multiples of its duration.
const SPACING: u32 = 2;
/// Longest pause after a load.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause between two loads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    next: Duration,
}

impl Pace {
    /// Notes that a load ended at `now` and took this long.
    pub fn loaded(&mut self, now: Duration, took: Duration) {
        self.next = now + (took * SPACING).min(LONGEST);
    }

    /// Returns when the next load may begin.
    pub fn next(&self) -> Duration {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_load_is_at_once_and_the_next_waits_for_what_the_last_cost() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(), Duration::ZERO);
        pace.loaded(Duration::from_secs(100), Duration::from_secs(3));
        assert_eq!(pace.next(), Duration::from_secs(106));
        pace.loaded(Duration::from_secs(100), Duration::from_secs(600));
        assert_eq!(pace.next(), Duration::from_secs(160));
    }
}
