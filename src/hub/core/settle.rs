//! Which health of a satellite the statuses tell: one that lasts. A satellite that fails for a
//! moment, or for another reason each time, rewrites no status.

use crate::satellite::{Fleet, Health};
use std::collections::BTreeMap;
use std::time::Duration;

/// So long a satellite must fail before objects say so.
pub(super) const FAILS: Duration = Duration::from_secs(5);
/// So long it must fail for another reason before objects say that one.
const FAILS_OTHERWISE: Duration = Duration::from_secs(30);

/// The health of each satellite, as it is told and as it is.
#[derive(Debug, Default)]
pub(super) struct Settling(BTreeMap<String, Settled>);

#[derive(Debug)]
struct Settled {
    told: Health,
    seen: Health,
    since: Duration,
}

impl Settled {
    /// Returns when what is seen is told. `None` if it is told already.
    fn due(&self) -> Option<Duration> {
        use Health::Failing;
        let lasts = match (self.told, self.seen) {
            (told, seen) if told == seen => return None,
            (Failing { reason: told, .. }, Failing { reason, .. }) if told == reason => Duration::ZERO,
            // For whatever reason: it has failed for long enough.
            (Failing { is_overdue: false, .. }, Failing { is_overdue: true, .. }) => Duration::ZERO,
            (Failing { .. }, Failing { .. }) => FAILS_OTHERWISE,
            (_, Failing { .. }) => FAILS,
            _ => Duration::ZERO,
        };
        Some(self.since + lasts)
    }
}

impl Settling {
    /// Puts the health that is told in the place of the one that is.
    pub fn settle(&mut self, fleet: &mut Fleet, now: Duration) {
        self.0.retain(|name, _| fleet.satellites.contains_key(name));
        for (name, satellite) in &mut fleet.satellites {
            let seen = satellite.health;
            let settled = self.0.entry(name.clone()).or_insert_with(|| Settled {
                told: Health::Unknown,
                seen: Health::Unknown,
                since: now,
            });
            if settled.seen != seen {
                (settled.seen, settled.since) = (seen, now);
            }
            if settled.due().is_some_and(|due| due <= now) {
                settled.told = seen;
            }
            satellite.health = settled.told;
        }
    }

    /// Tells what has lasted long enough. True if something changed.
    pub fn look(&mut self, fleet: &mut Fleet, now: Duration) -> bool {
        let mut is_changed = false;
        for (name, settled) in &mut self.0 {
            if settled.due().is_some_and(|due| due <= now)
                && let Some(satellite) = fleet.satellites.get_mut(name)
            {
                settled.told = settled.seen;
                satellite.health = settled.told;
                is_changed = true;
            }
        }
        is_changed
    }

    /// Returns when to look next. `None` if never.
    pub fn due(&self) -> Option<Duration> {
        self.0.values().filter_map(Settled::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;
    use crate::satellite::Satellite;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn failing(reason: Reason) -> Health {
        Health::Failing { reason, is_overdue: false }
    }

    /// Returns how often other words are told of a satellite whose health is this from these
    /// seconds on.
    fn told(seen: &[(u64, Health)], until: u64) -> Vec<(u64, Health)> {
        let mut settling = Settling::default();
        let mut told = Vec::new();
        let mut fleet = Fleet::default();
        for second in 0..until {
            for (_, health) in seen.iter().filter(|(at, _)| *at == second) {
                let satellite = Satellite { health: *health, ..Satellite::default() };
                fleet.satellites.insert("edge".into(), satellite);
                settling.settle(&mut fleet, s(second));
            }
            settling.look(&mut fleet, s(second));
            let now = fleet.satellites["edge"].health;
            if told.last().is_none_or(|(_, last)| *last != now) {
                told.push((second, now));
            }
        }
        told
    }

    #[test]
    fn a_failure_is_told_when_it_lasts_and_its_end_at_once() {
        let silent = failing(Reason::Unreachable);
        let seen = [(0, Health::Well), (10, silent), (12, Health::Well), (20, silent), (40, Health::Well)];
        assert_eq!(told(&seen, 60), [(0, Health::Well), (25, silent), (40, Health::Well)]);
    }

    #[test]
    fn a_satellite_that_fails_for_another_reason_each_time_is_told_once() {
        let reasons = [Reason::Unreachable, Reason::TLSError];
        let seen: Vec<_> = (0..100).map(|n| (n * 10, failing(reasons[n as usize % 2]))).collect();
        assert_eq!(told(&seen, 1000).len(), 2, "unknown, and the first reason");
        let overdue = Health::Failing { reason: Reason::TLSError, is_overdue: true };
        let late = [seen, vec![(995, overdue)]].concat();
        assert_eq!(told(&late, 1000).last(), Some(&(995, overdue)), "that the time is over is told at once");
    }
}
