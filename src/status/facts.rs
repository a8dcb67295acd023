//! What is true of an object, and the status that reports it.

use crate::api::condition::{format_timestamp, parse_timestamp};
use crate::api::monitoring_object::PendingSatellites;
use crate::api::{Condition, ConditionStatus, ConditionType, MonitoringObjectStatus, Reason};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::publish::InPlace;
use crate::text::clean_message;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What is true of an object at one generation.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The resource.
    pub key: &'a ObjectKey,
    /// Generation that all of this is about.
    pub generation: i64,
    /// First snapshot that holds the published file. `None` if none does yet.
    pub revision: Option<Revision>,
    /// How far this generation got.
    pub state: State<'a>,
}

/// How far a generation got. A digest in a status comes from an [`InPlace`] alone: nothing is said of a file that is not
/// proved to be there.
#[derive(Clone, Debug)]
pub enum State<'a> {
    /// Its file is in place and durable.
    Published {
        /// The proof.
        in_place: &'a InPlace,
        /// How far it got on the satellites.
        sync: Sync,
    },
    /// It is not published, and a person must act.
    Refused {
        /// Why, in one word.
        reason: Reason,
        /// Why, for a person.
        message: Cow<'a, str>,
        /// What stays published of an earlier generation.
        kept: Option<&'a InPlace>,
    },
    /// The volume refused it, or somebody else changed the file; it is tried again.
    Failing {
        /// Which of these.
        reason: Reason,
        /// Why, for a person.
        message: &'a str,
        /// What stays published of an earlier generation.
        kept: Option<&'a InPlace>,
    },
    /// `spec.suspend` is set.
    Suspended {
        /// Digest of this generation's content. `None` if it is not valid.
        candidate: Option<Digest>,
        /// What stays published.
        kept: Option<&'a InPlace>,
    },
}

impl State<'_> {
    /// Returns the digest of the file that is published, of this generation or an earlier one.
    pub fn published(&self) -> Option<Digest> {
        match self {
            Self::Published { in_place, .. } => Some(in_place.digest()),
            Self::Refused { kept, .. } | Self::Failing { kept, .. } | Self::Suspended { kept, .. } => {
                kept.map(InPlace::digest)
            }
        }
    }
}

/// How far a published generation got on the satellites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Which satellites there are is not known yet.
    Unknown,
    /// No satellite should hold it.
    NoSatellites,
    /// All that should hold it do.
    All(usize),
    /// All do but these, which cannot: they lack what it names.
    LeftOut {
        /// How many should hold it.
        expected: usize,
        /// Names of those that cannot, sorted.
        by: Vec<String>,
    },
    /// The Icinga 2 of a satellite refused it. Others may refuse it, too, or not have it yet.
    Rejected {
        /// Name of the satellite.
        satellite: String,
        /// Name of the agent there.
        agent: String,
        /// First line of Icinga's error.
        message: String,
    },
    /// Some do not yet.
    Pending {
        /// How many should hold it.
        expected: usize,
        /// Names of those that have not acknowledged, sorted.
        missing: Vec<String>,
        /// Whether all of those are known to be unreachable.
        unreachable: bool,
    },
}

const TYPES: [ConditionType; 4] =
    [ConditionType::Ready, ConditionType::Synced, ConditionType::Reconciling, ConditionType::Stalled];

/// What the API server last acknowledged as an object's status, in the few bytes that decisions need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// `observedGeneration`; 0 if there was none.
    pub generation: i64,
    /// `publishedDigest`
    pub published: Option<Digest>,
    /// `revision`
    pub revision: Option<Revision>,
    /// Whether `Ready` was True for that generation.
    pub ready: bool,
    /// Whether `Synced` was True for that generation.
    pub synced: bool,
    /// Fingerprint of everything but the times.
    fingerprint: u64,
    /// Status of each condition, in the order of [`TYPES`].
    statuses: [Option<ConditionStatus>; 4],
    /// When each condition's status changed last, in Unix seconds.
    transitions: [i64; 4],
}

