//! Snapshot to acknowledgement: one actor for each satellite cluster. An actor has its own client, deadlines, breaker and
//! mailbox of depth one (the latest snapshot wins), and shares nothing with the others, so a dead, slow or flapping
//! satellite costs them nothing.

mod actor;
mod breaker;
mod client;
mod connection;
mod context;
pub mod credential;
mod delivery;
mod drift;
mod events;
mod farewell;
mod namespaces;
mod problem;
mod registry;
mod remote;
mod report;
mod views;
mod watermark;

pub use client::{HTTPS, HostPolicy, connect};
pub use context::{Context, Latest};
pub use events::Events;
pub use problem::{Contact, Problem, Redaction, transport};
pub use registry::run;
pub use views::Views;
pub use watermark::{Fleet, Held, sync_of};
