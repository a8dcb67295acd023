//! The decisions of the agent: which set to load, when, and what to do if Icinga refuses it. State
//! in, tasks out; there is no client, no clock and no file system here.
//!
//! The way of a set, each step only after the one before it succeeded:
//!
//! ```text
//! fetch and verify -> build a tree beside the live one -> validate it with Icinga
//!   -> switch the include file -> reload -> proof by the running Icinga -> remember, report, collect
//! ```
//!
//! [`Agent::step`] takes the outcome of the last [`Task`] and returns the next one. Of several sets
//! that come while one is on its way, only the newest follows.

pub mod facts;
mod loading;
mod pace;
mod quarantine;
mod report;

use crate::api::agent_report::{AgentResult, Checked, Durations};
use crate::backoff::Backoff;
use crate::identity::{Digest, Revision, may_have_been};
use facts::{
    Deaths, Failure, FetchProblem, Found, Memory, Moment, Offer, Plan, Probe, Refusal, Tree, Verdict, Wanted,
    WantedSet,
};
use loading::Work;
use pace::Pace;
use std::sync::Arc;
use std::time::Duration;

/// How often the running Icinga is asked which tree it has, while all is well.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// The same while it has not proved the active tree.
const PROBE_SOON: Duration = Duration::from_secs(1);
/// How often Icinga is asked for hosts and services without a result.
const CHECK_EVERY: Duration = Duration::from_secs(60);
/// Probes in a row that must show another tree before Icinga is reloaded again.
const STRAYED: u32 = 3;
/// Shortest time between two reloads that bring Icinga back to the active tree.
const RESTORE_EVERY: Duration = Duration::from_mins(5);
/// Longest time that an Icinga which was down already may need to prove a new tree. After it, the
/// last good tree is put back.
const LONGEST_UNPROVED: Duration = Duration::from_mins(10);
/// Pause after a failure that may pass by itself.
const RETRY: Backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_secs(60) };
/// Pause before a refused set is tried again: the fault may be in a file of somebody else.
const REFUSED: Backoff = Backoff { base: Duration::from_mins(5), cap: Duration::from_hours(1) };

/// How often the validator must crash on a set before the set is refused. Icinga compiles on many
/// threads, so one crash proves little.
const MOST_CRASHES: u32 = 2;
/// How often in a row somebody else may end the validator before the set is refused. The set is not
/// why, but validating it again and again for nothing costs the machine.
const MOST_KILLS: u32 = 5;

/// What the agent may decide by.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the pointer, for reports.
    pub pointer: String,
    /// Where the set comes from, for messages: `ConfigMap icinga/groundlink`.
    pub source: String,
    /// How a person confirms a set that removes much, for messages; the digest follows.
    pub confirm: String,
    /// How long the set stays after its pointer is gone.
    pub keep_after_deletion: Duration,
    /// Eight random digits, so that no two processes make trees of one name.
    pub boot: String,
}

/// The next task of the driver.
#[derive(Clone, Debug)]
pub enum Task {
    /// Wait until this time, or until there is news of the source: [`Input::Woken`].
    Wait(Option<Duration>),
    /// Read what is on disk: [`Input::Looked`].
    Look,
    /// Fetch and verify the newest set: [`Input::Fetched`].
    Fetch,
    /// Build a tree: [`Input::Built`].
    Build(Plan),
    /// Let Icinga validate a tree: [`Input::Validated`].
    Validate(Tree),
    /// Let the include file name a tree, durably: [`Input::Switched`].
    Switch(Tree),
    /// Reload Icinga, so that it loads what the include file names: [`Input::Reloaded`].
    Reload,
    /// Ask the running Icinga which tree it has: [`Input::Probed`].
    Probe,
    /// Write the memory, durably, then remove every tree but these: [`Input::Remembered`].
    Remember(Memory, Vec<Arc<str>>),
    /// Ask Icinga for hosts and services without a result: [`Input::Checked`].
    Check {
        /// How long it has the tree.
        since: Duration,
        /// True if this tree was not asked about before.
        is_first: bool,
    },
}

