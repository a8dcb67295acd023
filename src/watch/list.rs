//! One LIST beside the watch: which resources there are, and nothing else of them.

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
    api: Api<MonitoringObject>,
    server: Server,
}

impl Lister {
    /// Returns a lister of the hub's API server.
    pub fn new(client: Client, server: Server) -> Self {
        Self { api: Api::all(client), server }
    }

    /// Lists the resources with their UIDs, consistently: the API server asks etcd, and answers nothing older than this call.
    ///
    /// # Errors
    /// For a person, if a page cannot be read. Nothing of the pages before it is returned: a part would look like a deletion.
    pub async fn list(&self) -> Result<BTreeMap<ObjectKey, Uid>, String> {
        let mut listed = BTreeMap::new();
        // Without a resourceVersion the LIST is consistent.
        let mut parameters = ListParams::default().limit(PAGE);
        for _ in 0..PAGES {
            let page = ask(TIMEOUT, self.api.list_metadata(&parameters))
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
