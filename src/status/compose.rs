//! The status that reports what is true of an object, and whether the recorded one reports it already.

use super::facts::{Facts, Lacking, State, Sync};
use super::loaded::{self, Loaded};
use super::recorded::{Recorded, TYPES, fingerprint, fingerprint_of};
use super::values::values;
use crate::api::condition::format_timestamp;
use crate::api::monitoring_object::PendingSatellites;
use crate::api::{Condition, ConditionStatus, MonitoringObjectStatus, Reason};
use crate::text::clean_message;

impl Recorded {
    /// Returns whether the recorded status reports these facts already: a write would change only times.
    pub fn says(&self, facts: &Facts<'_>) -> bool {
        self.fingerprint == fingerprint(&compose(facts, self, 0))
    }

    /// Returns whether the recorded status says of the values what these facts say.
    pub fn says_values(&self, facts: &Facts<'_>) -> bool {
        let words = |condition: &Condition| {
            (
                condition.status,
                condition.reason.clone(),
                condition.message.clone(),
                condition.observed_generation,
            )
        };
        values(facts, self, 0).as_ref().map(words) == self.values.as_deref().map(words)
    }

    /// Returns whether the recorded status names the same satellites as these facts.
    pub fn names_the_same(&self, facts: &Facts<'_>) -> bool {
        self.lacking == fingerprint_of(&compose(facts, self, 0).pending_satellites)
    }

    /// Returns whether the recorded status has the same condition `Loaded` as these facts.
    pub fn says_loaded(&self, facts: &Facts<'_>) -> bool {
        self.loaded == loaded::fingerprint(&compose(facts, self, 0))
    }
}

/// Most satellites that a message names.
const NAMED: usize = 5;

