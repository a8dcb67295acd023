//! The watch of MonitoringObjects. `event.rs` is what the hub decides on, `stream.rs` reads it
//! from the API server; `list.rs` asks a second time.

mod event;
mod list;
mod stream;

pub use event::Received;
pub(crate) use event::{Crd, Event};
pub use list::Lister;
pub(crate) use stream::{CAPACITY, run};
