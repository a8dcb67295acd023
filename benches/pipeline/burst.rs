//! P3, P3' and P11: many creates at once, their latency and their cost.

use crate::load::{self, Kind};
use crate::machine::cpu_seconds;
use crate::observe::{self, Objects, last_of};
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Target, median};
use crate::requests::{Requests, sum};
use crate::restart::restart;
use crate::stage::{Running, SIDES, Side, Stage};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// The result of one burst. Times are seconds from the first create.
struct Burst {
    /// The server had answered every create.
    created: f64,
    /// Every object was seen with a status.
    ready: f64,
    /// Both satellites held everything.
    delivered: f64,
    /// Every object was seen Synced.
    synced: f64,
    /// CPU seconds by process, until every object was Synced (null operator: had a status).
    cpu: BTreeMap<String, f64>,
    /// Size of the files on the volume.
    bytes: usize,
    details: Value,
}

/// Runs P3, P3' and P11, and P8 after the largest burst.
pub async fn bursts(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    for &count in &plan.bursts {
        let mut runs: [Vec<Burst>; 2] = Default::default();
        for round in 0..plan.rounds {
            for (side, runs) in SIDES.into_iter().zip(&mut runs) {
                crate::progress!("P3, {count} objects, round {}: {side:?}", round + 1);
                let last = count == plan.largest_burst() && round + 1 == plan.rounds;
                let with_restart = last && plan.wants(&["P8"]);
                runs.push(run(stage, plan, side, count, with_restart, report).await?);
            }
        }
        let [null, ours] = &runs;
        compare(count, null, ours, report);
    }
    Ok(())
}

/// Runs P8 without P3: one burst, so that the restart finds objects.
pub async fn restart_alone(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    run(stage, plan, Side::Ours, plan.largest_burst(), true, report).await.map(|_| ())
}

fn compare(count: usize, null: &[Burst], ours: &[Burst], report: &mut Report) {
    let of = |runs: &[Burst], pick: fn(&Burst) -> f64| median(&runs.iter().map(pick).collect::<Vec<_>>());
    let floor = of(null, |run| run.ready);
    let (delivered, synced) = (of(ours, |run| run.delivered), of(ours, |run| run.synced));
    let objects = count as f64;
    let row = |metric: &str, unit, ours| Row::new(format!("{metric}, {count}"), unit, Some(floor), ours);
    let target = Target::Ratio(1.15);
    report
        .row(row("P3  burst -> on both satellites (null: all have a status)", "s", delivered).target(target));
    let rate = format!("P3  objects per second, {count}");
    report.row(Row::rate(rate, "1/s", objects / floor, objects / delivered));
    report.row(row("P3  burst -> all Ready", "s", of(ours, |run| run.ready)));
    report.row(row("P3' burst -> all Synced", "s", synced).target(Target::Ratio(2.0)));
    let created = (of(null, |run| run.created), of(ours, |run| run.created));
    report.row(Row::new(
        format!("P3  burst -> every create answered, {count}"),
        "s",
        Some(created.0),
        created.1,
    ));
    let cpu = |runs: &[Burst], who: &str| {
        let used: Vec<f64> = runs.iter().filter_map(|run| run.cpu.get(who).copied()).collect();
        median(&used) * 1_000.0 / objects
    };
    let metric = format!("P11 operator's CPU per object, create to Synced, {count}");
    report.row(Row::new(metric, "ms", None, cpu(ours, "operator")).target(Target::Value(0.3)));
    let written = |kind: &str| {
        let counts: Vec<f64> = ours.iter().filter_map(|run| run.details["operator"][kind].as_f64()).collect();
        median(&counts) / objects
    };
    for (what, kind) in [("Ready", "ready_writes"), ("Synced", "synced_writes")] {
        let metric = format!("P3  writes of {what} per object, {count}");
        report.row(Row::new(metric, "", None, written(kind)).target(Target::Value(1.0)));
    }
    if let Some(run) = ours.first() {
        let average = run.bytes as f64 / objects;
        report.notes.push(format!("P3: the files of the {count} objects have {average:.0} bytes on average"));
    }
    let spread = |name: &str, runs: &[Burst], pick: fn(&Burst) -> f64| {
        let times: Vec<String> = runs.iter().map(|run| format!("{:.2}", pick(run))).collect();
        format!("P3, {count}: {name} in each round: {} s", times.join(", "))
    };
    report.notes.push(spread("null operator", null, |run| run.ready));
    report.notes.push(spread("Groundlink, until both satellites hold all", ours, |run| run.delivered));
    report.notes.push(spread("Groundlink, until all are Synced", ours, |run| run.synced));
    for (side, runs) in [("null", null), ("groundlink", ours)] {
        let who = runs.iter().flat_map(|run| run.cpu.keys()).collect::<BTreeSet<_>>();
        let shares: Vec<_> = who.into_iter().map(|who| format!("{who} {:.2}", cpu(runs, who))).collect();
        report.notes.push(format!("P3, {count}: {side}: CPU per object [ms]: {}", shares.join(", ")));
        let runs: Vec<_> = runs.iter().map(|run| run.details.clone()).collect();
        report.details.push(json!({ "phase": "P3", "objects": count, "side": side, "runs": runs }));
    }
}

