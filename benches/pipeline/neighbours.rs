//! P7: how much bad satellites delay the good ones. There are 17 good satellites on four API
//! servers. In every other round the fleet also has a black hole, a slow one, a flapping one, and
//! nine that refuse or answer with garbage.

use crate::away::LATE;
use crate::change::SATELLITES;
use crate::large::Large;
use crate::load::{self, Kind};
use crate::machine::cpu_seconds;
use crate::observe::{self, Observer, Pointers};
use crate::plan::Plan;
use crate::report::{Report, Row, Samples, Target};
use crate::support::{Hostile, Manner, OPERATOR, Place};
use anyhow::ensure;
use serde_json::json;
use std::time::{Duration, Instant};

/// The fourth API server.
const FOURTH: &str = "sat-d";
/// Target namespaces on each server.
const EACH: usize = 5;
/// Longest wait for one object on all good satellites.
const DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two objects: longer than the operator leaves a good satellite alone after a pass.
const PAUSE: Duration = Duration::from_millis(700);
/// From the join of the bad satellites to the first object, so that their faults are in effect by
/// then.
const AT_WORK: Duration = Duration::from_secs(1);

struct Bad {
    name: &'static str,
    server: Hostile,
    kubeconfig: String,
    namespace: String,
}

/// Results for the good satellites, with or without the bad ones.
#[derive(Default)]
struct Half {
    delivered: Samples,
    /// Time until the last good satellite holds the object.
    everywhere: Samples,
    cpu: f64,
    rounds: Vec<f64>,
}

/// Runs P7. The satellites of P4 and `late` are the first three good ones.
pub async fn neighbours(
    large: &mut Large,
    plan: &Plan,
    late: &Place,
    report: &mut Report,
) -> anyhow::Result<()> {
    large.stage.installation.prepare(FOURTH).await;
    let servers = [SATELLITES[0], SATELLITES[1], LATE, FOURTH];
    let mut good = vec![large.place(SATELLITES[0]).await, large.place(SATELLITES[1]).await, late.clone()];
    let wanted = large.wanted();
    let mut joined: Vec<String> = Vec::new();
    // 20 places. The last place of three of the servers is for the bad satellites.
    for (at, server) in servers.into_iter().enumerate() {
        let taken = usize::from(server != FOURTH);
        for number in taken..EACH - usize::from(at > 0) {
            let place = large.furnish(server, &format!("{server}-{number}")).await;
            joined.push(place.satellite.clone());
            good.push(place);
        }
    }
    crate::progress!("P7: {} good satellites on {} API servers", good.len(), servers.len());
    let begin = Instant::now();
    for place in good.iter().filter(|place| joined.contains(&place.satellite)) {
        large.join(&place.satellite, &place.namespace).await?;
    }
    let mut pointers = Vec::new();
    for place in &good {
        let mut pointer = observe::pointer(&place.client, &place.namespace).await?;
        if place.marked_digest().await.ok() != Some(crate::support::reader::digest_of(&wanted)) {
            crate::large::holds(&mut pointer, place, &wanted).await?;
        }
        pointers.push(pointer);
    }
    crate::progress!(
        "P7: {} objects on all good satellites after {:.1} s",
        wanted.len(),
        begin.elapsed().as_secs_f64()
    );
    let bad = bad(large, &servers).await;
    let mut halves = [Half::default(), Half::default()];
    for round in 0..plan.rounds {
        for (with, half) in [false, true].into_iter().zip(&mut halves) {
            let who = if with { "with the bad satellites" } else { "without them" };
            crate::progress!("P7, round {}: {who}, {} objects", round + 1, plan.neighbours);
            large.quiet().await;
            if with {
                for bad in &bad {
                    large.stage.installation.set_secret(bad.name, &bad.kubeconfig).await;
                    large.join(bad.name, &bad.namespace).await?;
                }
                tokio::time::sleep(AT_WORK).await;
            }
            run(large, plan, &mut pointers, half).await?;
            if with {
                for bad in &bad {
                    large.leave(bad.name).await?;
                }
            }
        }
    }
    large.quiet().await;
    let wanted = large.wanted();
    ensure!(wanted.len() == large.count(), "{} files for {} objects", wanted.len(), large.count());
    for place in &good {
        large.verify(place, &wanted).await?;
    }
    tell(&halves, &bad, good.len(), large, report);
    // One of their servers is stopped below.
    drop(pointers);
    for name in &joined {
        large.leave(name).await?;
    }
    large.stage.installation.plane.server(FOURTH).stop();
    Ok(())
}

/// Returns the namespace for the bad satellites of a server.
fn of_bad(server: &str) -> String {
    format!("{server}-{}", EACH - 1)
}

