//! Deletes the account on a satellite, only if it is proven to be the one of the hub's token. A
//! mistyped context names another cluster, where another satellite's account has the same name.

use crate::api::marks::ACCOUNT;
use crate::api::marks::{MANAGED_BY, PART, PART_AGENT};
use crate::cli::clusters::Cluster;
use crate::cli::clusters::apply::{delete, delete_this, is_ours, line, read};
use crate::cli::join::access::{Access, others};
use crate::cli::output::progress;
use crate::cli::report::{Line, Outcome};
use crate::cli::usage::DryRun;
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::ListParams;
use serde_json::{Value, json};

/// Note for an object whose ServiceAccount is gone.
const UNKNOWN: &str = "its owner cannot be determined, because its ServiceAccount does not exist; delete it yourself if nothing uses it";

/// The account of one satellite.
pub(crate) struct Account<'a> {
    satellite: &'a Cluster,
    /// Namespace on the satellite.
    namespace: &'a str,
    name: &'a str,
    state: State,
}

enum State {
    /// It is the account of the hub's token, or the one that the person named by its uid.
    Proven(String),
    /// This other satellite of the hub uses it.
    UsedBy(String),
    /// It does not exist, or this program did not make it.
    Absent,
}

impl<'a> Account<'a> {
    /// Finds the account and determines whose it is. Deletes nothing.
    ///
    /// # Errors
    /// If the satellite's account is not the one of the hub's token, or if the hub has no token to
    /// compare it with.
    pub(crate) async fn find(
        hub: &Cluster,
        satellite: &'a Cluster,
        (namespace, name): (&'a str, &'a str),
        access: Option<&Access>,
        uid: Option<&str>,
        (operator, of): (&str, &str),
    ) -> anyhow::Result<Self> {
        let found = |state| Ok(Self { satellite, namespace, name, state });
        let manifest =
            json!({ "kind": "ServiceAccount", "metadata": { "name": name, "namespace": namespace } });
        let live = read(satellite, &manifest).await.context(
            "nothing was deleted; to remove only what is on the hub, leave out --context and --kubeconfig",
        )?;
        let Some(live) = live.filter(is_ours) else { return found(State::Absent) };
        let live = live.metadata.uid.unwrap_or_default();
        let (described, server) = (format!("ServiceAccount {namespace}/{name}"), &satellite.server);
        let claimed = access.and_then(|access| access.claims.as_ref()?.account_uid.as_deref());
        // Compared by uid: one cluster may have different addresses for different satellites.
        let is_user = |other: &Access| {
            let claims = other.claims.as_ref();
            claims.is_some_and(|claims| claims.account_uid.as_ref() == Some(&live))
        };
        let others = others(hub, operator, of).await?;
        let user = others.into_iter().find(|(_, other)| is_user(other)).map(|(user, _)| user);
        match (uid.or(claimed), user) {
            (Some(uid), user) if uid == live => found(user.map_or(State::Proven(live), State::UsedBy)),
            (Some(_), _) if uid.is_some() => bail!(
                "nothing was deleted: {described} of the satellite ({server}) has another uid than --account-uid; is the context the \
                 right cluster?"
            ),
            (Some(_), _) => bail!(
                "nothing was deleted: {described} of the satellite ({server}) is not the account that the hub's token is of{}; name \
                 the context of that cluster. If it is that cluster and the account was recreated, name it with --account-uid {live}",
                access.map_or_else(String::new, |access| format!(" (that is at {})", access.server))
            ),
            (None, Some(user)) => found(State::UsedBy(user)),
            (None, None) => bail!(
                "nothing was deleted: the hub has no token that says which account is {of}'s. If it is {described} of the satellite \
                 at {server}, and no other hub uses it, add --account-uid {live}"
            ),
        }
    }

    /// Deletes the account, its rights and its tokens, as far as this program made them. Adds a
    /// line for each to `lines`, up to an error.
    ///
    /// # Errors
    /// If something cannot be read or deleted.
    pub(in crate::cli) async fn delete(&self, lines: &mut Vec<Line>, dry_run: DryRun) -> anyhow::Result<()> {
        let (namespace, name) = (self.namespace, self.name);
        if let State::UsedBy(_) = self.state {
            return Ok(());
        }
        progress(&format!("satellite: deleting account {namespace}/{name}"));
        let manifest = |kind: &str, name: &str| json!({ "kind": kind, "metadata": { "name": name, "namespace": namespace } });
        // Bindings and Roles first: an interrupted run must leave no rights.
        let renewal = format!("{name}-token");
        for kind in ["RoleBinding", "Role"] {
            for name in [name, &renewal] {
                let line = self.delete_one(&manifest(kind, name), dry_run).await?;
                // The second of each exists only if the operator renews the token.
                if name == renewal && line.result == Outcome::Absent {
                    continue;
                }
                lines.push(line);
            }
        }
        self.delete_agents(lines, dry_run).await?;
        let label = format!("{}={},{ACCOUNT}={name}", MANAGED_BY.0, MANAGED_BY.1);
        let secrets = self.satellite.typed::<Secret>(namespace);
        let parameters = ListParams::default().labels(&label);
        let list = secrets.list(&parameters);
        for secret in self.satellite.ask(&format!("list Secrets of namespace {namespace}"), list).await? {
            let name = secret.metadata.name.unwrap_or_default();
            lines.push(self.delete_one(&manifest("Secret", &name), dry_run).await?);
        }
        // Last, because it proves whose the rest is: another run after a failure finds it again.
        let account = manifest("ServiceAccount", name);
        lines.push(match &self.state {
            State::Proven(uid) if dry_run != DryRun::Client => {
                delete_this(self.satellite, &account, Some(uid.clone()), dry_run).await?
            }
            _ => self.delete_one(&account, dry_run).await?,
        });
        Ok(())
    }

    /// Deletes the agents that were prepared together with this account.
    async fn delete_agents(&self, lines: &mut Vec<Line>, dry_run: DryRun) -> anyhow::Result<()> {
        let (namespace, name) = (self.namespace, self.name);
        let label = format!("{}={},{ACCOUNT}={name},{PART}={PART_AGENT}", MANAGED_BY.0, MANAGED_BY.1);
        let accounts = self.satellite.typed::<ServiceAccount>(namespace);
        let parameters = ListParams::default().labels(&label);
        let action = format!("list ServiceAccounts of namespace {namespace}");
        let list = self.satellite.ask(&action, accounts.list(&parameters)).await?;
        for agent in list {
            let agent = agent.metadata.name.unwrap_or_default();
            // The account last, because the others are found by it.
            for kind in ["RoleBinding", "Role", "Lease", "ServiceAccount"] {
                let manifest = json!({ "kind": kind, "metadata": { "name": agent, "namespace": namespace } });
                let line = self.delete_one(&manifest, dry_run).await?;
                lines.extend(Some(line).filter(|line| line.result != Outcome::Absent));
            }
        }
        Ok(())
    }

    async fn delete_one(&self, manifest: &Value, dry_run: DryRun) -> anyhow::Result<Line> {
        if let State::Absent = self.state
            && read(self.satellite, manifest).await?.is_some_and(|found| is_ours(&found))
        {
            return Ok(line(self.satellite, manifest, Outcome::Left, Some(UNKNOWN.into())));
        }
        delete(self.satellite, manifest, dry_run).await
    }

    /// Returns a note for the report.
    pub(crate) fn note(&self) -> String {
        match &self.state {
            State::UsedBy(user) => {
                format!("the account {}/{} is left: satellite {user} uses it", self.namespace, self.name)
            }
            _ => format!("namespace {} of the satellite is left", self.namespace),
        }
    }
}
