//! Rendered to Published: temp file, sync, rename, sync of the directory. The volume is the ledger of what is published.
//!
//! [`Volume`] opens and scans; `Volume::commit` publishes a batch. Both work on a `Disk`: the file system of
//! Linux, or the model of the simulation.

mod commit;
mod crd_mark;
mod disk;
mod linux;
mod scan;
mod token;
mod volume;

pub use commit::{After, Change, Failure, Outcome};
pub use scan::Found;
pub use token::{InPlace, Published};
pub use volume::{Error, Volume};

#[cfg(test)]
pub(crate) use disk::Disk;

#[cfg(test)]
mod tests;
