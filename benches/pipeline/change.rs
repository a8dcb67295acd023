//! P4: the cost of one change in a large set, on two satellites in layout Snapshot.

use crate::large::Large;
use crate::line::Bytes;
use crate::load;
use crate::machine::cpu_seconds;
use crate::observe::{self, Observer, Pointers};
use crate::plan::Plan;
use crate::report::{Report, Row, Samples, Target};
use crate::requests::{Requests, sum};
use crate::support::Place;
use crate::support::reader::{Delivered, Files, digest_of};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The two satellites.
pub const SATELLITES: [&str; 2] = ["sat-a", "sat-b"];
/// Longest wait for one change.
const DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two changes: longer than the operator leaves a satellite alone after a pass.
const PAUSE: Duration = Duration::from_millis(2_500);
/// Pause after a delivery, so that the servers have counted its requests.
const COUNTED: Duration = Duration::from_millis(300);

/// One satellite, watched from outside.
struct Watched {
    place: Place,
    pointer: Observer<Pointers>,
}

/// The cost of the changes on one satellite.
#[derive(Default)]
struct Cost {
    /// Requests by verb until the delivery, for each change.
    until: Vec<BTreeMap<String, u64>>,
    /// Writes by verb for all changes together, including the deletion of garbage.
    all: BTreeMap<String, u64>,
    /// Bytes on the wire from the first change to the last.
    wire: Bytes,
    /// Bytes of archives in the requests, by the operator's metric.
    archives: f64,
    writes: f64,
}

/// Joins both satellites, changes objects one at a time, and removes the satellites again.
pub async fn changes(large: &mut Large, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let count = large.count();
    let mut wanted = large.wanted();
    ensure!(wanted.len() == count, "{count} objects, but {} files on the volume", wanted.len());
    let mut satellites = Vec::new();
    let begin = Instant::now();
    for name in SATELLITES {
        let place = large.place(name).await;
        let pointer = large.joined(&place, &wanted).await?;
        satellites.push(Watched { place, pointer });
    }
    crate::progress!("P4: {count} objects on both satellites after {:.1} s", begin.elapsed().as_secs_f64());
    // A warm-up change opens connections. Its old shard is the first garbage that the measurement
    // deletes.
    change(large, &mut satellites, &mut wanted, 0).await?;
    large.quiet().await;
    let delivered = settle(large, &satellites, &wanted).await?;

    let hub = &large.stage.installation.hub;
    let mut objects = observe::objects(hub, &large.namespace).await?;
    let idle = idle_cpu(large, plan).await;
    let before = counters(large, &satellites).await?;
    let (cpu, wall) = (cpu_seconds(large.operator.pid()), Instant::now());
    let (mut took, mut ready) = (Samples::default(), Samples::default());
    let mut costs: Vec<Cost> = satellites.iter().map(|_| Cost::default()).collect();
    let mut earlier = before.requests.clone();
    for number in 1..=plan.changes {
        let (start, last) = change(large, &mut satellites, &mut wanted, number).await?;
        took.push(last - start);
        let name = load::name(number);
        let at = objects.until(DEADLINE, "a status", |seen| seen.ready.get(&name).copied()).await?;
        ready.push(at.saturating_duration_since(start));
        tokio::time::sleep(COUNTED).await;
        for (at, satellite) in satellites.iter().enumerate() {
            let now = Requests::of(&satellite.place.client).await?;
            costs[at].until.push(now.of_resource_since("configmaps", &earlier[at]));
            earlier[at] = now;
        }
        tokio::time::sleep(PAUSE).await;
    }
    drop(objects);
    let wall = wall.elapsed().as_secs_f64();
    let cpu = (cpu_seconds(large.operator.pid()) - cpu - idle * wall) * 1_000.0 / plan.changes as f64;
    let after = counters(large, &satellites).await?;
    large.quiet().await;
    let last = settle(large, &satellites, &wanted).await?;
    let tidied = counters(large, &satellites).await?;
    for (at, cost) in costs.iter_mut().enumerate() {
        cost.all = tidied.requests[at].of_resource_since("configmaps", &before.requests[at]);
        // The reads include those of the benchmark itself.
        cost.all.retain(|verb, _| is_write(verb));
        let bytes = (before.wire[at], after.wire[at]);
        cost.wire = Bytes { up: bytes.1.up - bytes.0.up, down: bytes.1.down - bytes.0.down };
        cost.archives = after.archives[at] - before.archives[at];
        cost.writes = tidied.writes[at] - before.writes[at];
    }
    large.verify_hub().await?;
    for satellite in satellites {
        large.leave(&satellite.place.satellite).await?;
    }
    let figures = Figures { count, changes: plan.changes, took, ready, cpu, idle, costs };
    figures.tell(&delivered, &last, count == plan.largest_set(), report);
    Ok(())
}

