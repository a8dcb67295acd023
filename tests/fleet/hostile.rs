//! Hostile satellites of every kind next to three good ones, under a steady load. They do not delay
//! the good ones, cost the operator little, and each reports its reason. No credential is exposed.

use super::stage::{LONG, TEAM, all_ready, equal, says, volume_holds};
use crate::support::reader::{mentions, published};
use crate::support::{
    ApiServer, Hostile, Installation, Manner, Operator, PeakUsage, Proxy, Reader, bulk_host, change_all,
    create_all, eventually_every,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use groundlink::api::{ConditionStatus, ConditionType, SatelliteCluster};
use http::Method;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const OBJECTS: usize = 600;
const NOTES: usize = 1200;
/// The object that is changed to measure the time of a delivery.
const PROBE: &str = "team-a.o00200.conf";
/// Changes per measurement, which takes the median and the slowest.
const ROUNDS: usize = 7;
const CANARY: &str = "canary-7f3a91";
/// Longest time until a good satellite has a change, with all hostile ones on the same machine.
const STEADY: Duration = Duration::from_secs(60);
/// Among hostile satellites the median may triple and the slowest change take five times as long,
/// plus this much. A change that waited for a hostile satellite would wait for a deadline of some
/// seconds.
const BESIDE: Duration = Duration::from_secs(2);
/// Longest message of a condition, in bytes.
const MESSAGE_MAX: usize = 1024;
/// Tasks per satellite: its actor, the writer of its status, its watch, and its connections.
const TASKS: u64 = 10;
/// Memory of the operator, in KiB, that all hostile satellites together may add.
const MEMORY: u64 = 64 * 1024;

type Case = (&'static str, Manner, ConditionType, &'static [&'static str]);

/// Returns name, manner, and the condition that must be False with one of the given reasons.
fn cases(elsewhere: &Hostile) -> Vec<Case> {
    use ConditionType::{CredentialsValid, Ready};
    const SILENT: &[&str] = &["Unreachable"];
    const NO_TLS: &[&str] = &["Unreachable", "TLSError"];
    let refuses = |code, reason| Manner::Refuses(code, reason, "");
    vec![
        ("black-hole", Manner::BlackHole, Ready, SILENT),
        ("no-handshake", Manner::NoHandshake, Ready, NO_TLS),
        ("handshake-stall", Manner::HandshakeStall, Ready, NO_TLS),
        ("no-tls", Manner::NoTls, Ready, NO_TLS),
        ("never-answers", Manner::NeverAnswers, Ready, SILENT),
        ("head-only", Manner::HeadOnly, Ready, SILENT),
        ("one-byte", Manner::OneByteASecond, Ready, SILENT),
        ("says-401", refuses(401, "Unauthorized"), CredentialsValid, &["Unauthorized"]),
        ("says-403", refuses(403, "Forbidden"), Ready, &["Forbidden"]),
        ("says-413", refuses(413, "RequestEntityTooLarge"), Ready, &["TooLarge"]),
        ("says-422", refuses(422, "Invalid"), Ready, &["Rejected"]),
        (
            "says-429",
            Manner::Refuses(429, "TooManyRequests", "Retry-After: 3600\r\n"),
            Ready,
            &["Unreachable", "Throttled", "TooManyRequests"],
        ),
        ("says-500", refuses(500, "InternalError"), Ready, SILENT),
        ("quotes-token", Manner::QuotesTheToken, Ready, &["Forbidden"]),
        ("redirects", Manner::Redirects(elsewhere.url()), Ready, &["Unreachable", "Rejected"]),
        ("garbage", Manner::Garbage, Ready, SILENT),
        ("html", Manner::Html, Ready, &["Unreachable", "Rejected"]),
        ("huge-body", Manner::HugeBody, Ready, &["Unreachable", "Rejected", "TooLarge"]),
        ("gzip-bomb", Manner::GzipBomb, Ready, &["Unreachable", "Rejected", "TooLarge"]),
    ]
}

fn token(name: &str) -> String {
    format!("{CANARY}-{name}")
}

/// Changes an object four times a second until `stop` is set. Returns the number of changes.
async fn load(hub: kube::Client, stop: Arc<AtomicBool>) -> usize {
    let mut version = 2;
    while !stop.load(Ordering::SeqCst) {
        let number = version % 100;
        change_all(&hub, TEAM, number..number + 1, |number| bulk_host(number, version, NOTES)).await;
        version += 1;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    version - 2
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_satellites_delay_no_good_one_and_report_their_problem() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut installation = Installation::start(&[]).await;
    let good = installation.join_fleet(&["good"], 4, json!({})).await;
    // The fourth satellite is real, behind a counting proxy, and up for one second in six.
    let (good, flapping) = (&good[..3], &good[3]);
    let server = installation.plane.server("good");
    let (reader, volume) = (Reader::default(), installation.volume().to_path_buf());
    installation.change_satellite(&flapping.satellite, json!({ "suspend": true })).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    create_all(&installation.hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    let files = volume_holds(&volume, OBJECTS, OBJECTS, |_| true).await;
    for place in good {
        equal(place, &reader, &files, LONG).await;
    }
    println!("hostile: the three good satellites hold {} files", files.len());
    let stop = Arc::new(AtomicBool::new(false));
    let loading = tokio::spawn(load(installation.hub.clone(), stop.clone()));
    let before = PeakUsage::start(operator.pid());
    let calm = steady(&installation, good, ROUNDS).await;
    println!("hostile: before: {calm:.1?}");
    let before = before.finish();
    let tasks = tasks_of(&operator).await;

    let elsewhere = Hostile::start(Manner::NeverAnswers, &server.cert_and_key());
    let cases = cases(&elsewhere);
    let peak = PeakUsage::start(operator.pid());
    let flaps = flap(&installation, &server, &flapping.satellite).await;
    let mut hostile = BTreeMap::new();
    for (name, manner, ..) in &cases {
        let one = Hostile::start(manner.clone(), &server.cert_and_key());
        installation.register_at(name, &server, &one.url(), &token(name), json!({})).await;
        hostile.insert(*name, one);
    }
    println!("hostile: {} hostile satellites are registered", cases.len());
    let during = steady(&installation, good, ROUNDS).await;
    println!(
        "hostile: a change on all three good ones: {calm:.1?} alone, {during:.1?} among {} hostile ones",
        cases.len()
    );
    let mut excess = Vec::new();
    for (name, _, kind, reasons) in &cases {
        let said = says(&installation, name, *kind, ConditionStatus::False, reasons).await;
        let one = &hostile[name];
        println!(
            "hostile: {name}: {:?} {:?}; {} connections ({} at once), {} requests",
            said.reason,
            said.message,
            one.connections(),
            one.peak(),
            one.requests()
        );
        // Check every satellite before one of them fails the test.
        if one.peak() > 6 || one.connections() > 80 || one.requests() > 120 {
            let counts = (one.connections(), one.peak(), one.requests());
            excess.push(format!("{name}: {counts:?} connections, at once, requests"));
        }
    }
    let tasks_during = tasks_of(&operator).await;
    // By now every backoff has left its first steps, so this cost is permanent.
    let later = steady(&installation, good, ROUNDS).await;
    stop.store(true, Ordering::SeqCst);
    let changes = loading.await.unwrap();
    for beside in [&during, &later] {
        let is_usual = beside.usual <= calm.usual * 3 + BESIDE;
        let is_bounded = beside.slowest <= calm.slowest * 5 + BESIDE;
        assert!(is_usual && is_bounded, "a change takes {calm:.1?} alone, {beside:.1?} among hostile ones");
    }
    all_ready(&installation, OBJECTS).await;
    let files = published(&volume);
    for place in good {
        equal(place, &reader, &files, STEADY).await;
        installation.satellite_in_sync(&place.satellite, LONG).await;
    }
    let peak = peak.finish();
    println!("hostile: {changes} changes, at the end {later:.1?}; {before:?} before, then {peak:?}");
    assert!(peak.rss_kib <= before.rss_kib + MEMORY, "{before:?}, then {peak:?}");
    assert!(peak.threads <= before.threads + 16, "{before:?}, then {peak:?}");
    assert!(peak.sockets <= before.sockets + 6 * (cases.len() as u64 + 1), "{before:?}, then {peak:?}");
    let tasks_later = tasks_of(&operator).await;
    println!("hostile: {tasks} tasks before, {tasks_during} with all satellites, {tasks_later} at the end");
    assert!(tasks_during.max(tasks_later) <= tasks + TASKS * (cases.len() as u64 + 1));
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");

    conditions_are_clean(&installation).await;
    no_token_is_exposed(&installation, &operator).await;
    let started = Instant::now();
    let held = equal(flapping, &reader, &files, LONG * 2).await;
    println!(
        "hostile: the flapping satellite is equal {:.1?} after the load, {} shards",
        started.elapsed(),
        held.shards.len()
    );
    drop(flaps);
    assert!(operator.exit_status().is_none());
    assert!(excess.is_empty(), "too many requests or connections: {excess:#?}");
}

async fn tasks_of(operator: &Operator) -> u64 {
    let text = operator.metrics().await;
    text.lines().find_map(|line| line.strip_prefix("groundlink_tasks ")).unwrap().parse().unwrap()
}

/// Puts the flapping server in front of the proxy of a real one, and resumes the satellite.
async fn flap(installation: &Installation, server: &ApiServer, satellite: &str) -> (Hostile, Proxy) {
    let proxy = Proxy::start(server, &installation.recorder);
    let port = proxy.url().rsplit(':').next().unwrap().parse().unwrap();
    let hostile = Hostile::start(Manner::Flapping(port), &server.cert_and_key());
    let token = server.service_account_token(satellite, "groundlink").await;
    installation.set_secret(satellite, &server.kubeconfig_for(&hostile.url(), &token)).await;
    installation.change_satellite(satellite, json!({ "suspend": false })).await;
    (hostile, proxy)
}

/// Times from a change until all good satellites held it.
#[derive(Debug)]
struct Took {
    /// The median.
    usual: Duration,
    slowest: Duration,
}

/// Makes this many changes, one after another.
async fn steady(installation: &Installation, good: &[crate::support::Place], rounds: usize) -> Took {
    let mut times = Vec::new();
    for _ in 0..rounds {
        // Versions that the load does not use.
        let version: usize = rand::random_range(1_000_000..2_000_000);
        let marker = format!("version {version};");
        let started = Instant::now();
        change_all(&installation.hub, TEAM, 200..201, |number| bulk_host(number, version, NOTES)).await;
        for place in good {
            let what = format!("{} holds {marker:?}", place.satellite);
            eventually_every(Duration::from_millis(200), STEADY, &what, async || {
                // Unpacking the whole set each time would be a load of its own. It is verified at
                // the end.
                match mentions(&place.maps().await?, &place.pointer, &marker)? {
                    true => Ok(()),
                    false => Err(where_it_is(installation, &marker).to_owned()),
                }
            })
            .await;
        }
        let took = started.elapsed();
        println!("hostile: {marker} is on all good satellites after {took:.1?}");
        times.push(took);
    }
    times.sort();
    Took { usual: times[rounds / 2], slowest: times[rounds - 1] }
}

/// Says whether the change is on the volume, for the message of a failure.
fn where_it_is(installation: &Installation, marker: &str) -> &'static str {
    match published(installation.volume()).get(PROBE) {
        Some(bytes) if String::from_utf8_lossy(bytes).contains(marker) => "the volume has it",
        _ => "not even the volume has it",
    }
}

async fn all_satellites(installation: &Installation) -> Vec<SatelliteCluster> {
    installation.satellites().list(&ListParams::default()).await.unwrap().items
}

async fn conditions_are_clean(installation: &Installation) {
    for object in all_satellites(installation).await {
        for condition in object.status.clone().unwrap_or_default().conditions {
            let (name, kind, message) = (object.name_any(), condition.r#type, &condition.message);
            assert!(message.len() <= MESSAGE_MAX + 4, "{name} {kind:?}: {} bytes", message.len());
            assert!(!message.chars().any(char::is_control), "{name} {kind:?}: {message:?}");
        }
    }
}

/// Checks the log, the metrics, the statuses, and every write of the operator to the hub.
async fn no_token_is_exposed(installation: &Installation, operator: &Operator) {
    let log = operator.log_text();
    let mut exposed = BTreeSet::new();
    exposed.extend(log.lines().filter(|line| line.contains(CANARY)).map(|line| format!("log: {line}")));
    assert!(
        log.lines().all(|line| !line.chars().any(|c| c.is_control() && c != '\t')),
        "control characters in the log"
    );
    if operator.metrics().await.contains(CANARY) {
        exposed.insert("metrics".to_owned());
    }
    for object in all_satellites(installation).await {
        let status = serde_json::to_string(&object.status).unwrap();
        if status.contains(CANARY) {
            exposed.insert(format!("status of {}: {status}", object.name_any()));
        }
    }
    let is_write = |e: &crate::support::Exchange| e.server == "hub" && e.method != Method::GET;
    for write in installation.recorder.matching(is_write) {
        if crate::support::carries(&write, CANARY) {
            exposed.insert(format!("{} {}", write.method, write.path));
        }
    }
    assert!(exposed.is_empty(), "a credential was exposed: {exposed:#?}");
}
