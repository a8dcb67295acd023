//! Keeps one view for all satellites that accept the same, and updates it from snapshot to
//! snapshot.

use crate::snapshot::{Acceptance, Maintained, Snapshot, SnapshotNames, View};
use crate::validate::Name;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The view of one acceptance, as long as an actor uses it.
type Slot = Arc<tokio::sync::Mutex<Option<Maintained>>>;

/// The views that are in use.
#[derive(Default)]
pub struct Views {
    slots: Mutex<BTreeMap<Acceptance, Slot>>,
    /// Shared by the views that may leave objects out.
    names: Arc<Mutex<SnapshotNames>>,
}

impl Views {
    /// Returns the view of a snapshot for satellites that accept this. `reserved` is asked once
    /// for each acceptance in use, as in [`Maintained::new`]. Satellites wait here for each
    /// other's computation, and for nothing else.
    ///
    /// # Errors
    /// If the computation panicked. The next one then starts from scratch.
    pub async fn get(
        &self,
        snapshot: &Snapshot,
        acceptance: &Acceptance,
        reserved: impl FnOnce() -> Option<HashSet<Name>> + Send + 'static,
    ) -> Result<Arc<View>, tokio::task::JoinError> {
        let slot = self.slot(acceptance);
        let mut kept = slot.lock().await;
        if let Some(view) = kept.as_ref().filter(|kept| kept.is_at(snapshot)) {
            return Ok(view.latest().clone());
        }
        let (snapshot, acceptance, names) = (snapshot.clone(), acceptance.clone(), self.names.clone());
        let before = kept.take();
        let computed = tokio::task::spawn_blocking(move || {
            let mut view = before.unwrap_or_else(|| Maintained::new(acceptance, reserved()));
            if !view.acceptance().may_leave_out() {
                view.update(&snapshot, &mut SnapshotNames::default());
                return view;
            }
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            // Taken out of the map, so that a panic leaves no half-changed view behind.
            let mut moved = std::mem::take(&mut *names);
            view.update(&snapshot, &mut moved);
            *names = moved;
            view
        });
        Ok(kept.insert(computed.await?).latest().clone())
    }

    fn slot(&self, acceptance: &Acceptance) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Drop views that no actor uses: their satellites accept something else now.
        slots.retain(|key, slot| key == acceptance || Arc::strong_count(slot) > 1 || is_used(slot));
        if !slots.keys().chain([acceptance]).any(Acceptance::may_leave_out) {
            *self.names.lock().unwrap_or_else(PoisonError::into_inner) = SnapshotNames::default();
        }
        slots.entry(acceptance.clone()).or_default().clone()
    }
}

fn is_used(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|kept| kept.as_ref().is_some_and(|kept| Arc::strong_count(kept.latest()) > 1))
}
