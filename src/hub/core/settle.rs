//! Statuses report the health of a satellite only once it has lasted. A satellite that fails for
//! a moment, or for another reason each time, rewrites no status.

use crate::satellite::{Fleet, Health};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a satellite fails before objects report it.
pub(super) const FAILS: Duration = Duration::from_secs(5);
/// How long it fails for another reason before objects report that reason.
const FAILS_OTHERWISE: Duration = Duration::from_secs(30);

/// The health of each satellite: what is reported, and what was observed last.
#[derive(Debug, Default)]
pub(super) struct Settling(BTreeMap<String, Settled>);

#[derive(Debug)]
struct Settled {
    reported: Health,
    observed: Health,
    since: Duration,
}

impl Settled {
    /// Returns when the observed health is to be reported. `None` if it is reported already.
    fn due(&self) -> Option<Duration> {
        use Health::Failing;
        let lasts = match (self.reported, self.observed) {
            (reported, observed) if reported == observed => return None,
            (Failing { reason: reported, .. }, Failing { reason, .. }) if reported == reason => {
                Duration::ZERO
            }
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
    /// Replaces the observed health of each satellite by the one to report.
    pub fn settle(&mut self, fleet: &mut Fleet, now: Duration) {
        self.0.retain(|name, _| fleet.satellites.contains_key(name));
        for (name, satellite) in &mut fleet.satellites {
            let observed = satellite.health;
            let settled = self.0.entry(name.clone()).or_insert_with(|| Settled {
                reported: Health::Unknown,
                observed: Health::Unknown,
                since: now,
            });
            if settled.observed != observed {
                (settled.observed, settled.since) = (observed, now);
            }
            if settled.due().is_some_and(|due| due <= now) {
                settled.reported = observed;
            }
            satellite.health = settled.reported;
        }
    }

    /// Reports what has lasted long enough. True if something changed.
    pub fn look(&mut self, fleet: &mut Fleet, now: Duration) -> bool {
        let mut is_changed = false;
        for (name, settled) in &mut self.0 {
            if settled.due().is_some_and(|due| due <= now)
                && let Some(satellite) = fleet.satellites.get_mut(name)
            {
                settled.reported = settled.observed;
                satellite.health = settled.reported;
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

    /// Returns what is reported, and from which second on, of a satellite that was observed like
    /// this.
    fn reported(observed: &[(u64, Health)], until: u64) -> Vec<(u64, Health)> {
        let mut settling = Settling::default();
        let mut reported = Vec::new();
        let mut fleet = Fleet::default();
        for second in 0..until {
            for (_, health) in observed.iter().filter(|(at, _)| *at == second) {
                let satellite = Satellite { health: *health, ..Satellite::default() };
                fleet.satellites.insert("edge".into(), satellite);
                settling.settle(&mut fleet, s(second));
            }
            settling.look(&mut fleet, s(second));
            let now = fleet.satellites["edge"].health;
            if reported.last().is_none_or(|(_, last)| *last != now) {
                reported.push((second, now));
            }
        }
        reported
    }

    #[test]
    fn a_failure_is_reported_when_it_lasts_and_its_end_at_once() {
        let silent = failing(Reason::Unreachable);
        let observed =
            [(0, Health::Well), (10, silent), (12, Health::Well), (20, silent), (40, Health::Well)];
        assert_eq!(reported(&observed, 60), [(0, Health::Well), (25, silent), (40, Health::Well)]);
    }

    #[test]
    fn a_satellite_that_fails_for_another_reason_each_time_is_reported_once() {
        let reasons = [Reason::Unreachable, Reason::TLSError];
        let observed: Vec<_> = (0..100).map(|n| (n * 10, failing(reasons[n as usize % 2]))).collect();
        assert_eq!(reported(&observed, 1000).len(), 2, "unknown, and the first reason");
        let overdue = Health::Failing { reason: Reason::TLSError, is_overdue: true };
        let late = [observed, vec![(995, overdue)]].concat();
        assert_eq!(
            reported(&late, 1000).last(),
            Some(&(995, overdue)),
            "the end of its time is reported at once"
        );
    }
}
