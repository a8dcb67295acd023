//! `groundlink status`: the hub and its satellites on one screen.

use super::target::satellites;
use crate::api::MonitoringObject;
use crate::cli::clusters::{Cluster, HubArguments, Observed};
use crate::cli::output::{Document, Format, document, print, progress, table};
use crate::cli::usage::block_on;
use clap::Args;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Objects that are asked for at once.
const PAGE: u32 = 500;

/// Show the hub and every satellite on one screen: who leads, how many objects wait and why, and
/// which set each satellite should hold, holds and runs.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  groundlink status -o json | jq '.satellites[] | select(.delivered | not)'\n\nExit codes: 0 every object and satellite is where it should be, 1 one is not, or failed, 2 wrong usage."
)]
pub(in crate::cli) struct Arguments {
    /// Name of the operator's Lease.
    #[arg(long, value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    hub: HubArguments,
}

/// The fleet.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Fleet {
    operator: Operator,
    /// None if the person may not list them.
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<Objects>,
    satellites: Vec<Row>,
}

impl Document for Fleet {
    const KIND: &'static str = "Status";
}

/// The process that writes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Operator {
    /// None if no process holds the Lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    term: Option<i32>,
    /// When the Lease was renewed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed: Option<String>,
    /// True if the Lease was not renewed for as long as it lasts: nobody publishes.
    silent: bool,
}

/// How many objects there are, and how many are on their way.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Objects {
    total: usize,
    ready: usize,
    synced: usize,
    /// Objects that the hub's own Icinga runs. None if none says so: the operator follows no agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<usize>,
    /// Objects that are not ready, not synced or not loaded on the hub, by reason.
    waiting: BTreeMap<String, usize>,
}

/// One satellite.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    /// True if it holds the set that it should hold.
    delivered: bool,
    /// True if every agent's Icinga runs it. None without an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acked_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_revision: Option<String>,
    /// Since when the condition in `why` has its status (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// True if a person suspended it: then it counts as where it should be.
    suspended: bool,
    /// The first condition that is not as it should be. Empty if all are.
    why: String,
}

/// Runs the command.
pub(in crate::cli) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    block_on(status(&arguments))
}

async fn status(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let hub = Cluster::hub(&arguments.hub).await?;
    let namespace = &arguments.hub.operator_namespace;
    let rows = satellites(&hub, namespace).await?.iter().map(|satellite| row(Observed(satellite))).collect();
    let fleet = Fleet {
        operator: operator(&hub, namespace, &arguments.lease_name).await?,
        objects: objects(&hub).await?,
        satellites: rows,
    };
    let code = if fleet.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    match arguments.output {
        Format::Text => print(format_args!("{}", fleet.text()))?,
        format => document(&fleet, format)?,
    }
    Ok(code)
}

async fn operator(hub: &Cluster, namespace: &str, name: &str) -> anyhow::Result<Operator> {
    let api = hub.typed::<Lease>(namespace);
    let lease = hub.ask(&format!("read Lease {namespace}/{name}"), api.get_opt(name)).await?;
    let spec = lease.and_then(|lease| lease.spec).unwrap_or_default();
    let leader = spec.holder_identity.filter(|holder| !holder.is_empty());
    // Only shown: no clock decides who leads.
    let age = spec.renew_time.as_ref().map(|time| jiff::Timestamp::now().as_second() - time.0.as_second());
    let lasts = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    Ok(Operator {
        silent: leader.is_none() || age.is_none_or(|age| age > lasts),
        leader,
        term: spec.lease_transitions,
        renewed: spec.renew_time.map(|time| time.0.to_string()),
    })
}

/// Counts the objects of all namespaces. None if the person may not list them.
async fn objects(hub: &Cluster) -> anyhow::Result<Option<Objects>> {
    let kind = ApiResource::erase::<MonitoringObject>(&());
    let api: Api<DynamicObject> = hub.objects(&kind, None);
    let (mut counted, mut page) = (Objects::default(), ListParams::default().limit(PAGE));
    loop {
        let list = match hub.ask("list MonitoringObjects", api.list(&page)).await {
            Ok(list) => list,
            Err(refused) if refused.is(403) => {
                progress(&format!("objects are not counted: {refused}"));
                return Ok(None);
            }
            Err(refused) => return Err(refused.into()),
        };
        list.items.iter().for_each(|object| counted.add(Observed(object)));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(Some(counted)),
        }
    }
}

