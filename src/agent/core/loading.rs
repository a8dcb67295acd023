//! The load of one set, from the fetch to the proof, and the way back.

use super::facts::{
    Deaths, Failure, FetchProblem, Moment, Offer, Plan, Probe, Refusal, Tree, TreeSet, Verdict,
};
use super::quarantine::{MOST_ROUNDS, Quarantine};
use super::{
    Agent, Effect, LONGEST_UNPROVED, MOST_CRASHES, MOST_KILLS, PROBE_EVERY, PROBE_SOON, Proof, REFUSED,
    RESTORE_EVERY, RETRY, STRAYED, Task,
};
use crate::api::agent_report::{AgentResult, Durations};
use crate::api::condition::format_timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A set that removes at least this many objects, and more than half of the loaded ones, waits for
/// a person.
const SHRINK_LEAST: usize = 20;
/// Time that Icinga has to prove a tree, beside three times what its validation took or the time
/// for its objects, whichever is longer. 40,000 objects take up to 18 s.
const PROOF_DEADLINE: Duration = Duration::from_secs(15);
const PROOF_PER_OBJECT: Duration = Duration::from_millis(1);
/// Pauses between probes while the proof is awaited. The first is what a small Icinga needs least.
const PROOF_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How often Icinga is reloaded before a tree that it does not load is refused.
const MOST_RELOADS: u32 = 2;

/// What a load is for.
#[derive(Clone, Debug, PartialEq)]
enum Purpose {
    /// A new set.
    Load,
    /// The last good tree again.
    Back,
    /// The active tree again, because Icinga runs another.
    Restore,
}

/// A load that is under way.
#[derive(Clone, Debug)]
pub(super) struct Work {
    purpose: Purpose,
    offer: Option<Offer>,
    quarantine: Quarantine,
    rounds: u32,
    tree: Option<Tree>,
    /// When the present step began.
    since: Duration,
    durations: Durations,
    /// True if Icinga answered before the switch.
    was_answering: bool,
    reloads: u32,
    /// Why Icinga could not be reloaded.
    not_reloaded: Option<String>,
    proving: Option<Proving>,
    /// What comes after the memory is written.
    after: After,
}

/// The wait for the proof.
#[derive(Clone, Copy, Debug)]
struct Proving {
    deadline: Duration,
    pause: Duration,
    next: Duration,
}

#[derive(Clone, Debug, Default)]
enum After {
    /// The load is over.
    #[default]
    End,
    /// This tree becomes active.
    Switch(Tree),
}

impl Work {
    pub(super) fn begin(now: Duration) -> Self {
        Self {
            purpose: Purpose::Load,
            offer: None,
            quarantine: Quarantine::default(),
            rounds: 0,
            tree: None,
            since: now,
            durations: Durations::default(),
            was_answering: false,
            reloads: 0,
            not_reloaded: None,
            proving: None,
            after: After::End,
        }
    }

    /// Ends the present step, and returns its milliseconds.
    fn lap(&mut self, now: Duration) -> u64 {
        let took = now.saturating_sub(self.since);
        self.since = now;
        took.as_millis() as u64
    }
}

impl Agent {
    pub(super) fn fetched(&mut self, fetched: Result<Offer, FetchProblem>, moment: &Moment) -> Option<Task> {
        match fetched {
            Ok(offer) => Some(self.offered(offer, moment)),
            Err(FetchProblem::Unavailable(why)) => {
                self.fails(why, moment);
                None
            }
            Err(FetchProblem::NotWhole(why)) => {
                self.fails_by(Failure { why, is_content: true }, moment);
                None
            }
        }
    }

    /// Takes a verified set.
    fn offered(&mut self, offer: Offer, moment: &Moment) -> Task {
        if let Some(work) = &mut self.work {
            work.durations.fetch = work.lap(moment.now);
        }
        if !self.is_news(&offer.set, moment.now) {
            // The pointer changed while it was read; its news comes.
            (self.work, self.retry_at) = (None, moment.now + RETRY.base);
            return self.decide(moment);
        }
        self.accepted(offer, moment)
    }

    /// Begins to load a set, unless it removes too much.
    pub(super) fn accepted(&mut self, offer: Offer, moment: &Moment) -> Task {
        if let Some(why) = self.shrinks(&offer) {
            return self.refuse(&offer, AgentResult::Held, why, None, moment);
        }
        if let Some(work) = &mut self.work {
            work.offer = Some(offer);
        }
        self.build(moment)
    }

