//! One delivery: a probe, the changes by others, the set itself, and last the work that can wait
//! until the set is delivered.

use super::super::breaker::Event;
use super::super::delivery::{Delivered, Drift};
use super::super::history::DeliveredSet;
use super::super::report::Drifted;
use super::super::times::{RECHECK, VERIFY_EVERY, jitter};
use super::{Actor, Effect, Ended, Facts, Job, Log, Moment, Outcome, Task, Wanted};
use crate::api::Reason;
use crate::api::satellite_cluster::{AckLevel, DriftPolicy, Stats};
use crate::satellite::problem::Problem;
use std::time::Duration;

/// Longest wait for the answer to a probe while the breaker is open.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest delivery. The next one does not store again what this one stored.
const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// Garbage is deleted in a quiet moment, or when there are more shards of it than these.
const GARBAGE: usize = 64;
/// What the log calls drift.
const DRIFT: &str = "someone changed what was delivered";

/// The job that is under way.
#[derive(Debug)]
pub(super) enum Doing {
    Nothing,
    Probing,
    Comparing,
    Delivering,
    /// The quota is used up.
    MakingRoom(Problem),
    Collecting,
    CleaningUp,
}

impl Actor {
    /// Takes the set that the satellite should hold.
    pub(super) fn chosen(&mut self, desired: Result<Option<Wanted>, Problem>) {
        match &desired {
            // The satellite may lack everything.
            Err(_) => self.effects.push(Effect::Behind),
            Ok(None) => {}
            Ok(Some(set)) => {
                let Wanted { revision, view } = set;
                let report = &mut self.report;
                report.desired = Some((*revision, view.digest));
                report.left_out = view.left_out.len();
                report.left_out_example = view.left_out.first().map(ToString::to_string);
                let recorded = self.config.object.status.as_ref().and_then(|status| status.stats.as_ref());
                let shards = report.stats.as_ref().or(recorded).map_or(0, |stats| stats.shards);
                let (objects, bytes) = (view.len() as u32, view.bytes as u64);
                report.stats = Some(Stats { objects, bytes, shards });
                if self.progress.last.map(|(_, digest)| digest) != Some(view.digest) {
                    self.effects.push(Effect::Behind);
                }
                self.progress.set = Some(set.clone());
            }
        }
        self.step.desired = desired;
    }

    fn wanted(&self) -> Option<&Wanted> {
        self.step.desired.as_ref().ok()?.as_ref()
    }

    /// True if the satellite is known to hold the set of the latest snapshot.
    fn has_nothing_new(&self) -> bool {
        self.wanted().is_none_or(|set| self.progress.last == Some((set.revision, set.view.digest)))
    }

    /// True if this very set was delivered before: then a write corrects a change by others.
    fn is_same_set(&self) -> bool {
        let last = self.progress.last.map(|(_, digest)| digest);
        self.wanted().is_some_and(|set| last == Some(set.view.digest))
    }

    fn start(&mut self, doing: Doing, job: Job, limit: Option<Duration>) -> Task {
        self.step.doing = doing;
        Task::Do(job, limit)
    }

    /// Reads the pointer if it is unknown, was not read for a while, or if no other request would
    /// be sent.
    pub(super) fn probe(&mut self, moment: &Moment, facts: &Facts) -> Task {
        self.step.has_nothing_new = self.has_nothing_new();
        let is_needed = !self.contact.is_closed()
            || self.step.has_nothing_new
            || self.contact.is_quiet(VERIFY_EVERY, moment.now)
            || !facts.knows_pointer;
        if !is_needed {
            return self.write(moment, facts);
        }
        let limit = if self.contact.is_open() { PROBE_TIMEOUT } else { PASS_TIMEOUT };
        self.start(Doing::Probing, Job::Read, Some(limit))
    }

