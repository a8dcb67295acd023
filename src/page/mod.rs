//! The status page: satellites by revision and age, and the objects that wait or are refused, with
//! the remedy. It only reads, and it is off unless it has an address.
//!
//! `state.rs` is what is shown, and `view.rs` the part that one person sees of it (both pure).
//! `collect.rs` reads the state from the running operator, while somebody looks. `access.rs` asks
//! the API server of the hub who a person is and what they may list; without a yes nothing is
//! shown. `server.rs` answers, `assets/` is what a browser gets.

mod access;
mod collect;
mod feed;
mod query;
mod remedy;
mod server;
mod state;
mod view;

pub use access::Guard;
pub(crate) use collect::{Sources, collect};
pub use feed::Feed;
pub use remedy::remedy;
pub use server::serve;
pub use state::{KEPT, Objects, Operator, Satellite, Satellites, Stage, State};
