//! The inputs and the commands of the core.

use super::reported::HubIcinga;
use crate::identity::{ObjectKey, Revision, Uid};
use crate::metrics::{Correction, Work};
use crate::publish::{Change, Found, Outcome, Scan};
use crate::satellite::Fleet;
use crate::snapshot::Snapshot;
use crate::status::{Answer, Kind, News, Write, WriteResult};
use crate::watch::{Crd, Event, Listed};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// When something happens, and whether this process leads then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time since the process started. It paces; it orders nothing.
    pub elapsed: Duration,
    /// Unix seconds, for the times that a status shows.
    pub unix: i64,
    /// The term, while this process leads.
    pub term: Option<u64>,
}

/// What the hub's API server says before something is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The state of the CRD.
    pub crd: Crd,
    /// Until when a person allows that much is removed, Unix seconds. 0 if nobody did, `i64::MAX` if what was written is no
    /// time.
    pub allowed_until: i64,
}

/// What happened.
#[derive(Debug)]
// One at a time goes through the loop, so the size of the largest costs nothing.
#[allow(clippy::large_enum_variant)]
pub enum Input {
    /// Time went by.
    Tick,
    /// Events of the watch of MonitoringObjects in all namespaces, in their order.
    Watched(Vec<Event>),
    /// Events of watches that each look at one namespace, in the order of each.
    WatchedIn(Vec<(Arc<str>, Event)>),
    /// A commit ended.
    Committed {
        /// One outcome for each change.
        outcomes: Vec<Outcome>,
        /// How long it took, for the metrics alone.
        took: Duration,
    },
    /// The commit panicked. It did not say what it left, so its files were read again.
    CommitPanicked(Vec<Found>),
    /// Files were read again, or why not.
    Inspected(Result<Scan, String>),
    /// Somebody else touched these files. `None` if it is not known which.
    Touched(Option<Vec<ObjectKey>>),
    /// The volume has these files.
    FilesListed(Vec<ObjectKey>),
    /// Files were checked, whether they are durable or not.
    Checked(Vec<Found>),
    /// A status write was answered, or given up.
    StatusAnswered(Answer),
    /// A status write panicked. Its outcome is unknown, and its publication is lost with it.
    StatusPanicked(ObjectKey),
    /// The API server said whether what left may go.
    ConsentAnswered(Consent),
    /// A second, consistent LIST was complete, or why it was not. The resources with their UIDs.
    ListedAgain(Result<BTreeMap<ObjectKey, Uid>, String>),
    /// The same of named namespaces, of which some could not be listed.
    ListedInPart(Listed),
    /// What the satellites accept or hold changed.
    FleetChanged(Fleet),
    /// The agent of the hub's own Icinga 2 reported.
    IcingaReported(HubIcinga),
}

/// Removals that wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Objects that would be removed.
    pub count: usize,
    /// Why they wait, and what to do.
    pub why: String,
}

/// News about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The object.
    pub key: ObjectKey,
    /// Its UID.
    pub uid: Uid,
    /// What is new.
    pub news: News,
}

/// What is to be done. Commands are carried out in their order; an answer, if there is one, comes back as an [`Input`].
#[derive(Debug)]
pub enum Command {
    /// Commit a batch on the volume. One at a time: the next comes after the answer.
    Commit(Vec<Change>),
    /// Read files again. Never while a commit is under way.
    Inspect {
        /// Namespaces to list, and to read all files of.
        namespaces: Vec<String>,
        /// Further files.
        keys: Vec<ObjectKey>,
    },
    /// List the files on the volume. Never while a commit is under way.
    ListFiles,
    /// Read these files, to compare them with what is known. Never while a commit is under way.
    Check(Vec<ObjectKey>),
    /// Write a status.
    WriteStatus(Box<Write>),
    /// Publish an event.
    Announce(Announcement),
    /// Ask for the CRD, and whether a person allows that much is removed.
    AskConsent,
    /// List the resources once more, consistently.
    ListAgain,
    /// Remember that what the volume holds was published under this CRD.
    RememberCrd(Uid),
    /// Write nothing at all, because another operator wrote a status; why. `None` if it goes on.
    Hold(Option<String>),
    /// Say that removals are held, and why. `None` if they are not any more.
    HoldRemovals(Option<Held>),
    /// Hand a snapshot to the satellites. The latest wins.
    Deliver(Snapshot),
    /// Take a term above this one, which somebody used.
    RaiseTerm {
        /// The resource whose status names it.
        key: ObjectKey,
        /// The revision that it names.
        revision: Revision,
    },
    /// A part of the process is ready, or why it is not.
    Readiness {
        /// The part.
        part: Part,
        /// `None` if it is ready.
        missing: Option<String>,
    },
    /// Record a metric.
    Measure(Measurement),
}

/// A part of `/readyz` that the hub decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Files that cannot be read.
    Volume,
    /// The watch of MonitoringObjects.
    MonitoringObjects,
    /// The confirmed set is being rebuilt after the start.
    Recovery,
    /// The CRD was deleted.
    Crd,
    /// Another operator wrote the status of an object.
    Ownership,
}

impl Part {
    /// Returns its name in `/readyz`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::MonitoringObjects => "monitoringobjects",
            Self::Recovery => "recovery",
            Self::Crd => "crd",
            Self::Ownership => "ownership",
        }
    }
}

/// A change of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// Objects by state.
    Objects {
        /// In place and durable, of the present generation.
        published: usize,
        /// None of the others.
        refused: usize,
        /// Not published, because `spec.suspend` is set.
        suspended: usize,
        /// Refused by the volume.
        failing: usize,
    },
    /// A commit ended.
    Committed {
        /// How long it took.
        took: Duration,
        /// Files published.
        published: usize,
        /// Files removed.
        removed: usize,
        /// Changes that failed.
        failed: usize,
    },
    /// A status write ended.
    StatusWritten {
        /// What it was for.
        kind: Kind,
        /// How it ended.
        result: WriteResult,
    },
    /// Status writes that wait.
    StatusQueued {
        /// Ready and refusals.
        ready: usize,
        /// Synced.
        synced: usize,
    },
    /// A snapshot was cut.
    Snapshot {
        /// Its revision.
        revision: Revision,
        /// Objects in it.
        objects: usize,
    },
    /// Objects that the first snapshot waits for.
    Undecided(usize),
    /// Objects whose status another operator wrote.
    OfAnotherOperator(usize),
    /// An event was left out: there are too many.
    EventLeftOut,
    /// A part of the work panicked, and the rest went on.
    Panicked(Work),
    /// Somebody else touched a file, and it is corrected.
    Corrected(Correction),
}
