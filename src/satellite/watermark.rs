//! What the hub knows of the satellites: what each should hold, and the last revision each acknowledged. The only thing
//! that flows back, and it flows as data.

use crate::identity::{ObjectKey, Revision};
use crate::render::Rendered;
use crate::snapshot::Acceptance;
use crate::status::Sync;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One satellite, for the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What it should hold; nothing while that is not known, and then it may be anything.
    pub acceptance: Option<Acceptance>,
    /// The last snapshot that it acknowledged.
    pub acked: Option<Revision>,
    /// Of these, what it accepts and cannot hold, because it lacks what that names.
    pub left_out: Arc<BTreeSet<ObjectKey>>,
    /// Whether its breaker is open.
    pub unreachable: bool,
}

/// All satellites.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Whether every SatelliteCluster is in it: not before their first complete LIST, and until then nobody can say who should
    /// hold an object.
    pub listed: bool,
    /// By name.
    pub satellites: BTreeMap<String, Held>,
}

/// How far an object got that entered the snapshots at `revision`; nothing for a revision if it is in none yet.
pub fn sync_of(fleet: &Fleet, content: &Rendered, revision: Option<Revision>) -> Sync {
    if !fleet.listed {
        return Sync::Unknown;
    }
    let accepts = |held: &Held| held.acceptance.as_ref().is_none_or(|acceptance| acceptance.accepts(content));
    let expected: Vec<_> = fleet.satellites.iter().filter(|(_, held)| accepts(held)).collect();
    if expected.is_empty() {
        return Sync::NoSatellites;
    }
    let acked =
        |held: &Held| revision.is_some_and(|revision| held.acked.is_some_and(|acked| acked >= revision));
    let missing: Vec<_> = expected.iter().filter(|(_, held)| !acked(held)).collect();
    let left_out: Vec<_> =
        expected.iter().filter(|(_, held)| acked(held) && held.left_out.contains(content.key())).collect();
    if missing.is_empty() && !left_out.is_empty() {
        return Sync::LeftOut {
            expected: expected.len(),
            by: left_out.into_iter().map(|(name, _)| (*name).clone()).collect(),
        };
    }
    if missing.is_empty() {
        return Sync::All(expected.len());
    }
    Sync::Pending {
        expected: expected.len(),
        unreachable: missing.iter().all(|(_, held)| held.unreachable),
        missing: missing.iter().map(|(name, _)| (*name).clone()).collect(),
    }
}