async fn bad(large: &Large, servers: &[&str; 4]) -> Vec<Bad> {
    let real = large.stage.installation.plane.server(servers[3]);
    let refuses = |code, reason| Manner::Refuses(code, reason, "");
    let manners = [
        ("black-hole", servers[1], Manner::BlackHole),
        ("slow", servers[2], Manner::OneByteASecond),
        ("flapping", servers[3], Manner::Flapping(real.port())),
        ("unauthorized", servers[3], refuses(401, "Unauthorized")),
        ("forbidden", servers[3], refuses(403, "Forbidden")),
        ("too-large", servers[3], refuses(413, "RequestEntityTooLarge")),
        ("invalid", servers[3], refuses(422, "Invalid")),
        ("throttled", servers[3], Manner::Refuses(429, "TooManyRequests", "Retry-After: 3600\r\n")),
        ("broken", servers[3], refuses(500, "InternalError")),
        ("garbage", servers[3], Manner::Garbage),
        ("huge-body", servers[3], Manner::HugeBody),
        ("gzip-bomb", servers[3], Manner::GzipBomb),
    ];
    let mut all = Vec::new();
    for server in &servers[1..] {
        large.furnish(server, &of_bad(server)).await;
    }
    for (name, server, manner) in manners {
        let namespace = of_bad(server);
        let api_server = large.stage.installation.plane.server(server);
        let hostile = Hostile::start(manner, &api_server.cert_and_key());
        let token = api_server.service_account_token(&namespace, OPERATOR).await;
        let kubeconfig = api_server.kubeconfig_for(&hostile.url(), &token);
        all.push(Bad { name, server: hostile, kubeconfig, namespace });
    }
    all
}

async fn run(
    large: &mut Large,
    plan: &Plan,
    pointers: &mut [Observer<Pointers>],
    half: &mut Half,
) -> anyhow::Result<()> {
    let hub = large.stage.installation.hub.clone();
    let cpu = cpu_seconds(large.operator.pid());
    let mut of_round = Samples::default();
    for turn in 0..=plan.neighbours {
        let number = large.numbers.end;
        let start = Instant::now();
        load::create(&hub, &large.namespace, Kind::Host, number).await?;
        large.numbers.end += 1;
        let count = large.count();
        let mut last = start;
        for pointer in pointers.iter_mut() {
            let what = format!("a good satellite holds {count} files");
            let at = pointer.until(DEADLINE, &what, |seen| seen.at_least(count)).await?;
            // The first one opens connections and fills caches.
            if turn > 0 {
                half.delivered.push(at - start);
                of_round.push(at - start);
            }
            last = last.max(at);
        }
        if turn > 0 {
            half.everywhere.push(last - start);
        }
        tokio::time::sleep(PAUSE).await;
    }
    half.cpu += cpu_seconds(large.operator.pid()) - cpu;
    half.rounds.push(of_round.percentile(99.0));
    Ok(())
}

fn tell(halves: &[Half; 2], bad: &[Bad], good: usize, large: &Large, report: &mut Report) {
    let [without, with] = halves;
    let row = |metric: &str, pick: &dyn Fn(&Half) -> f64| {
        let metric = format!("P7  create -> {metric} (compared with: no bad ones)");
        Row::new(metric, "ms", Some(pick(without)), pick(with))
    };
    for percent in [50.0, 99.0] {
        let of_each =
            row(&format!("a good satellite, p{percent}"), &|half| half.delivered.percentile(percent));
        report.row(if percent > 50.0 { of_each.target(Target::Ratio(1.1)) } else { of_each });
        report.row(row(&format!("all {good} good satellites, p{percent}"), &|half| {
            half.everywhere.percentile(percent)
        }));
    }
    let per_object = |half: &Half| half.cpu * 1_000.0 / half.everywhere.len().max(1) as f64;
    let metric = "P7  operator's CPU per object, background work included (compared with: no bad ones)";
    report.row(Row::new(metric, "ms", Some(per_object(without)), per_object(with)));
    let tried: Vec<String> = bad
        .iter()
        .map(|bad| {
            format!(
                "{}: {} connections, {} requests",
                bad.name,
                bad.server.connections(),
                bad.server.requests()
            )
        })
        .collect();
    let rounds =
        |half: &Half| half.rounds.iter().map(|p99| format!("{p99:.0}")).collect::<Vec<_>>().join(", ");
    report.notes.push(format!(
        "P7: {good} good satellites (4 API servers, up to {EACH} target namespaces each), {} objects; {} bad ones. The black \
         hole accepts no connection, the slow one sends 1 byte a second, the flapping one is up for 1 s and down for 5 s. \
         Measured from 1 s after they join, while their breakers are closed. {}",
        large.count(),
        bad.len(),
        tried.join("; ")
    ));
    report.notes.push(format!(
        "P7: p99 in each round: without {} ms; with {} ms",
        rounds(without),
        rounds(with)
    ));
    let json = |half: &Half| json!({ "each": half.delivered.json(), "everywhere": half.everywhere.json(), "cpu_seconds": half.cpu, "p99_of_rounds": half.rounds });
    report.details.push(json!({
        "phase": "P7", "objects": large.count(), "good": good, "without": json(without), "with": json(with), "bad": tried,
    }));
}
