//! What there is to show.

use crate::api::condition::parse_timestamp;
use crate::api::satellite_cluster::Watermark;
use crate::api::{Condition, ConditionStatus, ConditionType, Reason, SatelliteClusterStatus};
use crate::hub::core::{Counts, Waiting};
use crate::satellite::Posted;
use std::collections::BTreeMap;

/// Most objects whose texts are kept. All are counted.
pub const KEPT: usize = 20_000;

/// Everything that the page can show, at one moment.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The operator's process.
    pub operator: Operator,
    /// The satellites.
    pub satellites: Satellites,
    /// The objects.
    pub objects: Objects,
}

/// The operator's process.
#[derive(Clone, Debug, Default)]
pub struct Operator {
    /// Whether it leads, so that it publishes.
    pub leads: bool,
    /// What it lacks to be ready, one line for each part.
    pub missing: Vec<String>,
    /// What a person must decide, one line for each.
    pub notes: Vec<String>,
}

/// The satellites.
#[derive(Clone, Debug, Default)]
pub struct Satellites {
    /// False until every SatelliteCluster is known.
    pub is_complete: bool,
    /// The worst first, then by name.
    pub rows: Vec<Satellite>,
}

/// The objects.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// False until every object is known.
    pub is_complete: bool,
    /// The counts of each namespace.
    pub namespaces: BTreeMap<String, Counts>,
    /// Objects that are not done, the worst first, then by namespace and name. At most [`KEPT`].
    pub rows: Vec<Waiting>,
}

/// How a satellite is. The worst comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It cannot be delivered to, or its Icinga refused the set.
    Failing,
    /// It lacks the newest set, or does not run it.
    Behind,
    /// It holds the newest set, and something else is wrong.
    Warned,
    /// A person suspended it.
    Suspended,
    /// It holds the newest set, and its agents run it.
    Current,
}

/// One satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Satellite {
    /// Name of the SatelliteCluster.
    pub name: String,
    /// How it is.
    pub stage: Stage,
    /// Revision that it should hold.
    pub desired: Option<String>,
    /// Revision that it acknowledged last.
    pub delivered: Option<String>,
    /// When that was, in Unix seconds.
    pub delivered_at: Option<i64>,
    /// Revision that its agents run. `None` without an agent.
    pub loaded: Option<String>,
    /// Number of agents, as far as its status has them.
    pub agents: usize,
    /// Since when the stage has its cause, in Unix seconds.
    pub since: Option<i64>,
    /// Why it is not current: the reason, if this version knows it, and a text.
    pub why: Option<(Option<Reason>, String)>,
}

impl Satellite {
    /// Returns a satellite as its actor sees it.
    pub fn of(name: &str, posted: &Posted) -> Self {
        let none = SatelliteClusterStatus::default();
        let status = posted.status.as_ref().unwrap_or(&none);
        let revision = |set: &Option<Watermark>| set.as_ref().map(|set| set.revision.clone());
        let time = |set: &Option<Watermark>| Some(parse_timestamp(set.as_ref()?.time.as_deref()?));
        let (stage, bad) = stage(status, posted.suspended);
        let is_new = posted.status.is_none() && !posted.suspended;
        Self {
            name: name.to_owned(),
            stage,
            desired: revision(&status.desired),
            delivered: revision(&status.acked),
            delivered_at: time(&status.acked).filter(|at| *at > 0),
            loaded: revision(&status.loaded),
            agents: status.agents.len(),
            since: bad.map(|bad| parse_timestamp(&bad.last_transition_time)).filter(|since| *since > 0),
            why: match bad {
                _ if is_new => Some((None, "the operator has not looked at it yet".to_owned())),
                _ if posted.suspended => Some((Some(Reason::Suspended), "spec.suspend is set".to_owned())),
                Some(bad) if bad.message.is_empty() => {
                    Some((bad.reason.known(), bad.reason.as_str().to_owned()))
                }
                Some(bad) => Some((bad.reason.known(), bad.message.clone())),
                None => None,
            },
        }
    }
}

/// Returns the stage of a satellite, and the first condition that is not as it should be.
fn stage(status: &SatelliteClusterStatus, suspended: bool) -> (Stage, Option<&Condition>) {
    use ConditionType::{Checked, CredentialsValid, Drifted, Loaded, Ready, RemovalsHeld, Synced};
    let find = |kind| status.conditions.iter().find(|condition: &&Condition| condition.r#type == kind);
    let bad = |kind: ConditionType| find(kind).filter(|condition| condition.status != kind.good());
    if suspended {
        return (Stage::Suspended, bad(Ready));
    }
    if let Some(ready) = bad(Ready) {
        return (Stage::Failing, Some(ready));
    }
    let has_agents = !status.agents.is_empty();
    let loaded = bad(Loaded).filter(|_| has_agents);
    if let Some(refused) =
        loaded.filter(|loaded| loaded.status == ConditionStatus::False && loaded.reason != Reason::Pending)
    {
        return (Stage::Failing, Some(refused));
    }
    if let Some(late) = bad(Synced).or(loaded) {
        return (Stage::Behind, Some(late));
    }
    if find(Ready).is_none() {
        return (Stage::Behind, None);
    }
    let expiring = find(CredentialsValid).filter(|valid| {
        valid.status != CredentialsValid.good() || valid.reason == Reason::CredentialExpiring
    });
    let checked = bad(Checked).filter(|_| has_agents);
    match bad(RemovalsHeld).or(bad(Drifted)).or(expiring).or(checked) {
        Some(warning) => (Stage::Warned, Some(warning)),
        None => (Stage::Current, None),
    }
}

impl Satellites {
    /// Returns satellites in their order.
    pub fn new(is_complete: bool, mut rows: Vec<Satellite>) -> Self {
        rows.sort_by(|a, b| (a.stage, &a.name).cmp(&(b.stage, &b.name)));
        Self { is_complete, rows }
    }
}

impl Objects {
    /// Returns objects in their order. Of too many rows the best are left out.
    pub fn new(is_complete: bool, namespaces: BTreeMap<String, Counts>, mut rows: Vec<Waiting>) -> Self {
        rows.sort_by(|a, b| (a.state, &a.key).cmp(&(b.state, &b.key)));
        rows.truncate(KEPT);
        Self { is_complete, namespaces, rows }
    }
}