    /// Returns why a set must not be loaded before a person agrees: it removes too much.
    fn shrinks(&self, offer: &Offer) -> Option<String> {
        let active = self.active.as_ref()?;
        let removed = active.files.keys().filter(|key| !offer.files.contains_key(*key)).count();
        let is_much = removed >= SHRINK_LEAST && removed * 2 > active.files.len();
        (is_much && offer.set.shrink_confirmed != Some(offer.set.digest)).then(|| {
            format!(
                "revision {} would remove {removed} of {} objects, with their acknowledgements, downtimes and comments; if that is \
                 meant, {} {}",
                offer.set.revision,
                active.files.len(),
                self.settings.confirm,
                offer.set.digest
            )
        })
    }

    fn build(&mut self, moment: &Moment) -> Task {
        let good = self.good.as_ref();
        let Some(work) = &mut self.work else { return self.decide(moment) };
        let Some(offer) = work.offer.clone() else { return self.decide(moment) };
        self.trees += 1;
        let name = format!("{}-{}-{}", offer.set.revision, self.settings.boot, self.trees);
        let set = TreeSet {
            revision: offer.set.revision.to_string(),
            digest: offer.set.digest.to_string(),
            marker: name.clone(),
            held: work.quarantine.objects(&offer.files, good),
        };
        let files = work.quarantine.files(&offer.files, good);
        work.lap(moment.now);
        Task::Build(Plan { name: name.into(), set: Arc::new(set), files })
    }

    pub(super) fn built(&mut self, built: Result<Tree, String>, moment: &Moment) -> Option<Task> {
        let work = self.work.as_mut()?;
        match built {
            Ok(tree) => {
                work.durations.unpack += work.lap(moment.now);
                work.tree = Some(tree.clone());
                work.rounds += 1;
                Some(Task::Validate(tree))
            }
            Err(why) => {
                self.fails(why, moment);
                None
            }
        }
    }

    pub(super) fn validated(&mut self, verdict: Verdict, moment: &Moment) -> Option<Task> {
        let was_answering = !matches!(self.proof, Proof::Silent(_) | Proof::Unknown);
        let good = self.good.clone();
        let work = self.work.as_mut()?;
        work.durations.validate += work.lap(moment.now);
        let (tree, offer) = (work.tree.clone()?, work.offer.clone()?);
        let digest = offer.set.digest;
        let before = self.deaths.take().filter(|before| before.digest == digest);
        let before = before.unwrap_or(Deaths { digest, crashes: 0, kills: 0 });
        let (message, object) = match verdict {
            Verdict::Accepted => {
                work.was_answering = was_answering;
                return Some(Task::Switch(tree));
            }
            Verdict::Refused(blame) => {
                let first = blame.keys.iter().next();
                let first = first.map(|(key, why)| (why.clone(), Some(super::facts::object_of(key))));
                let first = first.or_else(|| Some((blame.others.first()?.clone(), None)));
                if work.rounds < MOST_ROUNDS && work.quarantine.add(&blame, &offer.files, good.as_ref()) {
                    return Some(self.build(moment));
                }
                first.unwrap_or_else(|| ("Icinga refuses the set without a word".to_owned(), None))
            }
            Verdict::Crashed(why) if before.crashes + 1 < MOST_CRASHES => {
                self.deaths = Some(Deaths { crashes: before.crashes + 1, ..before });
                self.fails(format!("{why}; it is run again"), moment);
                return None;
            }
            Verdict::Killed(why) if before.kills + 1 < MOST_KILLS => {
                self.deaths = Some(Deaths { kills: before.kills + 1, ..before });
                self.fails(format!("{why}; the set is not why, and it is validated again"), moment);
                return None;
            }
            Verdict::Crashed(why) | Verdict::TimedOut(why) => (why, None),
            Verdict::Killed(why) => {
                let message =
                    format!("{why}; that happened {MOST_KILLS} times in a row; find out who kills it");
                (message, None)
            }
            Verdict::HookMissing(why) | Verdict::CannotRun(why) => {
                self.fails(why, moment);
                return None;
            }
        };
        Some(self.refuse(&offer, AgentResult::Rejected, message, object, moment))
    }

    /// Notes that a set is not loaded. The active tree stays.
    fn refuse(
        &mut self,
        offer: &Offer,
        result: AgentResult,
        message: String,
        object: Option<String>,
        moment: &Moment,
    ) -> Task {
        self.note_refusal(offer, result, message, object, moment);
        if let Some(work) = &mut self.work {
            work.after = After::End;
        }
        self.remember()
    }

