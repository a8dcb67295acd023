//! The rules that the witness checks, with their meaning. Defined only here in the tests.
//!
//! **The rules of the promise.** `ARCHITECTURE.md` names the code and the tests of each.
//!
//! | rule | what holds |
//! |---|---|
//! | R1 | An object's bytes enter a snapshot only after they were renamed into place, the directory was synced, and the API server acknowledged `Ready=True` with that digest and that generation. |
//! | R2 | If a status write fails, or its outcome is unknown, the snapshot keeps the previous acknowledged bytes. One stuck object delays no other. |
//! | R3 | On a satellite every shard is written before the pointer. A shard that the current or the previous pointer names is never deleted. |
//! | R4 | A satellite may skip revisions and never goes backwards. A revision is a term and a counter; no clock decides. |
//! | R5 | Deleting is absence from the next snapshot. |
//! | R6 | An object leaves only by an observed delete event or a complete LIST, never because the CRD was deleted. |
//! | R7 | After a crash the set is rebuilt from volume and status. No snapshot is built before every object is decided. A restart with nothing changed writes nothing. |
//! | R8 | A satellite that joins late or returns gets the current snapshot in one pass. |
//! | R9 | No reader sees half a file, and no published or delivered set names an object that it does not hold. |
//!
//! **The invariants that hold under every fault.**
//!
//! | invariant | what holds |
//! |---|---|
//! | I1 | No half-written file is ever visible under a published name. |
//! | I2 | If an object is Ready at a generation, the volume holds the content of that generation or a later one, also after a power cut. |
//! | I3 | A satellite's content was published and Ready before the write to the satellite began. |
//! | I4 | When the faults stop, all satellites become equal to the desired set, and then nothing is written. |
//! | I5 | After a deletion no file, key or ConfigMap is left behind, and nothing foreign is deleted. |
//! | I6 | Broken satellites do not slow down the healthy ones. |
//! | I7 | No resurrection: the content of an object never goes back to an older generation, on the volume or on a satellite. |
//! | I8 | A restart with nothing to do sends no write, writes no file and triggers no reload. |
//! | I9 | Memory, open files, tasks, queues and log lines stay below a ceiling under any fault. |
//! | I10 | No secret appears in a log, status, event, metric or error. |

use super::evidence::{History, story};
use std::collections::BTreeSet;
use std::time::Instant;

/// A violation that the witness recognises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// R1, I3: a satellite was sent bytes that had not been renamed into place before.
    DeliveredBeforeRename,
    /// R1, I3: a satellite was sent bytes whose `Ready=True` had not been acknowledged before.
    DeliveredBeforeAcknowledgement,
    /// R4: a revision went back, or one revision has two contents.
    RevisionWentBack,
    /// R4, I7: a satellite was sent an older content again.
    ContentWentBack,
    /// R5, I7: an object appeared on a satellite long after its file had been removed.
    DeliveredAfterRemoval,
    /// R9, I1: a reader could have seen half a file.
    WrittenInPlace,
    /// I2: `Ready=True` was sent for bytes that the volume did not hold.
    ReadyWithoutFile,
    /// R9: a delivered set names an object that it does not hold, or holds a name twice.
    DeliveredOpenSet,
    /// R9: the same for the set on the volume, at some instant.
    VolumeOpenSet,
    /// R3: a pointer was sent before a shard that it names was there.
    PointerBeforeShard,
    /// R3: a shard was deleted that the current or the previous pointer names.
    NamedShardDeleted,
}

/// A content that a satellite accepted for the first time.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub satellite: String,
    /// `<namespace>/<name>`.
    pub key: String,
    pub digest: String,
    pub at: Instant,
}

/// One place where a rule was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// Its place in the total order.
    pub seq: u64,
    /// `<namespace>/<name>`, or the satellite.
    pub subject: String,
    /// What happened, in words.
    pub detail: String,
}

/// The checks of the witness, and the violations that it found.
#[derive(Debug, Default)]
pub struct Findings {
    pub violations: Vec<Violation>,
    /// Pointer writes.
    pub satellite_writes: usize,
    /// Files in these writes.
    pub keys: usize,
    /// Files whose acknowledgement was lost by a kill, and which the next process read in a LIST.
    pub recovered_keys: usize,
    pub renames: usize,
    pub removals: usize,
    /// Acknowledged status writes with Ready=True.
    pub ready_writes: usize,
    /// All other status writes that were sent.
    pub other_status_writes: usize,
    /// Accepted Ready=True writes that a withdrawal overtook in transit.
    pub overtaken: usize,
    /// Checks without a result, because the file was replaced again before the watch could read it.
    pub inconclusive: usize,
    /// Every content that arrived.
    pub arrivals: Vec<Arrival>,
}

impl Findings {
    /// # Panics
    /// If there is a violation, with the history of its object, or if more than a few checks have no result.
    pub fn assert_clean(&self, test: &str, history: &History) {
        println!(
            "{test}: checked {} satellite writes with {} keys ({} acknowledged in a LIST after a kill), {} renames, \
             {} removals, {} Ready=True writes ({} overtaken by a withdrawal), {} other status writes; {} checks \
             inconclusive, {} violations",
            self.satellite_writes,
            self.keys,
            self.recovered_keys,
            self.renames,
            self.removals,
            self.ready_writes,
            self.overtaken,
            self.other_status_writes,
            self.inconclusive,
            self.violations.len()
        );
        let subjects: BTreeSet<_> = self.violations.iter().map(|violation| &violation.subject).collect();
        let stories: Vec<_> = subjects.iter().map(|subject| story(history, subject)).collect();
        assert!(stories.is_empty(), "{test}: {:#?}\n{}", self.violations, stories.join("\n"));
        assert!(self.satellite_writes > 0 && self.renames > 0 && self.ready_writes > 0, "{test}: {self:?}");
        let checks = self.keys + self.ready_writes + self.renames;
        assert!(self.inconclusive * 50 <= checks, "{test}: {} of {checks} inconclusive", self.inconclusive);
    }
}
