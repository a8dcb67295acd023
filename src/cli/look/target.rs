//! The object that a person names, and what the hub has of it.

use crate::api::MonitoringObject;
use crate::backoff::Backoff;
use crate::cli::clusters::{Cluster, HubArguments, satellite_clusters};
use clap::Args;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use std::collections::BTreeMap;
use std::time::Duration;

/// Pause between two looks at an object.
pub(in crate::cli) const LOOK_AGAIN: Backoff =
    Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(5) };
/// Most satellites that are asked for at once. There is no bound on their number.
const PAGE: u32 = 500;

/// The flags that name one object.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The MonitoringObject: NAME, mo/NAME or NAMESPACE/NAME.
    #[arg(value_name = "OBJECT", value_parser = name)]
    object: Name,
    /// Its namespace. Default: that of the context.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    #[command(flatten)]
    pub(super) hub: HubArguments,
}

/// A name as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    namespace: Option<String>,
    name: String,
}

/// Words for the kind, as kubectl takes them.
const KINDS: &[&str] = &["mo", "monitoringobject", "monitoringobjects", "monitoringobject.groundlink.dev"];

fn name(text: &str) -> Result<Name, String> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts[..] {
        [name] if !name.is_empty() => Ok(Name { namespace: None, name: name.to_owned() }),
        [kind, name] if KINDS.contains(&kind) && !name.is_empty() => {
            Ok(Name { namespace: None, name: name.to_owned() })
        }
        [namespace, name] if !namespace.is_empty() && !name.is_empty() => {
            Ok(Name { namespace: Some(namespace.to_owned()), name: name.to_owned() })
        }
        _ => Err("write NAME, mo/NAME or NAMESPACE/NAME".into()),
    }
}

/// An object on the hub, and how to ask for it.
pub(in crate::cli) struct Found {
    pub(in crate::cli) hub: Cluster,
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) name: String,
    /// Namespace of the operator.
    pub(in crate::cli) operator: String,
}

impl Target {
    /// Opens the hub.
    ///
    /// # Errors
    /// If no kubeconfig can be used.
    pub(super) async fn open(&self) -> anyhow::Result<Found> {
        let hub = Cluster::hub(&self.hub).await?;
        let context = || hub.client.default_namespace().to_owned();
        let namespace = self.object.namespace.clone().or_else(|| self.namespace.clone());
        let namespace = namespace.unwrap_or_else(context);
        let operator = self.hub.operator_namespace.clone();
        Ok(Found { hub, namespace, name: self.object.name.clone(), operator })
    }
}

impl Found {
    /// Returns `NAMESPACE/NAME`.
    pub(in crate::cli) fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Reads the object. None if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(in crate::cli) async fn object(&self) -> anyhow::Result<Option<DynamicObject>> {
        let kind = ApiResource::erase::<MonitoringObject>(&());
        let api = self.hub.objects(&kind, Some(&self.namespace));
        let action = format!("read MonitoringObject {}", self.full_name());
        Ok(self.hub.ask(&action, api.get_opt(&self.name)).await?)
    }

    /// Reads every SatelliteCluster, by name.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(super) async fn satellites(&self) -> anyhow::Result<Vec<DynamicObject>> {
        satellites(&self.hub, &self.operator).await
    }

    /// Returns the labels of the object's namespace. None if the person may not read them.
    pub(super) async fn labels(&self) -> Option<BTreeMap<String, String>> {
        let api: Api<Namespace> = Api::all(self.hub.client.clone());
        let read =
            self.hub.ask(&format!("read Namespace {}", self.namespace), api.get(&self.namespace)).await;
        read.ok().map(|namespace| namespace.metadata.labels.unwrap_or_default())
    }
}

/// Reads every SatelliteCluster of the operator's namespace, by name.
///
/// # Errors
/// If they cannot be listed.
pub(super) async fn satellites(hub: &Cluster, operator: &str) -> anyhow::Result<Vec<DynamicObject>> {
    hub.must_know_satellites(operator).await?;
    let api = hub.objects(&satellite_clusters(), Some(operator));
    let (mut all, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = hub.ask("list SatelliteClusters", api.list(&page)).await?;
        all.extend(list.items);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    all.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_as_kubectl_names_it() {
        let of =
            |namespace: Option<&str>| Name { namespace: namespace.map(str::to_owned), name: "web".into() };
        assert_eq!(name("web"), Ok(of(None)));
        assert_eq!(name("mo/web"), Ok(of(None)));
        assert_eq!(name("monitoringobject/web"), Ok(of(None)));
        assert_eq!(name("team-a/web"), Ok(of(Some("team-a"))));
        for wrong in ["", "mo/", "/web", "a/b/c"] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
    }
}
