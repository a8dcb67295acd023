//! P1 and P2: one object at a time.

use crate::load::{self, Kind};
use crate::observe;
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Samples, Target};
use crate::stage::{SIDES, Side, Stage};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::json;
use std::time::{Duration, Instant};

/// Pause between two objects of P2: longer than the time in which the hub gathers changes into a
/// snapshot.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest wait for one object.
const DEADLINE: Duration = Duration::from_secs(60);

/// Returns false for the first object of a round, which opens connections and fills caches on
/// either side.
fn counts(number: usize) -> bool {
    number > 0
}

/// P1: create -> Ready. The next create follows as soon as the previous object is Ready.
pub async fn ready(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut samples = [Samples::default(), Samples::default()];
    let count = plan.ready + 1;
    for round in 0..plan.rounds {
        for (side, samples) in SIDES.into_iter().zip(&mut samples) {
            crate::progress!("P1, round {}: {side:?}, {} objects", round + 1, plan.ready);
            let running = stage.run(side).await?;
            let namespace = stage.namespace().await;
            let hub = &stage.installation.hub;
            let mut objects = observe::objects(hub, &namespace).await?;
            for number in 0..count {
                let start = Instant::now();
                load::create(hub, &namespace, Kind::Group, number).await?;
                let name = load::name(number);
                let what = format!("{name} is Ready");
                let at = objects.until(DEADLINE, &what, |seen| seen.ready.get(&name).copied()).await?;
                if counts(number) {
                    samples.push(at - start);
                }
            }
            if side == Side::Ours {
                let deadline = patience(count);
                let all = |seen: &observe::Objects| observe::last_of(&seen.synced, count);
                objects.until(deadline, "all are Synced", all).await?;
                stage.verify(&[&namespace], count).await?;
            }
            stage.finish(running, &namespace, count, report).await?;
        }
    }
    let [null, ours] = &samples;
    for percent in [50.0, 99.0] {
        let (null, ours) = (null.percentile(percent), ours.percentile(percent));
        let metric = format!("P1  create -> Ready, one at a time, p{percent}");
        report.row(Row::new(metric, "ms", Some(null), ours).target(Target::Ratio(1.3)));
    }
    report.details.push(json!({ "phase": "P1", "null": Samples::json(null), "groundlink": ours.json() }));
    Ok(())
}

/// The latencies of objects at each step.
#[derive(Default)]
struct Way {
    ready: Samples,
    delivered: Samples,
    synced: Samples,
}

/// P2: create -> both satellites hold the object.
pub async fn delivered(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    crate::progress!("P2: null operator, {} objects", plan.delivered);
    let mut null = Samples::default();
    let running = stage.run(Side::Null).await?;
    let namespace = stage.namespace().await;
    let hub = &stage.installation.hub;
    let mut objects = observe::objects(hub, &namespace).await?;
    let count = plan.delivered + 1;
    for number in 0..count {
        let start = Instant::now();
        load::create(hub, &namespace, Kind::Group, number).await?;
        let name = load::name(number);
        let at = objects.until(DEADLINE, "a status", |seen| seen.ready.get(&name).copied()).await?;
        if counts(number) {
            null.push(at - start);
        }
        tokio::time::sleep(PAUSE).await;
    }
    drop(objects);
    stage.finish(running, &namespace, count, report).await?;
    let write = plain_write(stage, plan.delivered).await?;

    crate::progress!("P2: Groundlink, {} objects with a pause", plan.delivered);
    let idle = one_by_one(stage, count, PAUSE, report).await?;
    crate::progress!("P2: Groundlink, {} objects without a pause", plan.back_to_back);
    let hasty = one_by_one(stage, plan.back_to_back + 1, Duration::ZERO, report).await?;

    let floor = null.percentile(50.0) + write.percentile(50.0);
    let at = |samples: &Samples, percent| samples.percentile(percent);
    report.row(Row::new("P2  a single ConfigMap write, p50", "ms", Some(at(&write, 50.0)), f64::NAN));
    let metric = "P2  create -> on both satellites, idle, p50 (null: + one ConfigMap write)";
    report.row(Row::new(metric, "ms", Some(floor), at(&idle.delivered, 50.0)).target(Target::Ratio(2.0)));
    for (percent, limit) in [(50.0, 60.0), (99.0, 200.0)] {
        let metric = format!("P2  create -> on both satellites, idle, p{percent}");
        report.row(Row::new(metric, "ms", None, at(&idle.delivered, percent)).target(Target::Value(limit)));
    }
    for percent in [50.0, 99.0] {
        let metric = format!("P2  create -> Ready, idle, p{percent}");
        report.row(Row::new(metric, "ms", Some(at(&null, percent)), at(&idle.ready, percent)));
        let metric = format!("P2  create -> Synced, idle, p{percent}");
        report.row(Row::new(metric, "ms", None, at(&idle.synced, percent)));
    }
    let metric = "P2  create -> on both satellites, the next at once, p50";
    report.row(Row::new(metric, "ms", None, at(&hasty.delivered, 50.0)));
    let json = |way: &Way| json!({ "ready": way.ready.json(), "delivered": way.delivered.json(), "synced": way.synced.json() });
    report.details.push(json!({
        "phase": "P2", "null": Samples::json(&null), "write": write.json(), "idle": json(&idle), "at_once": json(&hasty),
    }));
    Ok(())
}

