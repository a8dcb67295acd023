//! The watch of MonitoringObjects. `event.rs` is what the hub decides on, `stream.rs` reads it
//! from the API server; `scope.rs` says of which namespaces, `list.rs` asks a second time.

mod event;
mod list;
mod scope;
mod stream;

pub(crate) use event::{Crd, Event};
pub use event::{Listed, Received};
pub use list::Lister;
pub use scope::{Place, Scope};
pub(crate) use scope::{Seen, sees};
pub(crate) use stream::{CAPACITY, run};
