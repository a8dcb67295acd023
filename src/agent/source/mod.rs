//! Where the agent's sets come from.

pub mod pointer;
pub mod volume;

use super::core::facts::{FetchProblem, Files, Offer, Wanted};
use pointer::Pointer;
use std::collections::BTreeMap;
use std::sync::Arc;
use volume::Volume;

/// The newest word of a source.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// None before the first complete answer.
    pub wanted: Option<Wanted>,
    /// Why the source cannot be read at present.
    pub trouble: Option<String>,
}

/// A verified set with the content that the reader did not hold.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The set.
    pub offer: Offer,
    /// Bytes of the files that were read, by key.
    pub content: BTreeMap<String, Arc<[u8]>>,
}

/// A source of sets.
#[derive(Clone)]
pub enum Source {
    /// What the operator delivers to a satellite.
    Pointer(Pointer),
    /// What the operator publishes on the hub.
    Volume(Volume),
}

impl Source {
    /// Waits for news. False if there will be none.
    pub async fn changed(&mut self) -> bool {
        match self {
            Self::Pointer(pointer) => pointer.changed().await,
            Self::Volume(volume) => volume.changed().await,
        }
    }

    /// Returns the newest word.
    pub fn news(&mut self) -> News {
        match self {
            Self::Pointer(pointer) => pointer.news(),
            Self::Volume(volume) => volume.news(),
        }
    }

    /// Fetches and verifies the newest set, without the content of files that are held.
    ///
    /// # Errors
    /// If it cannot be read, or is not what its digests say.
    pub async fn fetch(&self, held: Option<Files>) -> Result<Fetched, FetchProblem> {
        match self {
            Self::Pointer(pointer) => pointer.fetch(held).await,
            Self::Volume(volume) => volume.fetch(held).await,
        }
    }
}
