//! The agent against a model of disk, source and Icinga.

use super::facts::*;
use super::*;
use crate::api::agent_report::{AgentReport, HeldContent};
use crate::snapshot::HeldFile;
use std::collections::{BTreeMap, BTreeSet};

/// What the modelled Icinga thinks of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Faith {
    Fine,
    /// The validator crashes.
    Crash,
    /// The validator accepts it, and the new process dies.
    DiesAtRun,
    /// The validator accepts it, the new worker dies, and the old one stays.
    NotLoaded,
}

struct World {
    agent: Agent,
    now: Duration,
    trees: BTreeMap<String, Tree>,
    active: Option<String>,
    memory: Memory,
    /// The newest set of the source.
    source: BTreeMap<String, String>,
    revision: u64,
    /// Marker of the tree that Icinga runs. None if it is down.
    running: Option<String>,
    is_up: bool,
    faith: Faith,
    /// Keys whose content Icinga refuses, with that content.
    bad: BTreeSet<(String, String)>,
    /// Content by digest.
    texts: BTreeMap<Digest, String>,
    /// Trees that the validator has accepted.
    accepted: BTreeSet<String>,
    effects: Vec<Effect>,
    validations: usize,
    reloads: usize,
    /// Reloads that are lost.
    lost_reloads: usize,
    log: Vec<String>,
    confirmed: Option<Digest>,
    /// End of the present wait.
    wake: Option<Duration>,
}

