//! P5 and P6: a satellite that joins late, and one that returns after an outage.

use crate::change::SATELLITES;
use crate::large::{Large, holds};
use crate::line::Line;
use crate::load;
use crate::observe;
use crate::plan::Plan;
use crate::report::{Report, Row, Samples, Target};
use crate::support::{Exchange, Place, eventually};
use anyhow::{Context as _, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The satellite that joins late, and later has an outage.
pub const LATE: &str = "sat-late";
/// P5: the target for a late joiner, in seconds.
const JOIN: f64 = 3.0;
/// P6: the target is this many seconds more than P5 took.
const RETURN: f64 = 12.0;

/// Runs P5 and, if requested, P6 with the same satellite, which then stays in the fleet.
pub async fn late_and_away(large: &mut Large, plan: &Plan, report: &mut Report) -> anyhow::Result<Place> {
    let wanted = large.wanted();
    for name in SATELLITES {
        let place = large.place(name).await;
        large.joined(&place, &wanted).await?;
    }
    // A cluster of its own. Behind its line is a proxy that records every request.
    large.stage.installation.prepare(LATE).await;
    let proxy = large.stage.installation.proxies[LATE].url();
    let port = proxy.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).context("port of a proxy")?;
    let line = Line::to(port).await?;
    let server = large.stage.installation.plane.server(LATE);
    let token = server.service_account_token("icinga", "groundlink").await;
    let kubeconfig = server.kubeconfig_for(&line.url(), &token);
    large.stage.installation.set_secret(LATE, &kubeconfig).await;
    large.lines.insert(LATE.to_owned(), line);
    let place = large.place(LATE).await;
    let seconds = joins(large, plan, &place, report).await?;
    if plan.wants(&["P6"]) {
        outage(large, plan, &place, seconds, report).await?;
    }
    Ok(place)
}

/// P5: joins several times, each time an empty cluster.
async fn joins(large: &mut Large, plan: &Plan, place: &Place, report: &mut Report) -> anyhow::Result<f64> {
    let count = large.count();
    let wanted = large.wanted();
    let (mut took, mut requests, mut writes) = (Samples::default(), Vec::new(), Vec::new());
    let (mut bytes, mut shards, mut kinds) = (0, 0, BTreeMap::new());
    for turn in 0..plan.joins {
        if turn > 0 {
            large.leave(LATE).await?;
            let parameters = ListParams::default().labels("app.kubernetes.io/managed-by=groundlink");
            place.api().delete_collection(&DeleteParams::default(), &parameters).await?;
        }
        large.quiet().await;
        large.stage.installation.recorder.clear();
        let sent = large.lines[LATE].bytes().up;
        let mut pointer = observe::pointer(&place.client, &place.namespace).await?;
        let start = Instant::now();
        large.join(LATE, &place.namespace).await?;
        let at = holds(&mut pointer, place, &wanted).await?;
        took.push(at - start);
        // Requests after the delivery, such as the watch, count too.
        tokio::time::sleep(Duration::from_secs(1)).await;
        bytes = large.lines[LATE].bytes().up - sent;
        let seen = large.stage.installation.recorder.matching(|exchange| exchange.server == LATE);
        kinds = BTreeMap::new();
        for exchange in &seen {
            *kinds.entry(kind(exchange)).or_insert(0) += 1;
        }
        requests.push(seen.len() as f64);
        writes.push(seen.iter().filter(|exchange| exchange.is_mutating()).count() as f64);
        let delivered = large.verify(place, &wanted).await?;
        shards = delivered.shards.len();
        crate::progress!("P5: joined in {:.2} s: {kinds:?}", (at - start).as_secs_f64());
    }
    large.stage.installation.recorder.clear();
    let seconds = took.median() / 1_000.0;
    if plan.wants(&["P5"]) {
        let row = |metric: &str, unit, value| {
            Row::new(format!("P5  late joiner, {count} objects: {metric}"), unit, None, value)
        };
        let most = |values: &[f64]| values.iter().copied().fold(f64::NAN, f64::max);
        report.row(row("until equal", "s", seconds).target(Target::Value(JOIN)));
        report.row(row("requests", "requests", most(&requests)).target(Target::Value(40.0)));
        report.row(row("of them writes", "requests", most(&writes)));
        report.row(row("sent on the wire", "KiB", bytes as f64 / 1024.0));
        let all: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} x {kind}")).collect();
        report.notes.push(format!(
            "P5: {} joins of an empty cluster, {} ms; {shards} shards; requests of the last join: {}",
            plan.joins,
            took.spread(),
            all.join(", ")
        ));
        report.details.push(json!({
            "phase": "P5", "objects": count, "took_ms": took.json(), "requests": requests, "writes": writes,
            "kinds": kinds, "wire_up": bytes, "shards": shards,
        }));
    }
    Ok(seconds)
}

