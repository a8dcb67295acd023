//! What the hub keeps of one resource: a few hundred bytes, and its file's content, which the catalog shares.

use crate::identity::{Digest, Revision};
use crate::render::Rendered;
use crate::status::Recorded;
use crate::validate::Refusal;
use std::sync::Arc;

/// One resource.
pub(super) struct Entry {
    pub uid: Arc<str>,
    /// Creation time, Unix seconds.
    pub created: i64,
    /// Generation that everything below is about.
    pub generation: i64,
    /// Highest resourceVersion seen.
    pub version: u64,
    /// Named by the LIST that is running, or by the last one.
    pub listed: bool,
    /// `spec.suspend`
    pub suspended: bool,
    /// Digest of this generation's content, if it is valid.
    pub candidate: Option<Digest>,
    /// Why this generation is not valid.
    pub refused: Option<Box<Refusal>>,
    /// Why the volume refused it last.
    pub failing: Option<Box<str>>,
    /// Failures in a row, of commit or status.
    pub attempts: u32,
    /// What the volume holds.
    pub on_volume: Option<Arc<Rendered>>,
    /// That content was synced.
    pub durable: bool,
    /// What the volume holds is not known: it must be written or removed.
    pub unknown: bool,
    /// This generation's content is on the volume, durably.
    pub published: bool,
    /// The status as the API server acknowledged it.
    pub recorded: Recorded,
    /// First snapshot with what satellites may have of it.
    pub revision: Option<Revision>,
}

impl Entry {
    pub fn new(uid: &str, created: i64, recorded: Recorded) -> Self {
        Self {
            uid: uid.into(),
            created,
            generation: 0,
            version: 0,
            listed: true,
            suspended: false,
            candidate: None,
            refused: None,
            failing: None,
            attempts: 0,
            on_volume: None,
            durable: false,
            unknown: false,
            published: false,
            revision: recorded.revision,
            recorded,
        }
    }

    /// Whether the API server acknowledged Ready for this very generation.
    pub fn is_recorded_ready(&self) -> bool {
        self.recorded.ready && self.recorded.generation == self.generation
    }
}
