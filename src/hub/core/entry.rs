//! What the hub keeps of one resource: a few hundred bytes, and its file's content, which the catalog shares.

use crate::api::IcingaType;
use crate::identity::{Digest, Revision, Uid};
use crate::publish::{Content, InPlace, Published};
use crate::render::Rendered;
use crate::status::{Acknowledged, Recorded};
use crate::validate::Refusal;
use std::sync::Arc;
use std::time::Duration;

/// What the volume holds at the path of one resource.
#[derive(Debug, Default)]
pub(super) enum OnVolume {
    /// No file.
    #[default]
    Absent,
    /// It may not survive, or nobody knows what it is: it must be written again or removed. What programs see, if that is
    /// known: it decides in which order.
    Unknown(Option<Arc<Rendered>>),
    /// Something that cannot be read, and why. It may be a file of ours, which may name anything.
    Unreadable(Box<str>),
    /// This content, durably.
    InPlace(InPlace),
}

impl From<Content> for OnVolume {
    fn from(content: Content) -> Self {
        match content {
            Content::Absent => Self::Absent,
            Content::InPlace(in_place) => Self::InPlace(in_place),
            Content::Visible(content) => Self::Unknown(Some(content)),
            Content::Foreign | Content::NoFile(_) => Self::Unknown(None),
            Content::Unreadable(why) => Self::Unreadable(why.into()),
        }
    }
}

impl OnVolume {
    pub fn in_place(&self) -> Option<&InPlace> {
        match self {
            Self::InPlace(in_place) => Some(in_place),
            Self::Absent | Self::Unknown(_) | Self::Unreadable(_) => None,
        }
    }

    pub fn content(&self) -> Option<&Arc<Rendered>> {
        self.in_place().map(InPlace::content)
    }

    /// Returns what programs see, durable or not.
    pub fn visible(&self) -> Option<&Arc<Rendered>> {
        match self {
            Self::Absent | Self::Unreadable(_) => None,
            Self::Unknown(visible) => visible.as_ref(),
            Self::InPlace(in_place) => Some(in_place.content()),
        }
    }

    pub fn digest(&self) -> Option<Digest> {
        self.in_place().map(InPlace::digest)
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Unreadable(_))
    }

    /// Returns why it cannot be read. `None` if it can.
    pub fn unreadable(&self) -> Option<&str> {
        match self {
            Self::Unreadable(why) => Some(why),
            _ => None,
        }
    }
}

/// One resource.
pub(super) struct Entry {
    pub uid: Uid,
    /// Creation time, Unix seconds.
    pub created: i64,
    /// Icinga type that it declares. `None` if its spec cannot be read.
    pub kind: Option<IcingaType>,
    /// Generation that everything below is about.
    pub generation: i64,
    /// Highest resourceVersion seen.
    pub version: u64,
    /// Named by the LIST that is running, or by the last one.
    pub listed: bool,
    /// `spec.suspend`
    pub suspended: bool,
    /// Digest of this generation's content. `None` if it is not valid.
    pub candidate: Option<Digest>,
    /// Why this generation is not valid.
    pub refused: Option<Box<Refusal>>,
    /// Why the volume refused it last.
    pub failing: Option<Box<str>>,
    /// The volume did not refuse it: somebody else changed the file.
    pub is_changed: bool,
    /// Failures in a row, of commits or status writes.
    pub attempts: u32,
    pub on_volume: OnVolume,
    /// The publication of an earlier generation that is in place and not acknowledged. Its Ready is written before the
    /// refusal of the present generation, because nothing else acknowledges it.
    pub earlier: Option<Box<Published>>,
    /// The content that the index held when the present generation came, and its generation.
    pub held_before: Option<(Digest, i64)>,
    /// Digest of the content whose Ready was acknowledged last, or whose publication is lost: that counts as acknowledged
    /// once a status that names it is.
    pub acknowledged: Option<Digest>,
    /// This generation's content is in place.
    pub published: bool,
    /// The status as the API server stored it.
    pub recorded: Recorded,
    /// When this process wrote it last. 0 if it did not.
    pub written: Duration,
    /// A content that satellites have, and the first snapshot from which on every later one holds it; after a start what is
    /// recorded. `None` while no snapshot holds it.
    pub held_since: Option<(Digest, Revision)>,
}

impl Entry {
    pub fn new(uid: Uid, created: i64, recorded: Recorded) -> Self {
        Self {
            uid,
            created,
            kind: None,
            generation: 0,
            version: 0,
            listed: true,
            suspended: false,
            candidate: None,
            refused: None,
            failing: None,
            is_changed: false,
            attempts: 0,
            on_volume: OnVolume::Absent,
            earlier: None,
            held_before: None,
            acknowledged: None,
            published: false,
            held_since: recorded.published.zip(recorded.revision),
            written: Duration::ZERO,
            recorded,
        }
    }

    /// Returns the first snapshot that holds this content, if it never left the set since.
    pub fn revision_of(&self, digest: Digest) -> Option<Revision> {
        self.held_since.filter(|(held, _)| *held == digest).map(|(_, revision)| revision)
    }

    /// Returns the generation of this content. 0 if it is that of another one, and nobody knows of which: the scan found it, or
    /// the volume still had it.
    pub fn generation_of(&self, digest: Digest) -> i64 {
        match self.candidate == Some(digest) && !self.suspended {
            true => self.generation,
            false => {
                self.held_before.filter(|(held, _)| *held == digest).map_or(0, |(_, generation)| generation)
            }
        }
    }

    /// What the volume holds may not survive, or is not known.
    pub fn lose_file(&mut self, on_volume: OnVolume) {
        self.on_volume = on_volume;
        self.published = false;
    }

    /// Remembers a publication that a newer generation has overtaken, if nothing else will acknowledge it.
    pub fn keep_earlier(&mut self, publication: Option<Published>) {
        // Of generation 0 is what the scan found beside a newer spec: nobody knows of which it is.
        let is_earlier = |p: &Published| (1..self.generation).contains(&p.generation());
        let earlier = publication.filter(|p| is_earlier(p) && self.awaits_ready(p));
        self.earlier = earlier.map(Box::new).or(self.earlier.take());
    }

    /// Returns what was published of an earlier generation, if it is still in place and its Ready was never acknowledged.
    pub fn take_earlier(&mut self) -> Option<Published> {
        let earlier = self.earlier.take()?;
        self.awaits_ready(&earlier).then_some(*earlier)
    }

    /// Returns whether a publication is what the volume holds, and its Ready was never acknowledged.
    pub fn awaits_ready(&self, publication: &Published) -> bool {
        let digest = publication.digest();
        self.uid == *publication.uid()
            && self.on_volume.digest() == Some(digest)
            && self.acknowledged != Some(digest)
    }

    /// Returns the content that is kept beside a generation that is not published, if the recorded status names it.
    pub fn kept(&self) -> Option<Acknowledged> {
        let in_place = self.on_volume.in_place()?;
        Acknowledged::recorded(in_place, &self.recorded)
            .filter(|_| self.acknowledged == Some(in_place.digest()))
    }

    /// Returns whether the API server acknowledged Ready for this very generation.
    pub fn is_recorded_ready(&self) -> bool {
        self.recorded.ready && self.recorded.generation == self.generation
    }
}