async fn one_by_one(
    stage: &Stage,
    count: usize,
    pause: Duration,
    report: &mut Report,
) -> anyhow::Result<Way> {
    let running = stage.run(Side::Ours).await?;
    let namespace = stage.namespace().await;
    let hub = &stage.installation.hub;
    let mut objects = observe::objects(hub, &namespace).await?;
    let mut pointers = Vec::new();
    for name in stage.satellites() {
        pointers.push(observe::files(&stage.satellite(name).await).await?);
    }
    let mut way = Way::default();
    for number in 0..count {
        let (name, key) = (load::name(number), format!("{namespace}.{}.conf", load::name(number)));
        let start = Instant::now();
        load::create(hub, &namespace, Kind::Group, number).await?;
        let mut last = start;
        for pointer in &mut pointers {
            last = last.max(pointer.until(DEADLINE, &key, |files| files.get(&key).copied()).await?);
        }
        let ready = objects.until(DEADLINE, &name, |seen| seen.ready.get(&name).copied()).await?;
        if counts(number) {
            way.delivered.push(last - start);
            way.ready.push(ready - start);
        }
        if !pause.is_zero() {
            let synced = objects.until(DEADLINE, &name, |seen| seen.synced.get(&name).copied()).await?;
            if counts(number) {
                way.synced.push(synced - start);
            }
        }
        tokio::time::sleep(pause).await;
    }
    objects.until(patience(count), "all are Synced", |seen| observe::last_of(&seen.synced, count)).await?;
    stage.verify(&[&namespace], count).await?;
    stage.finish(running, &namespace, count, report).await?;
    Ok(way)
}

/// Replaces one ConfigMap repeatedly, at the size that the pointer has halfway through P2.
async fn plain_write(stage: &Stage, count: usize) -> anyhow::Result<Samples> {
    let satellite = stage.satellites().first().context("no satellite")?;
    let api = Api::<ConfigMap>::namespaced(stage.satellite(satellite).await, "icinga");
    let name = format!("floor-{}", load::nonce());
    let parameters = PostParams::default();
    let content = |turn: usize| -> ConfigMap {
        let data = (0..count.div_ceil(2)).map(|number| (load::name(number), "x".repeat(160)));
        ConfigMap {
            metadata: kube::core::ObjectMeta { name: Some(name.clone()), ..Default::default() },
            data: Some(data.chain([("turn".to_owned(), turn.to_string())]).collect()),
            ..ConfigMap::default()
        }
    };
    api.create(&parameters, &content(0)).await?;
    let mut samples = Samples::default();
    for turn in 1..=count {
        let content = content(turn);
        let start = Instant::now();
        api.replace(&name, &parameters, &content).await?;
        samples.push(start.elapsed());
    }
    api.delete(&name, &Default::default()).await?;
    Ok(samples)
}
