//! The sets that satellites hold, read with the credentials in the hub's Secrets.

use super::target::Found;
use crate::api::AgentReport;
use crate::api::marks::{AGENT_REPORT, MANAGED_BY, PART, PART_AGENT};
use crate::cli::clusters::{Cluster, Observed, Refused};
use crate::cli::join::access::Access;
use crate::cli::snapshot::source::Satellite;
use crate::identity::{Digest, ObjectKey, Revision};
use crate::satellite::HostPolicy;
use crate::snapshot::pointer::DIGEST;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use std::time::Duration;

/// Satellites that are asked at once.
pub(super) const PARALLEL: usize = 8;
/// Longest wait for the start of a satellite's answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most agents of one satellite that are read. The operator reads as many.
const MOST_AGENTS: u32 = 16;

/// A satellite that can be asked, and the place of its set.
pub(super) struct Away {
    cluster: Cluster,
    namespace: String,
    pointer: String,
}

/// The file of one object in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InSet {
    /// Revision and digest of the whole set, as its pointer names them. None if it does not.
    pub(super) revision: Option<Revision>,
    pub(super) digest: Option<Digest>,
    /// Bytes of the file. None if the set does not have it.
    pub(super) file: Option<Vec<u8>>,
}

impl Away {
    /// Opens a satellite as the operator does.
    ///
    /// # Errors
    /// If its Secret cannot be read, or the operator would refuse what it holds. Why, for a person.
    pub(super) async fn open(found: &Found, satellite: Observed<'_>) -> Result<Self, String> {
        let name = satellite.text("/spec/kubeconfigSecretRef/name").unwrap_or_default();
        let api = found.hub.typed::<Secret>(&found.operator);
        let described = format!("Secret {}/{name}", found.operator);
        let read = found.hub.ask(&format!("read {described}"), api.get_opt(name)).await;
        let secret = read
            .map_err(|refused| refused.to_string())?
            .ok_or_else(|| format!("{described} does not exist on the hub"))?;
        // Only ConfigMaps and Leases are read with it.
        let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
        let access = Access::of_secret(&secret, satellite.text("/spec/kubeconfigSecretRef/key"), policy)?;
        let client = access.client(policy, ANSWER_TIMEOUT).await?;
        let text = |pointer, default: &str| satellite.text(pointer).unwrap_or(default).to_owned();
        Ok(Self {
            cluster: Cluster::of_client(client, &access.server),
            namespace: text("/spec/target/namespace", "icinga"),
            pointer: text("/spec/target/name", "groundlink"),
        })
    }

    fn set(&self) -> Satellite<'_> {
        Satellite::new(&self.cluster, &self.namespace, &self.pointer)
    }

    /// Reads the pointer. None if the satellite holds no set.
    ///
    /// # Errors
    /// If the satellite does not answer or refuses.
    pub(super) async fn pointer(&self) -> Result<Option<ConfigMap>, String> {
        self.set().pointer().await.map_err(|error| format!("{error:#}"))
    }

    /// Reads the whole set of a pointer, verifies it, and returns what it has of one object.
    ///
    /// # Errors
    /// If the satellite does not answer or refuses, or the set is not whole.
    pub(super) async fn read(&self, pointer: ConfigMap, key: &ObjectKey) -> Result<InSet, String> {
        let mut report = self.set().read(pointer, false).await.map_err(|error| format!("{error:#}"))?;
        if !report.is_whole() {
            let problem = report.problems.first().map(|one| format!("{}: {}", one.config_map, one.message));
            return Err(format!("its set is not whole: ConfigMap {}", problem.unwrap_or_default()));
        }
        let file = report.files.remove(&key.file_key().to_string()).map(|content| content.bytes);
        Ok(InSet { revision: report.revision, digest: report.digest, file })
    }

    /// Reads the reports of the agents that follow the pointer, by the names of their Leases. An
    /// agent that has not reported, or not what can be read, has the reason instead.
    ///
    /// # Errors
    /// If the satellite does not answer or refuses.
    pub(super) async fn agents(&self) -> Result<Vec<(String, Result<AgentReport, String>)>, Refused> {
        let api = self.cluster.typed::<Lease>(&self.namespace);
        let selector = format!("{}={},{PART}={PART_AGENT}", MANAGED_BY.0, MANAGED_BY.1);
        let parameters = ListParams::default().labels(&selector).limit(MOST_AGENTS);
        let action = format!("list Leases of namespace {}", self.namespace);
        let list = self.cluster.ask(&action, api.list(&parameters)).await?;
        let reports = list.items.into_iter().map(|lease| {
            let text = lease.metadata.annotations.as_ref().and_then(|all| all.get(AGENT_REPORT));
            let report = match text {
                None => Err("it has never reported".to_owned()),
                Some(text) => {
                    AgentReport::parse(text).map_err(|why| format!("its report cannot be used: {why}"))
                }
            };
            (lease.metadata.name.unwrap_or_default(), report)
        });
        let follows = |report: &Result<AgentReport, String>| {
            report.as_ref().map_or(true, |r| r.pointer == self.pointer)
        };
        Ok(reports.filter(|(_, report)| follows(report)).collect())
    }
}

/// Returns the digest that a pointer claims. None if it cannot be read.
pub(super) fn digest_of(pointer: &ConfigMap) -> Option<Digest> {
    pointer.metadata.annotations.as_ref()?.get(DIGEST)?.parse().ok()
}
