//! What keeps the process from being ready.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// A watch that failed. It goes on where it broke off, and says nothing while nothing happens: that it works again shows in that it does
/// not fail again.
#[derive(Clone, Copy, Debug)]
pub struct Interruption {
    last: Duration,
    failures: u32,
}

impl Interruption {
    /// The watch failed at `now`, in any monotonic time of the caller's; `before` is the interruption that was not over.
    pub fn again(before: Option<Self>, now: Duration) -> Self {
        Self { last: now, failures: before.map_or(1, |before| before.failures.saturating_add(1)) }
    }

    /// When it is over, if the watch does not fail until then: after its next attempt (kube's backoff: 0.8 s, doubled up to 30 s, and as
    /// much jitter) and the longest wait for an answer.
    pub fn over(&self) -> Duration {
        let backoff = Duration::from_millis(800).saturating_mul(1 << (self.failures - 1).min(6));
        self.last + backoff.min(Duration::from_secs(30)) * 2 + Duration::from_secs(30)
    }
}

/// What keeps the process from being ready, by part. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    missing: Arc<RwLock<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// A readiness that waits for all of these parts.
    pub fn waiting_for(parts: &[(&'static str, &str)]) -> Self {
        let missing = parts.iter().map(|(part, why)| (*part, (*why).to_owned())).collect();
        Self { missing: Arc::new(RwLock::new(missing)) }
    }

    /// A part works (nothing), or why it does not. A change is logged.
    pub fn set(&self, part: &'static str, why: Option<String>) {
        let Ok(mut missing) = self.missing.write() else { return };
        if missing.get(part) == why.as_ref() {
            return;
        }
        match why {
            Some(why) => {
                tracing::warn!(part, %why, "not ready");
                missing.insert(part, why);
            }
            None => {
                tracing::info!(part, "ready");
                missing.remove(part);
            }
        }
    }

    /// What is missing, one line each; nothing if the process is ready.
    pub fn missing(&self) -> Option<String> {
        let missing = self.missing.read().ok()?;
        if missing.is_empty() {
            return None;
        }
        Some(missing.iter().map(|(part, why)| format!("{part}: {why}\n")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_lasts_longer_than_the_wait_for_the_next_attempt() {
        let now = Duration::from_secs(7);
        let first = Interruption::again(None, now);
        assert_eq!(first.over() - now, Duration::from_millis(31_600));
        let many = (0..100).fold(first, |before, _| Interruption::again(Some(before), now));
        assert_eq!(many.over() - now, Duration::from_secs(90));
    }
}
