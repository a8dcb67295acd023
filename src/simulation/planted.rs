//! Violations that are planted on purpose: a driver, a disk or a server that misbehaves. Each
//! shows that the rule which it breaks is checked.

use super::rules::Rule;

/// One planted violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Planted {
    /// Temp files lose their second half.
    HalfFile,
    /// The sync of a file's content does nothing.
    ContentNotSynced,
    /// The sync of a directory does nothing.
    DirectoryNotSynced,
    /// Renames become visible late, and in reverse order.
    RenamesOutOfOrder,
    /// A commit is answered, and not carried out.
    StatusBeforeCommit,
    /// A write of Ready is answered with success and not stored.
    AcknowledgementWithoutStore,
    /// A status write without an answer counts as stored.
    UnknownTakenForStored,
    /// The status write tests neither uid nor generation.
    GenerationNotTested,
    /// The driver goes on as the leader after the lease was lost.
    LeadershipNotAsked,
    /// An interrupted LIST is reported as complete.
    FailedListTakenAsComplete,
    /// An old state of an object is reported as its newest.
    StaleReadBelieved,
    /// After a restart each status is read as if it named the file that was found.
    FoundTakenForAcknowledged,
    /// A snapshot lacks an object that others name.
    OpenSet,
    /// The first snapshot after a restart lacks an object that was found and acknowledged.
    SnapshotBeforeRecovery,
    /// The hub gets a report that satellites have a snapshot which they do not have.
    SyncedTooEarly,
    /// Shards are reported as stored, and arrive after the pointer.
    PointerBeforeShards,
    /// Shards that the previous pointer names are deleted with the garbage.
    PreviousShardsDeleted,
    /// A pointer of a higher revision is overwritten.
    RevisionGoesBack,
    /// The removal of a file is reported and not done.
    DeletedFileStays,
    /// A satellite that does not answer delays the answers of the others.
    DeadSatelliteBlocks,
    /// After a restart the statuses are not read.
    StatusesNotRead,
    /// The driver gives up each status write while it is still under way.
    WritesGivenUp,
    /// The hub's agent reports what it is about to load.
    LoadedTooEarly,
    /// The driver ends every pause of a satellite's actor at once.
    PausesIgnored,
    /// The hub never hears whether a satellite gets what it lacks.
    HealthNotReported,
    /// The driver hides from the core which operator wrote a status.
    OperatorNotRead,
}

impl Planted {
    /// Every planted violation, with the rule that must catch it, and those that may catch it before, in a run in
    /// which the violation shows elsewhere first.
    pub const ALL: [(Self, Rule, &'static [Rule]); 26] = [
        (Self::HalfFile, Rule::I1, &[]),
        // A power cut leaves nothing of the content, or a part of it.
        (Self::ContentNotSynced, Rule::I2, &[Rule::I1]),
        (Self::DirectoryNotSynced, Rule::I2, &[]),
        (Self::RenamesOutOfOrder, Rule::R9, &[]),
        // A file whose absence has another reason, too, is only missed at the end.
        (Self::StatusBeforeCommit, Rule::I2, &[Rule::I4]),
        // In a snapshot that is cut before the next status is stored, or in a request.
        (Self::AcknowledgementWithoutStore, Rule::R2, &[Rule::R1]),
        (Self::UnknownTakenForStored, Rule::R2, &[Rule::R1]),
        (Self::GenerationNotTested, Rule::I2, &[]),
        (Self::LeadershipNotAsked, Rule::R4, &[]),
        (Self::FailedListTakenAsComplete, Rule::R6, &[]),
        (Self::StaleReadBelieved, Rule::I7, &[Rule::I2, Rule::I4]),
        (Self::FoundTakenForAcknowledged, Rule::R2, &[Rule::R1]),
        (Self::OpenSet, Rule::R9, &[]),
        (Self::SnapshotBeforeRecovery, Rule::R7, &[]),
        (Self::SyncedTooEarly, Rule::I4, &[]),
        (Self::PointerBeforeShards, Rule::R3, &[]),
        (Self::PreviousShardsDeleted, Rule::R3, &[]),
        (Self::RevisionGoesBack, Rule::R4, &[]),
        // Of a resource that is not published any more, the satellites show it.
        (Self::DeletedFileStays, Rule::I5, &[Rule::R5, Rule::I4]),
        (Self::DeadSatelliteBlocks, Rule::I6, &[]),
        (Self::StatusesNotRead, Rule::I8, &[]),
        (Self::WritesGivenUp, Rule::I9, &[]),
        (Self::PausesIgnored, Rule::I9, &[Rule::I4]),
        (Self::HealthNotReported, Rule::I11, &[]),
        (Self::LoadedTooEarly, Rule::I12, &[]),
        (Self::OperatorNotRead, Rule::I13, &[Rule::I8]),
    ];
}
