//! What keeps the process from being ready.

use crate::lasting::{Change, Lasting};
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
    missing: Arc<RwLock<Texts>>,
    notes: Arc<RwLock<Texts>>,
}

type Texts = BTreeMap<&'static str, Lasting>;

impl Readiness {
    /// Returns a readiness that waits for these parts, each with the reason at the start.
    pub fn waiting_for(parts: &[(&'static str, &str)]) -> Self {
        let mut missing = Texts::new();
        for (part, why) in parts {
            missing.entry(part).or_default().set(Some((*why).to_owned()));
        }
        Self { missing: Arc::new(RwLock::new(missing)), notes: Arc::default() }
    }

    /// Records why a part does not work. `None` if it works. A change is logged.
    pub fn set(&self, part: &'static str, why: Option<String>) {
        let Ok(mut missing) = self.missing.write() else { return };
        match missing.entry(part).or_default().set(why) {
            Change::Began(why) | Change::Changed(why) => tracing::warn!(part, %why, "not ready"),
            Change::Ended => tracing::info!(part, "ready"),
            Change::None => {}
        }
    }

    /// Records something that a person must see and that keeps nothing from working. `None` if it is over. A change is logged.
    pub fn note(&self, part: &'static str, note: Option<String>) {
        let Ok(mut notes) = self.notes.write() else { return };
        match notes.entry(part).or_default().set(note) {
            Change::Began(note) | Change::Changed(note) => {
                tracing::warn!(part, %note, "a person must decide")
            }
            Change::Ended => tracing::info!(part, "decided"),
            Change::None => {}
        }
    }

    /// Returns the notes, one line for each part.
    pub fn notes(&self) -> String {
        self.notes.read().map(|notes| lines(&notes)).unwrap_or_default()
    }

    /// Returns what is missing, one line for each part. `None` if the process is ready.
    pub fn missing(&self) -> Option<String> {
        let missing = lines(&*self.missing.read().ok()?);
        (!missing.is_empty()).then_some(missing)
    }
}

fn lines(texts: &Texts) -> String {
    texts.iter().filter_map(|(part, text)| Some(format!("{part}: {}\n", text.why()?))).collect()
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
