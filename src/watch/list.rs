//! One LIST beside the watch: which resources there are, and nothing else of them.

use super::event::Listed;
use super::scope::{Place, Scope};
use crate::api::MonitoringObject;
use crate::identity::{ObjectKey, Uid};
use crate::request::{Server, ask};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use std::collections::BTreeMap;
use std::time::Duration;

/// Objects of one page.
const PAGE: u32 = 1_000;
/// Longest wait for a page.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Pages at most. It is a bound, not a size that anybody has.
const PAGES: usize = 1_000;

/// Lists the resources. Cheap to clone.
#[derive(Clone)]
pub struct Lister {
    client: Client,
    server: Server,
    scope: Scope,
}

impl Lister {
    /// Returns a lister of the hub's API server.
    pub fn new(client: Client, server: Server, scope: Scope) -> Self {
        Self { client, server, scope }
    }

    /// Lists the resources with their UIDs, consistently: the API server asks etcd, and answers nothing older than this call.
    ///
    /// # Errors
    /// For a person, if a page cannot be read. Nothing of the pages before it is returned: a part would look like a deletion.
    /// Of named namespaces, one that cannot be listed does not hide the others.
    pub async fn list(&self) -> Result<Listed, String> {
        let mut listed = Listed::default();
        for place in self.scope.places() {
            match (self.list_place(&place).await, place) {
                (Ok(objects), _) => listed.objects.extend(objects),
                (Err(why), None) => return Err(why),
                (Err(why), Some(namespace)) => drop(listed.unknown.insert(namespace, why)),
            }
        }
        Ok(listed)
    }

    async fn list_place(&self, place: &Place) -> Result<BTreeMap<ObjectKey, Uid>, String> {
        let api: Api<MonitoringObject> = match place {
            None => Api::all(self.client.clone()),
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
        };
        let mut listed = BTreeMap::new();
        // Without a resourceVersion the LIST is consistent.
        let mut parameters = ListParams::default().limit(PAGE);
        for _ in 0..PAGES {
            let page = ask(TIMEOUT, api.list_metadata(&parameters))
                .await
                .map_err(|failure| self.server.explain(&failure))?;
            for object in &page.items {
                if let (Some(namespace), Some(uid)) = (object.namespace(), object.uid()) {
                    listed.insert(ObjectKey::new(&namespace, &object.name_any()), Uid::new(&uid));
                }
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = ListParams::default().limit(PAGE).continue_token(&token),
                None => return Ok(listed),
            }
        }
        Err(format!("the LIST does not end after {PAGES} pages"))
    }
}
