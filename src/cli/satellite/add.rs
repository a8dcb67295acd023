//! `groundlink satellite add`: makes the account on the satellite, then its credential and its
//! SatelliteCluster on the hub.
//!
//! Everything that can be refused without writing is refused before the first write. A second run
//! writes nothing; a run after an interrupted one continues it. Fields without a flag stay as they
//! are.

use crate::api::marks::MANAGED_BY;
use crate::api::marks::{ACCOUNT, CLI_MANAGER};
use crate::cli::clusters::apply::{Mode, apply, delete, described, is_ours, line, read, stored, typed};
use crate::cli::clusters::{Cluster, Endpoint, HubArguments, SatelliteArguments, endpoint, owned};
use crate::cli::join::access::{Access, servers};
use crate::cli::join::endpoint::EndpointArguments;
use crate::cli::join::objects;
use crate::cli::join::objects::{AccountArguments, AccountSettings, Credential, HubObjectArguments};
use crate::cli::join::token::{Claims, now, request};
use crate::cli::output::{Format, progress, span, time, word};
use crate::cli::report::{Outcome, Report, TokenReport};
use crate::cli::usage::{DryRunArguments, program};
use crate::satellite::HostPolicy;
use anyhow::{Context as _, bail};
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Joins a satellite. Safe to run again: objects that are as they should be are not written, and a
/// valid token is kept. For a satellite that is joined already, each given flag changes its field
/// of the SatelliteCluster or its Secret; the other fields stay.
///
/// On the satellite: a ServiceAccount, a Role and a RoleBinding for ConfigMaps in one namespace,
/// and an empty Secret whose deletion revokes the token; with --agent what an agent needs. On the hub: a Secret with server, ca.crt
/// and token, and the SatelliteCluster.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub struct Arguments {
    /// Name of the satellite, which is also that of its SatelliteCluster on the hub.
    #[arg(value_parser = crate::cli::usage::object_name)]
    name: String,
    #[command(flatten)]
    dry_run: DryRunArguments,
    /// Take over fields that another manager (kubectl, Helm, Argo CD) owns, and objects on the
    /// satellite that somebody else made under the account's name; `remove` then deletes them,
    /// too.
    #[arg(long)]
    force_conflicts: bool,
    /// Accept a satellite whose API server has a loopback or link-local address. For tests and
    /// demos.
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

pub(super) async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.satellite.demand()?;
    let join = Join::open(arguments).await?;
    let mut report = Report::new(&arguments.name, arguments.dry_run.mode.is_dry());
    join.on_satellite(&mut report).await?;
    join.on_hub(&mut report).await?;
    report.next = Some(format!("{} satellite check {}{}", program(), arguments.name, arguments.hub.flags()));
    report.print(arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

/// What is known before the first write.
struct Join<'a> {
    arguments: &'a Arguments,
    hub: Cluster,
    satellite: Cluster,
    mode: Mode,
    /// The wanted account on the satellite.
    account: AccountSettings,
    /// The part of the SatelliteCluster's spec that these commands applied before.
    spec: Value,
    /// The satellite's API server, without a token.
    credential: Credential,
    secret_name: String,
    /// True if the namespace on the satellite exists.
    namespace_exists: bool,
    /// The token on the hub and its claims. `None` if these commands did not make it.
    token: Option<(String, Claims)>,
    /// Uid of the account. `None` if it does not exist.
    account_uid: Option<String>,
    /// Name of the Secret on the satellite that the present token is bound to, or that the new one
    /// will be.
    bound_secret: String,
}

