//! `groundlink satellite list`: one line for each satellite.

use crate::cli::clusters::{Cluster, HubArguments, Observed, satellite_clusters};
use crate::cli::join::access::Access;
use crate::cli::join::token::now;
use crate::cli::output::{Document, Format, document, print, progress, table, time};
use crate::identity::Revision;
use crate::satellite::HostPolicy;
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DynamicObject, ListParams};
use serde::Serialize;
use serde_json::Value;
use std::process::ExitCode;

/// Lists the satellites: whether each can be delivered to (READY) and holds the current snapshot
/// (SYNCED), how many revisions it is behind, the number of objects that it holds, and when its
/// credential ends.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::EXIT_CODES)]
pub(crate) struct Arguments {
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    hub: HubArguments,
}

/// One satellite. Unknown values are left out.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    ready: String,
    synced: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acked_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revisions_behind: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_expires: Option<String>,
}

/// All of them.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(in crate::cli) struct Listed {
    satellites: Vec<Row>,
}

impl Document for Listed {
    const KIND: &'static str = "SatelliteList";
}

pub(super) async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let operator = &arguments.hub.operator_namespace;
    let hub = Cluster::hub(&arguments.hub).await?;
    hub.must_know_satellites(operator).await?;
    let api = hub.objects(&satellite_clusters(), Some(operator));
    let list = hub.ask("list SatelliteClusters", api.list(&ListParams::default())).await?;
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    for object in list.items {
        let expires = expiry(&hub, operator, &object).await;
        ends.push(expires);
        rows.push(row(&object, expires));
    }
    if arguments.output != Format::Text {
        document(&Listed { satellites: rows }, arguments.output)?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        progress(&format!("no SatelliteCluster in namespace {operator} of the hub"));
        return Ok(ExitCode::SUCCESS);
    }
    let head = ["NAME", "READY", "SYNCED", "REASON", "BEHIND", "OBJECTS", "CREDENTIAL ENDS"];
    let mut text = vec![head.map(str::to_owned).to_vec()];
    for (row, end) in rows.into_iter().zip(ends) {
        let unknown = || "-".to_owned();
        text.push(vec![
            row.name,
            row.ready,
            row.synced,
            row.reason.unwrap_or_else(unknown),
            row.revisions_behind.map_or_else(unknown, |n| n.to_string()),
            row.objects.map_or_else(unknown, |n| n.to_string()),
            end.map_or_else(unknown, remaining),
        ]);
    }
    print(format_args!("{}", table(text)))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns when the credential ends. `None` if it does not say so, or if the person may not read
/// it.
async fn expiry(hub: &Cluster, operator: &str, object: &DynamicObject) -> Option<i64> {
    let reference = &object.data["spec"]["kubeconfigSecretRef"];
    let name = reference["name"].as_str()?;
    let api = hub.typed::<Secret>(operator);
    let read = hub.ask(&format!("read Secret {operator}/{name}"), api.get_opt(name)).await;
    let secret = read.map_err(|refused| progress(&refused.to_string())).ok()??;
    // Only read: no connection is made with it.
    let policy = HostPolicy { allow_loopback: true, ..HostPolicy::default() };
    Access::of_secret(&secret, reference["key"].as_str(), policy).ok()?.expires
}

fn row(object: &DynamicObject, expires: Option<i64>) -> Row {
    let satellite = Observed(object);
    let status = |kind: &str| satellite.condition(kind).map_or("Unknown", |found| found.status()).to_owned();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let (desired, acked) =
        (satellite.text("/status/desired/revision"), satellite.text("/status/acked/revision"));
    // The condition that is not True has the reason.
    let telling = satellite.condition(if status("Ready") == "True" { "Synced" } else { "Ready" });
    Row {
        name: satellite.name().to_owned(),
        ready: status("Ready"),
        synced: status("Synced"),
        reason: owned(telling.and_then(|condition| condition.reason())),
        message: owned(telling.and_then(|condition| condition.message())),
        revisions_behind: behind(desired, acked),
        desired_revision: owned(desired),
        acked_revision: owned(acked),
        objects: satellite.value("/status/stats/objects").and_then(Value::as_u64),
        credential_expires: time(expires),
    }
}

/// Returns how many revisions lie between the two. `None` if they are of different terms, which
/// cannot be counted.
fn behind(desired: Option<&str>, acked: Option<&str>) -> Option<u64> {
    let (desired, acked): (Revision, Revision) = (desired?.parse().ok()?, acked?.parse().ok()?);
    (desired.term == acked.term).then(|| desired.counter.saturating_sub(acked.counter))
}

fn remaining(end: i64) -> String {
    match end - now() {
        left if left <= 0 => "ended".to_owned(),
        left if left < 2 * 3600 => format!("in {} min", left / 60),
        left if left < 3 * 86_400 => format!("in {} h", left / 3600),
        left => format!("in {} days", left / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_of_one_term_are_counted() {
        assert_eq!(behind(Some("7.42"), Some("7.40")), Some(2));
        assert_eq!(behind(Some("7.42"), Some("7.42")), Some(0));
        assert_eq!(behind(Some("8.1"), Some("7.42")), None);
        assert_eq!(behind(Some("8.1"), None), None);
    }
}
