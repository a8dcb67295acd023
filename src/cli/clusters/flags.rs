//! The flags that name the hub and a satellite.

use crate::cli::output::word;
use crate::cli::usage::WrongUsage;
use clap::Args;
use std::path::PathBuf;

/// The hub in results and errors.
pub(super) const HUB: &str = "hub";
/// The satellite in results and errors.
pub(crate) const SATELLITE: &str = "satellite";

/// Flags that name the hub.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hub")]
pub(crate) struct HubArguments {
    /// Context of the hub in its kubeconfig. Default: the current one.
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) hub_context: Option<String>,
    /// Kubeconfig of the hub. Default: the one that kubectl would read; in a Pod without one, its
    /// ServiceAccount.
    #[arg(long, value_name = "FILE")]
    pub(crate) hub_kubeconfig: Option<PathBuf>,
    /// Namespace of the operator on the hub.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    pub(crate) operator_namespace: String,
}

/// Flags that name the satellite. The context needs the right to manage accounts and Roles in its
/// namespace.
#[derive(Debug, Args)]
#[command(next_help_heading = "Satellite")]
pub(crate) struct SatelliteArguments {
    /// Context of the satellite in its kubeconfig. Default: the current one of --kubeconfig.
    #[arg(long, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// Kubeconfig of the satellite. Default: the one that kubectl would read.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

impl SatelliteArguments {
    /// Returns whether a satellite was named. The hub's current context must not be taken for it.
    pub(crate) fn is_given(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// Refuses a command that cannot do without a satellite.
    ///
    /// # Errors
    /// If no satellite was named.
    pub(in crate::cli) fn demand(&self) -> Result<(), WrongUsage> {
        if self.is_given() {
            return Ok(());
        }
        Err(WrongUsage(
            "name the satellite with --context or --kubeconfig: the current context is taken for the hub"
                .into(),
        ))
    }

    /// Returns the flags as a person would write them.
    pub(crate) fn flags(&self) -> String {
        let kubeconfig =
            self.kubeconfig.iter().map(|path| format!(" --kubeconfig {}", word(&path.to_string_lossy())));
        let context = self.context.iter().map(|name| format!(" --context {}", word(name)));
        kubeconfig.chain(context).collect()
    }
}

impl HubArguments {
    /// Returns the flags as a person would write them, without defaults.
    pub(crate) fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(path) = &self.hub_kubeconfig {
            flags += &format!(" --hub-kubeconfig {}", word(&path.to_string_lossy()));
        }
        if let Some(name) = &self.hub_context {
            flags += &format!(" --hub-context {}", word(name));
        }
        if self.operator_namespace != "groundlink" {
            flags += &format!(" --operator-namespace {}", word(&self.operator_namespace));
        }
        flags
    }
}