impl<'a> Join<'a> {
    async fn open(arguments: &'a Arguments) -> anyhow::Result<Self> {
        let (name, operator) = (&arguments.name, &arguments.hub.operator_namespace);
        let context = endpoint(&arguments.satellite)?;
        let hub = Cluster::hub(&arguments.hub).await?;
        let satellite = Cluster::satellite(&arguments.satellite).await?;
        if hub.server == satellite.server {
            progress("hub and satellite are the same cluster");
        }
        let there = hub.satellite_cluster(operator, name).await?;
        let namespace = json!({ "kind": "Namespace", "metadata": { "name": operator } });
        if read(&hub, &namespace).await?.is_none() {
            bail!(
                "the hub ({}) has no namespace {operator}; name the operator's with --operator-namespace",
                hub.server
            );
        }
        let spec = there.as_ref().map_or(Value::Null, |there| there.data["spec"].clone());
        let secret_name = arguments
            .objects
            .secret_name
            .clone()
            .or_else(|| spec["kubeconfigSecretRef"]["name"].as_str().map(str::to_owned))
            .unwrap_or_else(|| name.clone());
        let secret = own_secret(&hub, operator, &secret_name).await?;
        // Only read: no connection is made with it.
        let lenient = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
        let access = secret.as_ref().and_then(|secret| Access::of_secret(secret, None, lenient).ok());
        let token = access.and_then(|access| access.token.zip(access.claims));
        let claims = token.as_ref().map(|(_, claims)| claims);
        let mut account = arguments.account.settings(&spec, claims);
        if let Some(pointer) = &arguments.objects.target_name {
            account.pointer.clone_from(pointer);
        }
        let namespace_exists = read(&satellite, &objects::namespace(&account)).await?.is_some();
        if !namespace_exists && !arguments.account.create_namespace {
            bail!(
                "the satellite ({}) has no namespace {}; create it, add --create-namespace, or name another with \
                 --namespace",
                satellite.server,
                account.namespace
            );
        }
        let manifest = json!({
            "kind": "ServiceAccount", "metadata": { "name": account.account, "namespace": account.namespace },
        });
        let live: Option<DynamicObject> = read(&satellite, &manifest).await?;
        let mut join = Self {
            arguments,
            hub,
            satellite,
            mode: Mode { dry_run: arguments.dry_run.mode, force: arguments.force_conflicts },
            bound_secret: account.bound_secret(),
            account,
            spec: there.map_or_else(|| json!({}), |there| owned::spec(&there, CLI_MANAGER)),
            credential: Credential::default(),
            secret_name,
            namespace_exists,
            token,
            account_uid: live.and_then(|live| live.metadata.uid),
        };
        join.credential = join.endpoint(secret.as_ref(), context).await?;
        join.find_bound_secret(&spec).await?;
        join.refuse_others().await?;
        join.judge().await?;
        Ok(join)
    }

    /// Returns the satellite's API server: by the flags, by the hub's Secret, or by the context.
    async fn endpoint(&self, secret: Option<&Secret>, context: Endpoint) -> anyhow::Result<Credential> {
        let flags = &self.arguments.endpoint;
        let kept = secret.and_then(objects::endpoint_of);
        let of_this_account = self.account_uid.is_some()
            && self.token.as_ref().is_some_and(|(_, claims)| claims.account_uid == self.account_uid);
        let endpoint = match kept {
            Some(kept) if of_this_account || kept.server == context.server => {
                Endpoint { ca: kept.ca.or(context.ca), ..kept }
            }
            // The context may be another cluster, whose token would then be sent to this address.
            Some(kept) if flags.server.is_none() => bail!(
                "the hub's Secret {} has {} at {}, but the context is {}, and the account there is not the one of the hub's token; \
                 name the satellite's API server with --server",
                self.secret_name,
                self.arguments.name,
                kept.server.unwrap_or_default(),
                self.satellite.server
            ),
            _ => context,
        };
        if let Some(field) = endpoint.refused.filter(|_| flags.server.is_none()) {
            bail!(
                "the satellite's context has {field}, which the operator refuses; name the server that the hub's Pods reach with \
                 --server and --ca-file"
            );
        }
        let credential = flags.resolve(endpoint)?;
        if credential.ca.is_none() {
            bail!("the satellite's context has no certificate authority; name the file with --ca-file");
        }
        // By the operator's own rules, before objects are made for a credential that it would
        // refuse.
        let policy =
            HostPolicy { allow_loopback: self.arguments.allow_loopback_satellites, ..HostPolicy::default() };
        let trial = Credential { token: "trial".into(), ..credential.clone() };
        let operator = &self.arguments.hub.operator_namespace;
        let trial = stored(objects::hub_secret(operator, &self.secret_name, &trial))?;
        Access::of_secret(&serde_json::from_value(trial)?, None, servers(&self.hub, policy).await).map_err(
            |why| {
                anyhow::anyhow!(
                    "{why}; name the server that the hub's Pods reach with --server, --ca-file and --tls-server-name"
                )
            },
        )?;
        Ok(credential)
    }

    /// Finds the Secret that the hub's token is bound to. If it does not exist, the one of the
    /// renewals is used.
    async fn find_bound_secret(&mut self, spec: &Value) -> anyhow::Result<()> {
        if let Some(name) = spec.pointer("/tokenRenewal/boundSecret").and_then(Value::as_str)
            && self.account.renewal.is_some()
        {
            name.clone_into(&mut self.bound_secret);
        }
        let bound = self.token.as_ref().and_then(|(_, claims)| claims.bound.clone());
        let Some((name, _)) = bound else { return Ok(()) };
        let live = self.bound(&name).await?;
        let account = live.as_ref().and_then(|secret| secret.metadata.labels.as_ref()?.get(ACCOUNT));
        if account == Some(&self.account.account) {
            self.bound_secret = name;
        }
        Ok(())
    }

