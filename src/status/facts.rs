//! What is true of an object, and the status that reports it.

mod values;

pub use values::Values;

use super::loaded::{self, Loaded};
use crate::api::condition::{format_timestamp, parse_timestamp};
use crate::api::monitoring_object::PendingSatellites;
use crate::api::{Condition, ConditionStatus, ConditionType, IcingaType, MonitoringObjectStatus, Reason};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::ownership::{Claim, Owner};
use crate::publish::InPlace;
use crate::text::clean_message;
use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use values::values;

/// What is true of an object at one generation.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The resource.
    pub key: &'a ObjectKey,
    /// Generation that all of this is about.
    pub generation: i64,
    /// Icinga type that it declares. `None` if its spec cannot be read.
    pub kind: Option<IcingaType>,
    /// First snapshot that holds the published file. `None` if none does yet.
    pub revision: Option<Revision>,
    /// The operator that says so.
    pub claim: &'a Claim,
    /// How far this generation got.
    pub state: State<'a>,
    /// Whether the hub's own Icinga 2 runs what is published. `None` if no agent of it is followed.
    pub loaded: Option<Loaded>,
    /// What its expressions come to. `None` if it has none.
    pub values: Option<Values>,
}

impl Facts<'_> {
    /// Returns the same of an object whose status says Synced, and whose satellites had it when they were seen last or
    /// have just joined: another cause to write its status takes nothing back for them.
    #[must_use]
    pub fn without_taking_back(mut self, recorded: &Recorded) -> Self {
        if let State::Published { sync, .. } = &mut self.state
            && let Sync::Pending { expected, lacking, without, is_known, is_sure } = sync
            && recorded.synced
            && recorded.generation == self.generation
            && !(*is_known && *is_sure && lacking.iter().any(Lacking::is_failing))
        {
            let joined = if *is_known { lacking.len() } else { 0 };
            *sync = Sync::All { expected: expected.saturating_sub(joined), without: std::mem::take(without) };
        }
        self
    }
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
    /// It names something that is not published, which may be on its way.
    Unresolved {
        /// What is missing, for a person.
        message: String,
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
            Self::Refused { kept, .. }
            | Self::Unresolved { kept, .. }
            | Self::Failing { kept, .. }
            | Self::Suspended { kept, .. } => kept.map(InPlace::digest),
        }
    }
}

/// How far a published generation got on the satellites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Which satellites there are is not known yet.
    Unknown,
    /// All that should hold it do.
    All {
        /// How many should hold it. 0 if none should.
        expected: usize,
        /// Satellites that lack it and are not waited for, because they are suspended or optional.
        without: Vec<Lacking>,
    },
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
        /// Those that have not acknowledged: first those that fail, each part by name.
        lacking: Vec<Lacking>,
        /// Satellites that lack it and are not waited for.
        without: Vec<Lacking>,
        /// False if nobody is known to lack it, and some have not confirmed it since the start.
        is_known: bool,
        /// False while this process has not asked all of them.
        is_sure: bool,
    },
}

/// A satellite that lacks an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Its name.
    pub satellite: String,
    /// Why, in the words of its SatelliteCluster. `Pending` if the object is on its way.
    pub reason: Reason,
    /// It has failed for `spec.syncTimeout`: a person must act.
    pub is_overdue: bool,
}

impl Lacking {
    /// Returns whether the object is not on its way.
    pub fn is_failing(&self) -> bool {
        self.reason != Reason::Pending
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

const TYPES: [ConditionType; 5] = [
    ConditionType::Ready,
    ConditionType::Synced,
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::Loaded,
];

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
    /// Whether `Stalled` was True for that generation.
    pub stalled: bool,
    /// Whether it said that something is missing which that generation names.
    pub unresolved: bool,
    /// The reason that mattered.
    pub reason: Option<Reason>,
    /// Whether it has the fields that every version since the first writes.
    pub is_complete: bool,
    /// Fingerprint of the operator that wrote it. 0 if it names none.
    operator: u64,
    /// Fingerprint of the satellites that lacked it.
    lacking: u64,
    /// Fingerprint of everything but the times.
    fingerprint: u64,
    /// Status of each condition, in the order of [`TYPES`].
    statuses: [Option<ConditionStatus>; 5],
    /// When each condition's status changed last, in Unix seconds.
    transitions: [i64; 5],
    /// Fingerprint of `Loaded`.
    loaded: u64,
    /// The condition `ValuesTaken`. `None` if there was none, as for all but rules.
    values: Option<Box<Condition>>,
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
        let has_reason = |kind, reason: Reason| find(kind).is_some_and(|c| c.reason == reason);
        Self {
            generation: status.observed_generation,
            published: status.published_digest.as_deref().and_then(|text| text.parse().ok()),
            revision: status.revision.as_deref().and_then(|text| text.parse().ok()),
            ready: is_true(ConditionType::Ready),
            synced: is_true(ConditionType::Synced),
            stalled: is_true(ConditionType::Stalled),
            unresolved: has_reason(ConditionType::Ready, Reason::UnresolvedReference),
            reason: status.reason.as_deref().and_then(Reason::of),
            is_complete: status.reason.is_some(),
            operator: status.operator.as_deref().map_or(0, name_of),
            lacking: fingerprint_of(&status.pending_satellites),
            fingerprint: fingerprint(status),
            statuses: TYPES.map(|kind| find(kind).map(|c| c.status)),
            transitions: TYPES.map(|kind| find(kind).map_or(0, |c| parse_timestamp(&c.last_transition_time))),
            loaded: loaded::fingerprint(status),
            values: find(ConditionType::ValuesTaken).cloned().map(Box::new),
        }
    }

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

    /// Returns the recorded status of `Loaded`, of whatever generation. `None` if there was none.
    pub fn loaded(&self) -> Option<ConditionStatus> {
        self.statuses[4]
    }

    /// Takes over which operator wrote the status, from the one that was seen last.
    pub fn written_by(&mut self, seen: &Self) {
        self.operator = seen.operator;
    }

    /// Returns whether the recorded status names the operator of these facts.
    pub fn is_of(&self, claim: &Claim) -> bool {
        self.owner(claim) == Owner::This
    }

    /// Returns whose status it is. Only the fingerprint of its name is kept.
    pub(super) fn owner(&self, claim: &Claim) -> Owner {
        match self.operator {
            0 => Owner::Nobody,
            named if named == name_of(claim.name()) => Owner::This,
            named if Some(named) == claim.takes_over().map(name_of) => Owner::Former,
            _ => Owner::Other,
        }
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
    fingerprint_of(&status.pending_satellites).hash(&mut hasher);
    (&status.r#type, &status.reason, &status.operator, &status.satellites).hash(&mut hasher);
    let mut conditions: Vec<_> = status.conditions.iter().collect();
    conditions.sort_by(|a, b| a.r#type.cmp(&b.r#type));
    for c in conditions {
        (&c.r#type, c.status, c.observed_generation, &c.reason, &c.message).hash(&mut hasher);
    }
    hasher.finish()
}

fn name_of(operator: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    operator.hash(&mut hasher);
    // 0 is nobody.
    if operator.is_empty() { 0 } else { hasher.finish() | 1 }
}

fn fingerprint_of(pending: &Option<PendingSatellites>) -> u64 {
    let mut hasher = DefaultHasher::new();
    pending.as_ref().map(|pending| (pending.count, &pending.names)).hash(&mut hasher);
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
