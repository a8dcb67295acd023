//! Where one object is on its way: declared, published, in the set, delivered, loaded.

use crate::cli::clusters::Observed;
use crate::cli::output::Document;
use crate::identity::Revision;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether a step was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum Taken {
    Yes,
    /// It comes by itself, or after a person acted: the detail says which.
    No,
    /// Nothing was reported about it.
    Unknown,
    /// It is not asked for: the satellite takes other objects, or has no agent.
    NotAsked,
}

impl Taken {
    /// Returns the word for a table.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::NotAsked => "-",
        }
    }
}

/// One step on the hub.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) step: &'static str,
    pub(super) taken: Taken,
    /// When (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<String>,
    pub(super) detail: String,
}

/// The last steps, on one satellite.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Leg {
    pub(super) satellite: String,
    pub(super) delivered: Taken,
    pub(super) loaded: Taken,
    /// Revision that the satellite acknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acked_revision: Option<String>,
    /// Revision that every Icinga of the satellite runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loaded_revision: Option<String>,
    /// When the satellite acknowledged the set that it holds (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acked_at: Option<String>,
    /// False if no object waits for the satellite: it is suspended or optional.
    pub(super) waited_for: bool,
    /// Why a step is not taken. Empty if all are.
    pub(super) why: String,
}

/// The way of one object.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Journey {
    pub(super) object: String,
    pub(super) generation: i64,
    pub(super) steps: Vec<Step>,
    pub(super) satellites: Vec<Leg>,
}

impl Document for Journey {
    const KIND: &'static str = "Trace";
}

impl Journey {
    /// Returns the way of `object`. `labels` are those of its namespace, None if they are unknown.
    pub(super) fn of(
        object: Observed<'_>,
        satellites: &[Observed<'_>],
        labels: Option<&BTreeMap<String, String>>,
    ) -> Self {
        let metadata = &object.0.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let legs = satellites.iter().map(|satellite| leg(object, *satellite, namespace, labels));
        Self {
            object: format!("{namespace}/{}", object.name()),
            generation: metadata.generation.unwrap_or_default(),
            steps: steps(object),
            satellites: legs.collect(),
        }
    }

    /// Returns the satellites that the object waits for.
    fn waited_for(&self) -> impl Iterator<Item = &Leg> {
        self.satellites.iter().filter(|leg| leg.waited_for)
    }

    /// True if it is published, every satellite that takes the object has it, and every one of them
    /// with an agent runs it. Suspended and optional satellites do not count.
    pub(super) fn has_arrived(&self) -> bool {
        let is_fine = |taken: Taken| matches!(taken, Taken::Yes | Taken::NotAsked);
        self.steps.iter().all(|step| step.taken == Taken::Yes)
            && self.waited_for().all(|leg| is_fine(leg.delivered) && is_fine(leg.loaded))
    }

    /// True if the hub's Icinga 2, or any satellite that the object waits for, has an agent.
    pub(super) fn has_agents(&self) -> bool {
        self.steps.iter().any(|step| step.step == LOADED)
            || self.waited_for().any(|leg| leg.loaded != Taken::NotAsked)
    }

    /// Returns where the object waits, for a person. None if it has arrived.
    pub(super) fn stop(&self) -> Option<String> {
        let step = self.steps.iter().find(|step| step.taken != Taken::Yes);
        let hub = step.map(|step| format!("{}: {}", step.step, step.detail));
        let away = || {
            let is_open = |taken: Taken| matches!(taken, Taken::No | Taken::Unknown);
            let mut open = self.waited_for().filter(|leg| is_open(leg.delivered) || is_open(leg.loaded));
            let first = open.next()?;
            let more = open.count();
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            Some(format!("{}: {}{more}", first.satellite, first.why))
        };
        hub.or_else(away)
    }
}

/// Returns why waiting is in vain: only a change of the object helps. None if it may still arrive: a
/// satellite that fails gets it by itself when it works again.
pub(super) fn hopeless(object: Observed<'_>) -> Option<String> {
    let stalled = object.condition("Stalled").filter(|_| object.is_decided() && object.is("Stalled"))?;
    let is_of_a_satellite = matches!(stalled.reason(), Some("SatelliteUnreachable" | "SatelliteFailing"));
    (!is_of_a_satellite).then(|| stalled.explanation())
}

/// The step after which an object is in the snapshots that satellites get.
const SET: &str = "in the set";
/// The step after which the hub's own Icinga 2 runs the object. Only with an agent of it.
const LOADED: &str = "loaded on the hub";

fn steps(object: Observed<'_>) -> Vec<Step> {
    let created = object.0.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string());
    let generation = object.0.metadata.generation.unwrap_or_default();
    let declared = Step {
        step: "declared",
        taken: Taken::Yes,
        since: created,
        detail: format!("generation {generation}"),
    };
    let ready = object.condition("Ready");
    let published = match ready {
        Some(condition) if object.is_decided() => {
            let is_published = object.is("Ready");
            let place = || {
                let of = |pointer| object.text(pointer).unwrap_or_default();
                format!("{} {}", of("/status/path"), of("/status/publishedDigest"))
            };
            Step {
                step: "published",
                taken: if is_published { Taken::Yes } else { Taken::No },
                since: condition.since().map(str::to_owned),
                detail: if is_published { place() } else { condition.explanation() },
            }
        }
        _ => Step {
            step: "published",
            taken: Taken::No,
            since: None,
            detail: format!(
                "the operator has not decided about generation {generation}; check that it runs and leads: groundlink status"
            ),
        },
    };
    let revision = object.text("/status/revision");
    let set = Step {
        step: SET,
        taken: match (published.taken, revision) {
            (Taken::Yes, Some(_)) => Taken::Yes,
            (Taken::Yes, None) if object.is("Synced") => Taken::Yes,
            _ => Taken::No,
        },
        since: None,
        detail: match revision {
            Some(revision) => format!("revision {revision}"),
            None => object.condition("Synced").map(|synced| synced.explanation()).unwrap_or_default(),
        },
    };
    let loaded = object.condition("Loaded").map(|condition| Step {
        step: LOADED,
        taken: match condition.status() {
            _ if !object.is_decided() => Taken::No,
            "True" => Taken::Yes,
            "False" => Taken::No,
            _ => Taken::Unknown,
        },
        since: condition.since().map(str::to_owned),
        detail: condition.explanation(),
    });
    [declared, published, set].into_iter().chain(loaded).collect()
}

