//! Rendered to Published: temp file, sync, rename, sync of the directory. The volume is the ledger of what is published.

mod commit;
mod volume;

pub use commit::{Change, Failure, Outcome, Published};
pub use volume::{Error, OnDisk, Volume};

#[cfg(test)]
mod tests;
