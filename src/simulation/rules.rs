//! The rules that every step of a run is checked against: R1 to R9 of the design, and the oracles
//! I1 to I9 and I11 to I13 of the fault cases. Their names are defined here and nowhere else in the simulation.
//!
//! I10 (no credential leaves the process) is missing, because the model has no credentials.
//! `tests/fleet/hostile.rs` and `tests/satellites/refused.rs` check it.

use std::fmt;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A satellite only gets bytes whose file was durable, and for which the API server had stored
    /// `Ready=True`, before.
    R1,
    /// A status write that failed or has an unknown outcome changes no snapshot: the acknowledged
    /// bytes stay.
    R2,
    /// Every shard is stored before the pointer that names it. No shard is deleted that the
    /// current or the previous pointer names.
    R3,
    /// A satellite never goes back to a lower revision, and only the leader writes.
    R4,
    /// Deleting is absence: no satellite keeps an object whose resource is gone.
    R5,
    /// A file is removed, and an object leaves a set, only after its resource, or one that it
    /// names, was deleted or became invalid.
    R6,
    /// After a crash the set is rebuilt before the first snapshot: no satellite loses an
    /// acknowledged object.
    R7,
    /// A satellite that returns gets the current set in one pass.
    R8,
    /// No visible set, on the volume or on a satellite, names an object that it does not hold.
    R9,
    /// No half-written file is visible under a published name, not even after a power cut.
    I1,
    /// `Ready=True` for a generation means that its content is in place and survives a power cut.
    I2,
    /// A content was acknowledged before the request that sends it to a satellite began, not only
    /// before it arrived.
    I3,
    /// Once faults stop, everything becomes equal to the resources, and then nothing is written.
    /// `Synced=True` is only reported once every satellite that should hold the object has it.
    I4,
    /// No file stays behind whose resource was deleted.
    I5,
    /// A broken satellite delays no other.
    I6,
    /// The generation of an object never goes backwards, on the volume or on a satellite.
    I7,
    /// A restart with nothing to do writes nothing.
    I8,
    /// The work under way is limited: one commit, 16 status writes, 4 requests to a satellite. One
    /// that answered nothing five times is probed, and not more often than every 8 s.
    I9,
    /// Once things have settled, a status names the satellites that lack the object, and no other.
    I11,
    /// `Loaded=True` of an object is only reported for bytes that the hub's own Icinga was reported
    /// to run.
    I12,
    /// Nothing is written, published or delivered while a status that the process has seen names
    /// another operator.
    I13,
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
