//! One view for all satellites that accept the same: what is chosen, divided and packed once is not chosen for each of them again.

use crate::identity::Revision;
use crate::snapshot::{Acceptance, Snapshot, View, view};
use crate::validate::Name;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The latest view of one acceptance, while somebody uses it.
type Slot = Arc<tokio::sync::Mutex<Option<(Revision, Weak<View>)>>>;

/// The views that are in use.
#[derive(Default)]
pub struct Views {
    slots: Mutex<BTreeMap<Acceptance, Slot>>,
}

impl Views {
    /// What a satellite that accepts this gets of the snapshot. Satellites wait for each other's computation here, and for nothing
    /// else. `reserved` as in [`view`].
    ///
    /// # Errors
    /// When the computation panicked.
    pub async fn get(
        &self,
        snapshot: &Snapshot,
        acceptance: &Acceptance,
        reserved: impl FnOnce() -> Option<HashSet<Name>> + Send + 'static,
    ) -> Result<Arc<View>, tokio::task::JoinError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody holds any more belongs to satellites that accept something else by now.
            slots.retain(|key, slot| key == acceptance || Arc::strong_count(slot) > 1 || is_used(slot));
            slots.entry(acceptance.clone()).or_default().clone()
        };
        let mut latest = slot.lock().await;
        if let Some((revision, view)) = latest.as_ref()
            && *revision == snapshot.revision()
            && let Some(view) = view.upgrade()
        {
            return Ok(view);
        }
        let (snapshot, acceptance) = (snapshot.clone(), acceptance.clone());
        let revision = snapshot.revision();
        let computed =
            tokio::task::spawn_blocking(move || Arc::new(view(&snapshot, &acceptance, reserved().as_ref())));
        let computed = computed.await?;
        *latest = Some((revision, Arc::downgrade(&computed)));
        Ok(computed)
    }
}

fn is_used(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|latest| latest.as_ref().is_some_and(|(_, view)| view.strong_count() > 0))
}