fn leg(
    object: Observed<'_>,
    satellite: Observed<'_>,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Leg {
    let (acked, loaded) =
        (satellite.revision("/status/acked/revision"), satellite.revision("/status/loaded/revision"));
    let mut leg = Leg {
        satellite: satellite.name().to_owned(),
        delivered: Taken::NotAsked,
        loaded: Taken::NotAsked,
        acked_revision: acked.map(|revision| revision.to_string()),
        loaded_revision: loaded.map(|revision| revision.to_string()),
        acked_at: None,
        waited_for: not_waited_for(satellite).is_none(),
        why: String::new(),
    };
    if let Some(why) = declines(object.text("/spec/zone"), satellite, namespace, labels) {
        leg.why = why;
        return leg;
    }
    let wanted = object.revision("/status/revision").filter(|_| object.is("Ready"));
    let is_pending = || {
        let names = object.value("/status/pendingSatellites/names")?.as_array()?;
        let count = object.value("/status/pendingSatellites/count")?.as_u64()?;
        let is_named = names.iter().any(|name| name == satellite.name());
        (is_named || names.len() as u64 == count).then_some(is_named)
    };
    let is_there = |at: Option<Revision>| match wanted {
        Some(wanted) if at.is_some_and(|at| at >= wanted) => Taken::Yes,
        Some(_) => Taken::No,
        None => Taken::Unknown,
    };
    leg.delivered = match (is_there(acked), is_pending()) {
        (Taken::Unknown, Some(true)) => Taken::No,
        (Taken::Unknown, Some(false)) if object.is("Ready") => Taken::Yes,
        (taken, _) => taken,
    };
    if leg.delivered == Taken::Yes {
        leg.acked_at = satellite.text("/status/acked/time").map(str::to_owned);
    }
    let has_agents =
        satellite.value("/status/agents").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
    if has_agents || loaded.is_some() {
        leg.loaded = is_there(loaded);
    }
    leg.why = match (leg.delivered, leg.loaded) {
        (Taken::No | Taken::Unknown, _) => explain(satellite, &["Ready", "Synced"]),
        (Taken::Yes, Taken::No | Taken::Unknown) => explain(satellite, &["Loaded"]),
        _ => String::new(),
    };
    leg
}

/// Returns why no object waits for a satellite. None if objects wait for it.
pub(super) fn not_waited_for(satellite: Observed<'_>) -> Option<&'static str> {
    if satellite.value("/spec/suspend") == Some(&Value::Bool(true)) {
        return Some("Suspended");
    }
    (satellite.text("/spec/syncPolicy") == Some("Optional")).then_some("Optional")
}

/// Returns the first of these conditions that is not True, with its reason.
pub(super) fn explain(satellite: Observed<'_>, kinds: &[&str]) -> String {
    let found = kinds.iter().filter_map(|kind| satellite.condition(kind));
    let bad = found.into_iter().find(|condition| condition.status() != "True");
    bad.map_or_else(|| "nothing is reported yet".to_owned(), |condition| condition.explanation())
}

/// Returns why a satellite does not take an object of this zone and namespace. None if it takes it,
/// or that is unknown.
pub(super) fn declines(
    zone: Option<&str>,
    satellite: Observed<'_>,
    namespace: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Option<String> {
    let texts = |pointer: &str| {
        let values = satellite.value(pointer).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    if let Some(zone) = zone
        && !texts("/spec/zones").contains(&zone)
    {
        return Some(format!("takes no object of zone {zone} (spec.zones)"));
    }
    let is_chosen = match satellite.text("/spec/namespaces/from") {
        Some("List") => texts("/spec/namespaces/names").contains(&namespace),
        Some("Selector") => {
            let selector = satellite.value("/spec/namespaces/selector").and_then(Value::as_object)?;
            let labels = labels?;
            selector.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str())
        }
        _ => true,
    };
    (!is_chosen).then(|| format!("takes no object of namespace {namespace} (spec.namespaces)"))
}

#[cfg(test)]
#[path = "journey/tests.rs"]
mod tests;
