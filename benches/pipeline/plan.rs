//! What is measured, and with how many objects.

use crate::shared::arguments::Arguments;
use std::path::PathBuf;
use std::time::Duration;

/// Sizes of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    arguments: Arguments,
    /// Where the volume is; a temporary directory if not given.
    pub volume: Option<PathBuf>,
    /// How often null operator and Groundlink take turns.
    pub rounds: usize,
    /// P1: objects per round.
    pub ready: usize,
    /// P2: objects with a pause between them.
    pub delivered: usize,
    /// P2: objects without a pause.
    pub back_to_back: usize,
    /// P3: sizes of the bursts. The smaller fits into layout Single, the larger does not.
    pub bursts: Vec<usize>,
    /// P4: sizes of the set; the target is about the last, and P5 to P7 play in the one in the middle.
    pub sets: Vec<usize>,
    /// P4: changes in each.
    pub changes: usize,
    /// P4: how long the operator is looked at while nothing happens.
    pub idle: Duration,
    /// P5: how often the satellite joins.
    pub joins: usize,
    /// P6: how long the satellite is away.
    pub away: Duration,
    /// P6: objects that change meanwhile; half as many are deleted.
    pub changed_while_away: usize,
    /// P7: objects per round.
    pub neighbours: usize,
    /// P8: how long the restarted operator is watched.
    pub watched: Duration,
    /// P9: objects.
    pub resident: usize,
}

impl Plan {
    /// The sizes that were asked for.
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
            // The 99th percentile of fewer is one unlucky object.
            neighbours: 150,
            // Longer than the time between two looks at a quiet satellite (30 s +-20 %).
            watched: Duration::from_secs(40),
            resident: 20_000,
            arguments,
        };
        if plan.arguments.quick {
            (plan.ready, plan.delivered, plan.back_to_back) = (25, 10, 10);
            (plan.bursts, plan.resident) = (vec![100, 300], 500);
            plan.watched = Duration::from_secs(5);
            (plan.sets, plan.changes, plan.idle) = (vec![100, 300, 1_000], 3, Duration::from_secs(2));
            (plan.joins, plan.away) = (2, Duration::from_secs(20));
            (plan.changed_while_away, plan.neighbours) = (40, 5);
        }
        plan.resident = plan.arguments.resident.unwrap_or(plan.resident);
        if let Some(changed) = plan.arguments.changed {
            plan.sets.retain(|count| *count < changed);
            plan.sets.push(changed);
        }
        plan
    }

    /// Few objects: shows that it works, not how fast it is.
    pub fn is_quick(&self) -> bool {
        self.arguments.quick
    }

    /// Whether one of these is to be measured.
    pub fn wants(&self, metrics: &[&str]) -> bool {
        self.arguments.wants(metrics)
    }

    /// The largest set of P4.
    pub fn largest_set(&self) -> usize {
        self.sets.last().copied().unwrap_or_default()
    }

    /// The set in which P5 to P7 play.
    pub fn middle_set(&self) -> usize {
        self.sets.get(1).or(self.sets.first()).copied().unwrap_or_default()
    }

    /// The largest burst.
    pub fn largest_burst(&self) -> usize {
        self.bursts.iter().copied().max().unwrap_or_default()
    }
}

/// Longest wait for `objects` to arrive somewhere: only a loss, or a machine that does something else, reaches it.
pub fn patience(objects: usize) -> Duration {
    Duration::from_secs(120 + objects as u64 / 10)
}
