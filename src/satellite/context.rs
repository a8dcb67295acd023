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

/// The namespace whose UID is the identity of the hub, as all that it delivers is labelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubIdentity {
    /// `kube-system`, which lives as long as the cluster.
    Cluster,
    /// The operator's own. An operator of named namespaces may read no other, and there may be several in one cluster.
    Own(String),
}

impl HubIdentity {
    /// Returns the identity of an operator in `namespace`.
    pub fn of(namespace: &str, is_namespaced: bool) -> Self {
        if is_namespaced { Self::Own(namespace.to_owned()) } else { Self::Cluster }
    }

    /// Returns the name of the namespace.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Cluster => "kube-system",
            Self::Own(name) => name,
        }
    }
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
    /// The namespace whose UID is the identity of the hub.
    pub identity: HubIdentity,
    /// Identity of the hub. Empty until it is read.
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
