//! The task of the status page. Nothing waits for it, and its end ends nothing else.

use crate::page::{Feed, Guard, Sources, collect, serve};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves the page until `serving` is cancelled.
///
/// # Errors
/// If the listener has no address.
pub(super) fn start(
    listener: TcpListener,
    sources: Sources,
    guard: Guard,
    serving: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "serving the status page");
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "the status page has no TLS, and tokens pass through it; let people reach it only through a proxy that ends TLS");
    }
    let feed = Feed::default();
    // Each in a task of its own: one that panics leaves the other, whose answers then show their age.
    for task in [tokio::spawn(collect(sources, feed.clone())), tokio::spawn(serve(listener, feed, guard))] {
        let (abort, serving) = (task.abort_handle(), serving.clone());
        tokio::spawn(async move {
            serving.cancelled().await;
            abort.abort();
        });
    }
    Ok(address)
}
