use super::client::HostPolicy;
use super::credential::ServerPolicy;
use super::events::Events;
use super::views::Views;
use super::watermark::Fleet;
use crate::api::IcingaVersion;
use crate::lease::Leadership;
use crate::metrics::Metrics;
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

/// A snapshot on its way to the satellites.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// When it was cut, for the metrics alone.
    pub cut: Instant,
}

/// What every actor needs.
#[derive(Clone)]
pub struct Context {
    /// Client of the hub.
    pub hub: Client,
    /// The operator's namespace.
    pub namespace: String,
    /// Which addresses a satellite may have.
    pub policy: HostPolicy,
    /// The right to write.
    pub claim: Leadership,
    /// Objects that every Icinga has from elsewhere.
    pub external_objects: Arc<BTreeSet<Name>>,
    /// Which API servers a satellite may have.
    pub servers: ServerPolicy,
    /// Identity of the hub: the UID of its namespace kube-system, which lives as long as the cluster. Empty until it was read.
    pub hub_id: Arc<str>,
    /// What satellites that accept the same share.
    pub views: Arc<Views>,
    /// What `kubectl describe` tells.
    pub events: Events,
    /// The latest snapshot; nothing before the first.
    pub snapshots: watch::Receiver<Option<Latest>>,
    /// Where acknowledgements go.
    pub fleet: Arc<watch::Sender<Fleet>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Readiness,
}

impl Context {
    /// Names that exist in an Icinga of this version without any resource.
    pub fn reserved(&self, version: IcingaVersion) -> HashSet<Name> {
        itl(version).into_iter().chain(self.external_objects.iter().cloned()).collect()
    }
}
