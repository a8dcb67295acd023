//! Snapshot to delivery: one actor for each satellite cluster. An actor has its own client,
//! deadlines, breaker and mailbox of depth one (the latest snapshot wins), and shares nothing with
//! the others, so a dead, slow or flapping satellite costs them nothing.
//!
//! `core` decides, without a client, clock or channel. `actor.rs`, `connection.rs` and `remote/`
//! execute its decisions.

mod actor;
mod board;
mod client;
mod connection;
mod context;
pub(crate) mod core;
pub mod credential;
mod events;
mod explain;
mod fleet;
mod namespaces;
mod problem;
mod received;
mod registry;
mod remote;
mod status_writer;
mod supervise;
mod views;

pub use self::core::order::{AllShards, PointerWrite};
pub use board::{Board, Posted};
pub use client::{HTTPS, HostPolicy, connect};
pub use context::{Context, HubIdentity, Latest};
pub use events::Events;
pub use explain::{Redaction, transport};
pub use fleet::{Exempt, Fleet, Health, Rejection, Satellite, sync_of};
pub use problem::{Contact, Problem};
pub use registry::run;
pub use views::Views;
