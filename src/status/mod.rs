//! Published to Acknowledged: the only writer of a MonitoringObject's status.
//!
//! [`Facts`] are what is true; [`Write`] is the status that reports them, and its answer is the acknowledgement (both pure).
//! [`Queue`] decides what is written next (pure: Ready before Synced, one write in flight per object). [`Writer`] sends.

mod compose;
mod facts;
mod fair;
mod loaded;
mod news;
mod queue;
mod recorded;
mod said;
mod values;
mod write;
mod writer;

pub use facts::{Facts, Lacking, State, Sync, Values};
pub use loaded::Loaded;
pub use news::News;
pub use queue::{Job, Queue};
pub use recorded::Recorded;
pub use said::Said;
pub use write::{Acknowledged, Answer, Error, Kind, Receipt, Write, WriteResult};
pub use writer::Writer;