/// The outcome of a task.
#[derive(Clone, Debug)]
pub enum Input {
    /// The time is over, or there is news of the source.
    Woken,
    /// What is on disk.
    Looked(Result<Found, String>),
    /// The set, verified.
    Fetched(Result<Offer, FetchProblem>),
    /// The tree.
    Built(Result<Tree, String>),
    /// The verdict of Icinga's validator.
    Validated(Verdict),
    /// If it failed, either tree may be the active one.
    Switched(Result<(), String>),
    /// Success proves only that Icinga took the request.
    Reloaded(Result<(), String>),
    /// The running tree.
    Probed(Probe),
    /// The memory is durable.
    Remembered(Result<(), String>),
    /// The checks.
    Checked(Result<Checked, String>),
}

/// Something that the log and the metrics should say.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Icinga proved that it runs a new tree.
    Loaded {
        /// Revision of the set.
        revision: String,
        /// Number of its files.
        objects: usize,
        /// Number of held objects.
        held: usize,
        /// How long it took.
        durations: Durations,
    },
    /// A set is not loaded.
    Refused(Refusal),
    /// The last good tree is active again.
    RolledBack,
    /// A step failed and is tried again.
    Failed(String),
    /// Icinga is reloaded with the active tree, because it ran another.
    Restored(String),
}

/// Whether the running Icinga has the active tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Proof {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It said so at the last probe.
    Proved,
    /// It answers, and has another tree or none; probes in a row that said so.
    Strayed(u32, String),
    /// It does not answer.
    Silent(String),
}

/// The agent.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    /// The newest word of the source. None before the first.
    wanted: Option<Wanted>,
    /// Why the source cannot be read at present.
    trouble: Option<String>,
    /// Since when there is no pointer.
    gone_since: Option<Duration>,
    /// True if it is known what is on disk.
    has_looked: bool,
    /// The tree that the include file names.
    active: Option<Tree>,
    /// Since when it is active, and not proved.
    active_since: Duration,
    /// The last tree that was proved.
    good: Option<Tree>,
    memory: Memory,
    /// The load that is under way.
    work: Option<Work>,
    proof: Proof,
    /// Why Icinga could not be reloaded with the active tree.
    not_reloaded: Option<String>,
    /// True if the last good tree was put back because Icinga did not come up with a newer one.
    /// Nothing is loaded until it answers.
    awaits_icinga: bool,
    pace: Pace,
    /// Failures in a row, when the next attempt may begin, and why.
    attempts: u32,
    retry_at: Duration,
    failure: Option<Failure>,
    /// When the refused set may be tried again, and how often it was.
    refused_until: Option<Duration>,
    refusals: u32,
    /// None if the last run of the validator had a verdict.
    deaths: Option<Deaths>,
    next_probe: Duration,
    next_check: Duration,
    next_restore: Duration,
    /// When this process saw the first proof of the active tree.
    proved_at: Duration,
    checked: Option<Checked>,
    durations: Option<Durations>,
    /// Trees that this process named.
    trees: u64,
    effects: Vec<Effect>,
}

