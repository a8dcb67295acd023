//! Where the agent's sets come from.

pub mod pointer;

use super::core::facts::{Offer, Wanted};
use std::collections::BTreeMap;
use std::sync::Arc;

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
