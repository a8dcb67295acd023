//! The watch of MonitoringObjects. `event.rs` is what the hub decides on, `stream.rs` reads it from the API server.

mod event;
mod stream;

pub use event::{Crd, Event, Received};
pub use stream::{CAPACITY, READ_TIMEOUT, run};
