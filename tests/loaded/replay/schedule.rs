//! What happens in each round. The seed alone decides it, so both sides get the same.

use super::losses::Touched;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// With more objects than this, more are deleted than created.
const MOST: usize = 40;
/// One of this many outages also corrects the object that was created in it.
const CORRECTED: u32 = 6;

/// A part that can be killed. Stock Icinga has no agent: its satellite is both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The operator; the master.
    Hub,
    /// The agent; the satellite.
    Agent,
    /// The satellite's Icinga 2.
    Icinga,
}

/// How the network between hub and satellite fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Connections end, and new ones are refused.
    Refusing,
    /// Connections stay open, but nothing passes. They end with the partition, as if a firewall had
    /// forgotten them.
    Silent,
}

/// What was under way when an object was last created, changed or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Nothing: the satellite was connected.
    Connected,
    /// A partition that refuses connections.
    Refusing,
    /// A partition in which nothing passes.
    Silent,
    /// An outage of the satellite.
    Away,
    /// The satellite started and connected.
    Connecting,
    /// A part was killed a moment later or earlier.
    Killed,
}

/// One step of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Create {
        name: String,
        address: String,
    },
    Change {
        name: String,
        address: String,
    },
    Delete {
        name: String,
    },
    Cut(Manner),
    Mend,
    Kill(Part),
    /// Starts parts, and does the steps meanwhile.
    Start {
        parts: Vec<Part>,
        meanwhile: Vec<Step>,
    },
    Pause(Duration),
}

/// How much was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub created: usize,
    pub changed: usize,
    pub deleted: usize,
    pub partitions: usize,
    pub outages: usize,
    pub killed: BTreeMap<Part, usize>,
}

/// Makes the rounds one after the other.
pub struct Schedule {
    rng: StdRng,
    /// The address of each host, by name.
    pub declared: BTreeMap<String, String>,
    /// The same before the current round.
    pub before: BTreeMap<String, String>,
    /// The round and the moment of the last step with a host.
    pub touched: Touched,
    pub counts: Counts,
    /// Names and addresses that were used.
    used: usize,
    round: usize,
}