/// Returns the names of the first satellites, each with its reason.
fn named(lacking: &[Lacking]) -> String {
    let one = |one: &Lacking| format!("{} ({})", one.satellite, one.reason.as_str());
    let names: Vec<_> = lacking.iter().take(NAMED).map(one).collect();
    let more = if lacking.len() > NAMED { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

/// Returns how a message names the satellites that are not waited for.
fn not_waited_for(without: &[Lacking]) -> String {
    match without {
        [] => String::new(),
        _ => format!("; not waiting for {}", named(without)),
    }
}

/// Returns the satellites that lack an object, as a status counts them. `None` if there are none.
fn pending(lacking: &[Lacking], without: &[Lacking]) -> Option<PendingSatellites> {
    let all = || lacking.iter().chain(without).map(|one| one.satellite.clone());
    let count = lacking.len() + without.len();
    (count > 0).then(|| PendingSatellites { count: count as u32, names: all().take(NAMED).collect() })
}

/// Conditions Synced, Reconciling and Stalled.
type Progress = [(ConditionStatus, Reason, String); 3];

/// Returns the conditions of an object that waits for satellites.
fn waiting(expected: usize, lacking: &[Lacking], without: &[Lacking]) -> Progress {
    use ConditionStatus::{False, True};
    let is_failing = lacking.iter().any(Lacking::is_failing);
    let is_silent = |one: &Lacking| !one.is_failing() || one.reason == Reason::Unreachable;
    let reason = match is_failing {
        false => Reason::Pending,
        true if lacking.iter().all(is_silent) => Reason::SatelliteUnreachable,
        true => Reason::SatelliteFailing,
    };
    let is_overdue = lacking.iter().all(|one| one.is_overdue);
    let remedy = match (is_overdue, is_failing) {
        (true, _) => {
            "; repair them, or set spec.suspend or spec.syncPolicy: Optional of their SatelliteClusters"
        }
        (false, true) => "; look at their SatelliteClusters",
        (false, false) => "",
    };
    let message = format!(
        "{} of {expected} satellites have acknowledged; waiting for {}{}{remedy}",
        expected.saturating_sub(lacking.len()),
        named(lacking),
        not_waited_for(without),
    );
    // It is delivered by itself when they return, and a waiter (kstatus) must end before that: nothing but Stalled ends it
    // without the claim that all is well.
    let (reconciling, stalled) = match is_overdue {
        true => ((False, reason, "waiting for a person".to_owned()), (True, reason, message.clone())),
        false => ((True, reason, message.clone()), (False, Reason::Complete, String::new())),
    };
    [(False, reason, message), reconciling, stalled]
}
/// Composes the status that reports the facts. Transition times are kept from what was recorded, where the status of a
/// condition is the same; `now` is in Unix seconds. Only a [`Write`](super::Write) sends one.
pub(super) fn compose(facts: &Facts<'_>, recorded: &Recorded, now: i64) -> MonitoringObjectStatus {
    use ConditionStatus::{False, True};
    let published = format!("published as {}", facts.key.path());
    let digest = facts.state.published();
    let kept = match digest {
        Some(_) => "; what was published before is kept",
        None => "",
    };
    let refused = |reason, message: &str| {
        let message = format!("{message}{kept}");
        [
            (False, reason, message.clone()),
            (False, reason, "this generation is not published".to_owned()),
            (False, reason, "waiting for a person, not for the operator".to_owned()),
            (True, reason, message),
        ]
    };
    let fine = (False, Reason::Complete, String::new());
    let (mut pending_satellites, mut satellites) = (None, None);
    let conditions = match &facts.state {
        State::Published { sync, .. } => {
            let counted = |has: usize, expected: usize| Some(format!("{has}/{expected}"));
            let [synced, reconciling, stalled] = match sync {
                Sync::Unknown => [
                    (False, Reason::Pending, "the SatelliteClusters are not known yet".to_owned()),
                    (True, Reason::Pending, "waiting for the list of SatelliteClusters".to_owned()),
                    fine,
                ],
                Sync::All { expected, without } => {
                    pending_satellites = pending(&[], without);
                    satellites = counted(*expected, *expected);
                    let (reason, message) = match expected {
                        0 => (Reason::NoSatellites, "no satellite should hold it".to_owned()),
                        count => (
                            Reason::AllSatellites,
                            format!("acknowledged by all {count} satellites that should hold it"),
                        ),
                    };
                    [(True, reason, format!("{message}{}", not_waited_for(without))), fine.clone(), fine]
                }
                Sync::Pending { expected, lacking, without, .. } => {
                    pending_satellites = pending(lacking, without);
                    satellites = counted(expected.saturating_sub(lacking.len()), *expected);
                    waiting(*expected, lacking, without)
                }
                Sync::Rejected { satellite, agent, message } => {
                    let message = format!(
                        "refused by Icinga 2 of satellite {satellite} (agent {agent}): {message}; correct this object, or what it \
                         names"
                    );
                    // The agent tries nothing again before the set changes, and only a person changes this object. So a waiter
                    // that reads Stalled (kstatus) ends, instead of waiting for something that does not come.
                    let waiting = "waiting for a person: a satellite's Icinga 2 refused it".to_owned();
                    let stalled = (True, Reason::Rejected, message.clone());
                    [(False, Reason::Rejected, message), (False, Reason::Rejected, waiting), stalled]
                }
                Sync::LeftOut { expected, by } => {
                    let names: Vec<String> = by.iter().take(5).cloned().collect();
                    let more = if by.len() > names.len() { ", ..." } else { "" };
                    let message = format!(
                        "{} of {expected} satellites have acknowledged; left out by {}{more}, because something that it names is not there, or \
                         its own name is taken there (see spec.namespaces and spec.icingaVersion of the satellite)",
                        expected - by.len(),
                        names.join(", "),
                    );
                    pending_satellites = Some(PendingSatellites { count: by.len() as u32, names });
                    satellites = counted(expected.saturating_sub(by.len()), *expected);
                    let waiting = "waiting for a person: not on every satellite".to_owned();
                    let stalled = (True, Reason::Rejected, message.clone());
                    [(False, Reason::Rejected, message), (False, Reason::Rejected, waiting), stalled]
                }
            };
            [(True, Reason::Published, published), synced, reconciling, stalled]
        }
        State::Refused { reason, message, .. } => refused(*reason, message),
        State::Unresolved { message, .. } => {
            let message = format!("{message}{kept}");
            let reason = Reason::UnresolvedReference;
            [
                (False, reason, message.clone()),
                (False, reason, "this generation is not published".to_owned()),
                // Flux and Helm print it.
                (True, reason, message),
                fine,
            ]
        }
        State::Failing { reason, message, .. } => [
            (False, *reason, (*message).to_owned()),
            (False, *reason, "this generation is not published".to_owned()),
            (True, *reason, "trying again".to_owned()),
            fine,
        ],
        State::Suspended { candidate, .. } => {
            // Ready stays what it was: only for a content that an acknowledged status names.
            let current = digest.is_some() && digest == *candidate && digest == recorded.published;
            let waiting = format!("spec.suspend is set: this generation is not processed{kept}");
            let (ready, reason) =
                if current { (True, Reason::Published) } else { (False, Reason::Suspended) };
            // Nobody but a person goes on with it. Without Stalled a waiter would wait for ever.
            let stalled = if current {
                fine
            } else {
                (True, Reason::Suspended, format!("{waiting}; set spec.suspend to false"))
            };
            [
                (ready, reason, if current { published } else { waiting }),
                if recorded.synced && current {
                    (True, Reason::AllSatellites, "acknowledged before it was suspended".to_owned())
                } else {
                    (False, Reason::Suspended, "spec.suspend is set".to_owned())
                },
                (False, Reason::Suspended, "spec.suspend is set".to_owned()),
                stalled,
            ]
        }
    };
    let [ready, synced, ..] = &conditions;
    let reason = if ready.0 == True { synced.1 } else { ready.1 };
    let is_suspended = matches!(facts.state, State::Suspended { .. });
    let loaded = facts.loaded.as_ref().map(|of| match ready.0 {
        // As Synced: what was so before stays.
        True if is_suspended && recorded.loaded() == Some(True) => loaded::condition(&Loaded::Runs),
        True if is_suspended => (False, Reason::Suspended, "spec.suspend is set".to_owned()),
        True => loaded::condition(of),
        _ => (False, ready.1, "this generation is not published".to_owned()),
    });
    let values = values(facts, recorded, now);
    let recorded = recorded.statuses.into_iter().zip(recorded.transitions);
    let conditions = TYPES.into_iter().zip(conditions.into_iter().chain(loaded)).zip(recorded).map(
        |((kind, (status, reason, message)), (old, since))| Condition {
            r#type: kind.into(),
            status,
            observed_generation: Some(facts.generation),
            last_transition_time: format_timestamp(if old == Some(status) { since } else { now }),
            reason: reason.into(),
            message: clean_message(&message),
        },
    );
    MonitoringObjectStatus {
        observed_generation: facts.generation,
        r#type: facts.kind.map(|kind| kind.as_str().to_owned()),
        reason: Some(reason.as_str().to_owned()),
        operator: Some(facts.claim.name().to_owned()),
        satellites,
        published_digest: digest.map(|digest| digest.to_string()),
        path: digest.map(|_| facts.key.path()),
        revision: facts.revision.map(|revision| revision.to_string()),
        pending_satellites,
        conditions: conditions.chain(values).collect(),
    }
}
#[cfg(test)]
mod tests;
