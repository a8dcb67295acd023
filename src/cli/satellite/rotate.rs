//! `groundlink satellite rotate`: replaces the token, without a moment in which the operator has
//! none.
//!
//! The old token is revoked only after the satellite accepted the new one, the hub stored it, and
//! a running operator reported that its credential is valid, unless the person said that no
//! operator runs. After an interruption at any point it can be run again: it then also revokes the
//! tokens that the earlier run left.

use super::operator::Operator;
use crate::api::marks::{ACCOUNT, CLI_MANAGER, MANAGED_BY};
use crate::backoff::Backoff;
use crate::cli::clusters::apply::{Mode, apply, delete_this, is_ours, line, read, stored, typed};
use crate::cli::clusters::{Cluster, HubArguments, SatelliteArguments, owned};
use crate::cli::join::access::{Access, others};
use crate::cli::join::objects;
use crate::cli::join::objects::Credential;
use crate::cli::join::token::{Claims, request};
use crate::cli::output::{Format, progress, span, time, word};
use crate::cli::report::{Outcome, Report, TokenReport};
use crate::cli::usage::{DryRun, DryRunArguments, program};
use crate::request::ask;
use crate::satellite::HostPolicy;
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait until the satellite refuses the revoked token: API servers remember accepted
/// tokens for some seconds.
const REVOKED: Duration = Duration::from_secs(30);
/// Pause between two tries of the old token.
const POLL: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(1) };
/// Longest wait for the start of the satellite's answer, and for all of it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
const WHOLE_ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// Makes a new token on the satellite, bound to a new Secret, and proves it with a request. Then
/// gives it to the operator, waits until the operator uses it, and revokes the old token by
/// deleting the Secret that it was bound to, together with the Secrets that earlier runs left.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub struct Arguments {
    /// Name of the SatelliteCluster.
    #[arg(value_parser = crate::cli::usage::object_name)]
    name: String,
    /// Lifetime of the new token. Default: that of spec.tokenRenewal, or of the old token.
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::usage::lifetime)]
    token_lifetime: Option<i64>,
    /// Longest wait for the operator to use the new token. After it the old token is not revoked.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = crate::cli::usage::duration)]
    timeout: Duration,
    /// Name of the operator's Lease, whose renewal shows that the operator runs.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    /// Do not wait for the operator, because none runs on the hub. Whether it accepts the new
    /// token is then not tested.
    #[arg(long)]
    without_operator: bool,
    #[command(flatten)]
    dry_run: DryRunArguments,
    /// Take over fields of the hub's Secret that another manager (kubectl, Helm, Argo CD) owns.
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
    satellite: SatelliteArguments,
    #[command(flatten)]
    hub: HubArguments,
}

pub(super) async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    arguments.satellite.demand()?;
    let rotation = Rotation::open(arguments).await?;
    let mut report = Report::new(&arguments.name, arguments.dry_run.mode.is_dry());
    rotation.run(&mut report).await?;
    report.next = Some(format!("{} satellite check {}{}", program(), arguments.name, arguments.hub.flags()));
    report.print(arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

/// What is known before the first write.
struct Rotation<'a> {
    arguments: &'a Arguments,
    hub: Cluster,
    satellite: Cluster,
    policy: HostPolicy,
    cluster: DynamicObject,
    /// The satellite's API server as the hub's Secret has it, without a token.
    credential: Credential,
    secret_name: String,
    old: Option<Access>,
    namespace: String,
    account: String,
    lifetime: i64,
    /// Name of the new bound Secret.
    bound: String,
}

