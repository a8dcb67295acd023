//! One epoch of a soak: load and faults, everything equals the model, silence, the witness.

use super::super::deliveries::Base;
use super::super::evidence::{History, status_write};
use super::super::rules::{Findings, Rule, Violation};
use super::super::witness::check_from;
use super::faults::{ALIEN, Fault, choose, inject};
use super::load::{Load, NAMESPACES, decoy};
use super::stage::{Sample, Stage};
use crate::support::{Exchange, FileEvent, Reader, eventually_every};
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time from the end of the faults until everything equals the model: a watch that fell
/// silent is found after a minute, and the longest pause between two attempts is half a minute.
const RECOVERY: Duration = Duration::from_secs(240);
/// The hub counts as settled after this long without a write.
const SETTLED: Duration = Duration::from_secs(3);
/// How long nothing may be written then.
const SILENCE: Duration = Duration::from_secs(5);

/// The ceilings of I9. Lines are those of a minute.
const MOST_MIB: f64 = 384.0;
const MOST_DESCRIPTORS: usize = 300;
const MOST_THREADS: usize = 64;
const MOST_LINES: usize = 6000;
/// The ceiling of I6, for a machine that does other work: from Ready to a satellite that works,
/// while others do not.
const MOST_SECONDS: f64 = 20.0;

/// Latencies in seconds, sorted.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<f64>);

impl Latencies {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        Self(all)
    }

    /// Returns a quantile, 0 if there is none.
    pub fn at(&self, quantile: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((last as f64 * quantile).round() as usize).copied().unwrap_or(0.0)
    }
}

/// What one epoch showed.
#[derive(Debug)]
pub struct Outcome {
    pub number: usize,
    pub begun: Instant,
    pub faults: Vec<(Fault, Instant, Instant)>,
    /// Creates, changes, deletes.
    pub counts: [usize; 3],
    pub objects: usize,
    /// From the end of the last fault until everything equalled the model.
    pub recovery: Duration,
    pub restarted: bool,
    /// From the hub's answer to an operation to its Ready, and to the last satellite.
    pub ready: Latencies,
    pub everywhere: Latencies,
    /// From Ready to a satellite that no fault hit.
    pub healthy: Latencies,
    pub samples: Vec<Sample>,
    /// Operations that the hub acknowledged and that are not everywhere yet, at each sample.
    pub backlog: Vec<usize>,
    pub tasks: usize,
    pub lines: usize,
    pub findings: Findings,
    /// Everything that must not be.
    pub wrong: Vec<String>,
}

/// The state between two epochs.
#[derive(Default)]
pub struct Carried {
    base: Arc<Base>,
    log: (usize, usize),
}

/// How an epoch is run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub number: usize,
    pub seed: u64,
    pub load: Duration,
    pub rate: u64,
    pub patient: bool,
}

/// Runs the first epoch: all objects are created, and nothing fails.
pub async fn first(stage: &Stage, load: &mut Load, carried: &mut Carried, plan: Plan) -> Outcome {
    let begun = Instant::now();
    load.prepare(stage).await;
    load.repair(stage).await;
    finish(stage, load, carried, plan, begun, Vec::new()).await
}

/// Runs a later epoch.
pub async fn run(stage: &Stage, load: &mut Load, carried: &mut Carried, plan: Plan) -> Outcome {
    let begun = Instant::now();
    stage.installation.allow_removals().await;
    let mut rng = StdRng::seed_from_u64(plan.seed);
    load.begin(rng.random());
    let faults = choose(&mut rng, stage, plan.patient);
    println!("soak: epoch {} (seed {}): {faults:?}", plan.number, plan.seed);
    let end = Instant::now() + plan.load;
    let injected = faults.iter().map(|fault| inject(stage, *fault, rng.random(), end)).collect::<Vec<_>>();
    let ((), times) = tokio::join!(load.run(stage, plan.rate, end), join_all(injected));
    let faults = faults.into_iter().zip(times).map(|(fault, (from, to))| (fault, from, to)).collect();
    if !plan.patient || plan.number % 2 == 1 {
        load.repair(stage).await;
    }
    finish(stage, load, carried, plan, begun, faults).await
}

