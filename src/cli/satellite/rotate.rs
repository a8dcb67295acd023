//! `groundlink satellite rotate`: a new token in place of the old one, without a moment in which the operator has none.
//!
//! The old token is revoked only after the satellite accepted the new one, the hub stored it, and, where an operator runs, the
//! operator said that its credential is valid. Cut off at any point, it can be run again.

use super::access::{Access, others};
use super::apply::{MANAGER, Mode, apply, delete_this, is_ours, line, read, stored, typed};
use super::cluster::Cluster;
use super::manifests::{self, Credential};
use super::output::{Format, Outcome, Report, TokenReport, progress, time};
use super::owned;
use super::token::{Claims, now, request};
use super::{HubArguments, SatelliteArguments};
use crate::api::condition::clean;
use crate::cli::program;
use crate::satellite::{HostPolicy, transport};
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, DynamicObject, ListParams};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// How long the operator must have said nothing wrong: it reads a changed Secret at once.
const SETTLED: Duration = Duration::from_secs(3);
/// Longest wait until the satellite refuses what was revoked: API servers remember accepted tokens for some seconds.
const REVOKED: Duration = Duration::from_secs(30);
/// How often the hub is asked.
const POLL: Duration = Duration::from_millis(300);

/// Makes a new token on the satellite, bound to a Secret of its own, proves it with a request, gives it to the operator, waits
/// until the operator uses it, and then revokes the old one by deleting the Secret that it was bound to.
#[derive(Debug, Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Arguments {
    /// Name of the SatelliteCluster.
    #[arg(value_parser = super::object_name)]
    name: String,
    /// Life of the new token. Default: that of spec.tokenRenewal, or of the old token.
    #[arg(long, value_name = "DURATION", value_parser = super::lifetime)]
    token_lifetime: Option<i64>,
    /// Longest wait for the operator to use the new token.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::duration)]
    timeout: Duration,
    /// Name of the operator's Lease, which tells whether one runs.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    /// Write nothing: say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Take over the hub's Secret where another manager (kubectl, Helm, Argo CD) owns it.
    #[arg(long)]
    force_conflicts: bool,
    /// Accept a satellite whose API server has a loopback or link-local address. For tests and demos.
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

pub async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if !arguments.satellite.is_given() {
        super::wrong_usage(
            "name the satellite with --context or --kubeconfig: the current context is taken for the hub",
        );
    }
    let rotation = Rotation::open(arguments).await?;
    let mut report = Report::new(&arguments.name, arguments.dry_run);
    rotation.run(&mut report).await?;
    report.next = Some(format!("{} satellite check {}{}", program(), arguments.name, arguments.hub.flags()));
    report.print(arguments.output)?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is known before the first write.