    fn note_refusal(
        &mut self,
        offer: &Offer,
        result: AgentResult,
        message: String,
        object: Option<String>,
        moment: &Moment,
    ) {
        let digest = offer.set.digest.to_string();
        let is_again = self.memory.refused.as_ref().is_some_and(|refused| refused.digest == digest);
        self.refusals = if is_again { self.refusals.saturating_add(1) } else { 1 };
        self.refused_until = Some(moment.now + REFUSED.pause(self.refusals, 0.9 + moment.random / 10.0));
        let revision = offer.set.revision.to_string();
        let refusal = Refusal { revision, digest, result, message, object };
        if !is_again {
            self.effects.push(Effect::Refused(refusal.clone()));
        }
        self.memory.refused = Some(refusal);
    }

    fn remember(&self) -> Task {
        let kept = [&self.active, &self.good].into_iter().flatten().map(|tree| tree.name.clone());
        let previous = self.memory.previous.as_deref().map(Arc::from);
        Task::Remember(self.memory.clone(), kept.chain(previous).collect())
    }

    pub(super) fn remembered(&mut self, result: Result<(), String>, moment: &Moment) -> Option<Task> {
        let after = self.work.as_mut().map(|work| std::mem::take(&mut work.after));
        if let Err(why) = result {
            // What runs is known, and the next load writes it again.
            self.effects.push(Effect::Failed(why));
        }
        match after {
            Some(After::Switch(tree)) => {
                if let Some(work) = &mut self.work {
                    work.since = moment.now;
                }
                Some(Task::Switch(tree))
            }
            Some(After::End) | None => {
                self.work = None;
                None
            }
        }
    }

    /// Puts the last good tree back. `refusal` is the set that goes, and why.
    pub(super) fn switch_back(
        &mut self,
        good: Tree,
        refusal: Option<(Offer, String)>,
        moment: &Moment,
    ) -> Task {
        let was_answering = self.work.as_ref().is_some_and(|work| work.was_answering);
        let after = After::Switch(good.clone());
        self.work = Some(Work {
            purpose: Purpose::Back,
            tree: Some(good),
            was_answering,
            after,
            ..Work::begin(moment.now)
        });
        if let Some((offer, why)) = refusal {
            // Before the switch: an agent that dies in between must not try the set again.
            self.note_refusal(&offer, AgentResult::Rejected, why, None, moment);
            self.effects.push(Effect::RolledBack);
        }
        self.remember()
    }

    pub(super) fn switched(&mut self, switched: Result<(), String>, moment: &Moment) -> Option<Task> {
        let work = self.work.as_mut()?;
        match switched {
            Ok(()) => {
                self.active = work.tree.clone();
                (self.proof, self.active_since) = (Proof::Unknown, moment.now);
                Some(Task::Reload)
            }
            Err(why) => {
                self.fails(why, moment);
                // Either tree may be the active one.
                self.has_looked = false;
                None
            }
        }
    }

    pub(super) fn reloaded(&mut self, reloaded: Result<(), String>, moment: &Moment) -> Option<Task> {
        let work = self.work.as_mut()?;
        work.reloads += 1;
        work.not_reloaded = reloaded.err();
        self.not_reloaded.clone_from(&work.not_reloaded);
        // A tree that goes back was not validated now, so its size counts, too.
        let objects = work.tree.as_ref().map_or(0, |tree| tree.files.len());
        let validated = Duration::from_millis(work.durations.validate) * 3;
        let allowed = PROOF_DEADLINE + validated.max(PROOF_PER_OBJECT.saturating_mul(objects as u32));
        let (pause, now) = (PROOF_PAUSE.0, moment.now);
        work.proving = Some(Proving { deadline: now + allowed, pause, next: now + pause });
        None
    }

    /// Returns the next step of a load that waits for its proof.
    pub(super) fn go_on(&mut self, moment: &Moment) -> Option<Task> {
        let proving = self.work.as_ref()?.proving?;
        Some(if moment.now >= proving.next { Task::Probe } else { Task::Wait(Some(proving.next)) })
    }

    pub(super) fn probed(&mut self, probe: Probe, moment: &Moment) -> Option<Task> {
        let marker = self.active.as_ref().map(|active| active.set.marker.clone());
        let strayed = |why: String, before: &Proof| match before {
            Proof::Strayed(times, _) => Proof::Strayed(times.saturating_add(1), why),
            _ => Proof::Strayed(1, why),
        };
        let was_proved = self.proof == Proof::Proved;
        self.proof = match probe {
            Probe::Marker(found) if Some(&found) == marker.as_ref() => Proof::Proved,
            Probe::Marker(found) => strayed(format!("Icinga runs the tree {found}"), &self.proof),
            Probe::NoMarker(why) => strayed(format!("Icinga runs no set: {why}"), &self.proof),
            Probe::Silent(why) => Proof::Silent(why),
        };
        self.awaits_icinga &= matches!(self.proof, Proof::Silent(_));
        let is_proved = self.proof == Proof::Proved;
        if is_proved && !was_proved {
            self.proved_at = moment.now;
        }
        self.next_probe = moment.now + if is_proved { PROBE_EVERY } else { PROBE_SOON };
        if is_proved {
            return self.proved(moment);
        }
        match self.work.as_mut().and_then(|work| work.proving.as_mut()) {
            Some(proving) if moment.now < proving.deadline => {
                proving.pause = (proving.pause * 3 / 2).min(PROOF_PAUSE.1);
                proving.next = moment.now + proving.pause;
                None
            }
            Some(_) => self.not_proved(moment),
            None => self.restore(moment),
        }
    }

