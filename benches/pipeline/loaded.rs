//! P12: apply on the hub -> the satellite's running Icinga has it. The floor is Icinga's own cost:
//! its validator plus a reload until the running process has the set, by the same calls and
//! without Groundlink.

use crate::load::{self, Kind};
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Samples, Target};
use crate::stage::{Side, Stage};
use crate::support::{GENEROUS, Icinga, NODE, PeakUsage, Site, eventually, generations};
use anyhow::{Context as _, ensure};
use groundlink::agent::icinga::api::{Api, Password};
use groundlink::agent::icinga::daemon::Umbrella;
use groundlink::agent::icinga::validator::{Validation, Validator};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Hosts of the idle set.
pub const IDLE: usize = 100;
/// Pause between two looks at Icinga. Shorter ones would load it.
const LOOK: Duration = Duration::from_millis(10);

/// Measures the newest and the oldest Icinga that are here.
pub async fn loaded(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let generations = generations();
    let mut measured: Vec<_> = generations.first().into_iter().chain(generations.last()).collect();
    measured.dedup();
    if measured.is_empty() {
        report.notes.push("P12 was not measured: icinga2 is not installed (hack/icinga.sh)".into());
    }
    for generation in measured {
        idle(stage, plan, generation, report).await?;
    }
    if let Some(generation) = generations.last() {
        for size in &plan.loads {
            burst(stage, generation, *size, report).await?;
        }
    }
    Ok(())
}

async fn idle(
    stage: &Stage,
    plan: &Plan,
    generation: &'static str,
    report: &mut Report,
) -> anyhow::Result<()> {
    crate::progress!("P12: Icinga {generation}, {} changes in {IDLE} hosts", plan.loaded);
    let running = stage.run(Side::Ours).await?;
    let namespace = stage.namespace().await;
    let hub = &stage.installation.hub;
    load::burst(hub, &namespace, Kind::Host, 0..IDLE).await?;
    let mut site = Site::prepare(&stage.program, &stage.installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    has(&site, IDLE, patience(IDLE)).await;

    let ours = changes(stage, &site, &namespace, plan.loaded).await?;
    site.agent.kill();
    let floor = floors(&site, plan.loaded).await?;
    for percent in [50.0, 99.0] {
        let (floor, ours) = (floor.percentile(percent), ours.percentile(percent));
        let metric =
            format!("P12 change -> running in Icinga {generation}, p{percent} (null: -C and a reload)");
        let row = Row::new(metric, "ms", Some(floor), ours);
        report.row(if percent == 50.0 { row.target(Target::Ratio(1.3)) } else { row });
    }
    report.details.push(json!({
        "phase": "P12", "icinga": generation, "floor": floor.json(), "groundlink": ours.json(),
    }));
    drop(site);
    stage.finish(running, &namespace, IDLE, report).await
}

/// Changes a host of the idle set so often, each until the running Icinga has it. The first change
/// is not measured.
pub async fn changes(stage: &Stage, site: &Site, namespace: &str, count: usize) -> anyhow::Result<Samples> {
    let objects = stage.installation.objects(namespace);
    let mut ours = Samples::default();
    for turn in 0..=count {
        let (name, address) = (load::name(turn % IDLE), format!("192.0.2.{}", turn % 250));
        let patch = Patch::Merge(json!({ "spec": { "host": { "address": address } } }));
        let start = Instant::now();
        objects.patch(&name, &PatchParams::default(), &patch).await?;
        let took = until(&site.icinga, &name, &address, start).await;
        let took = took.with_context(|| format!("the log of the agent: {}", site.agent.log_text()))?;
        if turn > 0 {
            ours.push(took);
        }
        // Idle: the agent's pause after a load is over.
        tokio::time::sleep(took * 3).await;
    }
    Ok(ours)
}

/// Waits until a running Icinga has this address of a host, and returns the time since the start.
pub async fn until(icinga: &Icinga, name: &str, address: &str, start: Instant) -> anyhow::Result<Duration> {
    let path = format!("/v1/objects/hosts/{name}?attrs=address");
    loop {
        let found = icinga.ask(&path).await.unwrap_or_default();
        if found["results"][0]["attrs"]["address"] == address {
            return Ok(start.elapsed());
        }
        ensure!(start.elapsed() < GENEROUS, "{name} was not loaded: {found}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Validates and loads the active tree so often. The first time is not measured.
pub async fn floors(site: &Site, count: usize) -> anyhow::Result<Samples> {
    let mut floor = Samples::default();
    for turn in 0..=count {
        let took = floor_of(site, turn).await?;
        if turn > 0 {
            floor.push(took);
        }
        tokio::time::sleep(took).await;
    }
    Ok(floor)
}

/// Validates and loads the active tree once more, under another marker.
async fn floor_of(site: &Site, turn: usize) -> anyhow::Result<Duration> {
    let (active, candidate) = (site.icinga.path("load/active.conf"), site.icinga.path("load/floor.conf"));
    let text = std::fs::read_to_string(&active)?;
    let line = text.lines().find(|line| line.contains("const GroundlinkRevision")).context("the marker")?;
    let old = line.split('"').nth(1).context("the marker")?;
    let marker = format!("floor-{turn}");
    std::fs::write(&candidate, text.replace(&format!("\"{old}\""), &format!("\"{marker}\"")))?;
    let validator =
        Validator::new(site.icinga.command(), site.icinga.path("validate"), site.icinga.path("load/trees"));
    let api = Api {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, site.icinga.port())),
        ca: site.icinga.path("lib/certs/ca.crt"),
        node_name: NODE.into(),
        password: Password::new(std::fs::read_to_string(site.icinga.path("load/password"))?),
    };
    let start = Instant::now();
    let verdict = validator.validate(&candidate, &marker, IDLE).await;
    ensure!(matches!(verdict, Validation::Accepted(_)), "{verdict:?}");
    std::fs::rename(&candidate, &active)?;
    Umbrella::find(&site.icinga.pid_file())?.reload()?;
    while api.proves(&marker).await.is_err() {
        ensure!(start.elapsed() < GENEROUS, "the floor was not loaded");
        tokio::time::sleep(LOOK).await;
    }
    Ok(start.elapsed())
}

/// A burst of creates until the running Icinga has all of them.
async fn burst(
    stage: &Stage,
    generation: &'static str,
    size: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    crate::progress!("P12: Icinga {generation}, a burst of {size} hosts");
    let running = stage.run(Side::Ours).await?;
    let namespace = stage.namespace().await;
    let mut site = Site::prepare(&stage.program, &stage.installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    let peak = PeakUsage::start(site.agent.pid());
    let start = Instant::now();
    load::burst(&stage.installation.hub, &namespace, Kind::Host, 0..size).await?;
    let created = start.elapsed();
    has(&site, size, patience(size)).await;
    let took = start.elapsed();
    let rss = peak.finish().rss_kib as f64 / 1024.0;
    let metric = format!("P12 burst of {size} -> running in Icinga {generation} (null: all created)");
    report.row(Row::new(metric, "s", Some(created.as_secs_f64()), took.as_secs_f64()));
    report.row(Row::new(format!("P12 agent's peak memory, {size} objects"), "MiB", None, rss));
    drop(site);
    stage.finish(running, &namespace, size, report).await
}

/// Waits until the running Icinga lists this number of hosts.
pub async fn has(site: &Site, count: usize, deadline: Duration) {
    eventually(deadline, &format!("Icinga has {count} hosts"), async || {
        let found = site.hosts().await?.len();
        if found == count { Ok(()) } else { Err(format!("{found}; {:?}", site.report().await)) }
    })
    .await;
}