impl Agent {
    /// Returns an agent that knows nothing yet. It looks at the disk first.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            wanted: None,
            trouble: None,
            gone_since: None,
            has_looked: false,
            active: None,
            active_since: Duration::ZERO,
            good: None,
            memory: Memory::default(),
            work: None,
            proof: Proof::Unknown,
            not_reloaded: None,
            awaits_icinga: false,
            pace: Pace::default(),
            attempts: 0,
            retry_at: Duration::ZERO,
            failure: None,
            refused_until: None,
            refusals: 0,
            deaths: None,
            next_probe: Duration::ZERO,
            next_check: Duration::ZERO,
            next_restore: Duration::ZERO,
            proved_at: Duration::ZERO,
            checked: None,
            durations: None,
            trees: 0,
            effects: Vec::new(),
        }
    }

    /// Takes the newest word of the source.
    pub fn want(&mut self, wanted: Wanted, now: Duration) {
        match &wanted {
            Wanted::Gone => self.gone_since = self.gone_since.or(Some(now)),
            Wanted::Set(_) | Wanted::Unreadable(_) => self.gone_since = None,
        }
        if self.wanted.as_ref() != Some(&wanted) {
            // Something changed, so what failed before may succeed.
            (self.attempts, self.retry_at, self.failure) = (0, now, None);
        }
        self.wanted = Some(wanted);
    }

    /// Notes why the source cannot be read, or that it can.
    pub fn source_trouble(&mut self, why: Option<String>) {
        self.trouble = why;
    }

    /// True if the include file names a whole tree, so that Icinga may start.
    pub fn has_tree(&self) -> bool {
        self.active.is_some()
    }

    /// Returns the tree that the include file names.
    pub fn active(&self) -> Option<&Tree> {
        self.active.as_ref()
    }

    /// Returns the last tree that was proved: contents of held objects come from it.
    pub fn good(&self) -> Option<&Tree> {
        self.good.as_ref()
    }

    /// Returns what the log and the metrics should say.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes the outcome of the last task and returns the next one.
    pub fn step(&mut self, input: Input, moment: &Moment) -> Task {
        let next = match input {
            Input::Woken => None,
            Input::Looked(found) => self.looked(found, moment),
            Input::Fetched(fetched) => self.fetched(fetched, moment),
            Input::Built(built) => self.built(built, moment),
            Input::Validated(verdict) => self.validated(verdict, moment),
            Input::Switched(switched) => self.switched(switched, moment),
            Input::Reloaded(reloaded) => self.reloaded(reloaded, moment),
            Input::Probed(probe) => self.probed(probe, moment),
            Input::Remembered(result) => self.remembered(result, moment),
            Input::Checked(checked) => self.checks_seen(checked, moment),
        };
        next.unwrap_or_else(|| self.decide(moment))
    }

    fn looked(&mut self, found: Result<Found, String>, moment: &Moment) -> Option<Task> {
        let found = match found {
            Ok(found) => found,
            Err(why) => {
                self.fails(why, moment);
                return None;
            }
        };
        self.has_looked = true;
        self.memory = found.memory;
        if self.memory.refused.is_some() && self.refused_until.is_none() {
            self.refusals = 1;
            self.refused_until = Some(moment.now + REFUSED.pause(1, 1.0));
        }
        self.active = found.active;
        (self.proof, self.active_since) = (Proof::Unknown, moment.now);
        let is_good = |tree: &Tree| self.memory.good.as_deref() == Some(&*tree.name);
        self.good = found.good.or_else(|| self.active.clone().filter(is_good));
        if self.active.is_none()
            && let Some(good) = self.good.clone()
        {
            return Some(self.switch_back(good, None, moment));
        }
        None
    }

    /// Returns what to do while no load is under way.
    fn decide(&mut self, moment: &Moment) -> Task {
        if let Some(task) = self.go_on(moment) {
            return task;
        }
        let now = moment.now;
        if !self.has_looked {
            // Without it a tree that Icinga runs could be taken for garbage.
            return if now >= self.retry_at { Task::Look } else { Task::Wait(Some(self.retry_at)) };
        }
        let ready_at = self.pace.next().max(self.retry_at);
        let mut wake: Option<Duration> = None;
        let mut at = |time: Duration| wake = Some(wake.map_or(time, |wake| wake.min(time)));
        match self.wanted.clone() {
            Some(Wanted::Set(set)) if !self.awaits_icinga && self.is_news(&set, now) => {
                if now >= ready_at {
                    self.work = Some(Work::begin(now));
                    return Task::Fetch;
                }
                at(ready_at);
            }
            Some(Wanted::Set(_)) if self.awaits_icinga => {}
            Some(Wanted::Set(_)) => {
                // One that is over concerns a set that is not wanted any more.
                let until = self.refused_until.filter(|until| *until > now);
                until.into_iter().for_each(|until| at(until.max(ready_at)));
            }
            Some(Wanted::Gone) => {
                if let (Some(since), Some(active)) = (self.gone_since, &self.active)
                    && !active.files.is_empty()
                {
                    let end = (since + self.settings.keep_after_deletion).max(ready_at);
                    if now >= end {
                        return self.unload(moment);
                    }
                    at(end);
                }
            }
            Some(Wanted::Unreadable(_)) | None => {}
        }
        if self.active.is_some() {
            if let Some(task) = self.give_up_unproved(moment) {
                return task;
            }
            if now >= self.next_probe {
                return Task::Probe;
            }
            at(self.next_probe);
            if self.proof == Proof::Proved {
                if now >= self.next_check {
                    let since = now.saturating_sub(self.proved_at);
                    return Task::Check { since, is_first: self.checked.is_none() };
                }
                at(self.next_check);
            }
        }
        Task::Wait(wake)
    }

    /// True if this set should be loaded and was not dealt with.
    fn is_news(&self, set: &WantedSet, now: Duration) -> bool {
        if self.active.as_ref().is_some_and(|active| active.set.digest == set.digest.to_string()) {
            return false;
        }
        if self.too_old_or_too_new(set).is_some() {
            return false;
        }
        match &self.memory.refused {
            Some(refusal) if refusal.digest == set.digest.to_string() => match refusal.result {
                AgentResult::Held => set.shrink_confirmed == Some(set.digest),
                _ => self.refused_until.is_some_and(|until| now >= until),
            },
            _ => true,
        }
    }

    /// Returns why a revision is not one that the hub can have after the active one.
    fn too_old_or_too_new(&self, set: &WantedSet) -> Option<String> {
        let active: Revision = self.active.as_ref()?.set.revision.parse().ok()?;
        if set.revision < active {
            return Some(format!(
                "{} has revision {}, which is older than the loaded {active}; the operator puts that right by itself, unless its hub was \
                 replaced: then remove the agent's directory",
                self.settings.source, set.revision
            ));
        }
        (!may_have_been(set.revision.term, active.term)).then(|| {
            format!(
                "{} has revision {}, which no hub can have after {active}; the operator overwrites it, find out who wrote it",
                self.settings.source, set.revision
            )
        })
    }

    /// Loads the empty set: the pointer is gone for good.
    fn unload(&mut self, moment: &Moment) -> Task {
        let revision = self.active.as_ref().and_then(|active| active.set.revision.parse().ok());
        let set = WantedSet {
            revision: revision.unwrap_or_default(),
            digest: Digest::of(b""),
            version: String::new(),
            shrink_confirmed: Some(Digest::of(b"")),
        };
        self.work = Some(Work::begin(moment.now));
        self.accepted(Offer { set, files: Arc::default() }, moment)
    }

    /// Plans another attempt.
    fn fails(&mut self, why: String, moment: &Moment) {
        self.fails_by(Failure { why, is_content: false }, moment);
    }

    fn fails_by(&mut self, failure: Failure, moment: &Moment) {
        self.attempts = self.attempts.saturating_add(1);
        self.retry_at = moment.now + RETRY.pause(self.attempts, moment.random);
        if self.failure.as_ref() != Some(&failure) {
            self.effects.push(Effect::Failed(failure.why.clone()));
        }
        self.failure = Some(failure);
        self.work = None;
    }

    fn checks_seen(&mut self, checked: Result<Checked, String>, moment: &Moment) -> Option<Task> {
        self.next_check = moment.now + CHECK_EVERY;
        // An Icinga that does not answer is noticed by the probe.
        self.checked = checked.ok().or(self.checked.take());
        None
    }
}

#[cfg(test)]
mod tests;
