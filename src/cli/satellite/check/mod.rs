//! `groundlink satellite check`: tries what the operator does with a satellite, step by step, with
//! its rules and its credential. A step that fails hides no later one; a step that cannot be tried
//! because of it is skipped, and says so.

mod agents;
mod judge;
mod probes;
mod steps;
mod subject;

use crate::api::duration::parse_duration;
use crate::cli::clusters::{Cluster, HubArguments};
use crate::cli::join::access::{Access, servers};
use crate::cli::join::token::now;
use crate::cli::output::{Document, Format, document, print, span, table, time};
use crate::cli::usage::DryRunArguments;
use crate::satellite::HostPolicy;
use crate::text::clean;
use clap::Args;
use k8s_openapi::api::core::v1::Secret;
use kube::api::DynamicObject;
use serde::Serialize;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;
use steps::{Step, Steps, Verdict};
use subject::Subject;

/// Tests a satellite as the operator uses it: credential, connection, permissions (missing ones,
/// and needless ones in its namespace or in all), clock, and one ConfigMap that is written and
/// deleted again.
///
/// With --dry-run the ConfigMap is not stored: the satellite only judges it (server), or it is not
/// sent at all (client).
///
/// The connection is tested from this machine. To test it from the hub's network, run this in the
/// operator's Pod:
/// kubectl -n groundlink exec deploy/groundlink -- /groundlink satellite check NAME
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no step failed (there may be warnings), 1 it could not be tested, 2 wrong usage, 3 a step failed."
)]
pub(crate) struct Arguments {
    /// Name of the SatelliteCluster.
    #[arg(value_parser = crate::cli::usage::object_name)]
    name: String,
    #[command(flatten)]
    dry_run: DryRunArguments,
    /// Accept a satellite whose API server has a loopback or link-local address. For tests and
    /// demos.
    #[arg(long)]
    allow_loopback_satellites: bool,
    /// Form of the result.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    #[command(flatten)]
    hub: HubArguments,
}

/// The result.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Checked<'a> {
    satellite: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    result: Verdict,
    steps: &'a [Step],
}

impl Document for Checked<'_> {
    const KIND: &'static str = "SatelliteCheck";
}