impl World {
    fn new() -> Self {
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
            wake: None,
        }
    }

    /// Publishes a set with these files.
    fn publish(&mut self, files: &[(&str, &str)]) {
        self.revision += 1;
        self.source = files.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let wanted = Wanted::Set(self.wanted_set());
        self.agent.want(wanted, self.now);
    }

    fn wanted_set(&self) -> WantedSet {
        WantedSet {
            revision: Revision { term: 1, counter: self.revision },
            digest: Digest::of(format!("{:?}", self.source).as_bytes()),
            version: self.revision.to_string(),
            shrink_confirmed: self.confirmed,
        }
    }

    /// Kills the agent, and starts another one on the same disk.
    fn restart_agent(&mut self) {
        self.agent = agent();
        if self.revision > 0 {
            let wanted = Wanted::Set(self.wanted_set());
            self.agent.want(wanted, self.now);
        }
        self.run_from(Input::Looked(Ok(self.found())));
    }

    fn found(&self) -> Found {
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
    fn start_icinga(&mut self) {
        self.is_up = true;
        self.load();
    }

    /// Icinga loads what the include file names.
    fn load(&mut self) {
        let Some(active) = self.active.clone() else { return };
        assert!(self.accepted.contains(&active), "Icinga loads {active}, which nobody validated");
        match self.faith {
            Faith::DiesAtRun if self.is_at_fault(&active) => (self.is_up, self.running) = (false, None),
            Faith::NotLoaded if self.is_at_fault(&active) => {}
            _ => self.running = Some(self.trees[&active].set.marker.clone()),
        }
    }

    /// True if the tree has a file with the text "fault".
    fn is_at_fault(&self, tree: &str) -> bool {
        self.trees[tree].files.values().any(|file| self.texts[&file.digest] == "fault")
    }

    fn step(&mut self, input: Input) -> Task {
        let moment = Moment { now: self.now, unix: 1_000, random: 0.5 };
        let task = self.agent.step(input, &moment);
        self.effects.extend(self.agent.take_effects());
        assert_eq!(
            self.agent.active().map(|tree| tree.name.to_string()),
            self.active,
            "the agent believes another tree to be active"
        );
        self.log.push(format!("{:?} {}", self.now, format!("{task:?}").chars().take(60).collect::<String>()));
        task
    }

    /// Carries out a task; None if it is a wait.
    fn execute(&mut self, task: Task) -> Option<Input> {
        Some(match task {
            Task::Wait(until) => {
                self.wake = until;
                return None;
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
                self.active = Some(tree.name.to_string());
                Input::Switched(Ok(()))
            }
            Task::Reload => {
                self.reloads += 1;
                if !self.is_up {
                    return Some(Input::Reloaded(Err("no process".into())));
                }
                if self.lost_reloads > 0 {
                    self.lost_reloads -= 1;
                } else {
                    self.load();
                }
                Input::Reloaded(Ok(()))
            }
            Task::Probe => Input::Probed(match (&self.running, self.is_up) {
                (_, false) => Probe::Silent("refused".into()),
                (Some(marker), true) => Probe::Marker(marker.clone()),
                (None, true) => Probe::NoMarker("404".into()),
            }),
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

    fn run_from(&mut self, input: Input) {
        let mut task = self.step(input);
        for _ in 0..10_000 {
            let Some(next) = self.execute(task) else { return };
            task = self.step(next);
        }
        panic!("the agent never waits: {:#?}", &self.log[self.log.len() - 20..]);
    }

    /// Lets time pass.
    fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..100_000 {
            match self.wake.filter(|wake| *wake < end) {
                Some(wake) => self.now = self.now.max(wake),
                None => break,
            }
            self.run_from(Input::Woken);
        }
        self.now = end;
        self.run_from(Input::Woken);
    }

    fn report(&self) -> AgentReport {
        self.agent.report("r2.16.5")
    }

    fn result(&self) -> AgentResult {
        self.report().result
    }

    /// Returns the files that Icinga runs.
    fn runs(&self) -> BTreeMap<String, String> {
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
fn loaded(files: &[(&str, &str)]) -> World {
    let mut world = World::new();
    world.restart_agent();
    world.publish(files);
    world.pass(1);
    world.start_icinga();
    world.pass(30);
    assert_eq!(world.result(), AgentResult::Loaded, "{:#?}", world.report());
    world
}

fn map(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn icinga_may_start_only_once_a_validated_tree_is_in_place() {
    let mut world = World::new();
    world.restart_agent();
    world.pass(60);
    assert!(!world.agent.has_tree());
    assert_eq!(world.result(), AgentResult::Waiting);
    world.publish(&[("a.x.conf", "1")]);
    world.pass(1);
    assert!(world.agent.has_tree());
    assert_ne!(world.result(), AgentResult::Loaded, "nobody has proved anything");
    world.pass(3600);
    assert_eq!(world.result(), AgentResult::Unproved);
    world.start_icinga();
    world.pass(2);
    assert_eq!(world.result(), AgentResult::Loaded);
    assert_eq!(world.report().running.unwrap().revision, "1.1");
}

#[test]
fn a_change_is_loaded_and_of_several_only_the_newest() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(5);
    assert_eq!((world.runs(), world.result()), (map(&[("a.x.conf", "2")]), AgentResult::Loaded));
    let reloads = world.reloads;
    for text in ["3", "4", "5"] {
        world.publish(&[("a.x.conf", text)]);
    }
    world.pass(60);
    assert_eq!(world.runs(), map(&[("a.x.conf", "5")]));
    assert_eq!(world.reloads, reloads + 1);
    // The previous tree stays for a person; older ones go.
    assert_eq!(world.trees.len(), 2);
}

#[test]
fn nothing_is_loaded_again_while_nothing_changes_whoever_restarts() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    let (validations, reloads) = (world.validations, world.reloads);
    world.restart_agent();
    world.pass(3600);
    world.revision += 1;
    let same = Wanted::Set(world.wanted_set());
    world.agent.want(same, world.now);
    world.pass(3600);
    assert_eq!((world.validations, world.reloads), (validations, reloads));
    // The same content at a newer revision is loaded already.
    assert_eq!(world.report().running.unwrap().revision, "1.2");
    assert_eq!(world.result(), AgentResult::Loaded);
}

#[test]
fn a_refused_object_keeps_its_bytes_and_the_others_are_loaded() {
    let mut world = loaded(&[("a.x.conf", "1"), ("a.y.conf", "1")]);
    world.bad.insert(("a.x.conf".into(), "2".into()));
    world.bad.insert(("a.z.conf".into(), "2".into()));
    world.publish(&[("a.x.conf", "2"), ("a.y.conf", "2"), ("a.z.conf", "2")]);
    world.pass(5);
    assert_eq!(world.runs(), map(&[("a.x.conf", "1"), ("a.y.conf", "2")]));
    let report = world.report();
    assert_eq!(report.result, AgentResult::LoadedInPart);
    let held: Vec<_> = report.held.iter().map(|held| (held.object.as_str(), held.content)).collect();
    assert_eq!(held, [("a/x", HeldContent::Previous), ("a/z", HeldContent::LeftOut)]);
    // A restart forgets none of it.
    world.restart_agent();
    world.pass(60);
    assert_eq!(world.report().held.len(), 2);
    // A good revision heals everything.
    world.publish(&[("a.x.conf", "3"), ("a.y.conf", "2"), ("a.z.conf", "3")]);
    world.pass(60);
    assert_eq!((world.result(), world.report().held.len()), (AgentResult::Loaded, 0));
}

#[test]
fn a_set_on_which_the_validator_crashes_is_not_loaded_and_tried_again_seldom() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.faith = Faith::Crash;
    world.publish(&[("a.x.conf", "fault")]);
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Rejected, map(&[("a.x.conf", "1")])));
    let before = world.validations;
    world.pass(3600);
    assert!((before + 2..before + 8).contains(&world.validations), "{} {before}", world.validations);
    // The cause was somebody else's file, and is gone.
    world.faith = Faith::Fine;
    world.pass(3700);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "fault")])));
}

