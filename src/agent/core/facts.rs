//! What the decisions of the agent know: sets, trees, and the answers of what it drives.

use crate::api::agent_report::{AgentResult, HeldObject};
use crate::identity::{Digest, Revision};
use crate::snapshot::HeldFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Files by their keys (`<namespace>.<name>.conf`).
pub type Files = Arc<BTreeMap<String, HeldFile>>;

/// Now, as the driver sees it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic time since the agent began.
    pub now: Duration,
    /// Unix time, in seconds. Only shown, never compared.
    pub unix: i64,
    /// A random number in 0..1.
    pub random: f64,
}

/// The newest word about the set that Icinga should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This set.
    Set(WantedSet),
    /// There is no pointer, as a complete answer said.
    Gone,
    /// There is a pointer that cannot be read.
    Unreadable(String),
}

/// A set, as its pointer names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSet {
    /// Its revision.
    pub revision: Revision,
    /// Its digest. Not believed before the files are verified.
    pub digest: Digest,
    /// Version of the pointer object: changes with every write of it.
    pub version: String,
    /// The set that may remove much of the running one, by its digest: a person confirmed it.
    pub shrink_confirmed: Option<Digest>,
}

/// A set whose files were verified.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The set.
    pub set: WantedSet,
    /// All its files.
    pub files: Files,
}

/// What a tree on disk was made of. It is written beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeSet {
    /// Revision of the set.
    pub revision: String,
    /// Digest that the pointer named. With held objects the files differ from it.
    pub digest: String,
    /// Value of the marker object, which no other tree has.
    pub marker: String,
    /// Objects that do not have the content of the set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldObject>,
}

/// A whole tree on disk. Its files never change.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Name of its directory.
    pub name: Arc<str>,
    /// What it was made of.
    pub set: Arc<TreeSet>,
    /// Its files.
    pub files: Files,
}

/// The memory of the agent over a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// The last tree that Icinga proved to run.
    pub good: Option<String>,
    /// The one before it, which is kept for a person who wants to go back.
    pub previous: Option<String>,
    /// When the proof came (RFC 3339).
    pub loaded_at: Option<String>,
    /// The set that is not tried again.
    pub refused: Option<Refusal>,
}

/// Why a set is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Revision of the set.
    pub revision: String,
    /// Digest of the set.
    pub digest: String,
    /// Rejected or Held.
    pub result: AgentResult,
    /// For a person.
    pub message: String,
    /// The first object that is concerned.
    pub object: Option<String>,
}

/// A failure that may pass by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For a person.
    pub why: String,
    /// True if the content is wrong, not the way to it.
    pub is_content: bool,
}

/// What the agent finds on disk when it begins.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The tree that the include file names, if it is whole.
    pub active: Option<Tree>,
    /// The tree that was proved last, if it is whole and another.
    pub good: Option<Tree>,
    /// What was remembered.
    pub memory: Memory,
}

/// Where the content of a file of a new tree comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The set that is wanted.
    Wanted,
    /// The last tree that Icinga proved to run.
    Good,
}

/// A tree to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its directory. No tree of this name exists.
    pub name: Arc<str>,
    /// What it is made of.
    pub set: Arc<TreeSet>,
    /// Its files, and where the content of each comes from.
    pub files: BTreeMap<String, (HeldFile, Content)>,
}

/// Why a set could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchProblem {
    /// The API server or the volume did not give it. Another attempt may.
    Unavailable(String),
    /// The content is not what its digests say. The operator repairs that; until then nothing of it
    /// is used.
    NotWhole(String),
}

/// What the running Icinga says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Its marker object has this value.
    Marker(String),
    /// It answers, and has no marker object: it has not loaded any tree, or the agent may not ask.
    NoMarker(String),
    /// It does not answer, for this reason.
    Silent(String),
}

/// The keys of files that Icinga named, with the first line of its error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// By key.
    pub keys: BTreeMap<String, String>,
    /// Errors that no file of the set explains.
    pub others: Vec<String>,
}

/// The validator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Icinga would load the tree.
    Accepted,
    /// Icinga refuses it.
    Refused(Blame),
    /// The configuration of Icinga does not include the set, so nothing was validated.
    HookMissing(String),
    /// The validator crashed.
    Crashed(String),
    /// Somebody else ended the validator.
    Killed(String),
    /// The validator did not end in time.
    TimedOut(String),
    /// The validator could not be run.
    CannotRun(String),
}

/// Runs of the validator for one set that ended without a verdict, since the last one with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deaths {
    /// Digest of the set.
    pub digest: Digest,
    /// Crashes.
    pub crashes: u32,
    /// Ends by somebody else.
    pub kills: u32,
}

/// Returns the name of the object of a file: `<namespace>/<name>`.
pub fn object_of(key: &str) -> String {
    key.strip_suffix(".conf").unwrap_or(key).replacen('.', "/", 1)
}