/// Changes one object, and waits until both satellites hold it. Returns the start, and the time of
/// the later delivery.
async fn change(
    large: &Large,
    satellites: &mut [Watched],
    wanted: &mut Files,
    number: usize,
) -> anyhow::Result<(Instant, Instant)> {
    let before = digest_of(wanted);
    let text = format!("Changed, number {number}, {}.", load::nonce());
    let start = Instant::now();
    load::change(&large.stage.installation.hub, &large.namespace, number, &text).await?;
    let mut last = start;
    for Watched { place, pointer } in satellites.iter_mut() {
        let what = format!("{} has change {number}", place.satellite);
        // A pointer that has not moved yet still has the digest from the join.
        last = last.max(pointer.until(DEADLINE, &what, |seen| seen.moved_from(&before)).await?);
    }
    let name = load::name(number);
    let path = large.stage.installation.volume().join("objects.d").join(&large.namespace);
    let file = std::fs::read(path.join(format!("{name}.conf"))).context("the changed file")?;
    ensure!(
        String::from_utf8_lossy(&file).contains(&text),
        "{name}: the file on the volume lacks the change"
    );
    wanted.insert(format!("{}.{name}.conf", large.namespace), file);
    let now = digest_of(wanted);
    for Watched { place, pointer } in satellites.iter_mut() {
        let what = format!("{} holds change {number} as its current set, {now}", place.satellite);
        pointer.until(DEADLINE, &what, |seen| (seen.digest == now).then_some(())).await?;
    }
    Ok((start, last))
}

/// Waits until no garbage is left, and checks that each satellite holds exactly these files.
async fn settle(large: &Large, satellites: &[Watched], wanted: &Files) -> anyhow::Result<Delivered> {
    let mut delivered = None;
    for Watched { place, .. } in satellites {
        let read = large.verify(place, wanted).await?;
        ensure!(read.layout == "Snapshot", "{} has layout {}", place.satellite, read.layout);
        large.tidy(place, &read).await;
        delivered = Some(read);
    }
    delivered.context("a satellite")
}

/// Returns the operator's CPU seconds per second while nothing happens.
async fn idle_cpu(large: &Large, plan: &Plan) -> f64 {
    let before = cpu_seconds(large.operator.pid());
    tokio::time::sleep(plan.idle).await;
    (cpu_seconds(large.operator.pid()) - before) / plan.idle.as_secs_f64()
}

/// Counters, by index of the satellite.
struct Counters {
    requests: Vec<Requests>,
    wire: Vec<Bytes>,
    archives: Vec<f64>,
    writes: Vec<f64>,
}

