//! What is measured, and with how many objects.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

const USAGE: &str = "usage: pipeline [--quick] [--only P1,P2,P3,P8,P9,P11] [--volume DIR] [--resident N]";
const METRICS: [&str; 6] = ["P1", "P2", "P3", "P8", "P9", "P11"];

/// Sizes of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Few objects: shows that it works, not how fast it is.
    pub quick: bool,
    only: BTreeSet<String>,
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
    /// P3: sizes of the bursts. The largest must fit into layout Single.
    pub bursts: Vec<usize>,
    /// P8: how long the restarted operator is watched.
    pub watched: Duration,
    /// P9: objects.
    pub resident: usize,
}

impl Plan {
    /// From the command line. `cargo bench` adds `--bench`, which says nothing.
    ///
    /// # Errors
    /// The usage.
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self {
            quick: false,
            only: BTreeSet::new(),
            volume: None,
            rounds: 2,
            ready: 100,
            delivered: 100,
            back_to_back: 50,
            bursts: vec![1_000, 3_000],
            // Longer than the time between two looks at a quiet satellite (30 s +-20 %).
            watched: Duration::from_secs(40),
            resident: 20_000,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--quick" => plan.make_quick(),
                "--only" => {
                    let list = arguments.next().ok_or(USAGE)?;
                    plan.only = list.split(',').map(|name| name.trim().to_uppercase()).collect();
                    if let Some(unknown) = plan.only.iter().find(|name| !METRICS.contains(&name.as_str())) {
                        return Err(format!("{unknown} is not measured here\n{USAGE}"));
                    }
                }
                "--resident" => {
                    let number = arguments.next().and_then(|text| text.parse().ok());
                    plan.resident = number.filter(|number| *number >= 4).ok_or(USAGE)?;
                }
                "--volume" => plan.volume = Some(arguments.next().ok_or(USAGE)?.into()),
                other => return Err(format!("{other}?\n{USAGE}")),
            }
        }
        Ok(plan)
    }

    fn make_quick(&mut self) {
        self.quick = true;
        (self.ready, self.delivered, self.back_to_back) = (25, 10, 10);
        (self.bursts, self.resident) = (vec![100, 300], 500);
        self.watched = Duration::from_secs(5);
    }

    /// Whether one of these is to be measured.
    pub fn wants(&self, metrics: &[&str]) -> bool {
        self.only.is_empty() || metrics.iter().any(|metric| self.only.contains(*metric))
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
