//! What keeps the process from being ready.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// A watch that failed. It resumes where it broke off, and is silent while nothing changes: it
/// works again if it does not fail again.
#[derive(Clone, Copy, Debug)]
pub struct Interruption {
    last: Duration,
    failures: u32,
}

impl Interruption {
    /// The watch failed at `now`, in any monotonic time of the caller's; `before` is the
    /// interruption that was not over.
    pub fn again(before: Option<Self>, now: Duration) -> Self {
        Self { last: now, failures: before.map_or(1, |before| before.failures.saturating_add(1)) }
    }

    /// Returns when the interruption is over, if the watch does not fail before: after its next
    /// attempt (the pauses of `follow.rs`) and the longest wait for an answer.
    pub fn over(&self) -> Duration {
        let pause = Duration::from_secs(1 << (self.failures - 1).min(5));
        self.last + pause.min(Duration::from_secs(30)) + Duration::from_secs(30)
    }
}

/// What keeps the process from being ready, by part. Cheap to clone.
#[derive(Clone, Default)]
pub struct Readiness {
    missing: Arc<RwLock<BTreeMap<&'static str, String>>>,
    notes: Arc<RwLock<BTreeMap<&'static str, String>>>,
}

impl Readiness {
    /// Returns a readiness that waits for these parts, each with the reason at the start.
    pub fn waiting_for(parts: &[(&'static str, &str)]) -> Self {
        let missing = parts.iter().map(|(part, why)| (*part, (*why).to_owned())).collect();
        Self { missing: Arc::new(RwLock::new(missing)), notes: Arc::default() }
    }

    /// Records why a part does not work. `None` if it works. A change is logged.
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

    /// Records something that a person must see and that keeps nothing from working. `None` if it is over. A change is logged.
    pub fn note(&self, part: &'static str, note: Option<String>) {
        let Ok(mut notes) = self.notes.write() else { return };
        if notes.get(part) == note.as_ref() {
            return;
        }
        match note {
            Some(note) => {
                tracing::warn!(part, %note, "a person must decide");
                notes.insert(part, note);
            }
            None => {
                tracing::info!(part, "decided");
                notes.remove(part);
            }
        }
    }

    /// Returns the notes, one line for each part.
    pub fn notes(&self) -> String {
        let Ok(notes) = self.notes.read() else { return String::new() };
        notes.iter().map(|(part, note)| format!("{part}: {note}\n")).collect()
    }

    /// Returns what is missing, one line for each part. `None` if the process is ready.
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
        assert_eq!(first.over() - now, Duration::from_secs(31));
        let many = (0..100).fold(first, |before, _| Interruption::again(Some(before), now));
        assert_eq!(many.over() - now, Duration::from_secs(60));
    }
}