    /// Refuses objects of others under these names on the satellite: taken over, `remove` would
    /// delete them as ours.
    async fn refuse_others(&self) -> anyhow::Result<()> {
        if !self.namespace_exists || self.mode.force {
            return Ok(());
        }
        for object in objects::satellite(&self.account, &self.bound_secret) {
            if read(&self.satellite, &object).await?.is_some_and(|found| !is_ours(&found)) {
                bail!(
                    "{} exists on the satellite and was not made by this command: it has no label {}={}; choose another name with \
                     --account, or take it over with --force-conflicts (then `satellite remove` deletes it)",
                    described(&object),
                    MANAGED_BY.0,
                    MANAGED_BY.1
                );
            }
        }
        Ok(())
    }

    /// Lets the hub judge the SatelliteCluster, so that a conflict or an unknown field is reported
    /// before the first write.
    async fn judge(&self) -> anyhow::Result<()> {
        let (operator, name) = (&self.arguments.hub.operator_namespace, &self.arguments.name);
        let judge = self.mode.asking();
        let (_, judged) = apply(&self.hub, &self.satellite_cluster(), judge).await?;
        let refused = |field: &str, why: &str| {
            let path = field.replace('.', "/");
            anyhow::anyhow!(
                "SatelliteCluster {operator}/{name} has {field}, {why}; remove that field: kubectl -n {operator} patch \
                 satellitecluster {name} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/{path}\"}}]'"
            )
        };
        let spec = &judged.data["spec"];
        if spec["kubeconfigSecretRef"]["key"].is_string() {
            let why = "but the Secret that this command makes has no kubeconfig";
            return Err(refused("spec.kubeconfigSecretRef.key", why));
        }
        if self.account.renewal.is_none() && spec["tokenRenewal"].is_object() {
            return Err(refused("spec.tokenRenewal", "which another manager applied"));
        }
        Ok(())
    }

    async fn bound(&self, name: &str) -> anyhow::Result<Option<DynamicObject>> {
        let account = &self.account;
        read(&self.satellite, &objects::bound(&account.namespace, &account.account, name)).await
    }

    async fn on_satellite(&self, report: &mut Report) -> anyhow::Result<()> {
        let account = &self.account;
        if !self.namespace_exists {
            let namespace = objects::namespace(account);
            progress(&format!("satellite: creating namespace {}", account.namespace));
            if self.mode.dry_run.is_dry() {
                report.objects.push(line(&self.satellite, &namespace, Outcome::Created, None));
            } else {
                report.objects.push(apply(&self.satellite, &namespace, self.mode).await?.0);
            }
        }
        progress(&format!("satellite: account {}/{}", account.namespace, account.account));
        for object in objects::satellite(account, &self.bound_secret) {
            // A server cannot judge an object of a namespace that does not exist.
            let line = match self.mode.dry_run.is_dry() && !self.namespace_exists {
                true => line(&self.satellite, &object, Outcome::Created, None),
                false => apply(&self.satellite, &object, self.mode).await?.0,
            };
            report.objects.push(line);
        }
        if account.renewal.is_none() && self.namespace_exists {
            // From a run with --self-renewal. The binding first, because it grants the permission.
            for object in objects::renewal(account).iter().rev() {
                let line = delete(&self.satellite, object, self.mode.dry_run).await?;
                report.objects.extend(Some(line).filter(|line| line.result != Outcome::Absent));
            }
        }
        Ok(())
    }

    async fn on_hub(&self, report: &mut Report) -> anyhow::Result<()> {
        let (arguments, operator) = (self.arguments, &self.arguments.hub.operator_namespace);
        let (token, reported) = self.token().await?;
        let renews = self.account.renewal.is_some();
        if let (false, Some(expires), false) = (renews, &reported.expires, self.mode.dry_run.is_dry()) {
            report.notes.push(format!(
                "before {expires} run: {} satellite rotate {}{}{}",
                program(),
                word(&arguments.name),
                arguments.satellite.flags(),
                arguments.hub.flags()
            ));
        }
        if renews {
            report.notes.push("the operator renews the token: set rbac.renewTokens=true in its chart".into());
        }
        report.token = Some(reported);
        progress(&format!(
            "hub: Secret {operator}/{} and SatelliteCluster {}",
            self.secret_name, arguments.name
        ));
        let credential = Credential { token, ..self.credential.clone() };
        let secret = stored(objects::hub_secret(operator, &self.secret_name, &credential))?;
        report.objects.push(apply(&self.hub, &secret, self.mode).await?.0);
        report.objects.push(apply(&self.hub, &self.satellite_cluster(), self.mode).await?.0);
        Ok(())
    }

