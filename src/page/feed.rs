//! The latest state, and who wants it. Nothing is read while nobody looks.

use super::state::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long after a request the state is still read.
const WANTED: Duration = Duration::from_secs(30);
/// A state that is not older is shown without waiting for the next.
const FRESH: Duration = Duration::from_secs(4);
/// Longest wait for the next. After it, the old one is shown with its age.
const WAIT: Duration = Duration::from_secs(3);

/// A state, and when it was read.
#[derive(Debug)]
pub(super) struct Reading {
    pub state: State,
    pub at: Instant,
}

/// Carries the state from its reader to the server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed {
    latest: Arc<watch::Sender<Option<Arc<Reading>>>>,
    asked: Arc<watch::Sender<Option<Instant>>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { latest: Arc::new(watch::Sender::new(None)), asked: Arc::new(watch::Sender::new(None)) }
    }
}

impl Feed {
    /// Publishes a state that was read now.
    pub fn publish(&self, state: State) {
        self.latest.send_replace(Some(Arc::new(Reading { state, at: Instant::now() })));
    }

    /// Waits until somebody looks.
    pub(super) async fn wanted(&self) {
        let mut asked = self.asked.subscribe();
        // The sender is here, too, so this does not fail.
        let _ = asked.wait_for(|asked| asked.is_some_and(|at| at.elapsed() < WANTED)).await;
    }

    /// Returns the latest state, and waits a little for one that is not old. `None` if there never
    /// was one.
    pub(super) async fn reading(&self) -> Option<Arc<Reading>> {
        let mut latest = self.latest.subscribe();
        self.asked.send_replace(Some(Instant::now()));
        let is_fresh =
            |reading: &Option<Arc<Reading>>| reading.as_ref().is_some_and(|r| r.at.elapsed() < FRESH);
        let _ = tokio::time::timeout(WAIT, latest.wait_for(is_fresh)).await;
        let reading = latest.borrow();
        reading.clone()
    }
}