impl<'a> Rotation<'a> {
    async fn open(arguments: &'a Arguments) -> anyhow::Result<Self> {
        let operator = &arguments.hub.operator_namespace;
        let hub = Cluster::hub(&arguments.hub).await?;
        let satellite = Cluster::satellite(&arguments.satellite).await?;
        let cluster = hub.expect_satellite(operator, &arguments.name).await?;
        let text = |pointer: &str| cluster.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let secret_name = text("/spec/kubeconfigSecretRef/name").unwrap_or_default();
        let manifest =
            json!({ "kind": "Secret", "metadata": { "name": secret_name, "namespace": operator } });
        let add = format!(
            "{} satellite add {}{}{}",
            program(),
            arguments.name,
            arguments.satellite.flags(),
            arguments.hub.flags()
        );
        let found = read(&hub, &manifest).await?.ok_or_else(|| {
            anyhow!("Secret {operator}/{secret_name} does not exist on the hub; make it with {add}")
        })?;
        let secret: Secret = typed(&found)?;
        let plain = |key: &str| {
            let bytes = secret.data.as_ref()?.get(key)?;
            String::from_utf8(bytes.0.clone()).ok()
        };
        let Some(server) = plain("server").filter(|_| is_ours(&found)) else {
            bail!(
                "Secret {operator}/{secret_name} was not made by this command, so it cannot change the token in it; make a new \
                 one with {add} --secret-name <another> --force-conflicts"
            );
        };
        let policy =
            HostPolicy { allow_loopback: arguments.allow_loopback_satellites, ..HostPolicy::default() };
        let old = Access::of_secret(&secret, None, policy)
            .map_err(|why| progress(&format!("the present credential is refused: {why}")))
            .ok();
        let claims = old.as_ref().and_then(|old| old.claims.clone());
        let target = text("/spec/target/namespace").unwrap_or_else(|| "icinga".into());
        let renewed = text("/spec/tokenRenewal/lifetime")
            .and_then(|text| crate::api::duration::parse_duration(&text).ok())
            .map(|seconds| seconds as i64);
        let lived = claims.as_ref().and_then(Claims::lifetime);
        let lifetime = arguments.token_lifetime.or(renewed).or(lived).unwrap_or(8760 * 3600).max(600);
        let account = text("/spec/tokenRenewal/serviceAccount")
            .or_else(|| claims.as_ref().map(|claims| claims.account.clone()))
            .unwrap_or_else(|| "groundlink".into());
        let rotation = Self {
            arguments,
            credential: Credential {
                server,
                ca: plain("ca.crt"),
                tls_server_name: plain("tls-server-name"),
                token: String::new(),
            },
            secret_name,
            namespace: claims.map_or(target, |claims| claims.namespace),
            bound: format!("{account}-token-{:05x}", rand::random::<u32>() & 0xf_ffff),
            account,
            lifetime,
            hub,
            satellite,
            policy,
            cluster,
            old,
        };
        // Before the first write, so that nothing is written if one of these fails.
        if !arguments.without_operator {
            rotation.operator().lease().await?;
        }
        if rotation.renews() {
            apply(&rotation.hub, &rotation.renewing(), rotation.mode().asking()).await?;
        }
        apply(&rotation.hub, &rotation.hub_secret("trial")?, rotation.mode().asking()).await?;
        Ok(rotation)
    }

    fn mode(&self) -> Mode {
        Mode { dry_run: self.arguments.dry_run.mode, force: self.arguments.force_conflicts }
    }

    fn hub_secret(&self, token: &str) -> anyhow::Result<Value> {
        let credential = Credential { token: token.to_owned(), ..self.credential.clone() };
        stored(objects::hub_secret(&self.arguments.hub.operator_namespace, &self.secret_name, &credential))
    }

    fn renews(&self) -> bool {
        self.cluster.data.pointer("/spec/tokenRenewal").is_some_and(Value::is_object)
    }