async fn finish(
    stage: &Stage,
    load: &mut Load,
    carried: &mut Carried,
    plan: Plan,
    begun: Instant,
    faults: Vec<(Fault, Instant, Instant)>,
) -> Outcome {
    let ended = Instant::now();
    let mut wrong = Vec::new();
    // I4: everything becomes equal. A failure here ends the soak, because nothing can follow.
    let reader = Reader::default();
    eventually_every(Duration::from_millis(500), RECOVERY, "everything equals the model", async || {
        stage.assert_alive().await;
        load.compare(stage, &reader).await
    })
    .await;
    let recovery = ended.elapsed();
    let (restarted, noise) = rest(stage, plan).await;
    wrong.extend(noise);
    let tasks = tasks(stage).await;

    // The witness reads everything since the last epoch.
    let sequence = stage.installation.recorder.sequence().clone();
    let exchanges = stage.installation.recorder.exchanges();
    let files = stage.turn();
    stage.installation.recorder.clear();
    let directories_since = directories(&files, plan.number, sequence.now());
    let history = History { files, exchanges, directories_since };
    let base = carried.base.clone();
    let (findings, next, history) = tokio::task::spawn_blocking(move || {
        let (findings, next) = check_from(&history, &base);
        (findings, next, history)
    })
    .await
    .expect("the witness does not panic");
    carried.base = Arc::new(next);
    wrong.extend(findings.violations.iter().filter(|violation| !is_ours(violation)).map(|violation| {
        format!("{violation:?}\n{}", super::super::evidence::story(&history, &violation.subject))
    }));

    let (log, log_end) = stage.log_from(carried.log);
    carried.log = log_end;
    let samples = stage.take_samples();
    let lines = log.lines().count();
    wrong.extend(bounded(&samples, lines, begun.elapsed()));
    wrong.extend(leaks(stage, &log).await);
    wrong.extend(log.lines().filter(|line| line.contains("panicked")).map(str::to_owned));
    let mut outcome = Outcome {
        number: plan.number,
        begun,
        counts: load.counts,
        objects: load.size(),
        recovery,
        restarted,
        ready: Latencies::default(),
        everywhere: Latencies::default(),
        healthy: Latencies::default(),
        backlog: Vec::new(),
        tasks,
        lines,
        findings,
        wrong,
        samples,
        faults,
    };
    measure(&mut outcome, stage, load, &history.exchanges);
    // I6: where nothing but satellites failed, the others have no reason to wait.
    let only_satellites = outcome.faults.iter().all(|(fault, _, _)| fault.satellite().is_some());
    if !outcome.faults.is_empty() && only_satellites && outcome.healthy.at(0.99) > MOST_SECONDS {
        outcome.wrong.push(format!("{:.1} s from Ready to a healthy satellite", outcome.healthy.at(0.99)));
    }
    outcome
}

/// Returns the place from which the closure of the volume is checked: after the scan at the start
/// of an epoch, and in the first not at all.
fn directories(files: &[FileEvent], epoch: usize, now: u64) -> u64 {
    use crate::support::FileEventKind::Found;
    match epoch {
        0 => now,
        _ => files.iter().take_while(|event| matches!(event.kind, Found(_))).last().map_or(0, |e| e.seq),
    }
}

/// True for what the soak itself did to the files of decoys.
fn is_ours(violation: &Violation) -> bool {
    let ours = |namespace: &str| {
        violation.subject == decoy(namespace) || violation.subject == format!("{namespace}/{ALIEN}")
    };
    let rules = [Rule::WrittenInPlace, Rule::ReadyWithoutFile, Rule::VolumeOpenSet];
    rules.contains(&violation.rule) && NAMESPACES.iter().any(|namespace| ours(namespace))
}

/// I4 and I8: waits until nothing is written any more. Then nothing is, also by a process that has
/// just started. Returns what was written all the same.
async fn rest(stage: &Stage, plan: Plan) -> (bool, Vec<String>) {
    let recorder = &stage.installation.recorder;
    let is_write = |e: &Exchange| e.is_mutating() && !e.path.contains("/leases/");
    let mut last = (recorder.count(is_write), stage.file_events(), Instant::now());
    eventually_every(Duration::from_millis(200), RECOVERY, "nothing is written any more", async || {
        let now = (recorder.count(is_write), stage.file_events());
        if now != (last.0, last.1) {
            last = (now.0, now.1, Instant::now());
        }
        if last.2.elapsed() > SETTLED { Ok(()) } else { Err(format!("{now:?} writes and file events")) }
    })
    .await;
    let mark = recorder.sequence().now();
    let restarts = plan.number % 3 == 1;
    if restarts {
        let operator = stage.operator.lock().await.take().expect("an operator");
        if plan.number.is_multiple_of(2) {
            operator.kill();
        } else {
            operator.terminate(Duration::from_secs(20)).await;
        }
        stage.begin().await;
        stage.ready().await;
    }
    tokio::time::sleep(SILENCE).await;
    let writes = recorder.matching(|e| e.seq_start > mark && is_write(e));
    let noise = writes.iter().map(|write| {
        let body = String::from_utf8_lossy(&write.request_body).chars().take(600).collect::<String>();
        format!(
            "written at rest (restarted: {restarts}): {} {} {}: {body}",
            write.server, write.method, write.path
        )
    });
    let mut noise: Vec<_> = noise.collect();
    if stage.file_events() != last.1 {
        noise.push(format!(
            "{} events of files at rest (restarted: {restarts})",
            stage.file_events() - last.1
        ));
    }
    (restarts, noise)
}

