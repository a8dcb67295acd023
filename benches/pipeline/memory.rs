//! P9: resident memory with many objects, and after a relist.

use crate::load::{self, Kind};
use crate::machine::{Memory, cpu_seconds, memory};
use crate::observe::{self, last_of};
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Target};
use crate::requests::Requests;
use crate::stage::{Running, Side, Stage};
use crate::support::Operator;
use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use std::time::{Duration, Instant};

/// Number of objects that the target is about.
const TARGET_OBJECTS: f64 = 100_000.0;
/// The objects are created in so many parts, to see whether the memory grows in proportion.
const PARTS: usize = 4;
/// Longest wait for the operator to list again after the server came back.
const RELIST: Duration = Duration::from_secs(90);

/// Resident memory at `plan.resident` objects without a satellite.
pub async fn resident(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let count = plan.resident;
    let running = stage.run(Side::Ours).await?;
    let operator = running.ours().context("Groundlink runs")?;
    let namespace = stage.namespace().await;
    let hub = stage.installation.hub.clone();
    let mut objects = observe::objects(&hub, &namespace).await?;
    let empty = settled(operator).await;
    crate::progress!("P9: {:.1} MiB resident without objects", empty.resident);
    let mut growth = vec![json!({ "objects": 0, "memory": empty })];
    let cpu = cpu_seconds(operator.pid());
    for part in 0..PARTS {
        let (from, to) = (part * count / PARTS, (part + 1) * count / PARTS);
        let start = Instant::now();
        load::burst(&hub, &namespace, Kind::Host, from..to).await?;
        let wait = patience(to - from);
        objects.until(wait, "all have a status", |seen| last_of(&seen.ready, to)).await?;
        let now = settled(operator).await;
        let rate = (to - from) as f64 / start.elapsed().as_secs_f64();
        crate::progress!("P9: {to} of {count} published, {rate:.0}/s, {:.1} MiB resident", now.resident);
        growth.push(json!({ "objects": to, "memory": now }));
    }
    let cpu = cpu_seconds(operator.pid()) - cpu;
    drop(objects);
    stage.verify(&namespace, count).await?;
    let full = settled(operator).await;

    crate::progress!("P9: restarting the hub's API server");
    let server = stage.installation.plane.server("hub");
    server.restart().await;
    let (lists, ready) = relisted(stage, operator).await?;
    let after = settled(operator).await;
    let requests = Requests::of(&server.client().await).await?;
    let rewritten = requests.count("PATCH monitoringobjects/status");
    stage.verify(&namespace, count).await.context("after the relist")?;

    let files = stage.installation.files();
    let average = files.values().map(String::len).sum::<usize>() as f64 / count as f64;
    report.notes.push(format!("P9: a file has {average:.0} bytes on average; no satellite is joined"));
    if lists == 0 {
        report.notes.push("P9: the operator resumed its watch and did not list again".into());
    }
    if !ready {
        report.notes.push(format!("P9: /readyz still says not ready {RELIST:?} after the server came back"));
    }
    let row = |what: &str, memory: Memory, limit: f64, report: &mut Report| {
        report.row(Row::new(format!("P9  resident, {count} objects{what}"), "MiB", None, memory.resident));
        report.row(Row::new(format!("P9  peak so far, {count} objects{what}"), "MiB", None, memory.peak));
        let each = (memory.resident - empty.resident) * 1024.0 * 1024.0 / count as f64;
        report.row(Row::new(format!("P9  bytes per object{what}"), "B", None, each));
        let all = empty.resident + each * TARGET_OBJECTS / 1024.0 / 1024.0;
        let metric = format!("P9  EXTRAPOLATED to 100000 objects{what}");
        report.row(Row::new(metric, "MiB", None, all).target(Target::Value(limit)));
    };
    report.row(Row::new("P9  resident, no objects", "MiB", None, empty.resident));
    row("", full, 96.0, report);
    row(", after a relist", after, 128.0, report);
    report.row(Row::new("P9  statuses rewritten after a relist", "requests", None, rewritten as f64));
    let each = cpu * 1_000.0 / count as f64;
    report.row(Row::new(
        format!("P9  operator's CPU per object, create to Ready, {count}"),
        "ms",
        None,
        each,
    ));
    report.details.push(json!({
        "phase": "P9", "objects": count, "file_bytes": average, "growth": growth, "after_relist": after,
        "lists": lists, "ready_after_relist": ready, "cpu_seconds": cpu,
    }));
    // The servers go with the stage: nothing is deleted.
    if let Running::Ours(operator) = &running {
        stage.end(operator, report).await;
    }
    Ok(())
}

/// Waits until the operator has listed MonitoringObjects again and says that it is ready. The restarted server counts from
/// zero, so its counts are the operator's.
async fn relisted(stage: &Stage, operator: &Operator) -> anyhow::Result<(u64, bool)> {
    let deadline = Instant::now() + RELIST;
    let client = stage.installation.plane.server("hub").client().await;
    loop {
        ensure!(operator.exit_status().is_none(), "the operator ended when the API server went away");
        let requests = Requests::of(&client).await?;
        let (lists, watches) =
            (requests.count("LIST monitoringobjects"), requests.count("WATCH monitoringobjects"));
        let ready = operator.get("/readyz").await.0 == 200;
        // A watch is counted when it ends; until then only being ready tells that it is there.
        if (lists > 0 && ready) || Instant::now() > deadline {
            crate::progress!("P9: {lists} LIST requests, {watches} ended watches, ready: {ready}");
            return Ok((lists, ready));
        }
        if !ready && lists == 0 && Instant::now() > deadline {
            bail!("the operator does not come back within {RELIST:?}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Memory once it has not moved by more than 1 % for three seconds, or after half a minute.
async fn settled(operator: &Operator) -> Memory {
    let deadline = Instant::now() + Duration::from_secs(30);
    let (mut last, mut since) = (memory(operator.pid()), Instant::now());
    while Instant::now() < deadline && since.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = memory(operator.pid());
        if (now.resident - last.resident).abs() > last.resident * 0.01 {
            (last, since) = (now, Instant::now());
        }
    }
    memory(operator.pid())
}
