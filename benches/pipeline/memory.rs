//! P9: resident memory with many objects: of the process that published them, of one that finds
//! them at its start, and of one that listed them again. Two sizes separate the fixed part from the
//! growth.

use crate::load::{self, Kind};
use crate::machine::{Memory, cpu_seconds, memory};
use crate::observe::{self, last_of};
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Target};
use crate::requests::Requests;
use crate::stage::Stage;
use crate::support::{Operator, eventually};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Number of objects for which the targets are defined.
const TARGET_OBJECTS: usize = 100_000;
/// Bursts in which the objects of one namespace are created, with a line of progress after each.
const PARTS: usize = 2;
/// Longest wait for a new LIST after the server came back.
const RELIST: Duration = Duration::from_secs(120);

/// Memory at half of the objects and at all of them.
struct Sizes {
    half: Memory,
    all: Memory,
}

/// The start time and memory of a process that finds objects.
struct Found {
    start: f64,
    found: Memory,
    relisted: Memory,
    /// LISTs and status writes after the server came back.
    lists: u64,
    writes: u64,
}

/// Measures resident memory at `plan.resident` objects, without a satellite.
pub async fn resident(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let (count, half) = (plan.resident, plan.resident / 2);
    let namespaces = [stage.namespace().await, stage.namespace().await];
    let [first, second] = namespaces.each_ref().map(String::as_str);
    let operator = stage.operator().await;
    let empty = settled(&operator).await;
    crate::progress!("P9: {:.1} MiB resident without objects", empty.resident);
    let cpu = cpu_seconds(operator.pid());
    let at_half = publish(stage, &operator, first, 0..half).await?;
    let at_all = publish(stage, &operator, second, half..count).await?;
    let cpu = (cpu_seconds(operator.pid()) - cpu) * 1_000.0 / count as f64;
    let published = Sizes { half: at_half, all: at_all };
    stage.verify(&namespaces, count).await?;
    stage.terminate(&operator, report).await;

    let all = found(stage, &namespaces, count, Some((second, half)), report).await?;
    let rest = found(stage, &namespaces[..1], half, None, report).await?;

    let files = stage.installation.files();
    let average = files.values().map(String::len).sum::<usize>() as f64 / files.len() as f64;
    report.notes.push(format!("P9: the files have {average:.0} bytes on average; no satellite is joined"));
    if all.lists == 0 || rest.lists == 0 {
        report
            .notes
            .push("P9: the operator resumed its watch and did not list again: no relist was measured".into());
    }
    report.row(Row::new("P9  resident, no objects", "MiB", None, empty.resident));
    rows("of the process that published", 96.0, count, &published, report);
    let sizes = Sizes { half: rest.found, all: all.found };
    rows("of a process that found all at its start", 96.0, count, &sizes, report);
    let sizes = Sizes { half: rest.relisted, all: all.relisted };
    rows("after a relist", 128.0, count, &sizes, report);
    report.row(Row::new(format!("P9  start -> ready, {count}"), "s", None, all.start));
    let rewritten = (all.writes + rest.writes) as f64;
    report.row(Row::new("P9  statuses rewritten after a relist", "requests", None, rewritten));
    report.row(Row::new(format!("P9  operator's CPU per object, create to Ready, {count}"), "ms", None, cpu));
    let json = |found: &Found| -> Value {
        json!({ "start": found.start, "found": found.found, "relisted": found.relisted, "lists": found.lists })
    };
    report.details.push(json!({
        "phase": "P9", "objects": count, "file_bytes": average, "empty": empty, "cpu_ms": cpu,
        "published": [published.half, published.all], "half": json(&rest), "all": json(&all),
    }));
    Ok(())
}

