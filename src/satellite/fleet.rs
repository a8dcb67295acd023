//! The hub's knowledge of its satellites: the acceptance of each, and the last revision that each
//! delivered. Nothing else flows back from satellites to the hub.

use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use crate::snapshot::Acceptance;
use crate::status::Sync;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The hub's knowledge of one satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Satellite {
    /// The objects that it accepts. None if that is unknown: then it may be anything.
    pub acceptance: Option<Acceptance>,
    /// The last snapshot that was delivered to it.
    pub acked: Option<Revision>,
    /// Objects of that snapshot that it accepts and cannot hold, because they name an object that
    /// it lacks.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
    /// Objects that its Icinga 2 refused. At most 400 for each of 16 agents.
    pub rejected: Arc<BTreeMap<ObjectKey, Rejection>>,
    /// True if its breaker is open.
    pub unreachable: bool,
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

/// Returns how far an object got that joined the snapshots at `revision`. None if it joined none
/// yet.
pub fn sync_of(fleet: &Fleet, content: &Rendered, revision: Option<Revision>) -> Sync {
    if !fleet.listed {
        return Sync::Unknown;
    }
    let accepts = |satellite: &Satellite| {
        satellite.acceptance.as_ref().is_none_or(|acceptance| acceptance.accepts(content))
    };
    let expected: Vec<_> = fleet.satellites.iter().filter(|(_, satellite)| accepts(satellite)).collect();
    if expected.is_empty() {
        return Sync::NoSatellites;
    }
    let refused = expected.iter().find_map(|(name, satellite)| {
        let rejection = satellite.rejected.get(content.key())?;
        revision.is_some_and(|revision| revision <= rejection.revision).then_some((name, rejection))
    });
    if let Some((name, Rejection { agent, message, .. })) = refused {
        // Said at once, whoever else is late: a person must act.
        return Sync::Rejected { satellite: (*name).clone(), agent: agent.clone(), message: message.clone() };
    }
    let has = |satellite: &Satellite| {
        revision.is_some_and(|revision| satellite.acked.is_some_and(|acked| acked >= revision))
    };
    let missing: Vec<_> = expected.iter().filter(|(_, satellite)| !has(satellite)).collect();
    if !missing.is_empty() {
        return Sync::Pending {
            expected: expected.len(),
            unreachable: missing.iter().all(|(_, satellite)| satellite.unreachable),
            missing: missing.iter().map(|(name, _)| (*name).clone()).collect(),
        };
    }
    let leaves_out = |satellite: &Satellite| satellite.left_out.contains(content.key());
    let by: Vec<String> = expected
        .iter()
        .filter(|(_, satellite)| leaves_out(satellite))
        .map(|(name, _)| (*name).clone())
        .collect();
    if by.is_empty() { Sync::All(expected.len()) } else { Sync::LeftOut { expected: expected.len(), by } }
}