    /// Takes the end of a job.
    pub(super) fn done(&mut self, ended: Result<Outcome, Ended>, moment: &Moment, facts: &Facts) -> Task {
        let doing = std::mem::replace(&mut self.step.doing, Doing::Nothing);
        match (doing, ended) {
            (Doing::Probing, Ok(_)) => self.probed(moment, facts),
            (Doing::Probing, Err(Ended::OutOfTime)) => {
                let limit = if self.contact.is_open() { PROBE_TIMEOUT } else { PASS_TIMEOUT };
                let message = format!("no answer to a probe within {} s", limit.as_secs());
                self.tried(Err(Problem::silent(Reason::Unreachable, message)), moment)
            }
            (Doing::Comparing, Ok(Outcome::Compared(drift))) => self.compared(drift, moment),
            (Doing::Comparing, Err(Ended::OutOfTime)) => {
                let limit = PASS_TIMEOUT.as_secs();
                let message =
                    format!("the set was not read within {limit} s; the next attempt reads the rest");
                self.tried(Err(Problem::transient(Reason::Unreachable, message)), moment)
            }
            (Doing::Delivering, Ok(Outcome::Delivered(delivered))) => {
                self.delivered(&delivered, moment);
                self.passed(moment, facts)
            }
            (Doing::Delivering, Err(Ended::Failed(problem))) if problem.reason == Reason::QuotaExceeded => {
                self.start(Doing::MakingRoom(problem), Job::MakeRoom, None)
            }
            (Doing::Delivering, Err(Ended::OutOfTime)) => {
                let limit = PASS_TIMEOUT.as_secs();
                let message =
                    format!("the set was not written within {limit} s; the next attempt writes the rest");
                // The satellite does answer: otherwise a single request would have ended the
                // delivery.
                self.tried(Err(Problem::transient(Reason::Unreachable, message).answered()), moment)
            }
            (Doing::MakingRoom(mut problem), made) => {
                if let Err(Ended::Failed(why)) = made {
                    let more = format!("; and shards that nobody needs cannot be deleted: {}", why.message);
                    problem.message.push_str(&more);
                }
                self.tried(Err(problem), moment)
            }
            (Doing::Collecting, Ok(_)) => self.tidy_end(moment, facts),
            (Doing::CleaningUp, ended) => self.cleaned_up(ended, moment),
            (_, Err(Ended::Failed(problem))) => self.tried(Err(problem), moment),
            (doing, other) => {
                let message = format!("{other:?} is no end of {doing:?}");
                self.tried(Err(Problem::transient(Reason::Pending, message)), moment)
            }
        }
    }

    fn probed(&mut self, moment: &Moment, facts: &Facts) -> Task {
        self.access.prove();
        self.contact.answered(moment.now);
        let acked = self.report.acked.map(|(_, digest)| digest);
        if acked.is_some_and(|digest| facts.digest != Some(digest)) {
            self.not_held();
        }
        if acked.or_else(|| self.recorded_digest()).is_some_and(|digest| facts.digest != Some(digest)) {
            self.effects.push(Effect::Lost);
        }
        if !self.contact.is_closed() {
            self.breaker_after(Event::Answered, moment);
        }
        self.write(moment, facts)
    }

    /// Writes the differences, if that is allowed now.
    fn write(&mut self, moment: &Moment, facts: &Facts) -> Task {
        self.effects.push(Effect::Follow);
        let set = match &self.step.desired {
            Err(problem) => return self.tried(Err(problem.clone()), moment),
            Ok(None) => return self.passed(moment, facts),
            Ok(Some(set)) => set.clone(),
        };
        if self.object().spec.suspend {
            return self.held_back(RECHECK, moment);
        }
        // The set is the same as before, so a write would correct changes by others. It is held
        // back if drift is only reported, and in a fight.
        let is_fought = self.progress.corrections.fight(moment.now).is_some();
        if self.is_same_set() && (self.only_reports() || is_fought) {
            return self.start(Doing::Comparing, Job::Compare(set), Some(PASS_TIMEOUT));
        }
        self.deliver(moment)
    }

    fn only_reports(&self) -> bool {
        self.object().spec.drift_policy == DriftPolicy::Report
    }

    fn deliver(&mut self, moment: &Moment) -> Task {
        let Some(set) = self.wanted().cloned() else { return self.tried(Ok(RECHECK), moment) };
        self.step.began = moment.now;
        self.start(Doing::Delivering, Job::Deliver(set), Some(PASS_TIMEOUT))
    }