fn kind(exchange: &Exchange) -> String {
    let what = exchange.path.split('/').skip(5).take(1).collect::<String>();
    let one = if exchange.path.split('/').count() > 6 { " by name" } else { "" };
    let verb = if exchange.is_watch() { "WATCH" } else { exchange.method.as_str() };
    format!("{verb} {what}{one}")
}

/// P6: refuses the satellite's connections while many objects change.
async fn outage(
    large: &mut Large,
    plan: &Plan,
    place: &Place,
    join: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (changed, deleted) = (plan.changed_while_away, plan.changed_while_away / 2);
    crate::progress!("P6: {:?} without {LATE}, {changed} changes, {deleted} deletions", plan.away);
    let held = large.wanted();
    let mut pointer = observe::pointer(&place.client, &place.namespace).await?;
    line(large)?.cut();
    let away = Instant::now();
    let first = large.numbers.start;
    let hub = large.stage.installation.hub.clone();
    load::change_all(&hub, &large.namespace, first..first + changed, "Changed during the outage.").await?;
    let last = large.numbers.end;
    load::delete_some(&hub, &large.namespace, last - deleted..last).await?;
    large.numbers.end = last - deleted;
    large.quiet().await;
    let wanted = large.wanted();
    ensure!(wanted.len() == large.count(), "{} files for {} objects", wanted.len(), large.count());
    large.verify(place, &held).await.context("during the outage")?;
    let busy = away.elapsed();
    if busy > plan.away {
        report.notes.push(format!(
            "P6: the outage was prolonged to {:.0} s, the time that the changes took",
            busy.as_secs_f64()
        ));
    }
    tokio::time::sleep(plan.away.saturating_sub(busy)).await;
    // The outage ends at a random moment between two probes, so the wait for the next one varies.
    let sent = line(large)?.bytes().up;
    line(large)?.mend().await?;
    let back = Instant::now();
    let at = holds(&mut pointer, place, &wanted).await?;
    let called = line(large)?.first_call().context("the operator did not connect")?;
    let bytes = line(large)?.bytes().up - sent;
    let delivered = large.verify(place, &wanted).await?;
    for name in SATELLITES {
        let other = large.place(name).await;
        large.verify(&other, &wanted).await?;
    }
    let writes = large
        .stage
        .installation
        .recorder
        .count(|exchange| exchange.server == LATE && exchange.is_mutating() && exchange.started >= back);
    let row = |metric: &str, unit, value| {
        Row::new(
            format!("P6  an outage of {:.0} s ends: {metric}", away_seconds(away, back)),
            unit,
            None,
            value,
        )
    };
    let limit = Target::Value(RETURN + if join.is_finite() { join } else { JOIN });
    report.row(row("until equal", "s", (at - back).as_secs_f64()).target(limit));
    report.row(row(
        "until the operator connected",
        "s",
        called.saturating_duration_since(back).as_secs_f64(),
    ));
    report.row(row("from then until equal", "s", at.saturating_duration_since(called).as_secs_f64()));
    report.row(row("writes", "requests", writes as f64));
    report.notes.push(format!(
        "P6: connections were refused while {changed} objects changed and {deleted} were deleted; target: {RETURN} s plus the P5 result of this run \
         ({join:.2} s); {} shards",
        delivered.shards.len()
    ));
    report.details.push(json!({
        "phase": "P6", "objects": wanted.len(), "away": (back - away).as_secs_f64(), "equal": (at - back).as_secs_f64(),
        "called": called.saturating_duration_since(back).as_secs_f64(), "writes": writes, "wire_up": bytes,
    }));
    let api = large.stage.installation.satellites();
    eventually(Duration::from_secs(60), "the breaker is closed again", async || {
        let object = api.get(LATE).await.map_err(|error| error.to_string())?;
        let state =
            object.status.and_then(|status| status.breaker).map(|breaker| format!("{:?}", breaker.state));
        if state.as_deref() == Some("Closed") { Ok(()) } else { Err(format!("{state:?}")) }
    })
    .await;
    Ok(())
}

fn away_seconds(away: Instant, back: Instant) -> f64 {
    (back - away).as_secs_f64()
}

fn line(large: &mut Large) -> anyhow::Result<&mut Line> {
    large.lines.get_mut(LATE).context("no line to the late satellite")
}
