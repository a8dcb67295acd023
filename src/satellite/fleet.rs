//! The hub's knowledge of its satellites: the acceptance of each, the last revision that each
//! delivered, and why one gets nothing. Nothing else flows back from satellites to the hub.

use crate::api::Reason;
use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use crate::snapshot::Acceptance;
use crate::status::{Lacking, Sync};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The hub's knowledge of one satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Satellite {
    /// The objects that it accepts. None if that is unknown: then it may be anything.
    pub acceptance: Option<Acceptance>,
    /// The last snapshot that was delivered to it.
    pub acked: Option<Revision>,
    /// The last snapshot that was delivered to it, perhaps by an earlier process, and not seen to
    /// be lost. It makes no object Synced. It only keeps the satellite from being named as lacking
    /// one.
    pub held_before: Option<Revision>,
    /// Objects of that snapshot that it accepts and cannot hold, because they name an object that
    /// it lacks.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
    /// Objects that its Icinga 2 refused. At most 400 for each of 16 agents.
    pub rejected: Arc<BTreeMap<ObjectKey, Rejection>>,
    /// Why no object waits for it. None if all that it accepts do.
    pub exempt: Option<Exempt>,
    /// Whether it gets what it lacks.
    pub health: Health,
}

/// Why no object waits for a satellite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// `spec.suspend` is set.
    Suspended,
    /// `spec.syncPolicy` is Optional.
    Optional,
}

/// Whether a satellite gets what it lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// This process has not finished a first step with it, so nobody knows what it holds.
    #[default]
    Unknown,
    /// What it lacks is on its way.
    Well,
    /// It does not get it.
    Failing {
        /// Why, in the words of its SatelliteCluster.
        reason: Reason,
        /// It has failed for `spec.syncTimeout`.
        is_overdue: bool,
    },
}

/// Why a satellite's Icinga 2 does not run the newest content of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Name of the agent.
    pub agent: String,
    /// First line of Icinga's error.
    pub message: String,
    /// The newest snapshot that this is about. An object that changed later is not refused.
    pub revision: Revision,
}

/// All satellites.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// True once every SatelliteCluster is in it, after their first complete LIST. Until then
    /// nobody can say which satellites should hold an object.
    pub listed: bool,
    /// By name.
    pub satellites: BTreeMap<String, Satellite>,
}

impl Satellite {
    fn accepts(&self, content: &Rendered) -> bool {
        self.acceptance.as_ref().is_none_or(|acceptance| acceptance.accepts(content))
    }

    /// True if it holds what entered the snapshots at `revision`.
    fn has(&self, revision: Option<Revision>) -> bool {
        revision.is_some_and(|revision| self.acked.is_some_and(|acked| acked >= revision))
    }

    /// True if it held that when it was seen last.
    fn had(&self, revision: Option<Revision>) -> bool {
        revision.is_some_and(|revision| self.held_before.is_some_and(|held| held >= revision))
    }

    fn lacks(&self, name: &str) -> Lacking {
        let (reason, is_overdue) = match (self.exempt, self.health) {
            (Some(Exempt::Suspended), _) => (Reason::Suspended, false),
            (_, Health::Failing { reason, is_overdue }) => (reason, is_overdue),
            (_, Health::Unknown | Health::Well) => (Reason::Pending, false),
        };
        Lacking { satellite: name.to_owned(), reason, is_overdue }
    }
}

/// Returns how far an object got that joined the snapshots at `revision`. None if it joined none
/// yet.
pub fn sync_of(fleet: &Fleet, content: &Rendered, revision: Option<Revision>) -> Sync {
    if !fleet.listed {
        return Sync::Unknown;
    }
    let accepting = || fleet.satellites.iter().filter(|(_, satellite)| satellite.accepts(content));
    let expected: Vec<_> = accepting().filter(|(_, satellite)| satellite.exempt.is_none()).collect();
    let refused = expected.iter().find_map(|(name, satellite)| {
        let rejection = satellite.rejected.get(content.key())?;
        revision.is_some_and(|revision| revision <= rejection.revision).then_some((name, rejection))
    });
    if let Some((name, Rejection { agent, message, .. })) = refused {
        // Said at once, whoever else is late: a person must act.
        return Sync::Rejected { satellite: (*name).clone(), agent: agent.clone(), message: message.clone() };
    }
    // An optional satellite that is well gets the object in a moment, and costs no status of its
    // own.
    let without = sorted(accepting().filter_map(|(name, satellite)| {
        let is_named = matches!(
            (satellite.exempt?, satellite.health),
            (Exempt::Suspended, _) | (_, Health::Failing { .. })
        );
        let lacks = !satellite.has(revision) && !satellite.had(revision);
        (is_named && lacks).then(|| satellite.lacks(name))
    }));
    let missing = || expected.iter().filter(|(_, satellite)| !satellite.has(revision));
    if missing().next().is_some() {
        let lacks = |(name, satellite): &&(&String, &Satellite)| satellite.lacks(name);
        let not_held = || missing().filter(|(_, satellite)| !satellite.had(revision));
        let lacking = sorted(not_held().map(|one| lacks(&one)));
        let is_unseen = |satellite: &Satellite| satellite.health == Health::Unknown;
        let (is_known, is_sure) = match lacking.is_empty() {
            // Those are named that have not confirmed it since the start.
            true => (false, !missing().any(|(_, satellite)| is_unseen(satellite))),
            false => (true, !not_held().any(|(_, satellite)| is_unseen(satellite))),
        };
        return Sync::Pending {
            expected: expected.len(),
            lacking: if is_known { lacking } else { sorted(missing().map(|one| lacks(&one))) },
            is_known,
            is_sure,
            without,
        };
    }
    let leaves_out = |satellite: &Satellite| satellite.left_out.contains(content.key());
    let by: Vec<String> = expected
        .iter()
        .filter(|(_, satellite)| leaves_out(satellite))
        .map(|(name, _)| (*name).clone())
        .collect();
    match by.is_empty() {
        true => Sync::All { expected: expected.len(), without },
        false => Sync::LeftOut { expected: expected.len(), by },
    }
}

/// Returns those that fail first, each part by name.
fn sorted(lacking: impl Iterator<Item = Lacking>) -> Vec<Lacking> {
    let mut lacking: Vec<_> = lacking.collect();
    lacking.sort_by_key(|one| one.reason == Reason::Pending);
    lacking
}
