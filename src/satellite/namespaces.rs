//! The hub's namespaces and their labels, for SatelliteClusters that choose by label. Watched only
//! if one does.

use crate::api::satellite_cluster::NamespaceSelection;
use crate::follow::{self, RELIST};
use crate::lasting::{Change, Lasting};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Client, ResourceExt};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch::Sender;

type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// Labels by namespace, or why they are unknown. After the first complete list, a failed watch
/// does not remove known labels.
pub type Known = Result<Arc<Labels>, String>;

/// Why the namespaces are unknown to an operator of named ones.
pub const NOT_READ: &str = "the operator watches named namespaces (--watch-namespaces) and may not read all of them; set \
    spec.namespaces.from to List, and name them";

/// Watches the namespaces until the receivers are gone.
pub async fn follow(hub: Client, known: Sender<Known>) {
    let api = Api::<PartialObjectMeta<Namespace>>::all(hub);
    let mut events = pin!(follow::follow(api, RELIST));
    let mut labels = Labels::new();
    let mut listing = Labels::new();
    // The reason why the watch fails. It is logged when the failure begins, changes and ends.
    let mut failing = Lasting::default();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = known.closed() => return,
        };
        let Some(event) = event else { return };
        if event.is_ok() && failing.set(None) == Change::Ended {
            tracing::info!("namespaces are watched again");
        }
        match event {
            Ok(Event::Init) => {
                listing.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                listing.insert(object.name_any(), object.labels().clone());
                continue;
            }
            Ok(Event::InitDone) => labels = std::mem::take(&mut listing),
            Ok(Event::Apply(object)) => {
                if labels.insert(object.name_any(), object.labels().clone()).as_ref() == Some(object.labels())
                {
                    continue;
                }
            }
            Ok(Event::Delete(object)) => {
                labels.remove(&object.name_any());
            }
            Err(failure) => {
                let why = failure.to_string();
                if let Change::Began(why) | Change::Changed(why) = failing.set(Some(why.clone())) {
                    tracing::warn!(why, "cannot watch namespaces");
                }
                // An interrupted watch does not remove known labels.
                let remedy = format!("{why}; set rbac.readNamespaces of the chart");
                known.send_if_modified(|known| {
                    let is_news = known.as_ref().is_err_and(|old| *old != remedy);
                    if is_news {
                        *known = Err(remedy);
                    }
                    is_news
                });
                continue;
            }
        }
        known.send_modify(|known| *known = Ok(Arc::new(labels.clone())));
    }
}

/// Returns the namespaces that have every label of a selection.
///
/// # Errors
/// If the namespaces are not known.
pub fn selected(known: &Known, selection: &NamespaceSelection) -> Result<BTreeSet<String>, String> {
    let labels = known.as_ref().map_err(Clone::clone)?;
    let has_all = |held: &BTreeMap<String, String>| {
        selection.selector.iter().all(|(key, value)| held.get(key) == Some(&value.0))
    };
    Ok(labels.iter().filter(|(_, held)| has_all(held)).map(|(name, _)| name.clone()).collect())
}
