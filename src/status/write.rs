//! One status write as a value, and what its answer proves.

use super::compose::compose;
use super::facts::{Facts, State};
use super::news::{News, news};
use super::recorded::Recorded;
use crate::api::MonitoringObjectStatus;
use crate::identity::{Digest, ObjectKey, Uid};
use crate::ownership::Owner;
use crate::publish::{InPlace, Published};
use crate::render::Rendered;
use std::sync::Arc;

/// What a status write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The first `Ready=True` of a publication.
    Ready,
    /// Why a generation is not published: refused, failing or suspended.
    Refusal,
    /// How far an object that is Ready got on the satellites.
    Synced,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Refusal, Self::Synced];

    /// Returns its value in the label `kind` of `groundlink_status_writes_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Refusal => "refusal",
            Self::Synced => "synced",
        }
    }
}

/// A status that may be written. Private fields: `Ready=True` is composed only here, either with the [`Published`] that it
/// acknowledges, or where the API server acknowledged the same generation and digest before.
///
/// ```
/// use groundlink::status::Write;
/// fn about(write: Write) -> Write {
///     write
/// }
/// ```
/// Nobody else can write another status with it:
/// ```compile_fail,E0451
/// use groundlink::status::Write;
/// fn about(write: Write) -> Write {
///     Write { status: Default::default(), ..write }
/// }
/// ```
#[derive(Debug)]
pub struct Write {
    key: ObjectKey,
    uid: Uid,
    generation: i64,
    status: MonitoringObjectStatus,
    published: Option<Published>,
    kind: Kind,
    news: Option<News>,
    claimed: Option<Option<String>>,
}

impl Write {
    /// Returns the write that has a publication acknowledged. `generation` is the resource's present one, which may be newer
    /// than the publication's: the API server tests it, so that a late write fails.
    ///
    /// `None` if the facts are not about the publication: another generation, another digest, or not published.
    pub fn ready(
        published: Published,
        facts: &Facts<'_>,
        recorded: &Recorded,
        generation: i64,
        now: i64,
    ) -> Option<Self> {
        let is_of = matches!(&facts.state, State::Published { in_place, .. } if in_place.digest() == published.digest());
        if !is_of || published.generation() != facts.generation {
            return None;
        }
        let status = compose(facts, recorded, now);
        Some(Self {
            key: facts.key.clone(),
            uid: published.uid().clone(),
            generation,
            news: news(facts, recorded, &status),
            status,
            published: Some(published),
            kind: Kind::Ready,
            claimed: claimed(facts, recorded),
        })
    }

    /// Returns the write that reports facts without a publication. `None` if they say Ready and that was not acknowledged for
    /// their generation and digest: Ready is first written with its publication, or not at all.
    pub fn without_publication(
        facts: &Facts<'_>,
        uid: &Uid,
        recorded: &Recorded,
        generation: i64,
        now: i64,
    ) -> Option<Self> {
        let kind = match &facts.state {
            State::Published { in_place, .. } => {
                if !recorded.is_ready_for(facts.generation, in_place.digest()) {
                    return None;
                }
                Kind::Synced
            }
            State::Refused { .. }
            | State::Unresolved { .. }
            | State::Failing { .. }
            | State::Suspended { .. } => Kind::Refusal,
        };
        let status = compose(facts, recorded, now);
        let news = news(facts, recorded, &status);
        Some(Self {
            key: facts.key.clone(),
            uid: uid.clone(),
            generation,
            status,
            published: None,
            kind,
            news,
            claimed: claimed(facts, recorded),
        })
    }

    /// Returns the resource.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Returns the UID that the resource must still have.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// Returns the generation that the resource must still have.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// Returns the operator that the stored status must still name, or that it must still name none.
    /// `None` if the status is this operator's already: of two operators that find a status of
    /// nobody, one gets it.
    pub fn claimed(&self) -> Option<Option<&str>> {
        self.claimed.as_ref().map(Option::as_deref)
    }

    /// Returns what the write is for.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what is written.
    pub(super) fn status(&self) -> &MonitoringObjectStatus {
        &self.status
    }

    /// The API server stored the status, and answered with this resourceVersion. The only way from a publication to its
    /// acknowledgement.
    pub(super) fn accepted(self, resource_version: u64) -> Answer {
        let recorded = Recorded::of(&self.status);
        let acknowledged = self
            .published
            .filter(|published| recorded.is_ready_for(published.generation(), published.digest()))
            .map(|published| Acknowledged { content: published.content().clone() });
        Answer {
            key: self.key,
            uid: self.uid,
            generation: self.generation,
            kind: self.kind,
            result: Ok(Receipt { recorded, resource_version, acknowledged, news: self.news }),
        }
    }

    /// The write failed, or its outcome is unknown. The publication is not lost.
    pub(super) fn failed(self, error: Error) -> Answer {
        Answer {
            key: self.key,
            uid: self.uid,
            generation: self.generation,
            kind: self.kind,
            result: Err((error, self.published)),
        }
    }
}

fn claimed(facts: &Facts<'_>, recorded: &Recorded) -> Option<Option<String>> {
    match recorded.owner(facts.claim) {
        Owner::Nobody => Some(None),
        Owner::Former => Some(facts.claim.takes_over().map(str::to_owned)),
        Owner::This | Owner::Other => None,
    }
}