struct Rotation<'a> {
    arguments: &'a Arguments,
    hub: Cluster,
    satellite: Cluster,
    policy: HostPolicy,
    cluster: DynamicObject,
    /// The hub's Secret without the token.
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
            .map_err(|why| progress(&format!("the credential that is there is refused: {why}")))
            .ok();
        let claims = old.as_ref().and_then(|old| old.claims.clone());
        let target = text("/spec/target/namespace").unwrap_or_else(|| "icinga".into());
        let renewed = text("/spec/tokenRenewal/lifetime")
            .and_then(|text| crate::validate::value::parse_duration(&text).ok())
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
        // A conflict is told before anything is written.
        if rotation.renews() {
            apply(&rotation.hub, &rotation.renewing(), Mode { dry_run: true, ..rotation.mode() }).await?;
        }
        apply(&rotation.hub, &rotation.hub_secret("trial")?, Mode { dry_run: true, ..rotation.mode() })
            .await?;
        Ok(rotation)
    }

    fn mode(&self) -> Mode {
        Mode { dry_run: self.arguments.dry_run, force: self.arguments.force_conflicts }
    }

    fn hub_secret(&self, token: &str) -> anyhow::Result<Value> {
        let credential = Credential { token: token.to_owned(), ..self.credential.clone() };
        stored(manifests::hub_secret(&self.arguments.hub.operator_namespace, &self.secret_name, &credential))
    }

    fn renews(&self) -> bool {
        self.cluster.data.pointer("/spec/tokenRenewal").is_some_and(Value::is_object)
    }

    async fn run(&self, report: &mut Report) -> anyhow::Result<()> {
        let old =
            self.old.as_ref().and_then(|old| old.claims.as_ref()).and_then(|claims| claims.bound.clone());
        let manifest = manifests::bound(&self.namespace, &self.account, &self.bound);
        let mut told = TokenReport {
            result: "wouldBeCreated",
            why: None,
            account: format!("ServiceAccount {}/{}", self.namespace, self.account),
            bound_secret: format!("{}/{}", self.namespace, self.bound),
            expires: None,
            asked_seconds: Some(self.lifetime),
            granted_seconds: None,
        };
        progress(&format!("satellite: Secret {} for the new token", told.bound_secret));
        let (made, bound) = apply(&self.satellite, &manifest, self.mode()).await?;
        report.objects.push(made);
        if self.arguments.dry_run {
            report.token = Some(told);
            if self.renews() {
                report.objects.push(apply(&self.hub, &self.renewing(), self.mode()).await?.0);
            }
            report.objects.push(apply(&self.hub, &self.hub_secret("a-new-token")?, self.mode()).await?.0);
            if let Some((name, _)) = old {
                let manifest = manifests::bound(&self.namespace, &self.account, &name);
                report.objects.push(line(&self.satellite, &manifest, Outcome::Deleted, None));
            }
            return Ok(());
        }
        let token = match self.new_token(&bound).await {
            Ok(token) => token,
            Err(error) => {
                // Nobody uses it, so nothing of this attempt stays.
                if let Err(left) = delete_this(&self.satellite, &manifest, bound.metadata.uid).await {
                    progress(&format!("{left}; delete it by hand"));
                }
                return Err(error.context("nothing was changed; the old token stays"));
            }
        };
        let claims = Claims::of(&token).unwrap_or_default();
        told.result = "created";
        told.expires = time(claims.expires);
        told.granted_seconds = claims.lifetime();
        report.token = Some(told);

        // First where the operator's own renewals are bound, so that none of them is bound to what will be deleted.
        if self.renews() {
            report.objects.push(apply(&self.hub, &self.renewing(), self.mode()).await?.0);
        }
        progress(&format!("hub: the new token into Secret {}", self.secret_name));
        let secret = self.hub_secret(&token)?;
        report.objects.push(apply(&self.hub, &secret, Mode { dry_run: false, ..self.mode() }).await?.0);
        let running = self.operator_runs().await?;
        if running {
            self.wait_for_operator().await?;
        } else {
            report.notes.push(
                "no operator holds the Lease; whether it accepts the new token is seen when one runs".into(),
            );
        }
        match old {
            None => report.notes.push(format!(
                "the old token was bound to no Secret, so it cannot be revoked{}",
                match self.old.as_ref().and_then(|old| time(old.expires)) {
                    Some(end) => format!("; it ends at {end}"),
                    None => String::new(),
                }
            )),
            Some((name, uid)) => self.revoke(&name, uid, report).await?,
        }
        Ok(())
    }

    /// A new token that the satellite accepted, for what the operator will do with it.
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
        let client = access.client(self.policy, Duration::from_secs(10)).await.map_err(|why| anyhow!(why))?;
        let api = Api::<ConfigMap>::namespaced(client, target);
        let asked =
            tokio::time::timeout(Duration::from_secs(12), api.list(&ListParams::default().limit(1))).await;
        let why = match asked {
            Ok(Ok(_)) => return Ok(token),
            Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
                "401; is the context the cluster that the server of the hub's Secret is?".to_owned()
            }
            Ok(Err(kube::Error::Api(status))) => format!("{} {}", status.code, clean(&status.message, 300)),
            Ok(Err(error)) => transport(&error).1,
            Err(_) => "no answer within 12 s".to_owned(),
        };
        bail!("the satellite ({}) does not accept the new token: {why}", access.server)
    }

    /// The SatelliteCluster as it was applied by these commands, with the new bound Secret for the operator's own renewals.
    fn renewing(&self) -> Value {
        let mut spec = owned::spec(&self.cluster, MANAGER);
        spec["tokenRenewal"]["boundSecret"] = json!(self.bound);
        json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
            "metadata": {
                "name": self.arguments.name, "namespace": self.arguments.hub.operator_namespace,
            },
            "spec": spec,
        })
    }

    /// Whether an operator renews its Lease. Our clock is not the hub's, so a minute of difference is allowed.
    async fn operator_runs(&self) -> anyhow::Result<bool> {
        let api = self.hub.typed::<Lease>(&self.arguments.hub.operator_namespace);
        let name = &self.arguments.lease_name;
        let lease = self.hub.ask(&format!("read Lease {name}"), api.get_opt(name)).await?;
        let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
        let held = spec.holder_identity.is_some_and(|holder| !holder.is_empty());
        Ok(held && spec.renew_time.is_some_and(|time| (now() - time.0.as_second()).abs() < 75))
    }

    /// Until the operator says that its credential is valid, and has said nothing else for a while.
    async fn wait_for_operator(&self) -> anyhow::Result<()> {
        progress("hub: waiting until the operator uses the new token");
        let operator = &self.arguments.hub.operator_namespace;
        let name = &self.arguments.name;
        let began = Instant::now();
        let mut valid_since: Option<Instant> = None;
        loop {
            let object = self.hub.expect_satellite(operator, name).await?;
            let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
            let said = conditions.into_iter().flatten().find(|c| c["type"] == "CredentialsValid");
            match said.is_some_and(|condition| condition["status"] == "True") {
                true if valid_since.get_or_insert_with(Instant::now).elapsed() >= SETTLED => return Ok(()),
                true => {}
                false => valid_since = None,
            }
            if began.elapsed() >= self.arguments.timeout {
                let said = said.map_or("nothing".into(), |condition| {
                    let word = |field: &str| clean(condition[field].as_str().unwrap_or_default(), 300);
                    format!("CredentialsValid={} ({}) {}", word("status"), word("reason"), word("message"))
                });
                bail!(
                    "the hub has the new token, and within {:?} the operator said {said}; the old token was not revoked: see {} \
                     satellite check {name}, then run this again",
                    self.arguments.timeout,
                    program()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Deletes the Secret of the old token, and asks the satellite whether it refuses that token from now on.
    async fn revoke(&self, name: &str, uid: String, report: &mut Report) -> anyhow::Result<()> {
        let manifest = manifests::bound(&self.namespace, &self.account, name);
        let others = others(&self.hub, &self.arguments.hub.operator_namespace, &self.arguments.name).await?;
        let users: Vec<_> = others
            .iter()
            .filter(|(_, other)| {
                let bound = other.claims.as_ref().and_then(|claims| claims.bound.as_ref());
                bound.is_some_and(|(_, other)| *other == uid)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if !users.is_empty() {
            let note = format!("the tokens of {} are bound to it; rotate them too", users.join(", "));
            report.objects.push(line(&self.satellite, &manifest, Outcome::Left, Some(note)));
            return Ok(());
        }
        progress(&format!(
            "satellite: deleting Secret {}/{name}, which revokes the old token",
            self.namespace
        ));
        report.objects.push(delete_this(&self.satellite, &manifest, Some(uid)).await?);
        report.notes.push(match self.is_refused().await {
            true => "the satellite refuses the old token".to_owned(),
            false => format!("the satellite did not refuse the old token within {} s", REVOKED.as_secs()),
        });
        Ok(())
    }

    async fn is_refused(&self) -> bool {
        let Some(old) = &self.old else { return false };
        let Ok(client) = old.client(self.policy, Duration::from_secs(10)).await else { return false };
        let began = Instant::now();
        while began.elapsed() < REVOKED {
            let asked = tokio::time::timeout(Duration::from_secs(12), client.apiserver_version()).await;
            if matches!(asked, Ok(Err(kube::Error::Api(status))) if status.code == 401) {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }
}
