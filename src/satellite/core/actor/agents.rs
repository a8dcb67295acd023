//! What the agents' reports change: the conditions, the events, and, with `ackLevel: Loaded`, what
//! the satellite holds for the hub.

use super::{Actor, Effect, Moment};
use crate::api::satellite_cluster::{AckLevel, AgentState};
use crate::api::{ConditionStatus, ConditionType, Reason, SatelliteCluster};
use crate::identity::{ObjectKey, Revision};
use crate::satellite::core::agents::{Agents, Heard, LoadedSet, Verdict};
use crate::satellite::core::history::History;
use crate::satellite::fleet::Rejection;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The agents, and what was reported of them.
#[derive(Debug, Default)]
pub(super) struct Listening {
    agents: Agents,
    /// The sets that were delivered since the satellite was last sure to hold one.
    pub history: History,
    /// What the last event said, or what the recorded status says.
    last: Option<News>,
    /// The newest snapshot that was reported to the metrics as loaded.
    loaded: Option<Revision>,
    /// The set that was reported to the hub, with `ackLevel: Loaded`. None since
    /// [`Effect::NotHeld`].
    pub told: Option<LoadedSet>,
    /// The rejections that the hub knows.
    rejected: Arc<BTreeMap<ObjectKey, Rejection>>,
    counts: BTreeMap<AgentState, u32>,
}

/// What deserves an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    Refused(Reason),
    Silent,
    Loaded,
}

impl News {
    fn of(status: ConditionStatus, reason: Reason, is_silent: bool) -> Option<Self> {
        match (status, reason) {
            (ConditionStatus::False, Reason::Rejected | Reason::ManyRemovals) => Some(Self::Refused(reason)),
            (ConditionStatus::Unknown, _) if is_silent => Some(Self::Silent),
            (ConditionStatus::True, _) => Some(Self::Loaded),
            _ => None,
        }
    }
}

impl Listening {
    /// Begins with what the recorded status says, so that a restart is no news.
    pub fn of(object: &SatelliteCluster) -> Self {
        let Some(status) = &object.status else { return Self::default() };
        let silent = status.agents.iter().filter(|agent| agent.result == AgentState::Silent);
        let silent: Vec<_> = silent.map(|agent| agent.name.clone()).collect();
        let loaded = status.conditions.iter().find(|condition| condition.r#type == ConditionType::Loaded);
        let last =
            loaded.and_then(|loaded| News::of(loaded.status, loaded.reason.known()?, !silent.is_empty()));
        Self { agents: Agents::recorded(silent), last, ..Self::default() }
    }

    /// Forgets the agents: they are those of another place.
    pub fn reset(&mut self) {
        (self.agents, self.loaded, self.last) = (Agents::unlisted(), None, None);
    }
}

impl Actor {
    /// Takes what the watch of the agents' Leases saw at the time `at`.
    pub fn heard(&mut self, at: Duration, heard: Heard, moment: &Moment) {
        self.listening.agents.heard(at, heard);
        self.judge_agents(moment.now);
    }

    /// Judges the agents again: time has passed.
    pub fn look_at_agents(&mut self, moment: &Moment) {
        self.judge_agents(moment.now);
    }

    /// Returns when to call [`Self::look_at_agents`] although nothing is heard. None if never.
    pub fn agents_wake(&self, moment: &Moment) -> Option<Duration> {
        self.listening.agents.wakes(moment.now)
    }

    /// Notes that the agents' Leases are not watched from now on.
    pub(super) fn stop_listening(&mut self, moment: &Moment) {
        if self.listening.agents.is_known() {
            self.listening.agents.blind(moment.now, "the satellite does not answer".into());
        }
    }

    /// True if the first status of this process must wait for the agents: `Synced` depends on
    /// them, and the recorded status may be true.
    pub(super) fn awaits_first_list(&self) -> bool {
        self.object().spec.ack_level == AckLevel::Loaded
            && self.object().status.is_some()
            && self.report.problem.is_none()
            && !self.report.suspended
            && !self.listening.agents.is_known()
    }

    pub(super) fn judge_agents(&mut self, now: Duration) {
        let agents = &self.listening.agents;
        if !agents.is_known() {
            self.report.agents = None;
            return;
        }
        let object = self.object().clone();
        let pointer = object.spec.target.name.as_str();
        let delivered = self.report.acked.or(self.report.desired).map(|(_, digest)| digest);
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let verdict = agents.verdict(name, pointer, delivered, now);
        let loaded = agents.loaded(pointer, &self.listening.history);
        let rejected = agents.rejected(pointer, &self.listening.history);
        self.news(&verdict);
        if self.listening.counts != verdict.counts {
            self.listening.counts.clone_from(&verdict.counts);
            self.effects.push(Effect::Agents(verdict.counts.clone()));
        }
        self.report.agents = Some(verdict);
        let snapshot = loaded.as_ref().map(|loaded| loaded.snapshot);
        if let Some(snapshot) = snapshot.filter(|_| self.listening.loaded < snapshot) {
            self.listening.loaded = Some(snapshot);
            self.effects.push(Effect::Loaded(snapshot));
        }
        if object.spec.ack_level == AckLevel::Loaded {
            self.tell_loaded(loaded, rejected);
        }
        self.judge_health(now);
    }

    /// Tells the hub what the agents loaded. No object may seem to be loaded for a moment in
    /// between: what the agents do not run any more is taken back first, and what they refused is
    /// reported before what they loaded.
    fn tell_loaded(&mut self, loaded: Option<LoadedSet>, rejected: BTreeMap<ObjectKey, Rejection>) {
        let snapshot = |set: &Option<LoadedSet>| set.as_ref().map(|set| set.snapshot);
        if self.listening.told.is_some() && snapshot(&loaded) < snapshot(&self.listening.told) {
            self.listening.told = None;
            self.effects.extend([Effect::NotHeld, Effect::Lost]);
        }
        if *self.listening.rejected != rejected {
            self.listening.rejected = Arc::new(rejected);
            self.effects.push(Effect::Rejects(self.listening.rejected.clone()));
        }
        if loaded != self.listening.told {
            if let Some(LoadedSet { snapshot, left_out }) = loaded.clone() {
                self.effects.push(Effect::Holds(snapshot, left_out));
            }
            self.listening.told = loaded;
        }
    }

    /// Publishes an event if an agent began to refuse the set or to be silent, or if all is well
    /// again.
    fn news(&mut self, verdict: &Verdict) {
        let (status, reason, message) = &verdict.loaded;
        // A set that is being loaded ends nothing: the next one may be refused, too.
        let Some(news) = News::of(*status, *reason, verdict.is_silent) else { return };
        let last = self.listening.last.replace(news);
        if last == Some(news) || last.is_none() && news == News::Loaded {
            return;
        }
        self.event(news != News::Loaded, *reason, message.clone());
    }

    /// True if an agent is known.
    pub(super) fn has_agents(&self) -> bool {
        !self.listening.counts.is_empty()
    }

    /// Forgets what was reported to the hub about the agents.
    pub(super) fn forget_rejections(&mut self) {
        self.listening.rejected = Arc::default();
        self.listening.history.clear();
    }
}
