//! Real control planes, a real operator process, and witnesses, for the suites in `tests/`.
//!
//! Include it with `#[path = "../support/mod.rs"] mod support;`.
#![allow(dead_code, unused_imports, reason = "each suite uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

mod api_server;
mod asserts;
mod binaries;
mod control_plane;
mod fault;
mod installation;
mod operator;
mod ports;
mod proxy;
mod recorder;
mod supervised;
mod volume_watch;
mod wait;

pub use api_server::{ApiServer, client_of};
pub use asserts::{assert_closed, carries, host, on_ready, says_ready, writes_status, written_status};
pub use binaries::binary;
pub use control_plane::ControlPlane;
pub use fault::{Action, Fault};
pub use installation::{GENEROUS, Installation, OPERATOR, condition_of, succeeded};
pub use operator::{Operator, OperatorBuilder};
pub use ports::Port;
pub use proxy::Proxy;
pub use recorder::{Exchange, Recorder, Sequence};
pub use supervised::{Launch, Supervised, is_alive, process_state};
pub use volume_watch::{Content, FileEvent, FileEventKind, VolumeWatch, digest};
pub use wait::eventually;
