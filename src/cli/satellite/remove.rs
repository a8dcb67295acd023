//! `groundlink satellite remove`: first the SatelliteCluster, while the operator still has a credential to clean up with; then
//! the credential; then, with a context of the satellite, the account.

use super::access::{Access, others};
use super::apply::{MANAGER, delete, line, read, typed};
use super::cluster::{Cluster, satellite_clusters};
use super::manifests::ACCOUNT;
use super::output::{Format, Line, Outcome, Report, progress};
use super::{HubArguments, SatelliteArguments};
use crate::cli::program;
use crate::satellite::HostPolicy;
use crate::snapshot::pointer::{MANAGED_BY, SATELLITE};
use anyhow::bail;
use clap::Args;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectList;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// How often the hub is asked.
const POLL: Duration = Duration::from_millis(300);

/// Deletes the SatelliteCluster, waits until the operator has cleaned up the satellite, and deletes the credential on the hub.
/// With --context or --kubeconfig of the satellite also the account, its Role and its tokens there. Deletes only what this
/// program made, and never a namespace. Safe to run again.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Arguments {
    /// Name of the SatelliteCluster.
    #[arg(value_parser = super::object_name)]
    name: String,
    /// Namespace of the account on the satellite. Default: spec.target.namespace of the SatelliteCluster, or icinga.
    #[arg(short = 'n', long, value_name = "NAME", value_parser = super::object_name)]
    namespace: Option<String>,
    /// Name of the account on the satellite.
    #[arg(long, value_name = "NAME", default_value = "groundlink", value_parser = super::object_name)]
    account: String,
    /// Leave the delivered ConfigMaps on the satellite (sets spec.deletion.cleanup to Orphan first).
    #[arg(long)]
    keep_configmaps: bool,
    /// Longest wait for the operator to let the SatelliteCluster go. A satellite that does not answer delays it for
    /// spec.deletion.timeout (5m).
    #[arg(long, value_name = "DURATION", default_value = "6m", value_parser = super::duration)]
    timeout: Duration,
    /// Write nothing: say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    satellite: SatelliteArguments,
    #[command(flatten)]
    hub: HubArguments,
}