async fn run(
    stage: &Stage,
    plan: &Plan,
    side: Side,
    count: usize,
    with_restart: bool,
    report: &mut Report,
) -> anyhow::Result<Burst> {
    let hub = &stage.installation.hub;
    let mut running = stage.run(side).await?;
    let namespace = stage.namespace().await;
    let mut objects = observe::objects(hub, &namespace).await?;
    let mut pointers = Vec::new();
    for name in stage.satellites() {
        pointers.push(observe::pointer(&stage.satellite(name).await, "icinga").await?);
    }
    let pids = processes(stage, &running);
    let cpu = || -> BTreeMap<String, f64> {
        pids.iter().map(|(name, pid)| (name.clone(), cpu_seconds(*pid))).collect()
    };
    let (requests, metrics) = (Requests::of(hub).await?, metrics(&running).await);

    let before = cpu();
    let start = Instant::now();
    load::burst(hub, &namespace, Kind::Group, 0..count).await?;
    let since = |at: Instant| (at - start).as_secs_f64();
    let created = since(Instant::now());
    let patience = patience(count);
    let all_ready = |seen: &Objects| last_of(&seen.ready, count);
    let last_ready = objects.until(patience, "all have a status", all_ready).await?;
    let ready = since(last_ready);
    let (mut delivered, mut synced, mut synced_early) = (f64::NAN, f64::NAN, 0);
    if side == Side::Ours {
        let mut last = start;
        for pointer in &mut pointers {
            let what = format!("a satellite holds {count} files");
            last = last.max(pointer.until(patience, &what, |seen| seen.counts.get(&count).copied()).await?);
        }
        delivered = since(last);
        let early = |seen: &Objects| {
            let last = last_of(&seen.synced, count)?;
            Some((last, seen.synced.values().filter(|at| **at < last_ready).count()))
        };
        let (last, before) = objects.until(patience, "all are Synced", early).await?;
        (synced, synced_early) = (since(last), before);
    }
    let cpu: BTreeMap<String, f64> = cpu()
        .into_iter()
        .map(|(name, used)| {
            let spent = used - before[&name];
            (name, spent)
        })
        .collect();
    let writes = Requests::of(hub).await?.writes_since(&requests);
    let counters = difference(metrics, self::metrics(&running).await);
    let mut bytes = 0;
    if side == Side::Ours {
        stage.verify(&[&namespace], count).await?;
        bytes = stage.installation.files().values().map(String::len).sum();
        if with_restart && let Running::Ours(operator) = running {
            let operator = restart(stage, plan, count, operator, report).await?;
            stage.verify(&[&namespace], count).await.context("after the restart")?;
            running = Running::Ours(operator);
        }
    }
    drop((objects, pointers));
    let details = json!({
        "created": created, "ready": ready, "delivered": delivered, "synced": synced,
        "synced_before_last_ready": synced_early, "cpu_seconds": cpu, "hub_writes": writes, "operator": counters,
    });
    crate::progress!("    {details}");
    stage.finish(running, &namespace, count, report).await?;
    Ok(Burst { created, ready, delivered, synced, cpu, bytes, details })
}

/// Returns every process that takes part, so that the CPU times show the bottleneck.
fn processes(stage: &Stage, running: &Running) -> Vec<(String, u32)> {
    let plane = &stage.installation.plane;
    let mut pids = vec![("benchmark".to_owned(), std::process::id()), ("etcd".to_owned(), plane.pids()[0])];
    let servers = std::iter::once("hub").chain(stage.satellites().iter().map(String::as_str));
    pids.extend(servers.map(|name| (name.to_owned(), plane.server(name).pid())));
    pids.extend(running.ours().map(|operator| ("operator".to_owned(), operator.pid())));
    pids
}

/// Reads the operator's counters of commits, files, snapshots, pointer writes and status writes.
async fn metrics(running: &Running) -> BTreeMap<&'static str, f64> {
    let Some(operator) = running.ours() else { return BTreeMap::new() };
    let text = operator.metrics().await;
    let names = [
        ("commits", "groundlink_commit_files_count"),
        ("commit_seconds", "groundlink_commit_duration_seconds_sum"),
        ("files", "groundlink_commit_files_sum"),
        ("snapshots", "groundlink_snapshot_counter"),
        ("pointer_writes", "groundlink_satellite_writes_total"),
        ("ready_writes", "groundlink_status_writes_total{kind=\"ready\",result=\"ok\"}"),
        ("synced_writes", "groundlink_status_writes_total{kind=\"synced\",result=\"ok\"}"),
        ("status_writes", "groundlink_status_writes_total"),
    ];
    names.into_iter().map(|(short, name)| (short, sum(&text, name))).collect()
}

fn difference(
    before: BTreeMap<&'static str, f64>,
    after: BTreeMap<&'static str, f64>,
) -> BTreeMap<&'static str, f64> {
    let earlier = |name| before.get(name).copied().unwrap_or_default();
    after.into_iter().map(|(name, value)| (name, value - earlier(name))).collect()
}