impl Objects {
    fn add(&mut self, object: Observed<'_>) {
        self.total += 1;
        let (is_ready, is_synced) = (object.is("Ready"), object.is("Synced"));
        self.ready += usize::from(is_ready);
        self.synced += usize::from(is_ready && is_synced);
        let is_loaded = object.condition("Loaded").is_none_or(|_| object.is("Loaded"));
        if object.condition("Loaded").is_some() {
            *self.loaded.get_or_insert_default() += usize::from(is_ready && is_loaded);
        }
        let telling = match (is_ready, is_synced, is_loaded) {
            (true, true, true) => return,
            (true, true, false) => "Loaded",
            (true, false, _) => "Synced",
            (false, ..) => "Ready",
        };
        let reason = object.condition(telling).filter(|_| object.is_decided());
        let reason = reason.and_then(|condition| condition.reason()).unwrap_or("NotDecided");
        *self.waiting.entry(reason.to_owned()).or_default() += 1;
    }
}

fn row(satellite: Observed<'_>) -> Row {
    let owned = |pointer: &str| satellite.text(pointer).map(str::to_owned);
    let has_agents =
        satellite.value("/status/agents").and_then(Value::as_array).is_some_and(|a| !a.is_empty());
    let mut wanted =
        vec![("Ready", "True"), ("Synced", "True"), ("RemovalsHeld", "False"), ("Drifted", "False")];
    if has_agents {
        wanted.extend([("Loaded", "True"), ("Checked", "True")]);
    }
    let bad = wanted.into_iter().find_map(|(kind, good)| {
        let condition = satellite.condition(kind)?;
        (condition.status() != good).then_some(condition)
    });
    let is_new = satellite.condition("Ready").is_none();
    Row {
        name: satellite.name().to_owned(),
        delivered: satellite.is("Synced"),
        loaded: has_agents.then(|| satellite.is("Loaded")),
        desired_revision: owned("/status/desired/revision"),
        acked_revision: owned("/status/acked/revision"),
        loaded_revision: owned("/status/loaded/revision"),
        suspended: satellite.value("/spec/suspend") == Some(&Value::Bool(true)),
        since: bad.and_then(|condition| condition.since()).map(str::to_owned),
        why: match bad {
            Some(condition) => condition.explanation(),
            None if is_new => "the operator has not looked at it yet".to_owned(),
            None => String::new(),
        },
    }
}

impl Fleet {
    fn is_well(&self) -> bool {
        !self.operator.silent
            && self.objects.as_ref().is_none_or(|objects| {
                objects.synced == objects.total && objects.loaded.is_none_or(|loaded| loaded == objects.total)
            })
            && self.satellites.iter().all(|row| row.suspended || row.delivered && row.why.is_empty())
    }

    fn text(&self) -> String {
        let operator = &self.operator;
        let mut text = match (&operator.leader, operator.silent) {
            (None, _) => "operator   no process holds the Lease: nothing is published\n".to_owned(),
            (Some(leader), true) => format!(
                "operator   {leader} has not renewed its Lease since {}: nothing is published\n",
                operator.renewed.as_deref().unwrap_or("the beginning")
            ),
            (Some(leader), false) => {
                format!("operator   {leader} leads, term {}\n", operator.term.unwrap_or_default())
            }
        };
        if let Some(objects) = &self.objects {
            let waiting: Vec<_> =
                objects.waiting.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let waiting =
                if waiting.is_empty() { String::new() } else { format!("; {}", waiting.join(", ")) };
            let loaded =
                objects.loaded.map_or_else(String::new, |count| format!(", {count} loaded on the hub"));
            text += &format!(
                "objects    {}, {} ready, {} synced{loaded}{waiting}\n",
                objects.total, objects.ready, objects.synced
            );
        }
        if self.satellites.is_empty() {
            return text + "satellites none\n";
        }
        let head = ["SATELLITE", "DESIRED", "DELIVERED", "LOADED", "SINCE", "WHY NOT"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        for row in &self.satellites {
            let cell = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            rows.push(vec![
                row.name.clone(),
                cell(&row.desired_revision),
                cell(&row.acked_revision),
                cell(&row.loaded_revision),
                cell(&row.since),
                row.why.clone(),
            ]);
        }
        text + "\n" + &table(rows)
    }
}
