//! `groundlink satellite remove`: deletes the SatelliteCluster first, while the operator still has
//! a credential to clean up with; then, with a context of the satellite, the account; then the
//! credential, which proves whose the account is. After an interruption at any point it can be run
//! again.

use crate::api::marks::CLI_MANAGER;
use crate::api::marks::{HUB, MANAGED_BY, SATELLITE};
use crate::backoff::Backoff;
use crate::cli::clusters::apply::{delete, line, read, typed};
use crate::cli::clusters::{Cluster, HubArguments, SatelliteArguments, satellite_clusters};
use crate::cli::join::access::Access;
use crate::cli::join::account::Account;
use crate::cli::join::agents::is_of_agent;
use crate::cli::join::token::Claims;
use crate::cli::output::{Format, progress, word};
use crate::cli::report::{Line, Outcome, Report};
use crate::cli::usage::{DryRun, DryRunArguments, program};
use crate::request::ask;
use crate::satellite::{HostPolicy, HubIdentity};
use anyhow::bail;
use clap::Args;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions};
use kube::core::ObjectList;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for the start of the satellite's answer, and for all of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const LIST_TIMEOUT: Duration = Duration::from_secs(7);
/// Pause between two looks at the SatelliteCluster.
const POLL: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(1) };

/// Deletes the SatelliteCluster, waits until the operator has cleaned up the satellite, and
/// deletes the credential on the hub. With --context or --kubeconfig of the satellite it also
/// deletes the account, its Role and its tokens there. Deletes only objects that this program
/// made, never a namespace, and the account only if the hub's token belongs to it: a wrong context
/// deletes nothing. Safe to run again.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub struct Arguments {
    /// Name of the SatelliteCluster.
    #[arg(value_parser = crate::cli::usage::object_name)]
    name: String,
    /// Namespace of the account on the satellite. Default: spec.target.namespace of the
    /// SatelliteCluster, or icinga.
    #[arg(short = 'n', long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    namespace: Option<String>,
    /// Name of the account on the satellite. Default: that of the hub's token, or groundlink.
    #[arg(long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    account: Option<String>,
    /// The account's metadata.uid, for a hub without a token of it: the Secret is gone, or holds a
    /// client certificate. An account that is not proven to be this satellite's is not deleted.
    #[arg(long, value_name = "UID")]
    account_uid: Option<String>,
    /// Name of the hub's Secret, if the SatelliteCluster is gone. Default: the name of the
    /// satellite.
    #[arg(long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    secret_name: Option<String>,
    /// Leave the delivered ConfigMaps on the satellite (sets spec.deletion.cleanup to Orphan
    /// first).
    #[arg(long)]
    keep_configmaps: bool,
    /// Longest wait for the operator to clean up. A satellite that does not answer delays it for
    /// spec.deletion.timeout (5m).
    #[arg(long, value_name = "DURATION", default_value = "6m", value_parser = crate::cli::usage::duration)]
    timeout: Duration,
    #[command(flatten)]
    dry_run: DryRunArguments,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    satellite: SatelliteArguments,
    #[command(flatten)]
    hub: HubArguments,
}

