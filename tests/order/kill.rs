//! The random load while the operator is killed 30 times, then a restart with nothing to do.

use super::evidence::{Header, History, key_of_path};
use super::load::{Load, NAMESPACES, marker_of};
use super::witness::check;
use crate::support::{
    Content, Exchange, FileEvent, FileEventKind, GENEROUS, Installation, Operator, Sequence, VolumeWatch,
    condition_of, digest, eventually,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME, seed};
use futures::StreamExt;
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject};
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const OPERATIONS: usize = 300;
const KILLS: usize = 30;
const SATELLITES: [&str; 2] = ["sat-a", "sat-b"];
/// How long a restart with nothing to do is watched after both satellites acknowledged.
const QUIET: Duration = Duration::from_secs(4);
/// The hub counts as settled after this long without a change. The status of a SatelliteCluster is
/// written at most once a second.
const SETTLED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn thirty_kills_lose_nothing_and_a_restart_writes_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let seed = seed("kill");
    let installation = Arc::new(Installation::start(&SATELLITES).await);
    let sequence = installation.recorder.sequence().clone();
    let watch = Arc::new(VolumeWatch::start(installation.volume(), &sequence));
    installation.recorder.before_each_request(watch.flusher());
    let mut operator = installation.operator(GROUNDLINK).await;
    installation.allow_removals().await;
    let mut load = Load::new(seed);
    load.prepare(&installation).await;
    let directories = sequence.now();
    let reader = Reader::start(installation.volume());
    let observations = Arc::new(Mutex::new(Vec::new()));
    let observer =
        tokio::spawn(observe(installation.clone(), watch.clone(), sequence.clone(), observations.clone()));

    let killed = Arc::new(AtomicBool::new(false));
    let working = tokio::spawn({
        let (installation, killed) = (installation.clone(), killed.clone());
        async move {
            let mut steps = 0;
            // At least the whole load, and until the last kill.
            while steps < OPERATIONS || !killed.load(Ordering::SeqCst) {
                load.step(&installation).await;
                steps += 1;
                tokio::time::sleep(load.pause(0..60)).await;
            }
            load
        }
    });
    let mut rng = StdRng::seed_from_u64(seed ^ 2);
    let started = Instant::now();
    let mut working_when_killed = 0;
    for _ in 0..KILLS {
        // Kill some processes soon after their start, others soon after their recovery.
        if rng.random_bool(0.6) {
            operator.wait_for_log("\"recovered\"", GENEROUS).await;
            working_when_killed += 1;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(20..400))).await;
        operator.kill();
        operator = installation.operator_builder(GROUNDLINK).await.spawn();
    }
    let took = started.elapsed();
    killed.store(true, Ordering::SeqCst);
    let load = working.await.unwrap();
    let history = || History::take(&installation.recorder, &watch, directories);
    load.settled(&installation, &SATELLITES, history).await;
    let [created, changed, deleted] = load.operations;
    println!(
        "kill: {KILLS} kills in {took:.1?} ({working_when_killed} after it had recovered) during {created} creates, \
         {changed} changes, {deleted} deletes; then hub, volume and both satellites equal the model, {} resources",
        load.size().0
    );
    observer.abort();
    // Do not lose a failed assertion of the observer.
    if let Err(end) = observer.await
        && end.is_panic()
    {
        resume_unwind(end.into_panic());
    }
    judge_observations(&observations.lock().unwrap(), &watch);
    reader.finish(&watch);
    let history = history();
    check(&history).assert_clean("kill", &history);

    restart_writes_nothing("kill", &installation, &SATELLITES, &watch, operator, GROUNDLINK).await;
}

