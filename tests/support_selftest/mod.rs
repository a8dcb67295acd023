//! Tests of the test support with the real programs, so that no suite depends on a witness that sees nothing.

mod control_plane;
mod gate;
mod hostile;
mod operator;
mod proxy;
mod reader;
mod stock;
mod volume_watch;
mod watchdog;

use crate::support;

/// One control plane for all tests of this suite; nobody drops it, the end of the process does.
async fn shared() -> &'static support::ControlPlane {
    static SHARED: tokio::sync::OnceCell<support::ControlPlane> = tokio::sync::OnceCell::const_new();
    SHARED.get_or_init(|| support::ControlPlane::start(&["hub", "sat-a"])).await
}