impl Schedule {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            declared: BTreeMap::new(),
            before: BTreeMap::new(),
            touched: BTreeMap::new(),
            counts: Counts::default(),
            used: 0,
            round: 0,
        }
    }

    /// Returns the steps before the first round.
    pub fn first(&mut self) -> Vec<Step> {
        (0..6).map(|_| self.create(Moment::Connected)).collect()
    }

    /// Returns the steps of a round.
    pub fn round(&mut self, round: usize) -> Vec<Step> {
        self.round = round;
        self.before = self.declared.clone();
        let mut steps = vec![self.create(Moment::Connected), self.create(Moment::Connected)];
        steps.push(self.change(Moment::Connected));
        self.partition(&mut steps);
        self.outage(&mut steps);
        if round.is_multiple_of(3) {
            self.kill(&mut steps);
        }
        steps
    }

    /// Objects are deleted while hub and satellite cannot reach each other.
    fn partition(&mut self, steps: &mut Vec<Step>) {
        let (manner, moment) = match self.rng.random() {
            true => (Manner::Refusing, Moment::Refusing),
            false => (Manner::Silent, Moment::Silent),
        };
        self.counts.partitions += 1;
        steps.push(Step::Cut(manner));
        for _ in 0..if self.declared.len() > MOST { 8 } else { 2 } {
            steps.push(self.delete(moment));
        }
        // Some are published before the satellite comes back, some after.
        steps.push(self.pause(800));
        steps.push(Step::Mend);
    }

    /// Objects are created and changed while Icinga, the agent or both are down, while they start,
    /// and while they connect.
    fn outage(&mut self, steps: &mut Vec<Step>) {
        let parts: &[Part] = match self.round % 3 {
            0 => &[Part::Agent, Part::Icinga],
            1 => &[Part::Icinga],
            _ => &[Part::Agent],
        };
        self.counts.outages += 1;
        steps.extend(parts.iter().map(|part| Step::Kill(*part)));
        let created = self.create(Moment::Away);
        if let Step::Create { name, .. } = &created
            && self.rng.random_ratio(1, CORRECTED)
        {
            let name = name.clone();
            let corrected = self.change_of(name, Moment::Away);
            steps.extend([created, corrected]);
        } else {
            steps.push(created);
        }
        steps.extend([self.change(Moment::Away), self.change(Moment::Away)]);
        steps.push(self.pause(1500));
        let mut meanwhile = Vec::new();
        for _ in 0..3 {
            meanwhile.push(self.create(Moment::Connecting));
            meanwhile.push(self.pause(4000));
        }
        steps.push(Step::Start { parts: parts.to_vec(), meanwhile });
        steps.push(self.change(Moment::Connecting));
    }

    /// A part dies at a random moment of a load.
    fn kill(&mut self, steps: &mut Vec<Step>) {
        let part = [Part::Icinga, Part::Agent, Part::Hub][self.round / 3 % 3];
        *self.counts.killed.entry(part).or_default() += 1;
        steps.extend([self.create(Moment::Killed), self.change(Moment::Killed), self.pause(1500)]);
        steps.push(Step::Kill(part));
        let meanwhile = if part == Part::Hub { vec![self.change(Moment::Killed)] } else { Vec::new() };
        steps.push(Step::Start { parts: vec![part], meanwhile });
    }

    fn pause(&mut self, milliseconds: u64) -> Step {
        Step::Pause(Duration::from_millis(self.rng.random_range(0..milliseconds)))
    }

    fn new_address(&mut self) -> String {
        self.used += 1;
        format!("10.{}.{}.{}", self.used >> 16, (self.used >> 8) & 255, self.used & 255)
    }

    fn create(&mut self, moment: Moment) -> Step {
        let address = self.new_address();
        let name = format!("h{:05}", self.used);
        self.declared.insert(name.clone(), address.clone());
        self.touched.insert(name.clone(), (self.round, moment));
        self.counts.created += 1;
        Step::Create { name, address }
    }

    fn change(&mut self, moment: Moment) -> Step {
        let name = self.pick();
        self.change_of(name, moment)
    }

    fn change_of(&mut self, name: String, moment: Moment) -> Step {
        let address = self.new_address();
        self.declared.insert(name.clone(), address.clone());
        self.touched.insert(name.clone(), (self.round, moment));
        self.counts.changed += 1;
        Step::Change { name, address }
    }

    fn delete(&mut self, moment: Moment) -> Step {
        let name = self.pick();
        self.declared.remove(&name);
        self.touched.insert(name.clone(), (self.round, moment));
        self.counts.deleted += 1;
        Step::Delete { name }
    }

    fn pick(&mut self) -> String {
        let which = self.rng.random_range(0..self.declared.len());
        self.declared.keys().nth(which).expect("there are always some").clone()
    }
}

#[test]
fn a_seed_decides_the_rounds_and_each_third_round_kills() {
    let rounds = |seed| {
        let mut schedule = Schedule::new(seed);
        let mut rounds = vec![schedule.first()];
        rounds.extend((0..60).map(|round| schedule.round(round)));
        (rounds, schedule)
    };
    let ((one, schedule), (again, _), (other, _)) = (rounds(7), rounds(7), rounds(8));
    assert!(one == again && one != other);
    let counts = &schedule.counts;
    assert_eq!(counts.killed, BTreeMap::from([(Part::Hub, 6), (Part::Agent, 7), (Part::Icinga, 7)]));
    assert_eq!((counts.partitions, counts.outages), (60, 60));
    assert_eq!(schedule.declared.len(), counts.created - counts.deleted);
    assert!((6..=MOST + 8).contains(&schedule.declared.len()), "{}", schedule.declared.len());
    // Replayed by hand, the steps come to what is declared.
    let mut hosts = BTreeMap::new();
    let mut apply = |step: &Step| match step {
        Step::Create { name, address } => assert_eq!(hosts.insert(name.clone(), address.clone()), None),
        Step::Change { name, address } => assert!(hosts.insert(name.clone(), address.clone()).is_some()),
        Step::Delete { name } => assert!(hosts.remove(name).is_some()),
        _ => {}
    };
    for step in one.iter().flatten() {
        if let Step::Start { meanwhile, .. } = step {
            meanwhile.iter().for_each(&mut apply);
        }
        apply(step);
    }
    assert_eq!(hosts, schedule.declared);
    let wanted = [
        Moment::Connected,
        Moment::Refusing,
        Moment::Silent,
        Moment::Away,
        Moment::Connecting,
        Moment::Killed,
    ];
    for moment in wanted {
        assert!(schedule.touched.values().any(|(_, found)| *found == moment), "{moment:?}");
    }
}
