//! The rules that every step of a run is checked against: R1 to R9 of the design, and the oracles I1 to I9 of the fault
//! cases. Their names are defined here and nowhere else in the simulation.
//!
//! I10 (no credential leaves the process) is missing: the model has no credentials. `tests/fleet/hostile.rs` and
//! `tests/satellites/refused.rs` hold it.

use std::fmt;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A satellite gets only bytes whose file was durable and whose `Ready=True` the API server stored, before.
    R1,
    /// A status write that failed or has an unknown outcome changes no snapshot: it keeps the bytes that were acknowledged.
    R2,
    /// Every shard is stored before the pointer that names it. What the current or previous pointer names is not deleted.
    R3,
    /// A satellite never goes back to a lower revision, and only the leader writes.
    R4,
    /// Deleting is absence: no satellite keeps an object whose resource is gone.
    R5,
    /// A file or an object of a set leaves only after its resource, or what it names, was deleted or stopped being valid.
    R6,
    /// After a crash the set is rebuilt before the first snapshot: no satellite loses what was acknowledged.
    R7,
    /// A satellite that returns gets the current set in one pass.
    R8,
    /// No visible set, on the volume or on a satellite, names an object that it does not hold.
    R9,
    /// No half-written file is visible under a published name, not even after a power cut.
    I1,
    /// `Ready=True` for a generation means that its content is in place and survives a power cut.
    I2,
    /// What is sent to a satellite was acknowledged before the request began, not only before it arrived.
    I3,
    /// When faults stop, everything becomes equal to the resources, and then nothing is written. `Synced=True` is said only
    /// when every satellite that should hold the object has it.
    I4,
    /// Nothing deleted stays behind: no file without a resource.
    I5,
    /// A broken satellite delays no other.
    I6,
    /// The generation of an object never goes backwards, on the volume or on a satellite.
    I7,
    /// A restart with nothing to do writes nothing.
    I8,
    /// What is under way is bounded: one commit, 16 status writes, 4 requests to a satellite.
    I9,
}

/// A rule that a step broke, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Checks a claim, and names the rule if it does not hold.
pub fn hold(rule: Rule, holds: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, what: what() }) }
}
