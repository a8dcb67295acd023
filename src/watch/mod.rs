//! The watch of MonitoringObjects. `event.rs` is what the hub decides on, `stream.rs` reads it
//! from the API server.

mod event;
mod stream;

pub use event::Received;
pub(crate) use event::{Crd, Event};
pub(crate) use stream::{CAPACITY, READ_TIMEOUT, run};
