//! What is true of an object: what its status has to report.

use super::loaded::Loaded;
use super::recorded::Recorded;
use crate::api::{IcingaType, Reason};
use crate::identity::{Digest, ObjectKey, Revision};
use crate::ownership::Claim;
use crate::publish::InPlace;
use std::borrow::Cow;

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

/// What the expressions of a rule come to on the published hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// They are still being evaluated: what was recorded of this generation stays.
    Unknown,
    /// Icinga takes all of them.
    Taken,
    /// Icinga leaves some out, or makes some objects by another rule.
    LeftOut {
        /// Which of these.
        reason: Reason,
        /// Where, for a person.
        message: String,
    },
}
