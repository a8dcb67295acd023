//! Snapshot to acknowledgement: one actor for each satellite cluster. An actor has its own client, deadlines, breaker and
//! mailbox of depth one (the latest snapshot wins), and shares nothing with the others, so a dead, slow or flapping
//! satellite costs them nothing.

mod actor;
mod apply;
mod breaker;
mod client;
mod context;
pub mod credential;
mod problem;
mod registry;
mod report;
mod watermark;

pub use client::HostPolicy;
pub use context::Context;
pub use problem::{Contact, Problem};
pub use registry::run;
pub use watermark::{Fleet, Held, sync_of};