/// R7: a restart by SIGTERM with nothing changed causes no file event and no write but that of the
/// Lease. Returns the operator that `program` then is.
pub async fn restart_writes_nothing(
    test: &str,
    installation: &Installation,
    satellites: &[&str],
    watch: &VolumeWatch,
    operator: Operator,
    program: &str,
) -> Operator {
    // The status of a SatelliteCluster is up to two seconds late. A late one would be written after
    // the start.
    eventually(GENEROUS, "every SatelliteCluster reports its satellite's digest", async || {
        for satellite in satellites {
            let object = installation.satellites().get_status(satellite).await.map_err(|e| e.to_string())?;
            let status = object.status.ok_or("no status")?;
            let pointer = installation.pointer(satellite).await.ok_or("no pointer")?;
            let digest = &pointer.metadata.annotations.unwrap_or_default()["groundlink.dev/digest"];
            let is_true = |kind| {
                status.conditions.iter().any(|c| c.r#type == kind && c.status == ConditionStatus::True)
            };
            let reported =
                [&status.desired, &status.acked].map(|mark| mark.as_ref().map(|mark| mark.digest.clone()));
            if reported != [Some(digest.clone()), Some(digest.clone())] || !is_true(ConditionType::Synced) {
                return Err(format!("{satellite}: {status:?}"));
            }
        }
        Ok(())
    })
    .await;
    statuses_settle(installation).await;
    let status = operator.terminate(Duration::from_secs(20)).await;
    assert!(status.success(), "{status}: {}", operator.log_text());
    watch.flush();
    let before = installation.recorder.sequence().now();
    let operator = installation.operator(program).await;
    eventually(GENEROUS, "every satellite acknowledges the first snapshot", async || {
        let metrics = operator.metrics().await;
        let acknowledged = |satellite: &&str| {
            let line = format!("groundlink_satellite_acknowledgements_total{{satellite=\"{satellite}\"}}");
            metrics.lines().any(|found| found.starts_with(&line))
        };
        let cut = !metrics.lines().any(|line| line == "groundlink_snapshot_counter 0");
        if cut && satellites.iter().all(acknowledged) { Ok(()) } else { Err(metrics) }
    })
    .await;
    // Only waiting shows that nothing follows.
    tokio::time::sleep(QUIET).await;
    let files: Vec<_> = watch.history().into_iter().filter(|event| event.seq > before).collect();
    let since = |exchange: &Exchange| exchange.seq_start > before;
    let writes = installation.recorder.matching(|exchange| since(exchange) && exchange.is_mutating());
    let (leases, others): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|exchange| exchange.path.contains("/leases"));
    let reads = installation.recorder.count(|exchange| since(exchange) && !exchange.is_mutating());
    println!(
        "{test}: restart with nothing changed: {} file events, {} writes beside {} of the Lease, {reads} reads",
        files.len(),
        others.len(),
        leases.len()
    );
    let others: Vec<_> = others
        .iter()
        .map(|e| format!("{} {} {}", e.method, e.path, String::from_utf8_lossy(&e.request_body)))
        .collect();
    assert!(files.is_empty(), "{files:#?}");
    assert!(others.is_empty(), "{others:#?}");
    assert!(!leases.is_empty() && reads > 0, "the proxies recorded nothing of the restart");
    operator
}

/// Waits until no status write is due: SIGTERM would postpone it to the next start.
async fn statuses_settle(installation: &Installation) {
    let objects = Api::<MonitoringObject>::all(installation.hub.clone());
    let mut before = Vec::new();
    let mut since = Instant::now();
    eventually(GENEROUS, "no object on the hub changes any more", async || {
        let objects = objects.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let satellites = installation.satellites().list(&ListParams::default()).await;
        let satellites = satellites.map_err(|error| error.to_string())?;
        let versions = objects.iter().map(|object| (object.uid(), object.resource_version()));
        let of_satellites = satellites.iter().map(|object| (object.uid(), object.resource_version()));
        let now: Vec<_> = versions.chain(of_satellites).collect();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        if since.elapsed() >= SETTLED { Ok(()) } else { Err(format!("changed {:?} ago", since.elapsed())) }
    })
    .await;
}

