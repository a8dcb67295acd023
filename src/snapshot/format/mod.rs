//! The form of a set on a satellite, for its writer and its readers: a pointer and, if the set is
//! large, shards. `docs/snapshot-format.md` describes the same for other programs.

pub mod archive;
pub(crate) mod held;
pub mod layout;
pub(crate) mod listing;
pub mod manifest;
pub(crate) mod naming;
pub mod pointer;
pub mod verify;
mod view;

pub use held::{HeldFile, digest_of_files};
pub use naming::{BUCKETS, MAX_BITS, bucket_of};
pub use view::{Bucket, Shard, View};