#[test]
fn a_fault_that_shows_only_when_icinga_runs_brings_the_last_good_set_back() {
    for faith in [Faith::DiesAtRun, Faith::NotLoaded] {
        let mut world = loaded(&[("a.x.conf", "1")]);
        world.faith = faith;
        world.publish(&[("a.x.conf", "fault")]);
        world.pass(60);
        let active = world.active.clone().unwrap();
        assert_eq!(world.trees[&active].files.len(), 1);
        assert!(!world.is_at_fault(&active), "{faith:?}");
        assert_eq!(world.result(), AgentResult::Rejected, "{faith:?}");
        // Somebody starts it again: it has the last good set.
        world.start_icinga();
        world.pass(30);
        assert_eq!(world.runs(), map(&[("a.x.conf", "1")]), "{faith:?}");
        assert_eq!(world.report().running.unwrap().revision, "1.1");
        // Also after a restart the set is not tried at once.
        let validations = world.validations;
        world.restart_agent();
        world.pass(60);
        assert_eq!(world.validations, validations);
        world.publish(&[("a.x.conf", "2")]);
        world.pass(60);
        assert_eq!(world.result(), AgentResult::Loaded);
    }
}

#[test]
fn an_icinga_that_was_killed_just_before_a_change_is_no_fault_of_the_set() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    (world.is_up, world.running) = (false, None);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(120);
    assert_eq!(world.result(), AgentResult::Unproved);
    assert_eq!(world.memory.refused, None);
    world.start_icinga();
    world.pass(10);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn an_icinga_that_cannot_start_with_a_set_starts_with_the_last_good_one() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    (world.is_up, world.running, world.faith) = (false, None, Faith::DiesAtRun);
    world.publish(&[("a.x.conf", "fault")]);
    // Somebody starts it again and again.
    for _ in 0..40 {
        world.pass(30);
        if !world.is_up {
            world.start_icinga();
        }
    }
    world.pass(60);
    // With an Icinga that answers, the set was tried once more, and refused by name.
    assert_eq!(world.result(), AgentResult::Rejected, "{:?}", world.log);
    assert_eq!(world.runs(), map(&[("a.x.conf", "1")]));
}

