use super::board::Board;
use super::client::HostPolicy;
use super::credential::ServerPolicy;
use super::events::Events;
use super::fleet::Fleet;
use super::views::Views;
use crate::api::IcingaVersion;
use crate::lease::Leadership;
use crate::metrics::Metrics;
use crate::ownership::Claim;
use crate::readiness::Readiness;
use crate::references::itl;
use crate::snapshot::Snapshot;
use crate::validate::Name;
use kube::Client;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Longest wait for the hub's API server.
pub const HUB_TIMEOUT: Duration = Duration::from_secs(10);

/// The latest snapshot.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// When it was cut, for the metrics alone.
    pub cut: Instant,
}

/// The context that all actors share.
#[derive(Clone)]
pub struct Context {
    /// Client of the hub.
    pub hub: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// Which addresses a satellite may have.
    pub policy: HostPolicy,
    /// The name of this operator.
    pub claim: Claim,
    /// The right to write.
    pub leadership: Leadership,
    /// External objects: every Icinga gets them from elsewhere.
    pub external_objects: Arc<BTreeSet<Name>>,
    /// Which API servers a satellite may have.
    pub servers: ServerPolicy,
    /// Identity of the hub: the UID of its namespace kube-system, which lives as long as the
    /// cluster. Empty until it is read.
    pub hub_id: Arc<str>,
    /// The sets, shared by the satellites that accept the same.
    pub views: Arc<Views>,
    /// The Events that `kubectl describe` shows.
    pub events: Events,
    /// The latest snapshot. None before the first.
    pub snapshots: watch::Receiver<Option<Latest>>,
    /// Why removals wait for a person. None if none do.
    pub removals_held: watch::Receiver<Option<String>>,
    /// The hub's knowledge of its satellites.
    pub fleet: Arc<watch::Sender<Fleet>>,
    /// The statuses of the satellites, for a reader beside the API server.
    pub board: Board,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The state that `/readyz` reports.
    pub readiness: Readiness,
}

impl Context {
    /// Returns whether this process may write now. Nobody may before every SatelliteCluster is known: one of them may have a
    /// status of another operator.
    pub fn is_current(&self) -> bool {
        self.leadership.is_current() && self.fleet.borrow().listed
    }

    /// Returns the names that exist in an Icinga of this version without any resource.
    pub fn reserved(&self, version: IcingaVersion) -> HashSet<Name> {
        itl(version).into_iter().chain(self.external_objects.iter().cloned()).collect()
    }
}
