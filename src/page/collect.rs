//! Reads the state from the running operator, while somebody looks at the page.

use super::feed::Feed;
use super::state::{KEPT, Objects, Operator, Satellite, Satellites, State};
use crate::hub::{AT_ONCE, Questions};
use crate::lease::Leadership;
use crate::readiness::Readiness;
use crate::satellite::{Board, Fleet};
use std::time::Duration;
use tokio::sync::watch;

/// Pause between two readings.
const EVERY: Duration = Duration::from_secs(2);

/// Where the state is read.
pub(crate) struct Sources {
    /// The hub loop.
    pub questions: Questions,
    /// The statuses of the satellites.
    pub board: Board,
    /// Whether all satellites are known.
    pub fleet: watch::Receiver<Fleet>,
    /// What `/readyz` says.
    pub readiness: Readiness,
    /// Whether this process leads.
    pub leadership: Leadership,
}

/// Reads the state again and again. Returns when the hub loop has ended.
pub(crate) async fn collect(sources: Sources, feed: Feed) {
    loop {
        feed.wanted().await;
        let Some(objects) = sources.objects().await else { return };
        feed.publish(State { operator: sources.operator(), satellites: sources.satellites(), objects });
        tokio::time::sleep(EVERY).await;
    }
}

impl Sources {
    /// Returns the objects: an outline, and then the words, a few objects at a time. `None` if the
    /// hub loop has ended.
    async fn objects(&self) -> Option<Objects> {
        let outline = self.questions.outline().await?;
        let keys: Vec<_> = outline.open.into_iter().take(KEPT).map(|(_, key)| key).collect();
        let mut rows = Vec::with_capacity(keys.len());
        for some in keys.chunks(AT_ONCE) {
            rows.extend(self.questions.words(some.to_vec()).await?);
        }
        Some(Objects::new(outline.is_complete, outline.namespaces, rows))
    }

    fn satellites(&self) -> Satellites {
        let rows = self.board.all().iter().map(|(name, posted)| Satellite::of(name, posted)).collect();
        Satellites::new(self.fleet.borrow().listed, rows)
    }

    fn operator(&self) -> Operator {
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        Operator {
            leads: self.leadership.is_current(),
            missing: lines(self.readiness.missing().unwrap_or_default()),
            notes: lines(self.readiness.notes()),
        }
    }
}