async fn counters(large: &Large, satellites: &[Watched]) -> anyhow::Result<Counters> {
    let metrics = large.operator.metrics().await;
    let mut counters =
        Counters { requests: Vec::new(), wire: Vec::new(), archives: Vec::new(), writes: Vec::new() };
    for Watched { place, .. } in satellites {
        let of = |name: &str| sum(&metrics, &format!("{name}{{satellite=\"{}\"}}", place.satellite));
        counters.requests.push(Requests::of(&place.client).await?);
        counters.wire.push(large.lines.get(&place.satellite).map(|line| line.bytes()).unwrap_or_default());
        counters.archives.push(of("groundlink_satellite_written_bytes_total"));
        counters.writes.push(of("groundlink_satellite_writes_total"));
    }
    Ok(counters)
}

struct Figures {
    count: usize,
    changes: usize,
    took: Samples,
    ready: Samples,
    cpu: f64,
    idle: f64,
    costs: Vec<Cost>,
}

fn is_write(verb: &str) -> bool {
    ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb)
}

fn writes(verbs: &BTreeMap<String, u64>) -> u64 {
    verbs.iter().filter(|(verb, _)| is_write(verb)).map(|(_, count)| count).sum()
}

impl Figures {
    fn tell(&self, first: &Delivered, last: &Delivered, is_target: bool, report: &mut Report) {
        let (count, changes) = (self.count, self.changes as f64);
        let row = |metric: &str, unit, value| Row::new(format!("P4  {metric}, {count}"), unit, None, value);
        let judged = |row: Row, limit: f64| if is_target { row.target(Target::Value(limit)) } else { row };
        let seconds = |percent| self.took.percentile(percent) / 1_000.0;
        let most = |pick: &dyn Fn(&Cost) -> f64| self.costs.iter().map(pick).fold(f64::NAN, f64::max);
        let until = |pick: fn(&BTreeMap<String, u64>) -> u64| {
            most(&|cost| cost.until.iter().map(|verbs| pick(verbs) as f64).fold(0.0, f64::max))
        };
        report.row(judged(row("one change -> both satellites hold it, p50", "s", seconds(50.0)), 1.0));
        report
            .row(judged(row("one change -> both satellites hold it, the longest", "s", seconds(100.0)), 1.0));
        report.row(row("one change -> Ready, p50", "s", self.ready.percentile(50.0) / 1_000.0));
        report.row(judged(
            row("writes per change and satellite until delivery, most", "requests", until(writes)),
            2.0,
        ));
        let all = until(|verbs| verbs.values().sum());
        report.row(row(
            "requests, reads too, per change and satellite until delivery, most",
            "requests",
            all,
        ));
        let later = most(&|cost| writes(&cost.all) as f64 / changes);
        report.row(row(
            "writes per change and satellite, with the later deletion of garbage",
            "requests",
            later,
        ));
        let up = most(&|cost| cost.wire.up as f64 / 1024.0 / changes);
        report.row(row("sent per change and satellite, on the wire", "KiB", up));
        let archives = most(&|cost| cost.archives / 1024.0 / changes);
        report.row(row("of that: archive and manifest", "KiB", archives));
        report.row(row("operator's CPU per change", "ms", self.cpu));
        let bytes: usize = last.files.values().map(Vec::len).sum();
        report.notes.push(format!(
            "P4, {count}: {} bytes a file on average, {} shards; {} changes; no named shard is missing, no garbage is left; operator \
             idle: {:.1} ms of CPU a second",
            bytes / last.files.len().max(1), last.shards.len(), self.changes, self.idle * 1_000.0,
        ));
        let costs: Vec<Value> = self
            .costs
            .iter()
            .map(|cost| {
                json!({
                    "until_there": cost.until, "with_deletions": cost.all, "wire_up": cost.wire.up,
                    "wire_down": cost.wire.down, "archives": cost.archives, "operators_count": cost.writes,
                })
            })
            .collect();
        report.details.push(json!({
            "phase": "P4", "objects": count, "shards": first.shards.len(), "took_ms": self.took.json(),
            "ready_ms": self.ready.json(), "cpu_ms": self.cpu, "idle_cpu": self.idle, "satellites": costs,
        }));
    }
}