    fn operator(&self) -> Operator<'_> {
        Operator {
            hub: &self.hub,
            namespace: &self.arguments.hub.operator_namespace,
            satellite: &self.arguments.name,
            lease: &self.arguments.lease_name,
        }
    }

    /// Returns this command for another run.
    fn again(&self) -> String {
        let Arguments { name, token_lifetime, lease_name, satellite, hub, .. } = self.arguments;
        let mut command =
            format!("{} satellite rotate {name}{}{}", program(), satellite.flags(), hub.flags());
        if let Some(seconds) = token_lifetime {
            command += &format!(" --token-lifetime {}", span(*seconds));
        }
        if lease_name != "groundlink" {
            command += &format!(" --lease-name {}", word(lease_name));
        }
        command
    }

    async fn run(&self, report: &mut Report) -> anyhow::Result<()> {
        let manifest = objects::bound(&self.namespace, &self.account, &self.bound);
        let mut reported = TokenReport {
            result: "wouldBeCreated",
            why: None,
            account: format!("ServiceAccount {}/{}", self.namespace, self.account),
            bound_secret: format!("{}/{}", self.namespace, self.bound),
            expires: None,
            asked_seconds: Some(self.lifetime),
            granted_seconds: None,
        };
        let earlier = self.bound_secrets().await?;
        progress(&format!("satellite: Secret {} for the new token", reported.bound_secret));
        let (made, bound) = apply(&self.satellite, &manifest, self.mode()).await?;
        report.objects.push(made);
        if self.arguments.dry_run.mode.is_dry() {
            report.token = Some(reported);
            if self.renews() {
                report.objects.push(apply(&self.hub, &self.renewing(), self.mode()).await?.0);
            }
            report.objects.push(apply(&self.hub, &self.hub_secret("a-new-token")?, self.mode()).await?.0);
            return self.revoke(earlier, None, report).await;
        }
        let token = match self.new_token(&bound).await {
            Ok(token) => token,
            Err(error) => {
                // Nobody uses it, so its Secret is deleted.
                if let Err(left) =
                    delete_this(&self.satellite, &manifest, bound.metadata.uid, DryRun::None).await
                {
                    progress(&format!("{left}; delete it by hand"));
                }
                return Err(error.context("nothing was changed; the old token stays in use"));
            }
        };
        let claims = Claims::of(&token).unwrap_or_default();
        reported.result = "created";
        reported.expires = time(claims.expires);
        reported.granted_seconds = claims.lifetime();
        report.token = Some(reported);

        progress(&format!("hub: the new token into Secret {}", self.secret_name));
        self.give(&token, report).await.with_context(|| {
            format!(
                "it is unknown whether the hub has the new token; no token was revoked, and Secret {}/{}, to which the new one is bound, \
                 is left on the satellite; run {}, which deletes it",
                self.namespace,
                self.bound,
                self.again()
            )
        })?;
        match self.arguments.without_operator {
            false => self.operator().wait(self.arguments.timeout).await.with_context(|| {
                format!(
                    "the hub has the new token, and the old token was not revoked: see {} satellite check {}{}, then run {}",
                    program(),
                    self.arguments.name,
                    self.arguments.hub.flags(),
                    self.again()
                )
            })?,
            true => report.notes.push(
                "it was not tested whether the operator accepts the new token (--without-operator)".into(),
            ),
        }
        self.revoke(earlier, Some(&bound), report).await.with_context(|| {
            format!(
                "the hub has the new token, and not every older one was revoked; to do that run {}, which makes another one",
                self.again()
            )
        })
    }

    /// Writes the new token to the hub.
    async fn give(&self, token: &str, report: &mut Report) -> anyhow::Result<()> {
        // First the Secret for the operator's own renewals, so that none of them is bound to one
        // that will be deleted.
        if self.renews() {
            report.objects.push(apply(&self.hub, &self.renewing(), self.mode()).await?.0);
        }
        report.objects.push(apply(&self.hub, &self.hub_secret(token)?, self.mode()).await?.0);
        Ok(())
    }

    /// Makes a token, and proves it with a request that the operator will make, too.
    async fn new_token(&self, bound: &DynamicObject) -> anyhow::Result<String> {
        let uid = bound.metadata.uid.as_deref().context("the satellite stored a Secret without a uid")?;
        progress("satellite: requesting a token");
        let token =
            request(&self.satellite, &self.namespace, &self.account, (&self.bound, uid), self.lifetime)
                .await?;
        progress("satellite: proving the new token");
        let secret: Secret = serde_json::from_value(self.hub_secret(&token)?)?;
        let access = Access::of_secret(&secret, None, self.policy).map_err(|why| anyhow!(why))?;
        let target = self.cluster.data.pointer("/spec/target/namespace").and_then(Value::as_str);
        let target = target.unwrap_or("icinga");
        let client = access.client(self.policy, ANSWER_TIMEOUT).await.map_err(|why| anyhow!(why))?;
        let api = Api::<ConfigMap>::namespaced(client, target);
        let why = match ask(WHOLE_ANSWER_TIMEOUT, api.list(&ListParams::default().limit(1))).await {
            Ok(_) => return Ok(token),
            Err(failure) if failure.code() == Some(401) => {
                "401; name the context of the cluster at the URL in the hub's Secret".to_owned()
            }
            Err(failure) => failure.to_string(),
        };
        bail!("the satellite ({}) does not accept the new token: {why}", access.server)
    }

    /// Returns the SatelliteCluster as these commands applied it, with the new Secret for the
    /// operator's own renewals.
    fn renewing(&self) -> Value {
        let mut spec = owned::spec(&self.cluster, CLI_MANAGER);
        spec["tokenRenewal"]["boundSecret"] = json!(self.bound);
        json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
            "metadata": {
                "name": self.arguments.name, "namespace": self.arguments.hub.operator_namespace,
            },
            "spec": spec,
        })
    }

    /// Returns name and uid of every Secret that tokens of this account are bound to: the old
    /// token's, and those that earlier runs left.
    async fn bound_secrets(&self) -> anyhow::Result<Vec<(String, String)>> {
        let api = self.satellite.typed::<Secret>(&self.namespace);
        let label = format!("{}={},{ACCOUNT}={}", MANAGED_BY.0, MANAGED_BY.1, self.account);
        let parameters = ListParams::default().labels(&label);
        let action = format!("list Secrets of namespace {}", self.namespace);
        let list = self.satellite.ask(&action, api.list(&parameters)).await?;
        let names = list.items.into_iter().filter_map(|secret| secret.metadata.name.zip(secret.metadata.uid));
        let mut found: Vec<_> = names.collect();
        // It counts without our label, too: a token that these commands made is bound to it.
        let old = self.old.as_ref().and_then(|old| old.claims.as_ref()?.bound.clone());
        found.extend(old.filter(|(_, old)| found.iter().all(|(_, uid)| uid != old)));
        Ok(found)
    }

    /// Deletes the Secrets `earlier`, which were listed before the new one was made, so that they
    /// include none of a later run. Then tests whether the satellite refuses the old token.
    /// Without `new`, in a dry run, nothing is deleted.
    async fn revoke(
        &self,
        earlier: Vec<(String, String)>,
        new: Option<&DynamicObject>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let claims = self.old.as_ref().and_then(|old| old.claims.as_ref());
        let old = claims.and_then(|claims| claims.bound.clone());
        if old.is_none() {
            let end = self.old.as_ref().and_then(|old| time(old.expires));
            report.notes.push(format!(
                "the old token was bound to no Secret, so it cannot be revoked{}",
                end.map_or_else(String::new, |end| format!("; it ends at {end}"))
            ));
        }
        let others = others(&self.hub, &self.arguments.hub.operator_namespace, &self.arguments.name).await?;
        let used_by = |uid: &str| -> Vec<&str> {
            let is_bound = |other: &Access| {
                let bound = other.claims.as_ref().and_then(|claims| claims.bound.as_ref());
                bound.is_some_and(|(_, other)| other == uid)
            };
            others.iter().filter(|(_, other)| is_bound(other)).map(|(name, _)| name.as_str()).collect()
        };
        if let Some(new) = new {
            self.still_ours(new).await?;
        }
        let mode = self.arguments.dry_run.mode;
        let mut revoked = false;
        for (name, uid) in earlier {
            let is_old = old.as_ref().is_some_and(|(_, old)| *old == uid);
            let manifest = objects::bound(&self.namespace, &self.account, &name);
            let users = used_by(&uid);
            let left = format!("the tokens of {} are bound to it; rotate them too", users.join(", "));
            report.objects.push(match (users.is_empty(), new) {
                (false, _) => line(&self.satellite, &manifest, Outcome::Left, Some(left)),
                (true, None) if mode == DryRun::Client => {
                    line(&self.satellite, &manifest, Outcome::Deleted, None)
                }
                (true, _) => {
                    if new.is_some() {
                        progress(&format!(
                            "satellite: deleting Secret {}/{name}, which revokes the tokens that are bound to it",
                            self.namespace
                        ));
                    }
                    delete_this(&self.satellite, &manifest, Some(uid.clone()), mode).await?
                }
            });
            revoked |= new.is_some() && is_old && users.is_empty();
        }
        if revoked {
            report.notes.push(match self.is_refused().await {
                true => "the satellite refuses the old token".to_owned(),
                false => format!("the satellite did not refuse the old token within {} s", REVOKED.as_secs()),
            });
        }
        Ok(())
    }

    /// Checks that the hub still has our token. If another run replaced it, the Secret of that
    /// token must not be deleted.
    ///
    /// # Errors
    /// If it has another token, or cannot be read.
    async fn still_ours(&self, new: &DynamicObject) -> anyhow::Result<()> {
        let manifest = self.hub_secret("")?;
        let secret = read(&self.hub, &manifest).await?.map(|found| typed::<Secret>(&found)).transpose()?;
        let access = secret.and_then(|secret| Access::of_secret(&secret, None, self.policy).ok());
        let bound = access.and_then(|access| access.claims).and_then(|claims| claims.bound);
        if bound.map(|(_, uid)| uid) == new.metadata.uid {
            return Ok(());
        }
        bail!(
            "Secret {}/{} of the hub has another token by now: somebody else rotates it, too. No token was revoked; when they are \
             done, run {}",
            self.arguments.hub.operator_namespace,
            self.secret_name,
            self.again()
        )
    }

    async fn is_refused(&self) -> bool {
        let Some(old) = &self.old else { return false };
        let Ok(client) = old.client(self.policy, ANSWER_TIMEOUT).await else { return false };
        let began = Instant::now();
        for attempt in 1.. {
            let asked = ask(WHOLE_ANSWER_TIMEOUT, client.apiserver_version()).await;
            if asked.is_err_and(|failure| failure.code() == Some(401)) {
                return true;
            }
            if began.elapsed() >= REVOKED {
                break;
            }
            tokio::time::sleep(POLL.pause(attempt, 1.0)).await;
        }
        false
    }
}
