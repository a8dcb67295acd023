//! Rendered to Published: temp file, sync, rename, sync of the directory. The volume is the ledger of what is published.
//!
//! [`Volume`] opens and scans; `Volume::commit` publishes a batch. Both work on a `Disk`: the file system of
//! Linux, or the model of the simulation.

mod batch;
mod commit;
mod crd_mark;
mod disk;
mod explain;
mod linux;
mod scan;
mod token;
mod volume;

pub use batch::{After, Change, Failure, Outcome};
pub use scan::{Content, Found, Scan};
pub use token::{InPlace, Published};
pub use volume::{Error, Volume};

#[cfg(test)]
pub(crate) use disk::{Disk, Entry};

#[cfg(test)]
mod tests;
