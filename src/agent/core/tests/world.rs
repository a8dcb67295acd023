//! A model of the disk, the source and Icinga, which carries out the tasks of an agent.

use crate::agent::core::facts::*;
use crate::agent::core::*;
use crate::api::agent_report::AgentReport;
use crate::snapshot::HeldFile;
use std::collections::{BTreeMap, BTreeSet};

/// What the modelled Icinga thinks of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Faith {
    Fine,
    /// The validator crashes.
    Crash,
    /// Somebody kills the validator, so many times.
    Killed(u32),
    /// The validator accepts it, and the new process dies.
    DiesAtRun,
    /// The validator accepts it, the new worker dies, and the old one stays.
    NotLoaded,
}

pub struct World {
    pub agent: Agent,
    pub now: Duration,
    pub trees: BTreeMap<String, Tree>,
    pub active: Option<String>,
    pub memory: Memory,
    /// The newest set of the source.
    pub source: BTreeMap<String, String>,
    pub revision: u64,
    /// Marker of the tree that Icinga runs. None if it is down.
    pub running: Option<String>,
    pub is_up: bool,
    pub faith: Faith,
    /// Keys whose content Icinga refuses, with that content.
    pub bad: BTreeSet<(String, String)>,
    /// Content by digest.
    pub texts: BTreeMap<Digest, String>,
    /// Trees that the validator has accepted.
    pub accepted: BTreeSet<String>,
    pub effects: Vec<Effect>,
    pub validations: usize,
    pub reloads: usize,
    /// Reloads that are lost.
    pub lost_reloads: usize,
    pub log: Vec<String>,
    pub confirmed: Option<Digest>,
    /// Trees that cannot be built.
    pub failing_builds: usize,
    /// Looks at the disk that fail.
    pub failing_looks: usize,
    /// The next switch fails. True if the include file names the new tree nevertheless.
    pub failing_switch: Option<bool>,
    /// How long Icinga loads, and until when it does.
    pub load_time: Duration,
    pub loads_until: Option<Duration>,
    /// End of the present wait.
    pub wake: Option<Duration>,
}

impl World {
    pub fn new() -> Self {
        Self {
            agent: agent(),
            now: Duration::from_secs(1),
            trees: BTreeMap::new(),
            active: None,
            memory: Memory::default(),
            source: BTreeMap::new(),
            revision: 0,
            running: None,
            is_up: false,
            faith: Faith::Fine,
            bad: BTreeSet::new(),
            texts: BTreeMap::new(),
            accepted: BTreeSet::new(),
            effects: Vec::new(),
            validations: 0,
            reloads: 0,
            lost_reloads: 0,
            log: Vec::new(),
            confirmed: None,
            failing_builds: 0,
            failing_looks: 0,
            failing_switch: None,
            load_time: Duration::ZERO,
            loads_until: None,
            wake: None,
        }
    }

    /// Publishes a set with these files.
    pub fn publish(&mut self, files: &[(&str, &str)]) {
        self.revision += 1;
        self.source = files.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let wanted = Wanted::Set(self.wanted_set());
        self.agent.want(wanted, self.now);
    }

    pub fn wanted_set(&self) -> WantedSet {
        WantedSet {
            revision: Revision { term: 1, counter: self.revision },
            digest: Digest::of(format!("{:?}", self.source).as_bytes()),
            version: self.revision.to_string(),
            shrink_confirmed: self.confirmed,
        }
    }

    /// Kills the agent, and starts another one on the same disk.
    pub fn restart_agent(&mut self) {
        self.agent = agent();
        if self.revision > 0 {
            let wanted = Wanted::Set(self.wanted_set());
            self.agent.want(wanted, self.now);
        }
        self.run_from(Input::Woken);
    }

    pub fn found(&self) -> Found {
        let whole = |name: &String| self.trees.get(name).cloned();
        Found {
            active: self.active.as_ref().and_then(whole),
            good: self
                .memory
                .good
                .as_ref()
                .filter(|good| Some(*good) != self.active.as_ref())
                .and_then(whole),
            memory: self.memory.clone(),
        }
    }

