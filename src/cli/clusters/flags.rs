//! The flags that name the hub and a satellite.

use crate::cli::output::word;
use clap::Args;
use std::path::PathBuf;

/// Flags that name the hub.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hub")]
pub(in crate::cli) struct HubArguments {
    /// Context of the hub in its kubeconfig. Default: the current one.
    #[arg(long, value_name = "CONTEXT")]
    pub(in crate::cli) hub_context: Option<String>,
    /// Kubeconfig of the hub. Default: the one that kubectl would read; in a Pod without one, its ServiceAccount.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) hub_kubeconfig: Option<PathBuf>,
    /// Namespace of the operator on the hub.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    pub(in crate::cli) operator_namespace: String,
}

/// Flags that name the satellite. The context needs the right to manage accounts and Roles in its namespace.
#[derive(Debug, Args)]
#[command(next_help_heading = "Satellite")]
pub(in crate::cli) struct SatelliteArguments {
    /// Context of the satellite in its kubeconfig. Default: the current one of --kubeconfig.
    #[arg(long, value_name = "CONTEXT")]
    pub(in crate::cli) context: Option<String>,
    /// Kubeconfig of the satellite. Default: the one that kubectl would read.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) kubeconfig: Option<PathBuf>,
}

impl SatelliteArguments {
    /// Returns whether a satellite was named. The hub's current context must not be taken for it.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.context.is_some() || self.kubeconfig.is_some()
    }

    /// Returns the flags as a person would write them.
    pub(in crate::cli) fn flags(&self) -> String {
        let kubeconfig =
            self.kubeconfig.iter().map(|path| format!(" --kubeconfig {}", word(&path.to_string_lossy())));
        let context = self.context.iter().map(|name| format!(" --context {}", word(name)));
        kubeconfig.chain(context).collect()
    }
}

impl HubArguments {
    /// Returns the flags as a person would write them, without defaults.
    pub(in crate::cli) fn flags(&self) -> String {
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