/// What the simulated API server answers with. It stores and answers like a real one; nothing else may use this.
#[cfg(test)]
impl Write {
    pub(crate) fn body(&self) -> &MonitoringObjectStatus {
        &self.status
    }

    pub(crate) fn stored_by_model(self, resource_version: u64) -> Answer {
        self.accepted(resource_version)
    }

    pub(crate) fn refused_by_model(self, error: Error) -> Answer {
        self.failed(error)
    }
}

/// A content whose `Ready=True` the API server acknowledged, for exactly its digest and generation. It comes from the answer
/// to a [`Write`], or from [`Acknowledged::recorded`]. A snapshot is built from these alone.
///
/// ```
/// use groundlink::{render::Rendered, snapshot::Catalog, status::Acknowledged};
/// fn offer(acknowledged: Acknowledged, rendered: std::sync::Arc<Rendered>, catalog: &mut Catalog) {
///     catalog.offer(acknowledged);
/// }
/// ```
/// What was only rendered is not enough:
/// ```compile_fail,E0308
/// use groundlink::{render::Rendered, snapshot::Catalog, status::Acknowledged};
/// fn offer(acknowledged: Acknowledged, rendered: std::sync::Arc<Rendered>, catalog: &mut Catalog) {
///     catalog.offer(rendered);
/// }
/// ```
/// Nobody can claim an acknowledgement:
/// ```compile_fail,E0451
/// use groundlink::{render::Rendered, snapshot::Catalog, status::Acknowledged};
/// fn offer(acknowledged: Acknowledged, rendered: std::sync::Arc<Rendered>, catalog: &mut Catalog) {
///     catalog.offer(Acknowledged { content: rendered });
/// }
/// ```
#[derive(Debug)]
pub struct Acknowledged {
    content: Arc<Rendered>,
}

impl Acknowledged {
    /// Returns the acknowledgement that a recorded status gives to the content that is in place: the API server stored a
    /// status that names its digest. So the state before a restart is rebuilt, and what stays published beside a newer
    /// generation that is refused. `None` if the status names another digest, or none.
    pub fn recorded(in_place: &InPlace, recorded: &Recorded) -> Option<Self> {
        (recorded.published == Some(in_place.digest())).then(|| Self { content: in_place.content().clone() })
    }

    /// Returns the acknowledgement without an API server, for tests of what comes after it.
    #[cfg(test)]
    pub(crate) fn forged(content: &Arc<Rendered>) -> Self {
        Self { content: content.clone() }
    }

    /// Returns what was acknowledged.
    pub fn content(&self) -> &Arc<Rendered> {
        &self.content
    }

    /// Returns the digest of what was acknowledged.
    pub fn digest(&self) -> Digest {
        self.content.digest()
    }

    /// Gives the content to the catalog.
    pub(crate) fn into_content(self) -> Arc<Rendered> {
        self.content
    }
}

/// The outcome of a status write.
#[derive(Debug)]
pub struct Answer {
    /// The resource.
    pub key: ObjectKey,
    /// UID that was tested.
    pub uid: Uid,
    /// Generation that was tested.
    pub generation: i64,
    /// What the write was for.
    pub kind: Kind,
    /// What was stored, or why not, with the publication that is still to be acknowledged.
    pub result: Result<Receipt, (Error, Option<Published>)>,
}

/// What the API server stored.
#[derive(Debug)]
pub struct Receipt {
    /// The status as recorded.
    pub recorded: Recorded,
    /// `metadata.resourceVersion` of the answer.
    pub resource_version: u64,
    /// What was acknowledged with it.
    pub acknowledged: Option<Acknowledged>,
    /// What is new in it, for a person.
    pub news: Option<News>,
}

/// Why a status was not written, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The resource has another uid or generation by now; the watch brings it.
    #[error("the object changed meanwhile")]
    Stale,
    /// The resource does not exist.
    #[error("the object is gone")]
    Gone,
    /// The server refuses the write; asking again soon does not help.
    #[error("the API server refuses the status: {0}")]
    Refused(String),
    /// No answer, or one that says to try again: the write may have been applied.
    #[error("writing the status failed: {0}")]
    Unknown(String),
}

/// How a status write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteResult {
    /// Stored.
    Ok,
    /// Not stored: the object has another uid or generation by now.
    Stale,
    /// Not stored: the object is deleted.
    Gone,
    /// Not stored: the API server refuses it.
    Refused,
    /// No answer, or one that says to try again: it may have been stored.
    Unknown,
    /// The task that wrote it panicked: it may have been stored.
    Panicked,
}

impl WriteResult {
    /// Every result.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::Stale, Self::Gone, Self::Refused, Self::Unknown, Self::Panicked];

    /// Returns its value in the label `result` of `groundlink_status_writes_total`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Panicked => "panicked",
        }
    }
}

impl From<&Error> for WriteResult {
    fn from(error: &Error) -> Self {
        match error {
            Error::Stale => Self::Stale,
            Error::Gone => Self::Gone,
            Error::Refused(_) => Self::Refused,
            Error::Unknown(_) => Self::Unknown,
        }
    }
}