    /// Ends a load that was proved.
    fn proved(&mut self, moment: &Moment) -> Option<Task> {
        let active = self.active.clone()?;
        let mut work = self.work.take();
        let is_new = self.memory.good.as_deref() != Some(&*active.name);
        (self.attempts, self.not_reloaded) = (0, None);
        if !is_new && work.is_none() {
            // What failed may concern a newer set.
            return None;
        }
        self.failure = None;
        let took = work.as_mut().filter(|work| work.proving.is_some()).map(|work| {
            work.durations.load = work.lap(moment.now);
            work.durations.clone()
        });
        if let Some(took) = &took {
            self.pace.loaded(moment.now, Duration::from_millis(took.validate + took.load));
        }
        if is_new {
            self.memory.previous = self.memory.good.take();
            self.memory.good = Some(active.name.to_string());
            self.memory.loaded_at = Some(format_timestamp(moment.unix));
            self.memory.refused = None;
            (self.refused_until, self.refusals) = (None, 0);
            (self.checked, self.next_check) = (None, moment.now + PROBE_EVERY);
            self.durations.clone_from(&took);
            self.effects.push(Effect::Loaded {
                revision: active.set.revision.clone(),
                objects: active.files.len(),
                held: active.set.held.len(),
                durations: took.unwrap_or_default(),
            });
        }
        self.good = Some(active);
        Some(self.remember())
    }

    /// Decides after the deadline of a proof.
    fn not_proved(&mut self, moment: &Moment) -> Option<Task> {
        let work = self.work.as_ref()?;
        let answers = matches!(self.proof, Proof::Strayed(..));
        if answers && work.reloads < MOST_RELOADS {
            return Some(Task::Reload);
        }
        // An Icinga that took no request was down already, or is out of reach: the set is not why.
        let is_asked = work.not_reloaded.is_none();
        if work.purpose == Purpose::Load && is_asked && (answers || work.was_answering) {
            let what = match &self.proof {
                Proof::Strayed(_, why) => format!("Icinga did not load it ({why})"),
                Proof::Silent(why) => format!("Icinga stopped answering when it was reloaded ({why})"),
                Proof::Unknown | Proof::Proved => "Icinga did not prove that it runs it".to_owned(),
            };
            let why = format!("the validator accepts the set, and {what}; Icinga's log says why");
            let good =
                self.good.clone().filter(|good| Some(&good.name) != self.active.as_ref().map(|a| &a.name));
            if let (Some(good), Some(offer)) = (good, work.offer.clone()) {
                return Some(self.switch_back(good, Some((offer, why)), moment));
            }
        }
        // It was down before, or there is no other tree: it loads this one when it starts.
        self.work = None;
        None
    }

    /// Puts the last good tree back if an Icinga that was down already has not come up with the new
    /// one: the new one may be the reason. It is tried again once Icinga answers.
    pub(super) fn give_up_unproved(&mut self, moment: &Moment) -> Option<Task> {
        let active = self.active.as_ref()?;
        let good = self.good.clone().filter(|good| good.name != active.name)?;
        let is_silent = matches!(self.proof, Proof::Silent(_));
        if !is_silent || moment.now < self.active_since + LONGEST_UNPROVED {
            return None;
        }
        self.awaits_icinga = true;
        self.effects.push(Effect::RolledBack);
        Some(self.switch_back(good, None, moment))
    }

    /// Reloads an Icinga that answers and has another tree than the active one: somebody removed
    /// the include, or a reload was lost.
    fn restore(&mut self, moment: &Moment) -> Option<Task> {
        let Proof::Strayed(times, why) = &self.proof else { return None };
        if *times < STRAYED || moment.now < self.next_restore {
            return None;
        }
        self.next_restore = moment.now + RESTORE_EVERY;
        self.effects.push(Effect::Restored(why.clone()));
        let tree = self.active.clone();
        self.work = Some(Work { purpose: Purpose::Restore, tree, ..Work::begin(moment.now) });
        Some(Task::Reload)
    }
}
