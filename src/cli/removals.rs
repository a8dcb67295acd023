//! `groundlink removals`: lets removals pass that the hub holds.

use super::clusters::{Cluster, HubArguments};
use super::output::progress;
use super::usage::{DryRun, DryRunArguments, block_on};
use crate::api::condition::format_timestamp;
use crate::api::duration::parse_duration;
use crate::api::marks::{CLI_MANAGER, REMOVALS_ALLOWED_UNTIL};
use crate::hub::core::ALLOWED_MAX;
use clap::{Args, Subcommand};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::process::ExitCode;

/// The hub holds removals if many objects left within ten minutes (`groundlink run
/// --removals-share`): they may have been deleted by mistake, or with their CRD.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Allow(Arguments),
}

/// Allow that everything is removed whose resource was deleted, for a while. It also allows what is
/// deleted after it, so it can be run before a namespace is deleted on purpose.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub(crate) struct Arguments {
    /// How long, one hour at most.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = seconds)]
    duration: i64,
    /// Name of the operator's Lease, which carries the permission.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    #[command(flatten)]
    dry_run: DryRunArguments,
    #[command(flatten)]
    hub: HubArguments,
}

fn seconds(text: &str) -> Result<i64, String> {
    let seconds = parse_duration(text)? as i64;
    match (1..=ALLOWED_MAX).contains(&seconds) {
        true => Ok(seconds),
        false => Err("choose a time between 1s and 1h".into()),
    }
}

/// Runs the chosen command.
pub(super) fn main(command: Command) -> anyhow::Result<ExitCode> {
    let Command::Allow(arguments) = command;
    block_on(allow(&arguments))
}

async fn allow(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let hub = Cluster::hub(&arguments.hub).await?;
    let until = format_timestamp(jiff::Timestamp::now().as_second() + arguments.duration);
    let api = hub.typed::<Lease>(&arguments.hub.operator_namespace);
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { REMOVALS_ALLOWED_UNTIL: until } } }));
    let mode = arguments.dry_run.mode;
    let parameters = PatchParams { dry_run: mode.is_dry(), ..PatchParams::apply(CLI_MANAGER) };
    let lease = format!("Lease {}/{}", arguments.hub.operator_namespace, arguments.lease_name);
    if mode == DryRun::Client {
        hub.ask(&format!("read {lease}"), api.get_metadata(&arguments.lease_name)).await?;
    } else {
        let annotate = api.patch_metadata(&arguments.lease_name, &parameters, &patch);
        hub.ask(&format!("annotate {lease}"), annotate).await?;
    }
    if mode.is_dry() {
        progress(&format!("dry run: nothing was written; {lease} would allow removals until {until}"));
        return Ok(ExitCode::SUCCESS);
    }
    progress(&format!("what was deleted is removed until {until}; the operator notices within 5 s"));
    Ok(ExitCode::SUCCESS)
}
