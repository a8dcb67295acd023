//! The hub loop. [`core`] decides, `driver` carries out, and `watcher` shows it what others do on the volume.
//!
//! ```text
//! watch -> validate -> render -> [references: what may be published] -> publish (temp, sync, rename, sync)
//!       -> status Ready acknowledged -> [catalog: what satellites may have] -> snapshot
//!       -> delivered to satellites -> status Synced
//!       -> loaded by the hub's own Icinga 2 (`icinga`) -> status Loaded
//! ```
//! *Flush when idle, gather while busy*: one commit runs at a time on its own thread; while it runs, changes gather, and the
//! next takes them all. Statuses are written concurrently beside it. One task owns all state, so nothing here is locked.

mod announcer;
pub mod core;
mod driver;
pub mod icinga;
mod questions;
mod watcher;

pub use driver::{Parts, run};
pub use questions::{AT_ONCE, Question, Questions};
