//! The phases to run, and their sizes.

use crate::shared::arguments::Arguments;
use std::path::PathBuf;
use std::time::Duration;

/// Sizes of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    arguments: Arguments,
    /// Where the volume is. None for a temporary directory.
    pub volume: Option<PathBuf>,
    /// How often the null operator and Groundlink take turns.
    pub rounds: usize,
    /// P1: objects per round.
    pub ready: usize,
    /// P2: objects with a pause between them.
    pub delivered: usize,
    /// P2: objects without a pause.
    pub back_to_back: usize,
    /// P3: sizes of the bursts. The smaller fits into layout Single, the larger does not.
    pub bursts: Vec<usize>,
    /// P4: sizes of the set. The target is for the last; P5 to P7 use the middle one.
    pub sets: Vec<usize>,
    /// P4: changes at each size.
    pub changes: usize,
    /// P4: how long the idle operator is measured.
    pub idle: Duration,
    /// P5: number of joins.
    pub joins: usize,
    /// P6: length of the outage.
    pub away: Duration,
    /// P6: objects that change during the outage; half as many are deleted.
    pub changed_while_away: usize,
    /// P7: objects per round.
    pub neighbours: usize,
    /// P8: how long writes are counted after the restart.
    pub watched: Duration,
    /// P9: objects.
    pub resident: usize,
    /// P12: serial changes.
    pub loaded: usize,
    /// P12 and P13: sizes of the bursts.
    pub loads: Vec<usize>,
    /// P13: serial changes on each side.
    pub beside: usize,
}

impl Plan {
    /// Returns the plan for these arguments.
    pub fn new(arguments: Arguments) -> Self {
        let mut plan = Self {
            volume: arguments.volume.clone(),
            rounds: 2,
            ready: 100,
            delivered: 100,
            back_to_back: 50,
            bursts: vec![1_000, 10_000],
            sets: vec![1_000, 10_000, 40_000],
            changes: 10,
            idle: Duration::from_secs(10),
            joins: 3,
            away: Duration::from_secs(60),
            changed_while_away: 1_000,
            // With fewer objects the 99th percentile is one unlucky object.
            neighbours: 150,
            // Longer than the operator's interval between two looks at a quiet satellite
            // (30 s, give or take 20 %).
            watched: Duration::from_secs(40),
            resident: 20_000,
            loaded: 20,
            loads: vec![1_000, 5_000],
            beside: 100,
            arguments,
        };
        if plan.arguments.quick {
            (plan.ready, plan.delivered, plan.back_to_back) = (25, 10, 10);
            (plan.bursts, plan.resident) = (vec![100, 300], 500);
            plan.watched = Duration::from_secs(5);
            (plan.sets, plan.changes, plan.idle) = (vec![100, 300, 1_000], 3, Duration::from_secs(2));
            (plan.joins, plan.away) = (2, Duration::from_secs(20));
            (plan.changed_while_away, plan.neighbours) = (40, 5);
            (plan.loaded, plan.loads, plan.beside) = (3, vec![100], 5);
        }
        plan.resident = plan.arguments.resident.unwrap_or(plan.resident);
        if let Some(changed) = plan.arguments.changed {
            plan.sets.retain(|count| *count < changed);
            plan.sets.push(changed);
        }
        plan
    }

    /// Returns true for a run with few objects, which shows that it works, not how fast it is.
    pub fn is_quick(&self) -> bool {
        self.arguments.quick
    }

    /// Returns true if one of these metrics is to be measured.
    pub fn wants(&self, metrics: &[&str]) -> bool {
        self.arguments.wants(metrics)
    }

    /// Returns the largest set of P4.
    pub fn largest_set(&self) -> usize {
        self.sets.last().copied().unwrap_or_default()
    }

    /// Returns the size of the set of P5 to P7.
    pub fn middle_set(&self) -> usize {
        self.sets.get(1).or(self.sets.first()).copied().unwrap_or_default()
    }

    /// Returns the largest burst.
    pub fn largest_burst(&self) -> usize {
        self.bursts.iter().copied().max().unwrap_or_default()
    }
}

/// Returns the longest wait for the arrival of `objects`. Only a loss or an overloaded machine
/// exceeds it.
pub fn patience(objects: usize) -> Duration {
    Duration::from_secs(120 + objects as u64 / 10)
}