    /// Icinga starts, as somebody else starts it.
    pub fn start_icinga(&mut self) {
        self.is_up = true;
        self.load();
    }

    /// Icinga loads what the include file names.
    pub fn load(&mut self) {
        let Some(active) = self.active.clone() else { return };
        assert!(self.accepted.contains(&active), "Icinga loads {active}, which nobody validated");
        match self.faith {
            Faith::DiesAtRun if self.is_at_fault(&active) => (self.is_up, self.running) = (false, None),
            Faith::NotLoaded if self.is_at_fault(&active) => {}
            _ => self.running = Some(self.trees[&active].set.marker.clone()),
        }
    }

    /// True if the tree has a file with the text "fault".
    pub fn is_at_fault(&self, tree: &str) -> bool {
        self.trees[tree].files.values().any(|file| self.texts[&file.digest] == "fault")
    }

    pub fn step(&mut self, input: Input) -> Task {
        let moment = Moment { now: self.now, unix: 1_000, random: 0.5 };
        let task = self.agent.step(input, &moment);
        self.effects.extend(self.agent.take_effects());
        if self.agent.has_looked {
            let believed = self.agent.active().map(|tree| tree.name.to_string());
            assert_eq!(believed, self.active, "the agent believes another tree to be active");
        }
        self.log.push(format!("{:?} {}", self.now, format!("{task:?}").chars().take(60).collect::<String>()));
        task
    }

    /// Carries out a task; None if it is a wait.
    pub fn execute(&mut self, task: Task) -> Option<Input> {
        Some(match task {
            Task::Wait(until) => {
                self.wake = until;
                return None;
            }
            Task::Look if self.failing_looks > 0 => {
                self.failing_looks -= 1;
                Input::Looked(Err("input/output error".into()))
            }
            Task::Look => Input::Looked(Ok(self.found())),
            Task::Fetch => {
                let files = self.source.iter().map(|(key, text)| {
                    let digest = Digest::of(text.as_bytes());
                    (key.clone(), HeldFile { digest, size: text.len() })
                });
                let files: BTreeMap<_, _> = files.collect();
                for text in self.source.values() {
                    self.texts.insert(Digest::of(text.as_bytes()), text.clone());
                }
                Input::Fetched(Ok(Offer { set: self.wanted_set(), files: files.into() }))
            }
            Task::Build(_) if self.failing_builds > 0 => {
                self.failing_builds -= 1;
                Input::Built(Err("no space left".into()))
            }
            Task::Build(plan) => {
                assert!(!self.trees.contains_key(&*plan.name), "a tree of this name exists");
                for (key, (file, from)) in &plan.files {
                    let is_there = match from {
                        Content::Wanted => Digest::of(self.source[key].as_bytes()) == file.digest,
                        Content::Good => self.agent.good().unwrap().files[key] == *file,
                    };
                    assert!(is_there, "{key} has another content there");
                }
                let files: BTreeMap<_, _> =
                    plan.files.into_iter().map(|(key, (file, _))| (key, file)).collect();
                let tree = Tree { name: plan.name.clone(), set: plan.set, files: files.into() };
                self.trees.insert(plan.name.to_string(), tree.clone());
                Input::Built(Ok(tree))
            }
            Task::Validate(tree) => {
                self.validations += 1;
                if self.faith == Faith::Crash && self.is_at_fault(&tree.name) {
                    return Some(Input::Validated(Verdict::Crashed("signal 11".into())));
                }
                if let Faith::Killed(left @ 1..) = self.faith {
                    self.faith = Faith::Killed(left - 1);
                    return Some(Input::Validated(Verdict::Killed("signal 9".into())));
                }
                let is_bad = |(key, file): &(&String, &HeldFile)| {
                    self.bad.contains(&((*key).clone(), self.texts[&file.digest].clone()))
                };
                let blamed = tree.files.iter().filter(is_bad);
                let keys: BTreeMap<_, _> =
                    blamed.map(|(key, _)| (key.clone(), format!("{key} is bad"))).collect();
                Input::Validated(if keys.is_empty() {
                    self.accepted.insert(tree.name.to_string());
                    Verdict::Accepted
                } else {
                    Verdict::Refused(Blame { keys, others: Vec::new() })
                })
            }
            Task::Switch(tree) => {
                assert!(self.trees.contains_key(&*tree.name), "the tree is gone");
                let failing = self.failing_switch.take();
                if failing != Some(false) {
                    self.active = Some(tree.name.to_string());
                }
                Input::Switched(failing.map_or(Ok(()), |_| Err("no space left".into())))
            }
            Task::Reload => {
                self.reloads += 1;
                if !self.is_up {
                    return Some(Input::Reloaded(Err("no process".into())));
                }
                if self.lost_reloads > 0 {
                    self.lost_reloads -= 1;
                } else {
                    self.loads_until = Some(self.now + self.load_time);
                }
                Input::Reloaded(Ok(()))
            }
            Task::Probe => {
                if self.loads_until.is_some_and(|until| until <= self.now) {
                    self.loads_until = None;
                    self.load();
                }
                Input::Probed(match (&self.running, self.is_up) {
                    (_, false) => Probe::Silent("refused".into()),
                    (Some(marker), true) => Probe::Marker(marker.clone()),
                    (None, true) => Probe::NoMarker("404".into()),
                })
            }
            Task::Remember(memory, keep) => {
                self.memory = memory;
                self.trees.retain(|name, _| keep.iter().any(|kept| **kept == *name));
                let active = self.active.as_ref();
                assert!(
                    active.is_none_or(|active| self.trees.contains_key(active)),
                    "the active tree is removed"
                );
                Input::Remembered(Ok(()))
            }
            Task::Check { .. } => {
                Input::Checked(Ok(Checked { checkables: 3, overdue: 1, first: Some("h".into()) }))
            }
        })
    }

