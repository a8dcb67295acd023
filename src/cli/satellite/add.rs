//! `groundlink satellite add`: the account on the satellite, then its credential and its SatelliteCluster on the hub.
//!
//! Everything that can be refused without writing is refused before the first write. A second run finds everything as it
//! should be and writes nothing; a run after one that was cut off continues it.

use super::access::Access;
use super::apply::{Mode, apply, delete, is_ours, line, read, stored, typed};
use super::cluster::{Cluster, Endpoint, endpoint};
use super::manifests::{self, ACCOUNT, AccountArguments, Credential, HubObjectArguments};
use super::output::{Format, Outcome, Report, TokenReport, progress, time, word};
use super::token::{Claims, now, request};
use super::{HubArguments, SatelliteArguments};
use crate::cli::program;
use crate::satellite::HostPolicy;
use anyhow::{Context as _, bail};
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Joins a satellite. Safe to run again: what is as it should be is not touched, and a token that is good is kept.
///
/// On the satellite: a ServiceAccount, a Role and a RoleBinding for ConfigMaps in one namespace, and an empty Secret whose
/// deletion revokes the token. On the hub: a Secret with server, ca.crt and token, and the SatelliteCluster.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Arguments {
    /// Name of the satellite: of its SatelliteCluster on the hub.
    #[arg(value_parser = super::object_name)]
    name: String,
    /// Write nothing: say what would be created and changed, as the servers judge it.
    #[arg(long)]
    dry_run: bool,
    /// Take over fields that another manager (kubectl, Helm, Argo CD) owns.
    #[arg(long)]
    force_conflicts: bool,
    /// Accept a satellite whose API server has a loopback or link-local address. For tests and demos.
    #[arg(long)]
    allow_loopback_satellites: bool,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    account: AccountArguments,
    #[command(flatten)]
    objects: HubObjectArguments,
    #[command(flatten)]
    endpoint: EndpointArguments,
    #[command(flatten)]
    satellite: SatelliteArguments,
    #[command(flatten)]
    hub: HubArguments,
}

/// Where the operator finds the satellite's API server; by default where the person finds it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The satellite's API server as the hub sees it")]
pub struct EndpointArguments {
    /// URL that the hub's Pods reach. Default: that of the satellite's context.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// File with the certificates to trust (PEM). Default: those of the satellite's context.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Name in the server's certificate, if it is not that of the URL.
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,
}

impl EndpointArguments {
    /// The server that the flags name, or else the context.
    ///
    /// # Errors
    /// When a file cannot be read, or the context has no server.
    pub fn resolve(&self, context: Endpoint) -> anyhow::Result<Credential> {
        let ca = match &self.ca_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("--ca-file {} cannot be read", path.display()))?,
            ),
            None => context.ca,
        };
        if ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            bail!(
                "the certificates to trust are not PEM (-----BEGIN CERTIFICATE-----); name a file with --ca-file"
            );
        }
        let server = self.server.clone().or(context.server);
        Ok(Credential {
            server: server.context("the satellite's context has no server; name it with --server")?,
            ca,
            tls_server_name: self.tls_server_name.clone().or(context.tls_server_name),
            token: String::new(),
        })
    }
}

pub async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !arguments.satellite.is_given() {
        super::wrong_usage(
            "name the satellite with --context or --kubeconfig: the current context is taken for the hub",
        );
    }
    let join = Join::open(arguments).await?;
    let mut report = Report::new(&arguments.name, arguments.dry_run);
    join.on_satellite(&mut report).await?;
    join.on_hub(&mut report).await?;
    report.next = Some(format!("{} satellite check {}{}", program(), arguments.name, arguments.hub.flags()));
    report.print(arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is known before the first write.
struct Join<'a> {
    arguments: &'a Arguments,
    hub: Cluster,
    satellite: Cluster,
    mode: Mode,
    /// Without the token.
    credential: Credential,
    secret_name: String,
    /// Whether the namespace on the satellite is there.
    namespace_exists: bool,
    /// The token that the hub has, if it was made by this command.
    token: Option<(String, Claims)>,
    /// Secret on the satellite that the token is bound to, or is to be.
    bound_secret: String,
}