#[test]
fn a_damaged_tree_is_replaced_by_the_last_good_one_and_built_again() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    let active = world.active.take().unwrap();
    world.memory.good = world.memory.previous.clone();
    world.trees.remove(&active);
    world.restart_agent();
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn a_lost_reload_is_repeated_and_a_foreign_configuration_replaced() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.lost_reloads = 1;
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    assert_eq!(world.result(), AgentResult::Loaded);
    // Somebody removed the include and reloaded.
    world.running = None;
    let is_noticed = (0..12).any(|_| {
        world.pass(1);
        world.result() == AgentResult::Unproved
    });
    assert!(is_noticed);
    world.pass(60);
    assert_eq!((world.result(), world.runs()), (AgentResult::Loaded, map(&[("a.x.conf", "2")])));
}

#[test]
fn a_set_that_removes_most_objects_waits_for_a_person() {
    let keys: Vec<String> = (0..30).map(|n| format!("a.h{n}.conf")).collect();
    let all: Vec<_> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    let mut world = loaded(&all);
    world.publish(&all[..5]);
    world.pass(3600);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Held, 30));
    assert!(world.report().message.contains("25 of 30"), "{}", world.report().message);
    world.confirmed = Some(world.wanted_set().digest);
    let confirmed = Wanted::Set(world.wanted_set());
    world.agent.want(confirmed, world.now);
    world.run_from(Input::Woken);
    world.pass(60);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Loaded, 5));
}

#[test]
fn without_a_pointer_the_set_stays_for_an_hour() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.agent.want(Wanted::Gone, world.now);
    world.run_from(Input::Woken);
    world.pass(3500);
    assert_eq!((world.result(), world.runs().len()), (AgentResult::Waiting, 1));
    assert!(world.report().message.contains("60 minutes"));
    world.pass(200);
    assert_eq!(world.runs().len(), 0);
}

#[test]
fn an_older_revision_and_an_impossible_one_are_not_loaded() {
    let mut world = loaded(&[("a.x.conf", "1")]);
    world.revision = 5;
    world.publish(&[("a.x.conf", "2")]);
    world.pass(60);
    for revision in [Revision { term: 1, counter: 3 }, Revision { term: 1_000_000, counter: 1 }] {
        let set = WantedSet { revision, digest: Digest::of(b"forged"), ..world.wanted_set() };
        world.agent.want(Wanted::Set(set), world.now);
        world.run_from(Input::Woken);
        world.pass(60);
        assert_eq!((world.result(), world.runs()), (AgentResult::Rejected, map(&[("a.x.conf", "2")])));
    }
}

/// Kills the agent before and after every task, with every kind of change on its way.
#[test]
fn an_agent_that_is_killed_at_any_task_leaves_a_whole_tree_and_goes_on() {
    for kill_at in 0..60 {
        for is_after in [false, true] {
            let mut world = loaded(&[("a.x.conf", "1"), ("a.y.conf", "1")]);
            world.bad.insert(("a.x.conf".into(), "2".into()));
            world.publish(&[("a.x.conf", "2"), ("a.y.conf", "2")]);
            let mut task = world.step(Input::Woken);
            for _ in 0..kill_at {
                match world.execute(task) {
                    Some(input) => task = world.step(input),
                    None => {
                        world.now += Duration::from_millis(100);
                        task = world.step(Input::Woken);
                    }
                }
            }
            if is_after {
                let _ = world.execute(task);
            }
            // Whatever happens now, Icinga may start: the include file names a validated tree.
            world.start_icinga();
            world.restart_agent();
            world.pass(120);
            assert_eq!(world.result(), AgentResult::LoadedInPart, "{kill_at} {is_after}");
            assert_eq!(world.runs(), map(&[("a.x.conf", "1"), ("a.y.conf", "2")]));
        }
    }
}
