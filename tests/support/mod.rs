//! The test kit of the suites in `tests/`: real control planes, a real operator process, and
//! witnesses.
//!
//! In `tests/suites.rs` an unused helper is an error. The demo and the benchmarks include the
//! module with `#[path]`, and allow unused helpers there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test reports")]

mod api_server;
mod asserts;
mod authority;
mod binaries;
mod bulk;
mod control_plane;
mod fault;
mod fleet;
mod gate;
mod hostile;
mod icinga;
mod icinga_api;
mod injected;
mod installation;
mod operator;
mod page;
mod ports;
mod process;
mod proxy;
pub mod reader;
mod recorder;
mod satellite_watch;
mod site;
mod stock;
mod streams;
mod supervised;
mod volume_watch;
mod wait;
mod wire;

pub use api_server::{ApiServer, base64, client_of};
pub use asserts::{assert_closed, carries, host, on_ready, writes_status, written_status};
pub use authority::Authority;
pub use binaries::binary;
pub use bulk::{bulk_host, bulk_name, change_all, create_all, delete_all};
pub use control_plane::ControlPlane;
pub use fault::{Action, Fault};
pub use fleet::grant;
pub use gate::{At, Gate};
pub use hostile::{Hostile, Manner};
pub use icinga::{Hook, Icinga, NODE, generations};
pub use icinga_api::Refused;
pub use injected::{Injected, skip};
pub use installation::{GENEROUS, Installation, OPERATOR, condition_of, succeeded, watching};
pub use operator::{Operator, OperatorBuilder};
pub use page::blocks;
pub use ports::Port;
pub use process::{PeakUsage, usage_of};
pub use proxy::Proxy;
pub use reader::{Place, Reader};
pub use recorder::{Exchange, Recorder, Sequence};
pub use satellite_watch::SatelliteWatch;
pub use site::Site;
pub use stock::{Stock, User};
pub use supervised::{Launch, Supervised, is_alive, process_state};
pub use volume_watch::{Content, FileEvent, FileEventKind, VolumeWatch, digest};
pub use wait::{eventually, eventually_every};