impl<'a> Join<'a> {
    async fn open(arguments: &'a Arguments) -> anyhow::Result<Self> {
        let (name, account, operator) =
            (&arguments.name, &arguments.account, &arguments.hub.operator_namespace);
        let context = endpoint(&arguments.satellite)?;
        if let Some(field) = context.refused.filter(|_| arguments.endpoint.server.is_none()) {
            bail!(
                "the satellite's context has {field}, which the operator refuses; name what its Pods reach with --server and \
                 --ca-file"
            );
        }
        let credential = arguments.endpoint.resolve(context)?;
        if credential.ca.is_none() {
            bail!("the satellite's context has no certificate authority; name the file with --ca-file");
        }
        let secret_name = arguments.objects.secret_name.clone().unwrap_or_else(|| name.clone());
        // By the operator's own rules, before anything is made for a credential that it would refuse.
        let policy =
            HostPolicy { allow_loopback: arguments.allow_loopback_satellites, ..HostPolicy::default() };
        let trial = Credential { token: "trial".into(), ..credential.clone() };
        let trial: Secret =
            serde_json::from_value(stored(manifests::hub_secret(operator, &secret_name, &trial))?)?;
        Access::of_secret(&trial, None, policy).map_err(|why| {
            anyhow::anyhow!(
                "{why}; name what the hub's Pods reach with --server, --ca-file and --tls-server-name"
            )
        })?;

        let hub = Cluster::hub(&arguments.hub).await?;
        let satellite = Cluster::satellite(&arguments.satellite).await?;
        if hub.server == satellite.server {
            progress("hub and satellite are the same cluster");
        }
        hub.must_know_satellites(operator).await?;
        let namespace = json!({ "kind": "Namespace", "metadata": { "name": operator } });
        if read(&hub, &namespace).await?.is_none() {
            bail!(
                "the hub ({}) has no namespace {operator}; name the operator's with --operator-namespace",
                hub.server
            );
        }
        let namespace_exists = read(&satellite, &manifests::namespace(account)).await?.is_some();
        if !namespace_exists && !account.create_namespace {
            bail!(
                "the satellite ({}) has no namespace {}; create it, let this command do it with --create-namespace, or name \
                 another with --namespace",
                satellite.server,
                account.namespace
            );
        }
        let mode = Mode { dry_run: arguments.dry_run, force: arguments.force_conflicts };
        let mut join = Self {
            arguments,
            hub,
            satellite,
            mode,
            credential,
            secret_name,
            namespace_exists,
            token: None,
            bound_secret: account.bound_secret(),
        };
        join.find_token(policy).await?;
        // A conflict, or a field that the hub does not know, is told before anything is written.
        let judge = Mode { dry_run: true, ..mode };
        let (_, judged) = apply(&join.hub, &join.satellite_cluster(), judge).await?;
        if let Some(key) = judged.data.pointer("/spec/kubeconfigSecretRef/key").and_then(Value::as_str) {
            bail!(
                "SatelliteCluster {operator}/{name} has spec.kubeconfigSecretRef.key {key}, and the Secret that is made here has no \
                 kubeconfig; remove that field: kubectl -n {operator} patch satellitecluster {name} --type=json -p \
                 '[{{\"op\":\"remove\",\"path\":\"/spec/kubeconfigSecretRef/key\"}}]'"
            );
        }
        Ok(join)
    }

    /// The token that the hub has, and the Secret that it is bound to.
    async fn find_token(&mut self, policy: HostPolicy) -> anyhow::Result<()> {
        let operator = &self.arguments.hub.operator_namespace;
        let manifest = manifests::hub_secret(operator, &self.secret_name, &self.credential);
        let Some(found) = read(&self.hub, &manifest).await? else { return Ok(()) };
        if !is_ours(&found) {
            bail!(
                "Secret {operator}/{} exists on the hub and was not made by this command; choose another name with \
                 --secret-name (with --force-conflicts the SatelliteCluster is pointed to it), or delete it",
                self.secret_name
            );
        }
        let access = Access::of_secret(&typed(&found)?, None, policy).ok();
        let Some((token, claims)) = access.and_then(|access| access.token.zip(access.claims)) else {
            return Ok(());
        };
        if let Some((name, _)) = &claims.bound {
            let live = self.bound(name).await?;
            let account = live.as_ref().and_then(|secret| secret.metadata.labels.as_ref()?.get(ACCOUNT));
            if account == Some(&self.arguments.account.account) {
                self.bound_secret.clone_from(name);
            }
        }
        self.token = Some((token, claims));
        Ok(())
    }

    async fn bound(&self, name: &str) -> anyhow::Result<Option<DynamicObject>> {
        let account = &self.arguments.account;
        read(&self.satellite, &manifests::bound(&account.namespace, &account.account, name)).await
    }

    async fn on_satellite(&self, report: &mut Report) -> anyhow::Result<()> {
        let account = &self.arguments.account;
        if !self.namespace_exists {
            let namespace = manifests::namespace(account);
            progress(&format!("satellite: creating namespace {}", account.namespace));
            if self.mode.dry_run {
                report.objects.push(line(&self.satellite, &namespace, Outcome::Created, None));
            } else {
                report.objects.push(apply(&self.satellite, &namespace, self.mode).await?.0);
            }
        }
        progress(&format!("satellite: account {}/{}", account.namespace, account.account));
        for object in manifests::satellite(account, &self.bound_secret) {
            // A server cannot judge what would be in a namespace that is not there.
            let line = match self.mode.dry_run && !self.namespace_exists {
                true => line(&self.satellite, &object, Outcome::Created, None),
                false => apply(&self.satellite, &object, self.mode).await?.0,
            };
            report.objects.push(line);
        }
        if !account.self_renewal && self.namespace_exists {
            // From a run with --self-renewal. The binding first: it is what gives the right.
            for object in manifests::renewal(account).iter().rev() {
                let line = delete(&self.satellite, object, self.mode.dry_run).await?;
                report.objects.extend(Some(line).filter(|line| line.result != Outcome::Absent));
            }
        }
        Ok(())
    }

