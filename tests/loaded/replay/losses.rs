//! What a satellite's Icinga lists, next to what is declared, and the ledger of what went wrong.

use super::schedule::Moment;
use super::side::Hosts;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How an object is wrong on a satellite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Declared, but not there.
    Missing,
    /// Deleted, but there.
    Undead,
    /// There with a value of before.
    Stale,
}

/// One object that is wrong on a satellite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loss {
    pub kind: Kind,
    pub host: String,
}

/// Compares what is declared with what is listed.
pub fn difference(declared: &Hosts, listed: &Hosts) -> BTreeSet<Loss> {
    let mut found = BTreeSet::new();
    for (host, address) in declared {
        let kind = match listed.get(host) {
            None => Kind::Missing,
            Some(listed) if listed != address => Kind::Stale,
            Some(_) => continue,
        };
        found.insert(Loss { kind, host: host.clone() });
    }
    let undead = listed.keys().filter(|host| !declared.contains_key(*host));
    found.extend(undead.map(|host| Loss { kind: Kind::Undead, host: host.clone() }));
    found
}

/// A loss, with the round after which it was found.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    round: usize,
    #[serde(flatten)]
    loss: Loss,
    /// What was under way when the object was touched in this round. None if it was not.
    moment: Option<Moment>,
    /// True if the hub itself has the object right, so that it was lost on the way.
    is_right_on_the_hub: bool,
}

/// What one side did in a run.
#[derive(Clone, Debug, Serialize)]
pub struct Ledger {
    pub side: &'static str,
    records: Vec<Record>,
    /// What is wrong now.
    wrong: BTreeSet<Loss>,
    /// Seconds until right, of each round after which nothing more was wrong than before it.
    seconds: Vec<f64>,
    rounds_with_a_loss: usize,
    /// Losses that were right after a later round, although nobody touched the object since.
    right_later: usize,
}

/// The round and the moment of the last step with each object.
pub type Touched = BTreeMap<String, (usize, Moment)>;

impl Ledger {
    pub fn new(side: &'static str) -> Self {
        let (records, wrong, seconds) = (Vec::new(), BTreeSet::new(), Vec::new());
        Self { side, records, wrong, seconds, rounds_with_a_loss: 0, right_later: 0 }
    }

    /// Returns what is wrong since an earlier round, or was when it was last looked at.
    pub fn wrong(&self) -> &BTreeSet<Loss> {
        &self.wrong
    }

    /// Takes the end of a round after which nothing is wrong that was right before.
    pub fn right(&mut self, round: usize, wrong: BTreeSet<Loss>, touched: &Touched, took: Duration) {
        self.now_wrong(round, wrong, touched);
        self.seconds.push(took.as_secs_f64());
    }

    /// Takes what is wrong at the deadline of a round.
    pub fn lost(
        &mut self,
        round: usize,
        wrong: BTreeSet<Loss>,
        touched: &Touched,
        is_right_on_the_hub: impl Fn(&Loss) -> bool,
    ) {
        for loss in wrong.difference(&self.wrong) {
            let touched = touched.get(&loss.host).filter(|(last, _)| *last == round);
            self.records.push(Record {
                round,
                loss: loss.clone(),
                moment: touched.map(|(_, moment)| *moment),
                is_right_on_the_hub: is_right_on_the_hub(loss),
            });
        }
        self.now_wrong(round, wrong, touched);
        self.rounds_with_a_loss += 1;
    }

    fn now_wrong(&mut self, round: usize, wrong: BTreeSet<Loss>, touched: &Touched) {
        let is_left_alone = |loss: &&Loss| touched.get(&loss.host).is_none_or(|(last, _)| *last < round);
        self.right_later += self.wrong.difference(&wrong).filter(is_left_alone).count();
        self.wrong = wrong;
    }

    /// Returns the number of losses of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        self.records.iter().filter(|record| record.loss.kind == kind).count()
    }

    /// Returns the number of losses that the hub itself has, too.
    pub fn of_the_hub(&self) -> usize {
        self.records.iter().filter(|record| !record.is_right_on_the_hub).count()
    }

    /// Returns the number of losses by kind, and by what was under way.
    pub fn by_moment(&self) -> BTreeMap<(Kind, Option<Moment>), usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry((record.loss.kind, record.moment)).or_default() += 1;
        }
        counts
    }

    /// Returns the number of losses that were right after a later round, untouched.
    pub fn right_later(&self) -> usize {
        self.right_later
    }

    pub fn rounds_with_a_loss(&self) -> usize {
        self.rounds_with_a_loss
    }

    /// Returns a percentile of the seconds until right, by nearest rank. NaN without a round.
    pub fn seconds(&self, percent: usize) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (percent * sorted.len()).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

#[test]
fn each_kind_is_found_and_counted_once() {
    let hosts = |pairs: &[(&str, &str)]| -> Hosts {
        pairs.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect()
    };
    let declared = hosts(&[("a", "1"), ("b", "2"), ("c", "3")]);
    let found = difference(&declared, &hosts(&[("b", "1"), ("c", "3"), ("d", "4")]));
    let loss = |kind, host: &str| Loss { kind, host: host.into() };
    let wanted = [loss(Kind::Missing, "a"), loss(Kind::Undead, "d"), loss(Kind::Stale, "b")];
    assert_eq!(found, wanted.into());
    assert_eq!(difference(&declared, &declared), BTreeSet::new());

    let mut ledger = Ledger::new("a side");
    let touched = [("a".to_owned(), (1, Moment::Away)), ("b".to_owned(), (0, Moment::Away))].into();
    ledger.lost(1, found.clone(), &touched, |loss| loss.host == "a");
    ledger.lost(2, found, &touched, |_| true);
    assert_eq!([Kind::Missing, Kind::Undead, Kind::Stale].map(|kind| ledger.count(kind)), [1, 1, 1]);
    assert_eq!((ledger.rounds_with_a_loss(), ledger.of_the_hub()), (2, 2));
    assert_eq!(ledger.by_moment()[&(Kind::Missing, Some(Moment::Away))], 1);
    assert_eq!(ledger.by_moment()[&(Kind::Stale, None)], 1);
    let touched = [("a".to_owned(), (3, Moment::Connected))].into();
    ledger.right(3, BTreeSet::new(), &touched, Duration::from_secs(2));
    assert!(ledger.wrong().is_empty() && ledger.seconds(50) == 2.0);
    assert_eq!(ledger.right_later(), 2, "b and d");
}
