//! Counts the corrections of changes by others, and decides when they are a fight.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// More corrections of one object than this within [`WINDOW`] are a fight.
const MOST: usize = 5;
const WINDOW: Duration = Duration::from_mins(10);
/// How often an object is corrected in a fight.
const SLOW: Duration = Duration::from_mins(5);

/// The corrections at one satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    /// Times of the last corrections, by name of the ConfigMap.
    times: BTreeMap<String, VecDeque<Duration>>,
}

impl Corrections {
    /// Records the correction of an object.
    pub fn add(&mut self, name: &str, now: Duration) {
        let times = self.times.entry(name.to_owned()).or_default();
        times.push_back(now);
        if times.len() > MOST + 1 {
            times.pop_front();
        }
    }

    /// Forgets the objects that were not corrected for a while.
    pub fn forget(&mut self, now: Duration) {
        self.times.retain(|_, times| times.back().is_some_and(|last| now.saturating_sub(*last) <= WINDOW));
    }

    /// Returns an object that is fought over, if there is one.
    pub fn fight(&self, now: Duration) -> Option<&str> {
        self.times.iter().find(|(_, times)| is_fight(times, now)).map(|(name, _)| name.as_str())
    }

    /// Returns how long to wait with the correction of an object. None if it may be corrected now.
    /// A fight over one object does not delay the others.
    pub fn pause(&self, name: &str, now: Duration) -> Option<Duration> {
        let times = self.times.get(name).filter(|times| is_fight(times, now))?;
        SLOW.checked_sub(now.saturating_sub(*times.back()?)).filter(|pause| !pause.is_zero())
    }
}

fn is_fight(times: &VecDeque<Duration>, now: Duration) -> bool {
    times.iter().filter(|time| now.saturating_sub(**time) <= WINDOW).count() > MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_sixth_correction_within_ten_minutes_is_a_fight_and_slows_down() {
        let mut corrections = Corrections::default();
        for second in 0..5 {
            corrections.add("pointer", s(second));
            corrections.add("other", s(200 * second));
        }
        assert_eq!((corrections.fight(s(5)), corrections.pause("pointer", s(5))), (None, None));
        corrections.add("pointer", s(10));
        assert_eq!(corrections.fight(s(10)), Some("pointer"));
        assert_eq!(corrections.pause("pointer", s(10)), Some(s(300)));
        assert_eq!(corrections.pause("other", s(10)), None);
        assert_eq!(corrections.pause("pointer", s(309)), Some(s(1)));
        assert_eq!(corrections.pause("pointer", s(310)), None);
        // Corrected once more, and still fought over.
        corrections.add("pointer", s(310));
        assert_eq!(corrections.pause("pointer", s(311)), Some(s(299)));
        assert_eq!(corrections.fight(s(700)), None, "few of them are recent");
        corrections.forget(s(1411));
        assert_eq!(corrections, Corrections::default());
    }

    #[test]
    fn corrections_that_are_rare_are_no_fight() {
        let mut corrections = Corrections::default();
        (0..50).for_each(|n| corrections.add("pointer", s(n * 130)));
        assert_eq!(corrections.fight(s(50 * 130)), None);
    }
}
