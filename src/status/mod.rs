//! Published to Acknowledged: the only writer of a MonitoringObject's status.
//!
//! [`compose`] decides what the status says (pure), [`Queue`] decides what is written next (pure: Ready before Synced, one
//! write in flight per object), [`Writer`] writes.

mod compose;
mod queue;
mod writer;

pub use compose::{Facts, Recorded, State, Sync, compose};
pub use queue::{Job, Queue};
pub use writer::{Acknowledged, Error, Receipt, Writer, recover};
