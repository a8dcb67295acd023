//! P8: a restart with nothing changed writes nothing.

use crate::plan::Plan;
use crate::report::{Report, Row, Target};
use crate::requests::Requests;
use crate::stage::{REMOVES_ALL, Stage};
use crate::support::Operator;
use kube::Client;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

/// Restarts the operator, and counts the writes that the servers get. Returns the new operator.
pub async fn restart(
    stage: &Stage,
    plan: &Plan,
    objects: usize,
    operator: Operator,
    report: &mut Report,
) -> anyhow::Result<Operator> {
    crate::progress!("P8: restart at {objects} objects, watched for {:?}", plan.watched);
    stage.end(&operator, report).await;
    // Requests the token for the new process, so do it before anything is counted.
    let builder = stage.installation.operator_builder(&stage.program).await.args(REMOVES_ALL);
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    clients.insert("hub".into(), stage.installation.hub.clone());
    for name in stage.satellites() {
        clients.insert(name.clone(), stage.satellite(name).await);
    }
    // The servers' own writes in the same time, without an operator.
    let quiet = writes_during(&clients, tokio::time::sleep(plan.watched)).await?;
    let mut times = None;
    let during = async {
        let start = Instant::now();
        let operator = builder.spawn();
        stage.installation.ready(&operator).await;
        let ready = start.elapsed();
        stage.working(&operator).await;
        times = Some((ready, start.elapsed()));
        tokio::time::sleep(plan.watched).await;
        operator
    };
    let mut operator = None;
    let writes = writes_during(&clients, async { operator = Some(during.await) }).await?;
    let total: u64 = writes.values().sum();
    let metric = format!("P8  restart at {objects} objects, nothing changed: writes other than the Lease");
    report.row(Row::new(metric, "requests", None, total as f64).target(Target::Value(0.0)));
    if let Some((ready, acknowledged)) = times {
        report.row(Row::new("P8  restart -> ready", "s", None, ready.as_secs_f64()));
        let metric = "P8  restart -> both satellites confirmed";
        report.row(Row::new(metric, "s", None, acknowledged.as_secs_f64()));
    }
    for (what, count) in &writes {
        report.notes.push(format!("P8: {count} x {what}"));
    }
    for (what, count) in &quiet {
        report.notes.push(format!("P8: {count} x {what} in the same time without an operator"));
    }
    report.details.push(json!({ "phase": "P8", "objects": objects, "writes": writes, "without": quiet }));
    operator.ok_or_else(|| anyhow::anyhow!("no operator was started"))
}

async fn writes_during(
    clients: &BTreeMap<String, Client>,
    during: impl Future<Output = ()>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut before = BTreeMap::new();
    for (name, client) in clients {
        before.insert(name, Requests::of(client).await?);
    }
    during.await;
    let mut writes = BTreeMap::new();
    for (name, client) in clients {
        let after = Requests::of(client).await?;
        let changed = before.get(name).map(|before| after.writes_since(before)).unwrap_or_default();
        writes.extend(changed.into_iter().map(|(what, count)| (format!("{what} on {name}"), count)));
    }
    Ok(writes)
}