/// Reads every published file in a loop, like an Icinga that may reload at any moment.
struct Reader {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(usize, Seen)>,
}

/// Text by key and digest.
type Seen = BTreeMap<(String, String), String>;

impl Reader {
    fn start(volume: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, objects) = (stop.clone(), volume.join("objects.d"));
        let run = move || {
            let (mut reads, mut seen) = (0, BTreeMap::new());
            while !stopped.load(Ordering::SeqCst) {
                for (path, key) in published_files(&objects) {
                    // Removed after the directory was listed: that is no half file.
                    let Ok(bytes) = std::fs::read(&path) else { continue };
                    let text = String::from_utf8(bytes).expect("a published file is UTF-8");
                    assert!(Header::read(&text).is_some(), "{key} is not complete:\n{text}");
                    reads += 1;
                    seen.insert((key, digest(text.as_bytes())), text);
                }
                // The reader must not be a load of its own.
                std::thread::sleep(Duration::from_millis(5));
            }
            (reads, seen)
        };
        Self { stop, thread: std::thread::Builder::new().name("reader".into()).spawn(run).unwrap() }
    }

    /// Checks that every content that was read was renamed into place.
    fn finish(self, watch: &VolumeWatch) {
        self.stop.store(true, Ordering::SeqCst);
        let (reads, seen) = self.thread.join().expect("every file that was read is complete");
        let history = watch.history();
        let renamed: BTreeSet<(String, String)> = history
            .iter()
            .filter_map(|event| Some((key_of_path(&event.path)?, event.content()?.digest.clone())))
            .collect();
        let hidden: BTreeSet<String> = history
            .iter()
            .filter(|event| event.superseded)
            .filter_map(|event| key_of_path(&event.path))
            .collect();
        let strange: Vec<_> =
            seen.iter().filter(|(at, _)| !renamed.contains(*at) && !hidden.contains(&at.0)).collect();
        assert!(strange.is_empty(), "contents that were read but never renamed into place: {strange:#?}");
        assert!(reads > 1000, "the reader hardly ran: {reads}");
        println!(
            "kill: {reads} reads of {} different contents, every one complete and renamed into place",
            seen.len()
        );
    }
}

fn published_files(objects: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for namespace in NAMESPACES {
        for entry in std::fs::read_dir(objects.join(namespace)).into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().expect("UTF-8");
            let name = name.strip_suffix(".conf").unwrap_or_else(|| panic!("{name} is below objects.d"));
            found.push((entry.path(), format!("{namespace}/{name}")));
        }
    }
    found
}

/// A Ready=True that another client of the hub saw, and the file on the volume at that moment.
struct Observation {
    key: String,
    digest: String,
    /// The file was read before this place in the order, but after every event with a lower number.
    seq: u64,
    on_disk: Option<String>,
}

async fn observe(
    installation: Arc<Installation>,
    watch: Arc<VolumeWatch>,
    sequence: Sequence,
    observations: Arc<Mutex<Vec<Observation>>>,
) {
    let api = Api::<MonitoringObject>::all(installation.hub.clone());
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    while let Some(event) = events.next().await {
        let (Ok(watcher::Event::Apply(object)) | Ok(watcher::Event::InitApply(object))) = event else {
            continue;
        };
        let is_ready = condition_of(&object, ConditionType::Ready)
            .is_some_and(|(status, _, _)| status == ConditionStatus::True);
        let Some(status) = object.status.as_ref().filter(|_| is_ready) else { continue };
        let path = status.path.clone().expect("Ready has a path");
        let on_disk = std::fs::read_to_string(installation.volume().join(&path)).ok();
        watch.flush();
        observations.lock().unwrap().push(Observation {
            key: format!("{}/{}", object.namespace().unwrap(), object.name_any()),
            digest: status.published_digest.clone().expect("Ready has a digest"),
            seq: sequence.next(),
            on_disk,
        });
    }
}