fn rows(who: &str, limit: f64, count: usize, sizes: &Sizes, report: &mut Report) {
    let target = Target::Value(limit);
    let row = Row::new(format!("P9  resident {who}, {count}"), "MiB", None, sizes.all.resident);
    report.row(if count >= TARGET_OBJECTS { row.target(target) } else { row });
    report.row(Row::new(format!("P9  peak {who}, {count}"), "MiB", None, sizes.all.peak));
    let each = (sizes.all.resident - sizes.half.resident) / (count - count / 2) as f64;
    report.row(Row::new(format!("P9  bytes per additional object {who}"), "B", None, each * 1024.0 * 1024.0));
    if count < TARGET_OBJECTS {
        let expected = sizes.all.resident + each * (TARGET_OBJECTS - count) as f64;
        let metric = format!("P9  EXTRAPOLATED to {TARGET_OBJECTS} {who}");
        report.row(Row::new(metric, "MiB", None, expected).target(target));
    }
}

/// Creates objects, and waits until all are Ready and the memory has settled.
async fn publish(
    stage: &Stage,
    operator: &Operator,
    namespace: &str,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<Memory> {
    let hub = &stage.installation.hub;
    let mut objects = observe::objects(hub, namespace).await?;
    let count = numbers.len();
    for part in 0..PARTS {
        let (from, to) = (part * count / PARTS, (part + 1) * count / PARTS);
        let start = Instant::now();
        load::burst(hub, namespace, Kind::Host, numbers.start + from..numbers.start + to).await?;
        let ready = |seen: &observe::Objects| last_of(&seen.ready, to);
        objects.until(patience(to - from), "all have a status", ready).await?;
        let rate = (to - from) as f64 / start.elapsed().as_secs_f64();
        let now = memory(operator.pid()).resident;
        crate::progress!("P9: {} published, {rate:.0}/s, {now:.1} MiB resident", numbers.start + to);
    }
    Ok(settled(operator).await)
}

/// Starts a process that finds `count` objects, and restarts the API server. Before the process
/// ends, the objects of the `leaving` namespace are deleted.
async fn found(
    stage: &Stage,
    namespaces: &[String],
    count: usize,
    leaving: Option<(&str, usize)>,
    report: &mut Report,
) -> anyhow::Result<Found> {
    crate::progress!("P9: a new process finds {count} objects");
    let begin = Instant::now();
    let operator = stage.operator().await;
    let start = begin.elapsed().as_secs_f64();
    let found = settled(&operator).await;
    crate::progress!("P9: {:.1} MiB resident; restarting the API server", found.resident);
    let server = stage.installation.plane.server("hub");
    server.restart().await;
    let lists = relisted(stage, &operator, report).await?;
    let relisted = settled(&operator).await;
    crate::progress!("P9: {:.1} MiB resident after a relist", relisted.resident);
    let writes = Requests::of(&server.client().await).await?.count("PATCH monitoringobjects/status");
    stage.verify(namespaces, count).await.context("after the relist")?;
    if let Some((namespace, remaining)) = leaving {
        load::delete_all(&stage.installation.hub, namespace, count).await?;
        eventually(patience(count), "the files of the deleted objects are gone", async || {
            let files = stage.installation.files().len();
            if files == remaining { Ok(()) } else { Err(format!("{files} files")) }
        })
        .await;
    }
    // Not `end`: warnings about the restarted server are expected.
    stage.terminate(&operator, report).await;
    Ok(Found { start, found, relisted, lists, writes })
}

/// Waits until the operator has listed MonitoringObjects again and is ready. The restarted server
/// counts requests from zero, so its count is that of LISTs since the restart.
async fn relisted(stage: &Stage, operator: &Operator, report: &mut Report) -> anyhow::Result<u64> {
    let deadline = Instant::now() + RELIST;
    let client = stage.installation.plane.server("hub").client().await;
    loop {
        ensure!(operator.exit_status().is_none(), "the operator ended while the API server was down");
        let lists = Requests::of(&client).await?.count("LIST monitoringobjects");
        let (code, why) = operator.get("/readyz").await;
        if lists > 0 && code == 200 {
            return Ok(lists);
        }
        if Instant::now() > deadline {
            if code != 200 {
                report.notes.push(format!("P9: not ready {RELIST:?} after the server came back: {why}"));
            }
            return Ok(lists);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// Returns the memory once it has changed by at most 1 % for three seconds, or after half a minute.
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