pub async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let operator = &arguments.hub.operator_namespace;
    let hub = Cluster::hub(&arguments.hub).await?;
    let satellite = match arguments.satellite.is_given() {
        true => Some(Cluster::satellite(&arguments.satellite).await?),
        false => None,
    };
    let found = hub.satellite_cluster(operator, &arguments.name).await?;
    let text = |pointer: &str| {
        let value = found.as_ref().and_then(|object| object.data.pointer(pointer));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let removal = Removal {
        secret: text("/spec/kubeconfigSecretRef/name").unwrap_or_else(|| arguments.name.clone()),
        target: text("/spec/target/namespace")
            .or_else(|| arguments.namespace.clone())
            .unwrap_or_else(|| "icinga".into()),
        arguments,
        hub,
        satellite,
    };
    let mut report = Report::new(&arguments.name, arguments.dry_run);
    let access = removal.access().await?;
    removal.resource(found, &mut report).await?;
    removal.config_maps(access.as_ref(), &mut report).await?;
    removal.credential(&mut report).await?;
    removal.account(access.as_ref(), &mut report).await?;
    report.print(arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

struct Removal<'a> {
    arguments: &'a Arguments,
    hub: Cluster,
    satellite: Option<Cluster>,
    /// Name of the hub's Secret.
    secret: String,
    /// Namespace on the satellite.
    target: String,
}

impl Removal<'_> {
    fn operator(&self) -> &str {
        &self.arguments.hub.operator_namespace
    }

    fn manifest(&self, kind: &str, name: &str) -> Value {
        json!({ "kind": kind, "metadata": { "name": name, "namespace": self.operator() } })
    }

    /// The credential, while it is there: with it can be seen what is left.
    async fn access(&self) -> anyhow::Result<Option<Access>> {
        let Some(found) = read(&self.hub, &self.manifest("Secret", &self.secret)).await? else {
            return Ok(None);
        };
        let secret: Secret = typed(&found)?;
        // Only asks what its owner's own context or the operator would be asked.
        Ok(Access::of_secret(&secret, None, HostPolicy { allow_loopback: true, ..HostPolicy::default() })
            .ok())
    }

    /// Deletes the SatelliteCluster and waits until it is gone.
    async fn resource(&self, found: Option<DynamicObject>, report: &mut Report) -> anyhow::Result<()> {
        let (name, operator) = (&self.arguments.name, self.operator());
        let manifest = self.manifest("SatelliteCluster", name);
        let described = format!("SatelliteCluster {operator}/{name}");
        let Some(found) = found else {
            report.objects.push(line(&self.hub, &manifest, Outcome::Absent, None));
            return Ok(());
        };
        let api = self.hub.objects(&satellite_clusters(), Some(operator));
        let uid = found.metadata.uid.clone();
        if self.arguments.dry_run {
            report.objects.push(line(&self.hub, &manifest, Outcome::Deleted, None));
            return Ok(());
        }
        if self.arguments.keep_configmaps {
            let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
            let patch = Patch::Merge(
                json!({ "metadata": { "uid": uid }, "spec": { "deletion": { "cleanup": "Orphan" } } }),
            );
            let action = format!("set spec.deletion.cleanup of {described}");
            self.hub.ask(&action, api.patch(name, &parameters, &patch)).await?;
        }
        progress(&format!("hub: deleting {described}"));
        let preconditions = Some(Preconditions { uid: uid.clone(), resource_version: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        match self.hub.ask(&format!("delete {described}"), api.delete(name, &parameters)).await {
            Err(refused) if !refused.is(404) => return Err(refused.into()),
            _ => {}
        }
        let began = Instant::now();
        let mut told = false;
        loop {
            let read = self.hub.ask(&format!("read {described}"), api.get_opt(name)).await?;
            let Some(left) = read.filter(|object| object.metadata.uid == uid) else { break };
            if !told && began.elapsed() > Duration::from_secs(2) {
                told = true;
                progress("hub: waiting for the operator to clean up the satellite");
            }
            if began.elapsed() >= self.arguments.timeout {
                let finalizers = left.metadata.finalizers.unwrap_or_default().join(", ");
                bail!(
                    "{described} is being deleted and was not let go within {:?}: it has the finalizers {finalizers}. Does the \
                     operator run? Its credential and account were kept, so that it can clean up; run this again. Without an \
                     operator, and with its ConfigMaps left on the satellite: kubectl -n {operator} patch satellitecluster {name} \
                     --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
                    self.arguments.timeout
                );
            }
            tokio::time::sleep(POLL).await;
        }
        report.objects.push(line(&self.hub, &manifest, Outcome::Deleted, None));
        Ok(())
    }

    /// Tells which of the delivered ConfigMaps are on the satellite still.
    async fn config_maps(&self, access: Option<&Access>, report: &mut Report) -> anyhow::Result<()> {
        if self.arguments.dry_run {
            return Ok(());
        }
        let label = format!("{}={},{SATELLITE}={}", MANAGED_BY.0, MANAGED_BY.1, self.arguments.name);
        let parameters = ListParams::default().labels(&label).limit(100);
        let by_hand = format!("kubectl -n {} delete configmaps -l {label}", self.target);
        let found: Result<ObjectList<ConfigMap>, String> = match (&self.satellite, access) {
            (Some(satellite), _) => {
                let api = satellite.typed::<ConfigMap>(&self.target);
                satellite
                    .ask("list ConfigMaps", api.list(&parameters))
                    .await
                    .map_err(|error| error.to_string())
            }
            (None, Some(access)) => {
                let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
                match access.client(policy, Duration::from_secs(5)).await {
                    Err(why) => Err(why),
                    Ok(client) => {
                        let api = Api::<ConfigMap>::namespaced(client, &self.target);
                        match tokio::time::timeout(Duration::from_secs(7), api.list(&parameters)).await {
                            Ok(Ok(list)) => Ok(list),
                            Ok(Err(error)) => Err(crate::satellite::transport(&error).1),
                            Err(_) => Err("no answer".into()),
                        }
                    }
                }
            }
            (None, None) => Err("there is no credential and no --context".into()),
        };
        match found {
            Err(why) => report.notes.push(format!(
                "whether ConfigMaps are left on the satellite could not be seen ({why}); to delete them there: {by_hand}"
            )),
            Ok(list) if list.items.is_empty() => {
                report.notes.push(format!("no ConfigMap of {} is left on the satellite", self.arguments.name));
            }
            Ok(list) => {
                for map in list.items {
                    report.objects.push(Line {
                        cluster: super::cluster::SATELLITE,
                        kind: "ConfigMap".into(),
                        namespace: Some(self.target.clone()),
                        name: map.metadata.name.unwrap_or_default(),
                        result: Outcome::Left,
                        note: None,
                    });
                }
                report.notes.push(format!("to delete what is left: {by_hand}"));
            }
        }
        Ok(())
    }

    /// Deletes the hub's Secret, unless another SatelliteCluster uses it.
    async fn credential(&self, report: &mut Report) -> anyhow::Result<()> {
        let manifest = self.manifest("Secret", &self.secret);
        let api = self.hub.objects(&satellite_clusters(), Some(self.operator()));
        let list = self.hub.ask("list SatelliteClusters", api.list(&ListParams::default())).await?;
        let user = list.items.iter().find(|other| {
            other.metadata.name.as_deref() != Some(&self.arguments.name)
                && other.data["spec"]["kubeconfigSecretRef"]["name"] == json!(self.secret)
        });
        report.objects.push(match user {
            Some(user) => {
                let name = user.metadata.name.as_deref().unwrap_or_default();
                line(&self.hub, &manifest, Outcome::Left, Some(format!("SatelliteCluster {name} uses it")))
            }
            None => delete(&self.hub, &manifest, self.arguments.dry_run).await?,
        });
        Ok(())
    }

    /// Deletes the account and its tokens on the satellite.
    async fn account(&self, access: Option<&Access>, report: &mut Report) -> anyhow::Result<()> {
        let claims = access.and_then(|access| access.claims.as_ref());
        let account = claims.map_or(self.arguments.account.as_str(), |claims| &claims.account);
        let namespace = self.arguments.namespace.as_deref();
        let namespace =
            namespace.or(claims.map(|claims| claims.namespace.as_str())).unwrap_or(self.target.as_str());
        let Some(satellite) = &self.satellite else {
            report.notes.push(format!(
                "on the satellite the account {namespace}/{account} is left; to delete it run {} satellite remove {} --namespace \
                 {namespace} --account {account} --context <the satellite's>{}",
                program(),
                self.arguments.name,
                self.arguments.hub.flags()
            ));
            return Ok(());
        };
        let others = others(&self.hub, self.operator(), &self.arguments.name).await?;
        let user = others.iter().find(|(_, other)| {
            let same =
                other.claims.as_ref().is_some_and(|c| c.account == account && c.namespace == namespace);
            same && access.is_none_or(|access| access.server == other.server)
        });
        if let Some((name, _)) = user {
            report.notes.push(format!("the account {namespace}/{account} is left: satellite {name} uses it"));
            return Ok(());
        }
        progress(&format!("satellite: deleting account {namespace}/{account}"));
        let metadata = json!({ "name": account, "namespace": namespace });
        // What gives rights goes first.
        for kind in ["RoleBinding", "Role"] {
            let renewal = json!({ "name": format!("{account}-token"), "namespace": namespace });
            for metadata in [&metadata, &renewal] {
                let manifest = json!({ "kind": kind, "metadata": metadata });
                let line = delete(satellite, &manifest, self.arguments.dry_run).await?;
                // Only a token that renews itself has the second of each.
                if metadata == &renewal && line.result == Outcome::Absent {
                    continue;
                }
                report.objects.push(line);
            }
        }
        let secrets = satellite.typed::<Secret>(namespace);
        let label = format!("{}={},{ACCOUNT}={account}", MANAGED_BY.0, MANAGED_BY.1);
        let parameters = ListParams::default().labels(&label);
        let list = secrets.list(&parameters);
        for secret in satellite.ask(&format!("list Secrets of namespace {namespace}"), list).await? {
            let name = secret.metadata.name.unwrap_or_default();
            let manifest = json!({ "kind": "Secret", "metadata": { "name": name, "namespace": namespace } });
            report.objects.push(delete(satellite, &manifest, self.arguments.dry_run).await?);
        }
        let manifest = json!({ "kind": "ServiceAccount", "metadata": metadata });
        report.objects.push(delete(satellite, &manifest, self.arguments.dry_run).await?);
        report.notes.push(format!("namespace {namespace} of the satellite stays"));
        Ok(())
    }
}
