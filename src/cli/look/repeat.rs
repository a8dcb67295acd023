//! Looks at an object again and again, until it is as it should be.

use super::target::{Found, LOOK_AGAIN};
use crate::cli::output::progress;
use anyhow::{anyhow, bail};
use tokio::time::Instant;

/// What one look showed.
pub(super) enum Shown {
    /// It is so.
    Reached,
    /// Not yet: why.
    Waiting(String),
    /// It cannot come by itself: why.
    Hopeless(String),
}

/// Looks until it is so, and prints each new reason why it is not. A look that fails is repeated,
/// and one that is under way at the deadline ends there.
///
/// # Errors
/// If it is not so in time, which `late` says in words, or cannot come by itself.
pub(super) async fn until_shown(
    found: &Found,
    deadline: Instant,
    late: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Shown>,
) -> anyhow::Result<()> {
    let is_late = |why: &str| anyhow!("MonitoringObject {}: {late}: {why}", found.full_name());
    let (mut attempts, mut said) = (0, "the first look did not end".to_owned());
    loop {
        let shown = tokio::time::timeout_at(deadline, look()).await;
        let why = match shown.map_err(|_| is_late(&said))? {
            Ok(Shown::Reached) => return Ok(()),
            Ok(Shown::Hopeless(why)) => bail!("MonitoringObject {}: {why}", found.full_name()),
            Ok(Shown::Waiting(why)) => why,
            Err(error) => format!("{error:#}"),
        };
        if why != said {
            progress(&format!("waiting: {why}"));
            said.clone_from(&why);
        }
        attempts += 1;
        let next = Instant::now() + LOOK_AGAIN.pause(attempts, rand::random());
        if next > deadline {
            return Err(is_late(&why));
        }
        tokio::time::sleep_until(next).await;
    }
}
