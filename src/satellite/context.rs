use super::client::HostPolicy;
use super::watermark::Fleet;
use crate::http::Readiness;
use crate::lease::Claim;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use kube::Client;
use std::sync::Arc;
use tokio::sync::watch;

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
    pub claim: Claim,
    /// The latest snapshot; nothing before the first.
    pub snapshots: watch::Receiver<Option<Snapshot>>,
    /// Where acknowledgements go.
    pub fleet: Arc<watch::Sender<Fleet>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// What `/readyz` says.
    pub readiness: Readiness,
}