pub(super) async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
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
        secret: text("/spec/kubeconfigSecretRef/name")
            .or_else(|| arguments.secret_name.clone())
            .unwrap_or_else(|| arguments.name.clone()),
        target: text("/spec/target/namespace")
            .or_else(|| arguments.namespace.clone())
            .unwrap_or_else(|| "icinga".into()),
        arguments,
        hub,
        satellite,
    };
    let mut report = Report::new(&arguments.name, arguments.dry_run.mode.is_dry());
    let access = removal.access().await?;
    let claims = access.as_ref().and_then(|access| access.claims.as_ref());
    // Before the first deletion, so that a context of another cluster is refused while nothing is
    // lost.
    let account = match &removal.satellite {
        Some(satellite) => Some(
            Account::find(
                &removal.hub,
                satellite,
                removal.account_name(claims),
                access.as_ref(),
                arguments.account_uid.as_deref(),
                (operator, &arguments.name),
            )
            .await?,
        ),
        None => None,
    };
    let result = removal.run(found, access.as_ref(), account.as_ref(), &mut report).await;
    // After an error the report still shows what was done and how to go on: the deleted objects
    // cannot say it any more.
    if result.is_err() && report.objects.iter().any(|line| line.result == Outcome::Deleted) {
        report.next = Some(removal.again(claims));
        report.print(arguments.output)?;
    }
    result?;
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

    /// Returns namespace and name of the account: by the flags, else by the token's claims.
    fn account_name<'b>(&'b self, claims: Option<&'b Claims>) -> (&'b str, &'b str) {
        let given = (self.arguments.namespace.as_deref(), self.arguments.account.as_deref());
        let said = claims.map(|claims| (claims.namespace.as_str(), claims.account.as_str())).unzip();
        (given.0.or(said.0).unwrap_or(&self.target), given.1.or(said.1).unwrap_or("groundlink"))
    }

    fn manifest(&self, kind: &str, name: &str) -> Value {
        json!({ "kind": kind, "metadata": { "name": name, "namespace": self.operator() } })
    }

    async fn run(
        &self,
        found: Option<DynamicObject>,
        access: Option<&Access>,
        account: Option<&Account<'_>>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        self.resource(found, report).await?;
        self.config_maps(access, report).await?;
        self.account(account, access.and_then(|access| access.claims.as_ref()), report).await?;
        self.credential(report).await
    }

    /// Returns the command that finishes the removal. It names what only the deleted
    /// SatelliteCluster said.
    fn again(&self, claims: Option<&Claims>) -> String {
        let (namespace, account) = self.account_name(claims);
        let mut command = format!(
            "{} satellite remove {} --namespace {namespace} --account {account}",
            program(),
            self.arguments.name
        );
        if self.secret != self.arguments.name {
            command += &format!(" --secret-name {}", self.secret);
        }
        if let Some(uid) = &self.arguments.account_uid {
            command += &format!(" --account-uid {}", word(uid));
        }
        command + &self.arguments.satellite.flags() + &self.arguments.hub.flags()
    }

    /// Returns the credential, with which the satellite can be asked what is left. `None` if it is
    /// gone or cannot be used.
    async fn access(&self) -> anyhow::Result<Option<Access>> {
        let Some(found) = read(&self.hub, &self.manifest("Secret", &self.secret)).await? else {
            return Ok(None);
        };
        let secret: Secret = typed(&found)?;
        // It is only used for a list, which the operator may do, too.
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
        let mode = self.arguments.dry_run.mode;
        if mode == DryRun::Client {
            report.objects.push(line(&self.hub, &manifest, Outcome::Deleted, None));
            return Ok(());
        }
        let dry_run = mode.is_dry();
        if self.arguments.keep_configmaps {
            let field_manager = Some(CLI_MANAGER.into());
            let parameters = PatchParams { dry_run, field_manager, ..PatchParams::default() };
            let patch = Patch::Merge(
                json!({ "metadata": { "uid": uid }, "spec": { "deletion": { "cleanup": "Orphan" } } }),
            );
            let action = format!("set spec.deletion.cleanup of {described}");
            self.hub.ask(&action, api.patch(name, &parameters, &patch)).await?;
        }
        if !dry_run {
            progress(&format!("hub: deleting {described}"));
        }
        let preconditions = Some(Preconditions { uid: uid.clone(), resource_version: None });
        let parameters = DeleteParams { dry_run, preconditions, ..DeleteParams::default() };
        match self.hub.ask(&format!("delete {described}"), api.delete(name, &parameters)).await {
            Err(refused) if !refused.is(404) => return Err(refused.into()),
            _ => {}
        }
        if dry_run {
            report.objects.push(line(&self.hub, &manifest, Outcome::Deleted, None));
            return Ok(());
        }
        let began = Instant::now();
        let mut reported = false;
        for attempt in 1.. {
            let read = self.hub.ask(&format!("read {described}"), api.get_opt(name)).await?;
            let Some(left) = read.filter(|object| object.metadata.uid == uid) else { break };
            if !reported && began.elapsed() > Duration::from_secs(2) {
                reported = true;
                progress("hub: waiting for the operator to clean up the satellite");
            }
            if began.elapsed() >= self.arguments.timeout {
                let finalizers = left.metadata.finalizers.unwrap_or_default().join(", ");
                bail!(
                    "{described} is being deleted, but still has the finalizers {finalizers} after {:?}. Check that the operator runs, \
                     and run this again; the credential and the account are kept, so that it can clean up. If there is no operator \
                     and the ConfigMaps may stay on the satellite: kubectl -n {operator} patch satellitecluster {name} \
                     --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
                    self.arguments.timeout
                );
            }
            tokio::time::sleep(POLL.pause(attempt, 1.0)).await;
        }
        report.objects.push(line(&self.hub, &manifest, Outcome::Deleted, None));
        Ok(())
    }

    /// Reports which of the delivered ConfigMaps are still on the satellite.
    async fn config_maps(&self, access: Option<&Access>, report: &mut Report) -> anyhow::Result<()> {
        if self.arguments.dry_run.mode.is_dry() {
            return Ok(());
        }
        // Selected by hub, too: another hub may have a satellite of the same name in the same
        // namespace.
        let hubs = self.hub_ids(report).await;
        if hubs.is_empty() {
            return Ok(());
        }
        let labels = hubs.iter().map(|hub| {
            format!("{}={},{SATELLITE}={},{HUB}={hub}", MANAGED_BY.0, MANAGED_BY.1, self.arguments.name)
        });
        let mut is_any_left = false;
        for label in labels {
            let by_hand = format!("kubectl -n {} delete configmaps -l {label}", self.target);
            let left = match self.find_config_maps(access, &label).await {
                Ok(list) => list.items,
                Err(why) => {
                    report.notes.push(format!(
                        "it is unknown whether ConfigMaps are left on the satellite ({why}); to delete them there: {by_hand}"
                    ));
                    return Ok(());
                }
            };
            if left.is_empty() {
                continue;
            }
            is_any_left = true;
            report.objects.extend(left.into_iter().map(|map| Line {
                cluster: crate::cli::clusters::SATELLITE,
                kind: "ConfigMap".into(),
                namespace: Some(self.target.clone()),
                name: map.metadata.name.unwrap_or_default(),
                result: Outcome::Left,
                note: None,
            }));
            report.notes.push(format!("to delete what is left: {by_hand}"));
        }
        if !is_any_left {
            report.notes.push(format!("no ConfigMap of {} is left on the satellite", self.arguments.name));
        }
        Ok(())
    }

    /// Lists the ConfigMaps of a label on the satellite.
    async fn find_config_maps(
        &self,
        access: Option<&Access>,
        label: &str,
    ) -> Result<ObjectList<ConfigMap>, String> {
        let parameters = ListParams::default().labels(label).limit(100);
        if let Some(satellite) = &self.satellite {
            let api = satellite.typed::<ConfigMap>(&self.target);
            let list = satellite.ask("list ConfigMaps", api.list(&parameters)).await;
            return list.map_err(|error| error.to_string());
        }
        let access = access.ok_or("there is no credential; name the satellite with --context")?;
        let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
        let client = access.client(policy, ANSWER_TIMEOUT).await?;
        let api = Api::<ConfigMap>::namespaced(client, &self.target);
        ask(LIST_TIMEOUT, api.list(&parameters)).await.map_err(|failure| failure.to_string())
    }

    /// Returns the identities by which an operator in this namespace labels its ConfigMaps: that of one that watches all
    /// namespaces, and that of one that watches named ones. What cannot be read is noted.
    async fn hub_ids(&self, report: &mut Report) -> Vec<String> {
        let cluster = (HubIdentity::Cluster, "all namespaces");
        let own = (HubIdentity::of(self.operator(), true), "named namespaces");
        let mut found = Vec::new();
        for (identity, watched) in [cluster, own] {
            let namespace = identity.namespace();
            let manifest = json!({ "kind": "Namespace", "metadata": { "name": namespace } });
            let why = match read(&self.hub, &manifest).await {
                Ok(object) => match object.and_then(|object| object.metadata.uid) {
                    Some(uid) => {
                        found.push(uid);
                        continue;
                    }
                    None => "it does not exist".to_owned(),
                },
                Err(error) => error.to_string(),
            };
            report.notes.push(format!(
                "ConfigMaps that an operator of {watched} left on the satellite were not looked for: the uid of the hub's namespace \
                 {namespace}, by which they are known, cannot be read ({why})"
            ));
        }
        found
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
            None => delete(&self.hub, &manifest, self.arguments.dry_run.mode).await?,
        });
        Ok(())
    }

    /// Deletes the account and its tokens on the satellite.
    async fn account(
        &self,
        account: Option<&Account<'_>>,
        claims: Option<&Claims>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let Some(account) = account else {
            let (namespace, name) = self.account_name(claims);
            let uid = claims.and_then(|claims| claims.account_uid.as_deref());
            report.notes.push(format!(
                "on the satellite the account {namespace}/{name} is left, and those of its agents; to delete them run {} satellite remove {} --namespace \
                 {namespace} --account {name}{} --context <the satellite's>{}",
                program(),
                self.arguments.name,
                uid.map_or_else(String::new, |uid| format!(" --account-uid {uid}")),
                self.arguments.hub.flags()
            ));
            return Ok(());
        };
        account.delete(&mut report.objects, self.arguments.dry_run.mode).await?;
        report.notes.push(account.note());
        let is_agent = |line: &&Line| line.kind == "ServiceAccount" && is_of_agent(&line.name);
        let agents: Vec<_> = report.objects.iter().filter(is_agent).map(|line| line.name.as_str()).collect();
        if !agents.is_empty() {
            let note = format!(
                "agents whose accounts go with that of the hub: {}; end them, they can neither read a set nor report any more",
                agents.join(", ")
            );
            report.notes.push(note);
        }
        Ok(())
    }
}
