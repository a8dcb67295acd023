//! Serves HTTP to clients that may be silent, slow, or many. `axum::serve` has no bound for any of
//! these.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most open connections. The oldest one ends for a new one, so that a probe is answered
    /// whoever else holds connections.
    pub connections: usize,
    /// Longest time until a request has begun and its head is there.
    pub head: Duration,
    /// Longest life of a connection. A client that does not read is noticed by nothing else.
    pub whole: Duration,
}

/// Pause after a connection could not be accepted, because descriptors are short.
const AGAIN: Duration = Duration::from_millis(500);

/// Serves for ever. Each connection has one request: no client needs more, and an idle one would
/// cost a place.
pub(crate) async fn serve(listener: TcpListener, app: Router, limits: Limits) {
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if open.len() >= limits.connections && let Some(oldest) = open.front() {
                        oldest.abort();
                    }
                    // Its descriptor is closed when it has ended, which an aborted task does at once.
                    while open.len() >= limits.connections && tasks.join_next().await.is_some() {
                        open.retain(|handle| !handle.is_finished());
                    }
                    open.push_back(tasks.spawn(connection(stream, app.clone(), limits)));
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    tokio::time::sleep(AGAIN).await;
                }
            },
            // A handler that panicked has been logged by then.
            Some(_) = tasks.join_next() => open.retain(|handle| !handle.is_finished()),
        }
    }
}

async fn connection(stream: TcpStream, app: Router, limits: Limits) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // Neither a client that went away nor one that was too slow concerns anybody else.
    let _ = tokio::time::timeout(limits.whole, served).await;
}

#[cfg(test)]
mod tests;