impl Recorded {
    /// From a status as the API server has it.
    pub fn of(status: &MonitoringObjectStatus) -> Self {
        let find = |kind| status.conditions.iter().find(|c: &&Condition| c.r#type == kind);
        let is_true = |kind| {
            find(kind).is_some_and(|c| {
                c.status == ConditionStatus::True && c.observed_generation == Some(status.observed_generation)
            })
        };
        Self {
            generation: status.observed_generation,
            published: status.published_digest.as_deref().and_then(|text| text.parse().ok()),
            revision: status.revision.as_deref().and_then(|text| text.parse().ok()),
            ready: is_true(ConditionType::Ready),
            synced: is_true(ConditionType::Synced),
            fingerprint: fingerprint(status),
            statuses: TYPES.map(|kind| find(kind).map(|c| c.status)),
            transitions: TYPES.map(|kind| find(kind).map_or(0, |c| parse_timestamp(&c.last_transition_time))),
        }
    }

    /// Returns whether the recorded status reports these facts already: a write would change only times.
    pub fn says(&self, facts: &Facts<'_>) -> bool {
        self.fingerprint == fingerprint(&compose(facts, self, 0))
    }

    /// Returns whether `Ready=True` was acknowledged for exactly this generation and digest.
    pub fn is_ready_for(&self, generation: i64, digest: Digest) -> bool {
        self.ready && self.generation == generation && self.published == Some(digest)
    }
}

fn fingerprint(status: &MonitoringObjectStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    status.observed_generation.hash(&mut hasher);
    status.published_digest.hash(&mut hasher);
    status.path.hash(&mut hasher);
    status.revision.hash(&mut hasher);
    if let Some(pending) = &status.pending_satellites {
        (pending.count, &pending.names).hash(&mut hasher);
    }
    let mut conditions: Vec<_> = status.conditions.iter().collect();
    conditions.sort_by_key(|c| c.r#type);
    for c in conditions {
        (c.r#type, c.status, c.observed_generation, c.reason, &c.message).hash(&mut hasher);
    }
    hasher.finish()
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
    let mut pending = None;
    let conditions = match &facts.state {
        State::Published { sync, .. } => {
            let mut stalled = fine.clone();
            let (synced, reconciling) = match sync {
                Sync::Unknown => (
                    (False, Reason::Pending, "the SatelliteClusters are not known yet".to_owned()),
                    (True, Reason::Pending, "waiting for the list of SatelliteClusters".to_owned()),
                ),
                Sync::NoSatellites => {
                    ((True, Reason::NoSatellites, "no satellite should hold it".to_owned()), fine.clone())
                }
                Sync::All(count) => (
                    (
                        True,
                        Reason::AllSatellites,
                        format!("acknowledged by all {count} satellites that should hold it"),
                    ),
                    fine.clone(),
                ),
                Sync::Pending { expected, missing, unreachable } => {
                    let names: Vec<String> = missing.iter().take(5).cloned().collect();
                    let more = if missing.len() > names.len() { ", ..." } else { "" };
                    let message = format!(
                        "{} of {expected} satellites have acknowledged; waiting for {}{more}",
                        expected - missing.len(),
                        names.join(", "),
                    );
                    pending = Some(PendingSatellites { count: missing.len() as u32, names });
                    let reason = if *unreachable { Reason::SatelliteUnreachable } else { Reason::Pending };
                    ((False, reason, message), (True, Reason::Pending, "waiting for satellites".to_owned()))
                }
                Sync::Rejected { satellite, agent, message } => {
                    let message = format!(
                        "refused by Icinga 2 of satellite {satellite} (agent {agent}): {message}; correct this object, or what it \
                         names"
                    );
                    // The agent tries nothing again before the set changes, and only a person changes this object. So a waiter
                    // that reads Stalled (kstatus) ends, instead of waiting for something that does not come.
                    stalled = (True, Reason::Rejected, message.clone());
                    let waiting = "waiting for a person: a satellite's Icinga 2 refused it".to_owned();
                    ((False, Reason::Rejected, message), (False, Reason::Rejected, waiting))
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
                    pending = Some(PendingSatellites { count: by.len() as u32, names });
                    stalled = (True, Reason::Rejected, message.clone());
                    let waiting = "waiting for a person: not on every satellite".to_owned();
                    ((False, Reason::Rejected, message), (False, Reason::Rejected, waiting))
                }
            };
            [(True, Reason::Published, published), synced, reconciling, stalled]
        }
        State::Refused { reason, message, .. } => refused(*reason, message),
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
            [
                (ready, reason, if current { published } else { waiting }),
                if recorded.synced && current {
                    (True, Reason::AllSatellites, "acknowledged before it was suspended".to_owned())
                } else {
                    (False, Reason::Suspended, "spec.suspend is set".to_owned())
                },
                (False, Reason::Suspended, "spec.suspend is set".to_owned()),
                fine,
            ]
        }
    };
    let recorded = recorded.statuses.into_iter().zip(recorded.transitions);
    let conditions = TYPES.into_iter().zip(conditions).zip(recorded).map(
        |((kind, (status, reason, message)), (old, since))| Condition {
            r#type: kind,
            status,
            observed_generation: Some(facts.generation),
            last_transition_time: format_timestamp(if old == Some(status) { since } else { now }),
            reason,
            message: clean_message(&message),
        },
    );
    MonitoringObjectStatus {
        observed_generation: facts.generation,
        published_digest: digest.map(|digest| digest.to_string()),
        path: digest.map(|_| facts.key.path()),
        revision: facts.revision.map(|revision| revision.to_string()),
        pending_satellites: pending,
        conditions: conditions.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use crate::render::read_back;

    #[test]
    fn every_condition_type_of_an_object_is_composed() {
        let is_of_object = |kind: &ConditionType| kind.kinds().contains(&Kind::MonitoringObject);
        let wanted: Vec<_> = ConditionType::ALL.iter().copied().filter(is_of_object).collect();
        let mut composed = TYPES.to_vec();
        composed.sort();
        assert_eq!(composed, wanted);
    }

    fn facts<'a>(key: &'a ObjectKey, state: State<'a>) -> Facts<'a> {
        Facts { key, generation: 3, revision: None, state }
    }

    fn in_place() -> InPlace {
        let text = b"// file\n// groundlink: {}\n".to_vec();
        InPlace::forged(&std::sync::Arc::new(read_back(&ObjectKey::new("a", "b"), text).unwrap()))
    }

    #[test]
    fn a_waiter_never_sees_done_before_it_is() {
        let key = ObjectKey::new("a", "b");
        let pending = Sync::Pending { expected: 2, missing: vec!["edge-a".into()], unreachable: false };
        let status = compose(
            &facts(&key, State::Published { in_place: &in_place(), sync: pending }),
            &Recorded::default(),
            100,
        );
        let condition = |kind| status.conditions.iter().find(|c| c.r#type == kind).unwrap();
        assert_eq!(condition(ConditionType::Ready).status, ConditionStatus::True);
        assert_eq!(condition(ConditionType::Reconciling).status, ConditionStatus::True);
        assert_eq!(condition(ConditionType::Synced).status, ConditionStatus::False);
        assert!(
            condition(ConditionType::Synced).message.contains("1 of 2")
                && status.pending_satellites.is_some()
        );
        assert!(status.conditions.iter().all(|c| c.observed_generation == Some(3)));
    }

    #[test]
    fn forty_satellites_that_are_away_are_counted_and_five_are_named() {
        let key = ObjectKey::new("a", "b");
        let missing = (10..50).map(|n| format!("edge-{n}")).collect();
        let away = Sync::Pending { expected: 60, missing, unreachable: true };
        let status = compose(
            &facts(&key, State::Published { in_place: &in_place(), sync: away }),
            &Recorded::default(),
            100,
        );
        let synced = status.conditions.iter().find(|c| c.r#type == ConditionType::Synced).unwrap();
        assert_eq!((synced.status, synced.reason), (ConditionStatus::False, Reason::SatelliteUnreachable));
        assert!(synced.message.contains("20 of 60"), "{}", synced.message);
        let pending = status.pending_satellites.unwrap();
        assert_eq!((pending.count, pending.names.len()), (40, 5));
    }

    #[test]
    fn who_is_left_out_by_a_satellite_waits_for_a_person() {
        let key = ObjectKey::new("a", "b");
        let left_out = Sync::LeftOut { expected: 2, by: vec!["edge-a".into()] };
        let status = compose(
            &facts(&key, State::Published { in_place: &in_place(), sync: left_out }),
            &Recorded::default(),
            100,
        );
        let is = |kind| status.conditions.iter().find(|c| c.r#type == kind).unwrap().status;
        use ConditionType::{Ready, Reconciling, Stalled, Synced};
        assert_eq!([Ready, Stalled].map(is), [ConditionStatus::True; 2]);
        assert_eq!([Synced, Reconciling].map(is), [ConditionStatus::False; 2]);
    }

    #[test]
    fn recorded_compares_all_but_times_and_keeps_transitions() {
        let key = ObjectKey::new("a", "b");
        let in_place = in_place();
        let facts = |state| facts(&key, state);
        let synced = facts(State::Published { in_place: &in_place, sync: Sync::All(1) });
        let first = compose(&synced, &Recorded::default(), 100);
        let recorded = Recorded::of(&first);
        assert!(recorded.says(&synced) && compose(&synced, &recorded, 999) == first);
        let message = "spec.host.notes is bad".into();
        let refused = facts(State::Refused { reason: Reason::Invalid, message, kept: Some(&in_place) });
        let changed = compose(&refused, &recorded, 999);
        assert!(!recorded.says(&refused));
        assert!(changed.conditions[0].message.contains("kept"));
        assert_ne!(changed.conditions[0].last_transition_time, first.conditions[0].last_transition_time);
    }
}
