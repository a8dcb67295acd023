//! P13: Groundlink beside Icinga's own sync, a master and a satellite of the same Icinga. The same
//! hosts are created and changed on both hubs, until the satellite's running Icinga has them. The
//! hosts are not checked, so that no check results travel.

use crate::load::{self, CREATORS, Kind};
use crate::loaded::{IDLE, changes, floors, has, until};
use crate::plan::{Plan, patience};
use crate::report::{Report, Row, Samples, Target};
use crate::stage::{Side, Stage};
use crate::support::{Icinga, Site, Stock, generations};
use anyhow::{Context as _, anyhow, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bursts of this size and more have a target for the time, too.
const LARGE: usize = 5_000;
/// Pause between two counts of a satellite's hosts.
const LOOK: Duration = Duration::from_millis(100);
/// A satellite whose number of hosts does not change for so long gets no more: six times the pause
/// after which a master tries to connect again.
const STILL: Duration = Duration::from_secs(60);

/// Measures the newest Icinga that is here.
pub async fn beside(stage: &Stage, plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let Some(generation) = generations().pop() else {
        report.notes.push("P13 was not measured: icinga2 is not installed (hack/icinga.sh)".into());
        return Ok(());
    };
    serial(stage, plan, generation, report).await?;
    for size in &plan.loads {
        burst(stage, generation, *size, report).await?;
    }
    Ok(())
}

/// One change at a time in a set of 100.
async fn serial(
    stage: &Stage,
    plan: &Plan,
    generation: &'static str,
    report: &mut Report,
) -> anyhow::Result<()> {
    crate::progress!("P13: Icinga {generation}, {} changes in {IDLE} hosts on each side", plan.beside);
    let theirs = {
        let stock = stock(generation, IDLE).await?;
        let user = stock.user();
        let mut theirs = Samples::default();
        for turn in 0..=plan.beside {
            let (name, address) = (load::name(turn % IDLE), format!("192.0.2.{}", turn % 250));
            let start = Instant::now();
            user.change(&name, json!({ "address": address }))
                .await
                .map_err(|why| anyhow!("{name}: {why}"))?;
            let took = until(&stock.satellite, &name, &address, start).await?;
            if turn > 0 {
                theirs.push(took);
            }
            tokio::time::sleep(took * 3).await;
        }
        theirs
    };

    let running = stage.run(Side::Ours).await?;
    let namespace = stage.namespace().await;
    load::burst(&stage.installation.hub, &namespace, Kind::Unchecked, 0..IDLE).await?;
    let mut site = Site::prepare(&stage.program, &stage.installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    has(&site, IDLE, patience(IDLE)).await;
    let ours = changes(stage, &site, &namespace, plan.beside).await?;
    site.agent.kill();
    let floor = floors(&site, plan.loaded).await?;
    drop(site);

    for percent in [50.0, 99.0] {
        let [theirs, ours] = [&theirs, &ours].map(|samples| samples.percentile(percent));
        let metric =
            format!("P13 change -> running in Icinga {generation}, p{percent} (null: Icinga's own sync)");
        report.row(Row::new(metric, "ms", Some(theirs), ours));
    }
    let (floor_time, ours_time) = (floor.percentile(50.0), ours.percentile(50.0));
    let metric = "P13 change -> running, p50 (null: -C and a reload)";
    report.row(Row::new(metric, "ms", Some(floor_time), ours_time).target(Target::Ratio(1.3)));
    let share = floor_time / ours_time * 100.0;
    report.row(Row::new("P13 Icinga's validation and reload, of a change", "%", None, share));
    report.details.push(json!({
        "phase": "P13", "icinga": generation,
        "stock": theirs.json(), "groundlink": ours.json(), "floor": floor.json(),
    }));
    stage.finish(running, &namespace, IDLE, report).await
}

/// A burst of creates on each side, until its satellite has all, or gets no more.
async fn burst(
    stage: &Stage,
    generation: &'static str,
    size: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    crate::progress!("P13: Icinga {generation}, a burst of {size} hosts on each side");
    let theirs = {
        let stock = stock(generation, 0).await?;
        let start = Instant::now();
        create(&stock, 0..size).await?;
        arrived(&stock.satellite, size, start, start.elapsed()).await?
    };

    let running = stage.run(Side::Ours).await?;
    let namespace = stage.namespace().await;
    let mut site = Site::prepare(&stage.program, &stage.installation, "sat-a", generation, "signal").await;
    site.start_icinga().await;
    let start = Instant::now();
    load::burst(&stage.installation.hub, &namespace, Kind::Unchecked, 0..size).await?;
    let ours = arrived(&site.icinga, size, start, start.elapsed()).await?;
    drop(site);

    let metric = |what: &str| format!("P13 burst of {size} -> {what} (null: Icinga's own sync)");
    let seconds = |arrived: &Arrived| (arrived.lost == 0).then_some(arrived.last.as_secs_f64());
    let time = seconds(&ours).context("Groundlink lost objects")?;
    let row = Row::new(metric(&format!("running in Icinga {generation}")), "s", seconds(&theirs), time);
    // Who loses objects is never complete, and cannot be ahead.
    let is_target = size >= LARGE && theirs.lost == 0;
    report.row(if is_target { row.target(Target::Ratio(1.0)) } else { row });
    let accepted = [&theirs, &ours].map(|arrived| arrived.accepted.as_secs_f64());
    report.row(Row::new(metric("all accepted"), "s", Some(accepted[0]), accepted[1]));
    let lost = [&theirs, &ours].map(|arrived| arrived.lost as f64);
    report.row(Row::new(metric("lost"), "objects", Some(lost[0]), lost[1]).target(Target::Value(0.0)));
    report.details.push(json!({
        "phase": "P13", "icinga": generation, "burst": size,
        "seconds": { "stock": theirs.last.as_secs_f64(), "groundlink": time },
        "lost": { "stock": theirs.lost, "groundlink": ours.lost },
    }));
    stage.finish(running, &namespace, size, report).await
}

/// How a burst ended on a satellite.
struct Arrived {
    /// When the last create was accepted.
    accepted: Duration,
    /// When the last host arrived.
    last: Duration,
    lost: usize,
}

/// Starts a stock pair, and waits until its satellite has this number of hosts.
async fn stock(generation: &'static str, hosts: usize) -> anyhow::Result<Stock> {
    let mut stock = Stock::prepare(generation).await;
    stock.start().await;
    create(&stock, 0..hosts).await?;
    let arrived = arrived(&stock.satellite, hosts, Instant::now(), Duration::ZERO).await?;
    ensure!(arrived.lost == 0, "the stock satellite lost {} of {hosts} hosts", arrived.lost);
    Ok(stock)
}

/// Creates hosts by the master's API, with as many clients as on our side.
async fn create(stock: &Stock, numbers: std::ops::Range<usize>) -> anyhow::Result<()> {
    let user = &stock.user();
    stream::iter(numbers)
        .map(|number| async move {
            let name = load::name(number);
            let created = user.create(&name, load::attributes(number)).await;
            created.map_err(|why| anyhow!("create {name}: {why}"))
        })
        .buffer_unordered(CREATORS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Waits until an Icinga has this number of hosts, or gets no more. Then each host is compared.
async fn arrived(
    icinga: &Icinga,
    size: usize,
    start: Instant,
    accepted: Duration,
) -> anyhow::Result<Arrived> {
    let (mut count, mut last) = (None, Instant::now());
    while count != Some(size) && last.elapsed() < STILL {
        // Icinga counts; a list of all hosts would slow it down.
        if let Ok(status) = icinga.ask("/v1/status/CIB").await {
            let status = &status["results"][0]["status"];
            let hosts = ["num_hosts_up", "num_hosts_down", "num_hosts_unreachable"];
            let now = hosts.iter().filter_map(|name| status[name].as_f64()).sum::<f64>() as usize;
            // By hand there is one on our side.
            let now = now.saturating_sub(usize::from(icinga.path("load/active.conf").exists()));
            if count != Some(now) {
                (count, last) = (Some(now), Instant::now());
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    let last = last - start;
    let listed = icinga.hosts().await.map_err(|why| anyhow!("the satellite's hosts: {why}"))?;
    let address = |number| load::attributes(number)["address"].as_str().unwrap_or_default().to_owned();
    let wanted: BTreeMap<_, _> = (0..size).map(|number| (load::name(number), address(number))).collect();
    let lost = wanted.iter().filter(|(name, address)| listed.get(*name) != Some(address)).count();
    Ok(Arrived { accepted, last, lost })
}