pub(super) async fn main(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let operator = &arguments.hub.operator_namespace;
    let hub = Cluster::hub(&arguments.hub).await?;
    let object = hub.expect_satellite(operator, &arguments.name).await?;
    let text = |pointer: &str| object.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let timeout = text("/spec/requestTimeout").and_then(|text| parse_duration(&text).ok()).unwrap_or(10.0);
    let mut subject = Subject {
        name: arguments.name.clone(),
        target: text("/spec/target/namespace").unwrap_or_else(|| "icinga".into()),
        pointer: text("/spec/target/name").unwrap_or_else(|| "groundlink".into()),
        timeout: Duration::from_secs_f64(timeout.clamp(1.0, 60.0)),
        renews: text("/spec/tokenRenewal/serviceAccount"),
        policy: HostPolicy { allow_loopback: arguments.allow_loopback_satellites, ..HostPolicy::default() },
        dry_run: arguments.dry_run.mode,
        account: None,
        flags: arguments.hub.flags(),
    };
    let mut steps = Steps::default();
    resource(&mut steps, operator, &object);
    let access = credential(&mut steps, &hub, operator, &object, &subject).await?;
    subject.account =
        access.as_ref().and_then(|access| access.claims.as_ref()).map(|claims| claims.account.clone());
    probes::satellite(&mut steps, access.as_ref(), &subject).await;

    let result = steps.result();
    let server = access.as_ref().map(|access| access.server.as_str());
    print_result(
        &Checked { satellite: &arguments.name, server, result, steps: steps.all() },
        arguments.output,
    )?;
    Ok(if result == Verdict::Failed { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn resource(steps: &mut Steps, operator: &str, object: &DynamicObject) {
    let name = format!("{operator}/{}", object.metadata.name.as_deref().unwrap_or_default());
    if object.metadata.deletion_timestamp.is_some() {
        steps.warning(
            "resource",
            format!("SatelliteCluster {name} is being deleted"),
            "wait until it is gone; to keep the satellite, join it again then",
        );
    } else if object.data.pointer("/spec/suspend") == Some(&Value::Bool(true)) {
        let remedy = "set spec.suspend to false to deliver again";
        steps.warning("resource", format!("SatelliteCluster {name}: spec.suspend is set"), remedy);
    } else {
        steps.ok("resource", format!("SatelliteCluster {name}"));
    }
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let Some(ready) = ready else {
        let remedy = format!("check that the operator runs and is ready: kubectl -n {operator} get pods");
        steps.warning("operator", "no operator has reported about it", remedy);
        return;
    };
    let word = |field: &str| clean(ready[field].as_str().unwrap_or_default(), 300);
    match ready["status"] == "True" {
        true => steps.ok("operator", "the operator says Ready"),
        false => steps.warning(
            "operator",
            format!("the operator says Ready={} ({}) {}", word("status"), word("reason"), word("message")),
            "follow the remedies below; the operator tries again within half a minute",
        ),
    }
}

async fn credential(
    steps: &mut Steps,
    hub: &Cluster,
    operator: &str,
    object: &DynamicObject,
    subject: &Subject,
) -> anyhow::Result<Option<Access>> {
    let reference = &object.data["spec"]["kubeconfigSecretRef"];
    let name = reference["name"].as_str().unwrap_or_default();
    let key = reference["key"].as_str();
    let api = hub.typed::<Secret>(operator);
    let described = format!("Secret {operator}/{name}");
    let Some(secret) = hub.ask(&format!("read {described}"), api.get_opt(name)).await? else {
        steps.failed("credential", format!("{described} does not exist on the hub"), subject.add_again());
        steps.skipped("expiry", "there is no credential");
        return Ok(None);
    };
    let access = match Access::of_secret(&secret, key, servers(hub, subject.policy).await) {
        Err(why) => {
            let remedy = format!("correct {described}, or {}", subject.add_again());
            steps.failed("credential", format!("{described}: {why}"), remedy);
            steps.skipped("expiry", "there is no credential");
            return Ok(None);
        }
        Ok(access) => access,
    };
    let what = match (&access.claims, &access.token) {
        (Some(claims), _) => {
            let bound = match &claims.bound {
                Some((secret, _)) => format!(", bound to Secret {secret}"),
                None => ", not bound to a Secret: it can only be revoked with its account".to_owned(),
            };
            format!("a token of ServiceAccount {}/{}{bound}", claims.namespace, claims.account)
        }
        (None, Some(_)) => "a token".to_owned(),
        (None, None) => "a client certificate".to_owned(),
    };
    steps.ok("credential", format!("{described} holds {what}"));
    expiry(steps, access.expires, subject);
    Ok(Some(access))
}

fn expiry(steps: &mut Steps, expires: Option<i64>, subject: &Subject) {
    let Some(end) = expires else {
        steps.ok("expiry", "the credential does not say when it ends");
        return;
    };
    let (left, text) = (end - now(), time(expires).unwrap_or_default());
    // The operator renews a token long before its end. A person needs a week.
    let soon = if subject.renews.is_some() { 3600 } else { 7 * 24 * 3600 };
    if left <= 0 {
        steps.failed("expiry", format!("the credential ended at {text}"), subject.rotate());
    } else if left < soon {
        let message = format!("the credential ends at {text}, in {}", span(left - left % 60));
        steps.warning("expiry", message, subject.rotate());
    } else {
        steps.ok("expiry", format!("valid until {text}, {} days from now", left / 86_400));
    }
}

fn print_result(result: &Checked<'_>, format: Format) -> anyhow::Result<()> {
    if format != Format::Text {
        return document(result, format);
    }
    let mut rows = Vec::new();
    for step in result.steps {
        let verdict = match step.result {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAIL",
            Verdict::Skipped => "skipped",
        };
        rows.push(vec![verdict.to_owned(), step.name.clone(), step.message.clone()]);
        if let Some(remedy) = &step.remedy {
            rows.push(vec![String::new(), String::new(), format!("remedy: {remedy}")]);
        }
    }
    let count = |verdict| result.steps.iter().filter(|step| step.result == verdict).count();
    let total = format!(
        "{}: {} ok, {} warnings, {} failed, {} skipped\n",
        result.satellite,
        count(Verdict::Ok),
        count(Verdict::Warning),
        count(Verdict::Failed),
        count(Verdict::Skipped)
    );
    print(format_args!("{}{total}", table(rows)))
}
