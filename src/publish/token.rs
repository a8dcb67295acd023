//! What proves that a file is on the volume. Only a commit and the scan at the start make these values.

use crate::identity::{Digest, Uid};
use crate::render::Rendered;
use std::sync::Arc;

/// A file's content that is in place and durable: it was renamed there (or found there), and the directory was synced after
/// that. It says nothing about a generation; see [`Published`].
///
/// ```
/// use groundlink::{identity::Digest, publish::InPlace, render::Rendered};
/// fn digest(content: std::sync::Arc<Rendered>, in_place: InPlace) -> Digest {
///     let proof = in_place;
///     proof.digest()
/// }
/// ```
/// Nobody else can claim it:
/// ```compile_fail,E0451
/// use groundlink::{identity::Digest, publish::InPlace, render::Rendered};
/// fn digest(content: std::sync::Arc<Rendered>, in_place: InPlace) -> Digest {
///     let proof = InPlace { content };
///     proof.digest()
/// }
/// ```
#[derive(Debug)]
pub struct InPlace {
    content: Arc<Rendered>,
}

impl InPlace {
    pub(super) fn new(content: Arc<Rendered>) -> Self {
        Self { content }
    }

    /// Returns the token without a volume, for tests of what comes after publishing.
    #[cfg(test)]
    pub(crate) fn forged(content: &Arc<Rendered>) -> Self {
        Self { content: content.clone() }
    }

    /// Returns what the file holds.
    pub fn content(&self) -> &Arc<Rendered> {
        &self.content
    }

    /// Returns the digest of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.content.digest()
    }
}

/// A content in place and durable that stands for one generation of one object: a first `Ready=True` is written for it.
///
/// ```
/// use groundlink::publish::Published;
/// fn all(published: Published) -> Vec<Published> {
///     vec![published]
/// }
/// ```
/// It cannot be copied, so each is acknowledged at most once:
/// ```compile_fail,E0599
/// use groundlink::publish::Published;
/// fn all(published: Published) -> Vec<Published> {
///     vec![published.clone(), published]
/// }
/// ```
/// Nobody else can claim that something is published:
/// ```compile_fail,E0451
/// use groundlink::publish::Published;
/// fn all(published: Published) -> Vec<Published> {
///     vec![Published { generation: 2, ..published }]
/// }
/// ```
#[derive(Debug)]
pub struct Published {
    content: Arc<Rendered>,
    uid: Uid,
    generation: i64,
}

impl Published {
    pub(super) fn new(content: Arc<Rendered>, uid: Uid, generation: i64) -> Self {
        Self { content, uid, generation }
    }

    /// Returns the proof that the content is in place, which outlives the publication.
    pub fn in_place(&self) -> InPlace {
        InPlace { content: self.content.clone() }
    }

    /// Returns what the file holds.
    pub fn content(&self) -> &Arc<Rendered> {
        &self.content
    }

    /// Returns the digest of the file's bytes.
    pub fn digest(&self) -> Digest {
        self.content.digest()
    }

    /// Returns the UID of the resource that the content was rendered from.
    pub fn uid(&self) -> &Uid {
        &self.uid
    }

    /// Returns the generation that the content was rendered from.
    pub fn generation(&self) -> i64 {
        self.generation
    }
}