    pub fn run_from(&mut self, input: Input) {
        let mut task = self.step(input);
        for _ in 0..10_000 {
            let Some(next) = self.execute(task) else { return };
            task = self.step(next);
        }
        panic!("the agent never waits: {:#?}", &self.log[self.log.len() - 20..]);
    }

    /// Lets time pass.
    pub fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        let mut woken = 0;
        while let Some(wake) = self.wake.filter(|wake| *wake < end) {
            woken += 1;
            assert!(woken < 100 + 100 * seconds, "the agent spins");
            self.now = self.now.max(wake);
            self.run_from(Input::Woken);
        }
        self.now = end;
        self.run_from(Input::Woken);
    }

    pub fn report(&self) -> AgentReport {
        self.agent.report("r2.16.5")
    }

    pub fn result(&self) -> AgentResult {
        self.report().result
    }

    /// Returns the files that Icinga runs.
    pub fn runs(&self) -> BTreeMap<String, String> {
        let marker = self.running.as_deref().unwrap_or_default();
        let tree = self.trees.values().find(|tree| tree.set.marker == marker);
        let files = tree.into_iter().flat_map(|tree| tree.files.iter());
        files.map(|(key, file)| (key.clone(), self.texts[&file.digest].clone())).collect()
    }
}

fn agent() -> Agent {
    static BOOT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    Agent::new(Settings {
        pointer: "groundlink".into(),
        source: "ConfigMap icinga/groundlink".into(),
        confirm: "confirm".into(),
        keep_after_deletion: Duration::from_hours(1),
        boot: format!("{:08x}", BOOT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)),
    })
}

/// A world in which Icinga runs these files.
pub fn loaded(files: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.restart_agent();
    world.publish(files);
    world.pass(1);
    world.start_icinga();
    world.pass(30);
    assert_eq!(world.result(), AgentResult::Loaded, "{:#?}", world.report());
    world
}

pub fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

/// A linear congruential generator; its high bits are good enough here.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}
