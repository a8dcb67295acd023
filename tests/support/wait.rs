//! Waiting for a condition, the only form of waiting that tests use.

use std::time::{Duration, Instant};

/// Pause between two probes.
const INTERVAL: Duration = Duration::from_millis(20);

/// Calls `probe` every 20 ms until it returns `Ok`, and returns that value.
///
/// A probe that hangs, for example at a paused server, is abandoned at the deadline.
///
/// # Panics
/// After the deadline, with `what` and the last reason that the probe gave.
pub async fn eventually<T, P>(deadline: Duration, what: &str, probe: P) -> T
where
    P: AsyncFnMut() -> Result<T, String>,
{
    eventually_every(INTERVAL, deadline, what, probe).await
}

/// [`eventually`] with another pause between two probes, for expensive ones.
pub async fn eventually_every<T, P>(interval: Duration, deadline: Duration, what: &str, mut probe: P) -> T
where
    P: AsyncFnMut() -> Result<T, String>,
{
    let end = Instant::now() + deadline;
    let mut reason = String::from("the first probe did not return");
    loop {
        match tokio::time::timeout(end.saturating_duration_since(Instant::now()), probe()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(new)) => reason = new,
            Err(_) => {
                panic!("not within {deadline:?}: {what}; a probe hangs; the previous one returned: {reason}")
            }
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}; last: {reason}");
        tokio::time::sleep(interval).await;
    }
}
