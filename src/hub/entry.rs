//! What the hub keeps of one resource: a few hundred bytes, and its file's content, which the catalog shares.

use crate::identity::{Digest, Revision, Uid};
use crate::publish::Published;
use crate::render::Rendered;
use crate::status::{Acknowledged, Recorded, recover};
use crate::validate::Refusal;
use std::sync::Arc;

/// One resource.
pub(super) struct Entry {
    pub uid: Uid,
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
    /// The publication of an earlier generation that is in place and not acknowledged. Its Ready is told before why the
    /// present generation is not published, because nothing else confirms it.
    pub earlier: Option<Box<Published>>,
    /// Generation that the content was made from which the index keeps while the present one waits or is not valid; 0 for what
    /// was found at the start.
    pub kept_generation: i64,
    /// Digest of the content whose Ready was acknowledged last. Of what was found at the start beside a newer generation nobody
    /// can know that: a crash may have hidden the answer, so it counts as acknowledged once a status that names it is.
    pub confirmed: Option<Digest>,
    /// This generation's content is on the volume, durably.
    pub published: bool,
    /// The status as the API server acknowledged it.
    pub recorded: Recorded,
    /// First snapshot with what satellites may have of it.
    pub revision: Option<Revision>,
}

impl Entry {
    pub fn new(uid: Uid, created: i64, recorded: Recorded) -> Self {
        Self {
            uid,
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
            earlier: None,
            kept_generation: 0,
            confirmed: None,
            published: false,
            revision: recorded.revision,
            recorded,
        }
    }

    /// Remembers a publication that a newer generation has overtaken, if nothing else will confirm it.
    pub fn keep_earlier(&mut self, publication: Option<Published>) {
        let earlier = publication.filter(|p| p.generation() < self.generation && self.awaits_ready(p));
        self.earlier = earlier.map(Box::new).or(self.earlier.take());
    }

    /// What was published of an earlier generation, if it is still in place and its Ready was never acknowledged.
    pub fn take_earlier(&mut self) -> Option<Published> {
        let earlier = self.earlier.take()?;
        self.awaits_ready(&earlier).then_some(*earlier)
    }

    /// Whether a publication is what the volume holds, and its Ready was never acknowledged.
    pub fn awaits_ready(&self, publication: &Published) -> bool {
        let digest = publication.content().digest();
        let in_place = self.on_volume.as_ref().is_some_and(|content| content.digest() == digest);
        self.uid == *publication.uid() && in_place && self.durable && self.confirmed != Some(digest)
    }

    /// Content that is kept beside a generation that is not published, if satellites may have it by the status that names it.
    pub fn kept(&self) -> Option<Acknowledged> {
        let content = self.on_volume.as_ref().filter(|_| self.durable)?;
        recover(content, &self.recorded).filter(|_| self.confirmed == Some(content.digest()))
    }

    /// Whether the API server acknowledged Ready for this very generation.
    pub fn is_recorded_ready(&self) -> bool {
        self.recorded.ready && self.recorded.generation == self.generation
    }
}
