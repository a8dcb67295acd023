//! Reads the ConfigMaps: from a cluster, or from files that kubectl printed.

use crate::cli::clusters::{Cluster, SatelliteArguments};
use crate::cli::manifests::{Source, documents, read};
use crate::identity::Revision;
use crate::snapshot::pointer::{HUB, MANAGED_BY, PART, PART_SHARD, REVISION, SATELLITE};
use crate::snapshot::verify::{Found, Report, verify, wanted};
use crate::text::clean;
use anyhow::{Context as _, anyhow, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::ListParams;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Requests at the same time.
const PARALLEL: usize = 8;
/// How often reading is tried, because the pointer may change meanwhile.
const ATTEMPTS: usize = 5;
/// ConfigMaps in one page of a list.
const PAGE: u32 = 500;

type Inventory = BTreeMap<String, Option<Revision>>;

/// Returns a label of an object.
fn label<'a>(metadata: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    metadata.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str)
}

/// Returns the latest revision that used a shard. None if its annotation cannot be read.
fn revision(metadata: &ObjectMeta) -> Option<Revision> {
    metadata.annotations.as_ref().and_then(|all| all.get(REVISION)).and_then(|text| text.parse().ok())
}

/// Reads and verifies the set in a cluster. Returns the address of its API server, too.
///
/// # Errors
/// If the cluster cannot be reached, or refuses to be read.
pub fn cluster(
    satellite: &SatelliteArguments,
    namespace: &str,
    name: &str,
) -> anyhow::Result<(String, Report)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let result = runtime.block_on(async {
        let cluster = Cluster::satellite(satellite).await?;
        let satellite = Satellite::new(&cluster, namespace, name);
        let pointer = satellite.expect_pointer().await?;
        let report = satellite.read(pointer, true).await?;
        Ok((cluster.server.clone(), report))
    });
    // A look-up of a host name cannot be cancelled, and must not keep the process alive.
    runtime.shutdown_background();
    result
}

/// The set under one pointer of a cluster.
pub(in crate::cli) struct Satellite<'a> {
    cluster: &'a Cluster,
    api: Api<ConfigMap>,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Satellite<'a> {
    /// Returns the set under the pointer `namespace`/`name`. Nothing is read yet.
    pub(in crate::cli) fn new(cluster: &'a Cluster, namespace: &'a str, name: &'a str) -> Self {
        Self { api: cluster.typed(namespace), cluster, namespace, name }
    }

    /// Reads the shards of a pointer, and verifies the set. Problems count only if the pointer is
    /// still the same afterwards: otherwise the operator wrote a newer one, and may have deleted
    /// shards of the older one. With `lists` it also looks for shards of other revisions.
    ///
    /// # Errors
    /// If the cluster does not answer or refuses, or the pointer changes all the time.
    pub(in crate::cli) async fn read(&self, mut pointer: ConfigMap, lists: bool) -> anyhow::Result<Report> {
        for _ in 0..ATTEMPTS {
            let shards = self.shards(&pointer).await?;
            let (inventory, note) = if lists { self.inventory(&pointer).await? } else { (None, None) };
            let found =
                Found { pointer: &pointer, shards: &shards, inventory: inventory.as_ref(), held: None };
            let mut report = verify(&found);
            report.notes.extend(note);
            if report.problems.is_empty() {
                return Ok(report);
            }
            let again = self.expect_pointer().await?;
            if again.metadata.resource_version == pointer.metadata.resource_version {
                return Ok(report);
            }
            pointer = again;
        }
        bail!(
            "ConfigMap {}/{} changed {ATTEMPTS} times while it was read; try again",
            self.namespace,
            self.name
        )
    }

    /// Reads the pointer. None if there is none.
    ///
    /// # Errors
    /// If the cluster does not answer or refuses.
    pub(in crate::cli) async fn pointer(&self) -> anyhow::Result<Option<ConfigMap>> {
        let action = format!("read ConfigMap {}/{}", self.namespace, self.name);
        Ok(self.cluster.ask(&action, self.api.get_opt(self.name)).await?)
    }

    async fn expect_pointer(&self) -> anyhow::Result<ConfigMap> {
        self.pointer().await?.ok_or_else(|| {
            anyhow!(
                "there is no ConfigMap {}/{} on the satellite ({}); name the target of its SatelliteCluster with --namespace and \
                 --name",
                self.namespace,
                self.name,
                self.cluster.server
            )
        })
    }

    async fn shards(&self, pointer: &ConfigMap) -> anyhow::Result<BTreeMap<String, ConfigMap>> {
        let reads = wanted(pointer).into_iter().map(|name| async move {
            let action = format!("read ConfigMap {}/{name}", self.namespace);
            let found = self.cluster.ask(&action, self.api.get_opt(&name)).await?;
            anyhow::Ok(found.map(|shard| (name, shard)))
        });
        let read: Vec<_> = futures::stream::iter(reads).buffer_unordered(PARALLEL).try_collect().await?;
        Ok(read.into_iter().flatten().collect())
    }

    /// Lists the metadata of all shards of the pointer's satellite and hub. If listing is
    /// forbidden, returns a note instead.
    async fn inventory(&self, pointer: &ConfigMap) -> anyhow::Result<(Option<Inventory>, Option<String>)> {
        let mut selector = format!("{}={},{PART}={PART_SHARD}", MANAGED_BY.0, MANAGED_BY.1);
        for name in [SATELLITE, HUB] {
            let value = label(&pointer.metadata, name);
            selector += &value.map(|value| format!(",{name}={value}")).unwrap_or_default();
        }
        let mut parameters = ListParams::default().labels(&selector).limit(PAGE);
        let mut inventory = Inventory::new();
        loop {
            let action = format!("list ConfigMaps of namespace {}", self.namespace);
            let page = match self.cluster.ask(&action, self.api.list_metadata(&parameters)).await {
                Ok(page) => page,
                Err(refused) if refused.is(403) => {
                    return Ok((
                        None,
                        Some(format!("previous and left-over shards were not looked for: {refused}")),
                    ));
                }
                Err(refused) => return Err(refused.into()),
            };
            let items = page.items.into_iter().map(|item| item.metadata);
            inventory.extend(items.map(|item| (item.name.clone().unwrap_or_default(), revision(&item))));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok((Some(inventory), None)),
            }
        }
    }
}