    async fn on_hub(&self, report: &mut Report) -> anyhow::Result<()> {
        let (arguments, operator) = (self.arguments, &self.arguments.hub.operator_namespace);
        let (token, told) = self.token().await?;
        if let (None, Some(expires), false) =
            (&self.arguments.account.self_renewal.then_some(()), &told.expires, self.mode.dry_run)
        {
            report.notes.push(format!(
                "before {expires} run: {} satellite rotate {}{}{}",
                program(),
                word(&arguments.name),
                arguments.satellite.flags(),
                arguments.hub.flags()
            ));
        }
        if self.arguments.account.self_renewal {
            report.notes.push("the operator renews the token: its chart needs rbac.renewTokens=true".into());
        }
        report.token = Some(told);
        progress(&format!(
            "hub: Secret {operator}/{} and SatelliteCluster {}",
            self.secret_name, arguments.name
        ));
        let credential = Credential { token, ..self.credential.clone() };
        let secret = stored(manifests::hub_secret(operator, &self.secret_name, &credential))?;
        report.objects.push(apply(&self.hub, &secret, self.mode).await?.0);
        report.objects.push(apply(&self.hub, &self.satellite_cluster(), self.mode).await?.0);
        Ok(())
    }

    fn satellite_cluster(&self) -> Value {
        let Arguments { name, account, objects, hub, .. } = self.arguments;
        let operator = &hub.operator_namespace;
        manifests::satellite_cluster(operator, name, &self.secret_name, account, &self.bound_secret, objects)
    }

    /// The token for the hub's Secret: the one that is there if it is good, or a new one.
    async fn token(&self) -> anyhow::Result<(String, TokenReport)> {
        let account = &self.arguments.account;
        let of = format!("ServiceAccount {}/{}", account.namespace, account.account);
        let mut told = TokenReport {
            result: "unchanged",
            why: None,
            account: of,
            bound_secret: format!("{}/{}", account.namespace, self.bound_secret),
            expires: None,
            asked_seconds: None,
            granted_seconds: None,
        };
        let bound = self.bound(&self.bound_secret).await?;
        if let Some((token, claims)) = &self.token {
            match self.unusable(claims, bound.as_ref()).await? {
                None => {
                    told.expires = time(claims.expires);
                    return Ok((token.clone(), told));
                }
                why => told.why = why,
            }
        }
        if self.mode.dry_run {
            told.result = "wouldBeCreated";
            told.asked_seconds = Some(account.lifetime());
            return Ok(("a-new-token".into(), told));
        }
        let uid = bound.and_then(|secret| secret.metadata.uid).with_context(|| {
            format!("Secret {} of the satellite went away while it was used", told.bound_secret)
        })?;
        progress("satellite: requesting a token");
        let bound = (self.bound_secret.as_str(), uid.as_str());
        let token =
            request(&self.satellite, &account.namespace, &account.account, bound, account.lifetime()).await?;
        let claims = Claims::of(&token).unwrap_or_default();
        told.result = "created";
        told.expires = time(claims.expires);
        told.asked_seconds = Some(account.lifetime());
        told.granted_seconds = claims.lifetime();
        Ok((token, told))
    }

    /// Why the token that is there cannot stay.
    async fn unusable(
        &self,
        claims: &Claims,
        bound: Option<&DynamicObject>,
    ) -> anyhow::Result<Option<String>> {
        let account = &self.arguments.account;
        if (&claims.namespace, &claims.account) != (&account.namespace, &account.account) {
            return Ok(Some(format!("the old one was {}/{}'s", claims.namespace, claims.account)));
        }
        if claims.expires.is_none_or(|end| end <= now()) {
            return Ok(Some("the old one has expired".into()));
        }
        let secret = bound.and_then(|secret| secret.metadata.uid.clone());
        if secret.is_none() || claims.bound.as_ref().map(|(_, uid)| uid) != secret.as_ref() {
            return Ok(Some("the old one is not bound to a Secret that is there".into()));
        }
        let manifest = json!({
            "kind": "ServiceAccount", "metadata": { "name": account.account, "namespace": account.namespace },
        });
        let live =
            read(&self.satellite, &manifest).await?.and_then(|object: DynamicObject| object.metadata.uid);
        if claims.account_uid != live {
            return Ok(Some("the account was made anew".into()));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_must_be_pem() {
        let flags = EndpointArguments { server: None, ca_file: None, tls_server_name: None };
        let context =
            Endpoint { server: Some("https://a".into()), ca: Some("QQ==".into()), ..Endpoint::default() };
        assert!(flags.resolve(context).unwrap_err().to_string().contains("--ca-file"));
        assert!(flags.resolve(Endpoint::default()).unwrap_err().to_string().contains("--server"));
    }

    #[test]
    fn a_secret_is_applied_as_it_is_stored() {
        let secret: Value = stored(json!({ "stringData": { "a": "b" } })).unwrap();
        assert_eq!(secret, json!({ "data": { "a": "Yg==" } }));
    }
}