    fn compared(&mut self, drift: Option<Drift>, moment: &Moment) -> Task {
        let Some(Drift { names, by }) = drift else {
            self.drifted(None);
            return self.deliver(moment);
        };
        self.not_held();
        self.effects.push(Effect::Lost);
        let corrections = &self.progress.corrections;
        // What is not fought over is corrected, and the rest with it.
        let pauses: Option<Vec<_>> = names.iter().map(|name| corrections.pause(name, moment.now)).collect();
        let pause = match pauses {
            _ if self.only_reports() => VERIFY_EVERY,
            Some(pauses) => pauses.into_iter().min().unwrap_or(VERIFY_EVERY),
            None => {
                self.drifted(None);
                return self.deliver(moment);
            }
        };
        let fought = corrections.fight(moment.now).map(str::to_owned);
        let drifted = Drifted { names, by, fought };
        self.drifted(Some(drifted));
        self.held_back(pause, moment)
    }

    /// Reports drift when it begins, when it is about other ConfigMaps, and when it ends.
    fn drifted(&mut self, drifted: Option<Drifted>) {
        let subject = |drifted: &Drifted| (drifted.names.clone(), drifted.fought.clone());
        let is_same = self.report.drifted.as_ref().map(subject) == drifted.as_ref().map(subject);
        match &drifted {
            _ if is_same => {}
            Some(now) => {
                let reason = if now.fought.is_some() { Reason::DriftFight } else { Reason::ContentChanged };
                self.log(Log::Warning(DRIFT, now.message()));
                self.event(true, reason, now.message());
            }
            None => self.log(Log::Over(DRIFT)),
        }
        self.report.drifted = drifted;
    }

    fn held_back(&mut self, pause: Duration, moment: &Moment) -> Task {
        self.breaker_after(Event::Answered, moment);
        self.tried(Ok(pause), moment)
    }

    fn delivered(&mut self, delivered: &Delivered, moment: &Moment) {
        let Some(set) = self.wanted().cloned() else { return };
        let revision = set.revision;
        self.access.prove();
        if !delivered.wrote.is_empty() {
            self.contact.wrote(moment.now.saturating_sub(self.step.began), moment.now);
        }
        if self.is_same_set() {
            for name in &delivered.wrote {
                self.progress.corrections.add(name, moment.now);
                self.effects.push(Effect::Corrected(name.clone()));
            }
        }
        self.progress.corrections.forget(moment.now);
        // During a fight the status says so.
        let fought = self.progress.corrections.fight(moment.now).map(str::to_owned);
        self.drifted(fought.map(|name| Drifted {
            names: [name.clone()].into(),
            by: None,
            fought: Some(name),
        }));
        self.progress.last = Some((revision, delivered.digest));
        self.report.written = Some((delivered.pointer_revision, delivered.digest));
        self.report.acked = self.report.written;
        if let Some(stats) = &mut self.report.stats {
            stats.shards = delivered.shards as u32;
        }
        if !delivered.wrote.is_empty() {
            self.log(Log::Delivered(revision, delivered.digest, delivered.wrote.len()));
        }
        self.effects.push(Effect::Delivered(self.report.stats.clone()));
        self.listening.history.add(DeliveredSet {
            pointer: delivered.pointer_revision,
            digest: delivered.digest,
            snapshot: revision,
            left_out: set.view.left_out.clone(),
        });
        if !delivered.wrote.is_empty() && self.has_agents() {
            self.effects.push(Effect::Loading(revision));
        }
        if self.object().spec.ack_level != AckLevel::Loaded {
            self.effects.push(Effect::Holds(revision, set.view.left_out.clone()));
        }
        self.judge_agents(moment.now);
    }

    /// The satellite holds its set: does the work that could wait until then.
    fn passed(&mut self, moment: &Moment, facts: &Facts) -> Task {
        let is_quiet = self.step.has_nothing_new;
        self.breaker_after(Event::Passed, moment);
        let is_collected = facts.garbage > GARBAGE || is_quiet && facts.garbage > 0;
        if is_collected && !self.object().spec.suspend {
            return self.start(Doing::Collecting, Job::Collect, None);
        }
        self.tidy_end(moment, facts)
    }

    fn tidy_end(&mut self, moment: &Moment, facts: &Facts) -> Task {
        let unfollowed = facts.watch_problem.clone().filter(|_| !self.object().spec.suspend);
        let result = match unfollowed {
            Some(problem) => Err(problem),
            None => Ok(jitter(VERIFY_EVERY, moment.random)),
        };
        self.tried(result, moment)
    }
}
