//! A command that runs until it is stopped: `run` and `agent`.

use super::log::Log;
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Longest wait for a blocking call (a network volume that is gone) when the process ends.
const BLOCKED: Duration = Duration::from_secs(1);

/// Runs a service on `runtime` until SIGTERM, SIGINT or its own end. Why it failed is the last line
/// of the log.
///
/// # Errors
/// If there can be no runtime.
pub(super) fn run<F>(
    log: &Log,
    mut runtime: Builder,
    service: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<ExitCode>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = runtime.enable_all().build()?;
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn({
            let stop = stop.clone();
            async move {
                tokio::select! {
                    _ = term.recv() => {}
                    _ = int.recv() => {}
                }
                tracing::info!("stopping");
                stop.cancel();
            }
        });
        service(stop).await
    });
    runtime.shutdown_timeout(BLOCKED);
    Ok(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.end(&error);
            ExitCode::FAILURE
        }
    })
}
