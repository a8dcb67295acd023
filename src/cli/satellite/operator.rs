//! What can be seen of the operator from outside: its Lease, and what it reports of a satellite.

use crate::backoff::Backoff;
use crate::cli::clusters::Cluster;
use crate::cli::output::progress;
use crate::text::clean;
use anyhow::bail;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// How long the operator must have reported a valid credential: it reads a changed Secret at once.
const SETTLED: Duration = Duration::from_secs(3);
/// Pause between two looks at the hub.
const POLL: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(1) };

/// The operator of a hub, as far as it is concerned with one satellite.
pub(super) struct Operator<'a> {
    pub(super) hub: &'a Cluster,
    pub(super) namespace: &'a str,
    /// Name of the SatelliteCluster.
    pub(super) satellite: &'a str,
    /// Name of the Lease.
    pub(super) lease: &'a str,
}

impl Operator<'_> {
    /// Returns when the Lease was last renewed, by the operator's clock. `None` if there is no
    /// Lease.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) async fn lease(&self) -> anyhow::Result<Option<MicroTime>> {
        let api = self.hub.typed::<Lease>(self.namespace);
        let action = format!("read Lease {}/{}", self.namespace, self.lease);
        let lease = self.hub.ask(&action, api.get_opt(self.lease)).await?;
        Ok(lease.and_then(|lease| lease.spec).and_then(|spec| spec.renew_time))
    }

    /// Waits until the operator renewed its Lease and has reported a valid credential for a while.
    /// A status alone may be left from an operator that is gone.
    ///
    /// # Errors
    /// If that did not happen within `timeout`, or if the hub cannot be read.
    pub(super) async fn wait(&self, timeout: Duration) -> anyhow::Result<()> {
        progress("hub: waiting until the operator uses the new token");
        let began = Instant::now();
        let before = self.lease().await?;
        let mut runs = false;
        let mut valid_since: Option<Instant> = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            runs = runs || self.lease().await?.is_some_and(|renewed| Some(renewed) != before);
            let object = self.hub.expect_satellite(self.namespace, self.satellite).await?;
            let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
            let valid = conditions.into_iter().flatten().find(|c| c["type"] == "CredentialsValid");
            match valid.is_some_and(|condition| condition["status"] == "True") {
                true if valid_since.get_or_insert_with(Instant::now).elapsed() >= SETTLED && runs => {
                    return Ok(());
                }
                true => {}
                false => valid_since = None,
            }
            if began.elapsed() >= timeout {
                let why = self.missing(runs, before.is_some(), valid);
                bail!("within {timeout:?} {why}. If no operator runs, add --without-operator");
            }
            tokio::time::sleep(POLL.pause(attempt, 1.0)).await;
        }
    }

    fn missing(&self, runs: bool, had_lease: bool, valid: Option<&Value>) -> String {
        let lease = format!("Lease {}/{}", self.namespace, self.lease);
        match (runs, had_lease) {
            (true, _) => {
                let said = valid.map_or("nothing".into(), |condition| {
                    let word = |field: &str| clean(condition[field].as_str().unwrap_or_default(), 300);
                    format!("CredentialsValid={} ({}) {}", word("status"), word("reason"), word("message"))
                });
                format!("the operator said {said}")
            }
            (false, true) => format!("{lease} was not renewed: no operator runs, or it hangs"),
            (false, false) => {
                format!(
                    "there was no {lease}: no operator runs, or its Lease has another name (--lease-name)"
                )
            }
        }
    }
}