async fn tasks(stage: &Stage) -> usize {
    let operator = stage.operator.lock().await;
    let metrics = operator.as_ref().expect("an operator").metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("groundlink_tasks "));
    line.and_then(|value| value.parse().ok()).expect("the number of tasks")
}

/// I9: no ceiling was reached.
fn bounded(samples: &[Sample], lines: usize, took: Duration) -> Vec<String> {
    let mut wrong = Vec::new();
    let most = |of: fn(&Sample) -> f64| samples.iter().map(of).fold(0.0, f64::max);
    let figures = [
        ("MiB", most(|sample| sample.rss_mib), MOST_MIB),
        ("descriptors", most(|sample| sample.descriptors as f64), MOST_DESCRIPTORS as f64),
        ("threads", most(|sample| sample.threads as f64), MOST_THREADS as f64),
        ("lines a minute", lines as f64 * 60.0 / took.as_secs_f64().max(60.0), MOST_LINES as f64),
    ];
    for (what, found, ceiling) in figures {
        if found > ceiling {
            wrong.push(format!("{found:.0} {what}, more than {ceiling}"));
        }
    }
    wrong
}

/// I10: returns where a secret appeared.
async fn leaks(stage: &Stage, log: &str) -> Vec<String> {
    let metrics = stage.operator.lock().await.as_ref().expect("an operator").metrics().await;
    let satellites = stage.installation.satellites().list(&kube::api::ListParams::default()).await;
    let statuses = satellites.map(|list| serde_json::to_string(&list.items).unwrap_or_default());
    let texts =
        [("the log", log.to_owned()), ("metrics", metrics), ("statuses", statuses.unwrap_or_default())];
    let leaked = texts.iter().filter(|(_, text)| stage.is_leak(text));
    leaked.map(|(name, _)| format!("a secret is in {name}")).collect()
}

/// Computes latencies and backlog from the history.
fn measure(outcome: &mut Outcome, stage: &Stage, load: &Load, exchanges: &[Exchange]) {
    let mut statuses: HashMap<String, Vec<(i64, String, Instant)>> = HashMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.is_acknowledged()) {
        let Some((key, write)) = status_write(exchange) else { continue };
        if let (true, Some(digest), Some(at)) = (write.ready, write.digest, exchange.answered) {
            statuses.entry(key).or_default().push((write.generation, digest, at));
        }
    }
    let mut arrivals: HashMap<(&str, &str), BTreeMap<&str, Instant>> = HashMap::new();
    for arrival in &outcome.findings.arrivals {
        let by = arrivals.entry((&arrival.key, &arrival.digest)).or_default();
        by.insert(&arrival.satellite, arrival.at);
    }
    let hit: Vec<_> = outcome
        .faults
        .iter()
        .filter_map(|(fault, _, _)| fault.satellite().map(|at| stage.places[at].satellite.as_str()))
        .collect();
    let (mut ready, mut everywhere, mut healthy, mut done) = (vec![], vec![], vec![], vec![]);
    for (index, operation) in &load.operations {
        let is_it = |(generation, _, at): &&(i64, String, Instant)| {
            *generation >= operation.generation && *at >= operation.at
        };
        // Its Ready may be older than the answer that the load got.
        let found = statuses.get(&operation.key).and_then(|all| {
            all.iter()
                .find(is_it)
                .or(all.iter().rfind(|(generation, ..)| *generation >= operation.generation))
        });
        let Some((_, digest, at)) = found.filter(|_| load.is_visible(*index)) else { continue };
        ready.push(at.saturating_duration_since(operation.at).as_secs_f64());
        let Some(by) = arrivals.get(&(operation.key.as_str(), digest.as_str())) else { continue };
        if let Some(last) = by.values().max().filter(|_| by.len() == stage.places.len()) {
            everywhere.push(last.saturating_duration_since(operation.at).as_secs_f64());
            done.push((operation.at, *last));
        }
        let well = by.iter().filter(|(satellite, _)| !hit.contains(*satellite));
        healthy.extend(well.map(|(_, arrived)| arrived.saturating_duration_since(*at).as_secs_f64()));
    }
    let open =
        |sample: &Sample| done.iter().filter(|(from, to)| *from <= sample.at && sample.at < *to).count();
    outcome.backlog = outcome.samples.iter().map(open).collect();
    outcome.ready = Latencies::of(ready);
    outcome.everywhere = Latencies::of(everywhere);
    outcome.healthy = Latencies::of(healthy);
}
