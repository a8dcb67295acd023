//! Opens the volume, however long that takes.

use crate::backoff::Backoff;
use crate::publish::Volume;
use crate::readiness::Readiness;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Pause between two attempts. A volume is mounted by others, who do not say when.
const RETRY: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(2) };

/// Returns the open volume. `None` if `stop` came first. Readiness reports, and logs when it
/// changes, why it is not open.
pub(super) async fn open_volume(
    path: &Path,
    require_mount: bool,
    readiness: &Readiness,
    stop: &CancellationToken,
) -> Option<Volume> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let path = path.to_owned();
        let opened = tokio::select! {
            () = stop.cancelled() => return None,
            opened = tokio::task::spawn_blocking(move || Volume::open(&path, require_mount)) => opened,
        };
        let why = match opened {
            Ok(Ok(volume)) => {
                readiness.set("volume", None);
                return Some(volume);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        readiness.set("volume", Some(why));
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(RETRY.pause(attempt, rand::random_range(0.5..1.0))) => {}
        }
    }
}
