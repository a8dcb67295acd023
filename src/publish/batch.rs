//! The changes of a batch, and what became of each.

use super::token::Published;
use crate::identity::{Digest, ObjectKey, Uid};
use crate::references::Step;
use crate::render::Rendered;
use std::sync::Arc;

/// One change of a batch.
#[derive(Debug)]
pub enum Change {
    /// Make the file hold `new`. If it is known to have the same bytes, they are only made durable.
    Publish {
        /// What programs see now. `None` if there is no file, or if that is not known.
        old: Option<Arc<Rendered>>,
        /// The volume holds `old`, or no file, durably.
        is_known: bool,
        /// What the volume holds cannot be read: it may name anything.
        is_unread: bool,
        /// What it will hold.
        new: Arc<Rendered>,
        /// UID of the resource.
        uid: Uid,
        /// Generation of its spec.
        generation: i64,
    },
    /// Remove the file.
    Remove {
        /// The resource.
        key: ObjectKey,
        /// What the volume holds. `None` if that is not known.
        old: Option<Arc<Rendered>>,
    },
}

impl Change {
    /// The resource.
    pub fn key(&self) -> &ObjectKey {
        match self {
            Self::Publish { new, .. } => new.key(),
            Self::Remove { key, .. } => key,
        }
    }

    /// Returns whether the file gets other bytes, or may have others now.
    pub(super) fn is_write(&self) -> bool {
        matches!(self, Self::Publish { is_known, new, .. } if !is_known || self.old() != Some(new.digest()))
    }

    /// Returns whether the file is known to hold these bytes, which are only made durable.
    pub(super) fn is_confirmation(&self) -> bool {
        matches!(self, Self::Publish { .. }) && !self.is_write()
    }

    /// Returns the digest of what programs see before the change, if that is known.
    pub(super) fn old(&self) -> Option<Digest> {
        match self {
            Self::Publish { old, .. } | Self::Remove { old, .. } => old.as_ref().map(|old| old.digest()),
        }
    }

    pub(super) fn is_unread(&self) -> bool {
        matches!(self, Self::Publish { is_unread: true, .. })
    }

    /// Returns whether a name that something else may need can go with this change.
    pub fn takes_away(&self) -> bool {
        matches!(self, Self::Remove { .. }) || self.step().takes_away()
    }

    pub(super) fn step(&self) -> Step {
        let is_unread = self.is_unread();
        match self {
            Self::Publish { old, new, .. } => Step { old: old.clone(), new: Some(new.clone()), is_unread },
            Self::Remove { old, .. } => Step { old: old.clone(), new: None, is_unread },
        }
    }
}

/// What became of a change.
#[derive(Debug)]
pub enum Outcome {
    /// In place and durable.
    Published(Published),
    /// The file is gone, durably.
    Removed(ObjectKey),
    /// The old file is as it was, unless `after` says otherwise.
    Failed(Failure),
}

/// A change that failed.
#[derive(Debug)]
pub struct Failure {
    /// The resource.
    pub key: ObjectKey,
    /// What was tried, what the system said, what the volume holds now, and what to do.
    pub message: String,
    /// What the volume holds after it.
    pub after: After,
}

/// What the volume holds after a change that failed.
#[derive(Debug)]
pub enum After {
    /// The same as before.
    Unchanged,
    /// Programs see this content, or nothing of ours, and it may not survive: nobody may rely on the old or the new state.
    NotDurable(Option<Arc<Rendered>>),
    /// The old or the new content, or anything else: it cannot be read.
    Unknown,
}