/// True if the bytes had been in place, and were replaced by newer ones or removed.
fn has_moved_on(observation: &Observation, earlier: &[&FileEvent]) -> bool {
    // The first match: the file may have been absent at the read, and the same bytes back since.
    let at = earlier
        .iter()
        .position(|event| event.content().is_some_and(|content| content.digest == observation.digest));
    let has_moved = at.is_some_and(|at| {
        let marker = earlier[at].content().and_then(|c| marker_of(&String::from_utf8_lossy(&c.bytes)));
        match &observation.on_disk {
            Some(text) => marker_of(text) > marker,
            None => earlier[at + 1..].iter().any(|event| event.kind == FileEventKind::Deleted),
        }
    });
    has_moved || earlier.iter().any(|event| event.superseded)
}

#[test]
fn only_a_removal_or_newer_bytes_excuse_an_observation() {
    let text = |version: u64| format!("display_name = \"v{version}\"");
    let event = |seq, kind| {
        let path = "objects.d/team-a/web.conf".to_owned();
        FileEvent { seq, at: Instant::now(), path, kind, superseded: false }
    };
    let renamed = |seq, version| {
        let (digest, bytes) = (digest(text(version).as_bytes()), text(version).into());
        event(seq, FileEventKind::Renamed(Some(Content { digest, bytes })))
    };
    let seen = |version, on_disk: Option<u64>| Observation {
        key: "team-a/web".into(),
        digest: digest(text(version).as_bytes()),
        seq: 9,
        on_disk: on_disk.map(text),
    };
    let deleted = |seq| event(seq, FileEventKind::Deleted);
    for (observation, events, wanted) in [
        (seen(1, None), vec![renamed(1, 1), deleted(2), renamed(3, 1)], true),
        (seen(1, None), vec![renamed(1, 1), deleted(2)], true),
        (seen(1, None), vec![deleted(1), renamed(2, 1)], false),
        (seen(1, None), vec![], false),
        (seen(1, Some(2)), vec![renamed(1, 1), renamed(2, 2)], true),
        (seen(2, Some(1)), vec![renamed(1, 1), renamed(2, 2)], false),
    ] {
        let earlier: Vec<_> = events.iter().collect();
        assert_eq!(has_moved_on(&observation, &earlier), wanted, "{:?} {earlier:?}", observation.on_disk);
    }
}

/// Checks I2 for each observed Ready=True. The volume held these bytes, or had held them before
/// newer bytes or a removal. It held neither older bytes nor none at all.
fn judge_observations(observations: &[Observation], watch: &VolumeWatch) {
    let mut contents: BTreeMap<String, Vec<FileEvent>> = BTreeMap::new();
    for event in watch.history() {
        if let Some(key) = key_of_path(&event.path) {
            contents.entry(key).or_default().push(event);
        }
    }
    let (mut same, mut moved, mut wrong) = (0, 0, Vec::new());
    for observation in observations {
        if observation.on_disk.as_deref().is_some_and(|text| digest(text.as_bytes()) == observation.digest) {
            same += 1;
            continue;
        }
        let of_key = contents.get(&observation.key).into_iter().flatten();
        let earlier: Vec<_> = of_key.filter(|event| event.seq < observation.seq).collect();
        if has_moved_on(observation, &earlier) {
            moved += 1;
        } else {
            wrong.push(format!(
                "{} at {}: {} and {:?}",
                observation.key, observation.seq, observation.digest, observation.on_disk
            ));
        }
    }
    println!(
        "kill: another client of the hub saw Ready=True {} times: {same} with these bytes on the volume, {moved} \
         after they had been replaced or removed",
        observations.len()
    );
    assert!(wrong.is_empty(), "Ready without the bytes on the volume: {wrong:#?}");
    assert!(same > 0, "the observer saw nothing");
}