/// Reads and verifies the set in files.
///
/// # Errors
/// If a file cannot be read, or none of them has the pointer.
pub fn files(paths: &[PathBuf], namespace: &str, name: &str) -> anyhow::Result<Report> {
    let mut found: BTreeMap<String, ConfigMap> = BTreeMap::new();
    let mut elsewhere = None;
    for path in paths {
        for Source { name: source, bytes } in read(path) {
            for document in documents(&bytes?).with_context(|| source.clone())? {
                if document["kind"] != "ConfigMap" {
                    continue;
                }
                let named = clean(document["metadata"]["name"].as_str().unwrap_or_default(), 253);
                let object: ConfigMap = serde_json::from_value(document)
                    .with_context(|| format!("{source}: ConfigMap {named:?} cannot be read"))?;
                let own = object.metadata.namespace.as_deref().unwrap_or(namespace);
                if own != namespace {
                    if named == name {
                        elsewhere = Some(clean(own, 63));
                    }
                    continue;
                }
                if found.insert(object.metadata.name.clone().unwrap_or_default(), object).is_some() {
                    bail!("{source}: ConfigMap {namespace}/{named} is there twice; give each once");
                }
            }
        }
    }
    let pointer = found.remove(name).ok_or_else(|| match elsewhere {
        Some(other) => anyhow!(
            "the files have no ConfigMap {namespace}/{name}, but {other}/{name}: name it with -n {other}"
        ),
        None => anyhow!(
            "the files have no ConfigMap {namespace}/{name}; name the pointer with --namespace and --name"
        ),
    })?;
    let own = |metadata: &ObjectMeta| {
        let same = |name: &str| label(metadata, name) == label(&pointer.metadata, name);
        label(metadata, PART) == Some(PART_SHARD) && same(SATELLITE) && same(HUB)
    };
    let inventory: Inventory = found
        .iter()
        .filter(|(_, object)| own(&object.metadata))
        .map(|(name, object)| (name.clone(), revision(&object.metadata)))
        .collect();
    Ok(verify(&Found { pointer: &pointer, shards: &found, inventory: Some(&inventory), held: None }))
}
