//! The tasks of the operator, and the order in which they end.

use crate::lease;
use anyhow::{Context as _, anyhow};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest time for everything to end after SIGTERM.
const SHUTDOWN: Duration = Duration::from_secs(8);

/// Every task. A task that ends before its stop signal is a fault: the process ends, and Kubernetes
/// starts it again.
pub(super) struct Tasks {
    /// `/livez`, `/readyz`, `/metrics`; serves until everything else has ended.
    pub(super) health: JoinHandle<()>,
    pub(super) watch: JoinHandle<()>,
    pub(super) lease: JoinHandle<Result<(), lease::Error>>,
    pub(super) satellites: JoinHandle<()>,
    pub(super) hub: JoinHandle<Result<(), crate::publish::Error>>,
    /// Tells the lease to be given back. Last, because the others write.
    pub(super) leading: CancellationToken,
    /// Tells the health server to end.
    pub(super) serving: CancellationToken,
}

impl Tasks {
    /// Waits until `stop` or until one task ended, and ends the others.
    ///
    /// # Errors
    /// If a task failed, panicked, or ended before `stop`.
    pub(super) async fn supervise(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let stopped = tokio::spawn({
            let stop = stop.clone();
            async move {
                stop.cancelled().await;
                Instant::now()
            }
        });
        let early = |name: &str| match stop.is_cancelled() {
            true => Ok(()),
            false => Err(anyhow!("the {name} ended before it was told to")),
        };
        // Satellites end at `stop`, too. The hub loop may still finish a commit then, so their end
        // is not awaited here.
        let satellites = async {
            let result = (&mut self.satellites).await;
            match stop.is_cancelled() {
                true => std::future::pending().await,
                false => result,
            }
        };
        let outcome = tokio::select! {
            result = &mut self.hub => {
                flat(result, "the hub loop").and_then(|()| early("hub loop"))
            }
            result = &mut self.lease => {
                flat(result, "the lease's task").and_then(|()| early("lease's task"))
            }
            result = &mut self.health => {
                result.context("the health server panicked").and_then(|()| early("health server"))
            }
            result = &mut self.watch => {
                result.context("the watch panicked").and_then(|()| early("watch"))
            }
            result = satellites => {
                result.context("the satellites' task panicked").and_then(|()| early("satellites' task"))
            }
        };
        stop.cancel();
        // Counted from the signal: the hub loop may have waited for its commit since.
        let deadline = stopped.await.unwrap_or_else(|_| Instant::now()) + SHUTDOWN;
        let ended = tokio::time::timeout_at(deadline, async {
            end(&mut self.satellites).await;
            self.leading.cancel();
            end(&mut self.lease).await;
        });
        if ended.await.is_err() {
            tracing::warn!("satellites or the lease did not end within {} s", SHUTDOWN.as_secs());
        }
        self.serving.cancel();
        outcome
    }
}

fn flat<E>(result: Result<Result<(), E>, tokio::task::JoinError>, name: &str) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result.with_context(|| format!("{name} panicked"))?.with_context(|| format!("{name} failed"))
}

/// Waits for a task, unless it was awaited already: a finished handle must not be polled again.
async fn end<T>(task: &mut JoinHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