    fn satellite_cluster(&self) -> Value {
        let Arguments { name, objects, hub, .. } = self.arguments;
        objects::satellite_cluster(
            (&hub.operator_namespace, name),
            self.spec.clone(),
            &self.secret_name,
            &self.account,
            &self.bound_secret,
            objects,
        )
    }

    /// Returns the token for the hub's Secret: the present one if it can stay, or a new one.
    async fn token(&self) -> anyhow::Result<(String, TokenReport)> {
        let account = &self.account;
        let of = format!("ServiceAccount {}/{}", account.namespace, account.account);
        let mut reported = TokenReport {
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
                    reported.expires = time(claims.expires);
                    return Ok((token.clone(), reported));
                }
                why => reported.why = why,
            }
        }
        if self.mode.dry_run.is_dry() {
            reported.result = "wouldBeCreated";
            reported.asked_seconds = Some(account.lifetime);
            return Ok(("a-new-token".into(), reported));
        }
        let uid = bound.and_then(|secret| secret.metadata.uid).with_context(|| {
            format!("Secret {} of the satellite was deleted meanwhile; run this again", reported.bound_secret)
        })?;
        progress("satellite: requesting a token");
        let bound = (self.bound_secret.as_str(), uid.as_str());
        let token =
            request(&self.satellite, &account.namespace, &account.account, bound, account.lifetime).await?;
        let claims = Claims::of(&token).unwrap_or_default();
        reported.result = "created";
        reported.expires = time(claims.expires);
        reported.asked_seconds = Some(account.lifetime);
        reported.granted_seconds = claims.lifetime();
        Ok((token, reported))
    }

    /// Returns why the present token cannot stay. `None` if it can.
    async fn unusable(
        &self,
        claims: &Claims,
        bound: Option<&DynamicObject>,
    ) -> anyhow::Result<Option<String>> {
        let account = &self.account;
        if (&claims.namespace, &claims.account) != (&account.namespace, &account.account) {
            return Ok(Some(format!("the old one was {}/{}'s", claims.namespace, claims.account)));
        }
        if claims.expires.is_none_or(|end| end <= now()) {
            return Ok(Some("the old one has expired".into()));
        }
        let secret = bound.and_then(|secret| secret.metadata.uid.clone());
        if secret.is_none() || claims.bound.as_ref().map(|(_, uid)| uid) != secret.as_ref() {
            return Ok(Some("the Secret that the old one was bound to does not exist".into()));
        }
        if claims.account_uid.is_none() || claims.account_uid != self.account_uid {
            return Ok(Some("the account was recreated".into()));
        }
        let lived = claims.lifetime().unwrap_or(i64::MAX);
        if account.renewal.is_some() && lived > 2 * account.lifetime {
            let Arguments { name, satellite, hub, .. } = self.arguments;
            return Ok(Some(format!(
                "the old one was made for {}; until it is revoked it stays valid: {} satellite rotate {name}{}{}",
                claims.lifetime().map_or_else(|| "ever".to_owned(), span),
                program(),
                satellite.flags(),
                hub.flags()
            )));
        }
        Ok(None)
    }
}

/// Returns the hub's Secret. `None` if it does not exist.
///
/// # Errors
/// If these commands did not make it, or if it cannot be read.
async fn own_secret(hub: &Cluster, operator: &str, name: &str) -> anyhow::Result<Option<Secret>> {
    let manifest = json!({ "kind": "Secret", "metadata": { "name": name, "namespace": operator } });
    let Some(found) = read(hub, &manifest).await? else { return Ok(None) };
    if !is_ours(&found) {
        bail!(
            "Secret {operator}/{name} exists on the hub and was not made by this command; choose another name with --secret-name \
             (with --force-conflicts the SatelliteCluster is pointed to it), or delete it"
        );
    }
    Ok(Some(typed(&found)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_applied_as_it_is_stored() {
        let secret: Value = stored(json!({ "stringData": { "a": "b" } })).unwrap();
        assert_eq!(secret, json!({ "data": { "a": "Yg==" } }));
    }
}
