//! The satellite that `check` tests, and the commands that mend it.

use crate::cli::output::word;
use crate::cli::usage::{DryRun, program};
use crate::satellite::HostPolicy;
use std::time::Duration;

/// What `check` knows of the satellite from its SatelliteCluster.
pub(super) struct Subject {
    pub(super) name: String,
    /// Namespace on the satellite.
    pub(super) target: String,
    /// Name of the pointer ConfigMap.
    pub(super) pointer: String,
    /// `spec.requestTimeout`.
    pub(super) timeout: Duration,
    /// The account whose tokens the credential must be able to make (`spec.tokenRenewal`). `None`
    /// if it renews nothing.
    pub(super) renews: Option<String>,
    /// Which addresses are allowed.
    pub(super) policy: HostPolicy,
    /// Whether the ConfigMap of the test is stored, or sent at all.
    pub(super) dry_run: DryRun,
    /// Account of the token. `None` until it is known.
    pub(super) account: Option<String>,
    /// Flags that name the hub, as the person would write them: ` --hub-context x`.
    pub(super) flags: String,
}

impl Subject {
    /// Returns the remedy that makes the account as it should be. `add` keeps what the
    /// SatelliteCluster says already.
    pub(super) fn add_again(&self) -> String {
        format!(
            "run {}, or apply examples/satellite-rbac.yaml there (for other names: {} satellite join-manifest --only satellite)",
            self.add(""),
            program()
        )
    }

    /// Returns the command that joins the satellite again, with further flags.
    pub(super) fn add(&self, more: &str) -> String {
        let account = self.account.as_ref().or(self.renews.as_ref()).map_or("groundlink", String::as_str);
        let mut names = String::new();
        for (flag, value, default) in
            [("namespace", self.target.as_str(), "icinga"), ("account", account, "groundlink")]
        {
            if value != default {
                names += &format!(" --{flag} {}", word(value));
            }
        }
        format!(
            "{} satellite add {} --context <the satellite's>{names}{more}{}",
            program(),
            self.name,
            self.flags
        )
    }

    /// Returns the remedy that makes a new token.
    pub(super) fn rotate(&self) -> String {
        format!("run {} satellite rotate {} --context <the satellite's>{}", program(), self.name, self.flags)
    }
}
