//! The operator is killed at every write of each kind of delivery. The pointer names a complete set
//! in every state of the store, and the next process writes what is missing and nothing else.

use super::stage::{LONG, TEAM, all_have, all_ready, suspend, volume_holds};
use crate::support::reader::{Delivered, Files, difference};
use crate::support::{
    At, Exchange, Gate, Installation, Operator, Place, Reader, SatelliteWatch, bulk_host, change_all,
    create_all, delete_all, eventually, eventually_every,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME, seed};
use groundlink::api::{ConditionStatus, ConditionType, MonitoringObject};
use http::Method;
use kube::api::{ListParams, Patch, PatchParams};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const SAT: &str = "sat-a";
/// Bytes of notes: a few hundred objects make several shards.
const NOTES: usize = 8000;
/// Interval between two probes for the end of a delivery.
const LOOK: Duration = Duration::from_millis(100);
/// How long a restart with nothing to do is watched after the satellite acknowledged.
const QUIET: Duration = Duration::from_secs(3);

struct Sweep {
    installation: Installation,
    place: Place,
    reader: Reader,
    watch: SatelliteWatch,
    operator: Operator,
    rng: StdRng,
    kills: usize,
}

/// R3: the set is complete at every moment, because the pointer is written last and its shards are
/// kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_write_leaves_a_complete_set_and_nothing_is_written_twice() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let seed = seed("sweep");
    let installation = Installation::start(&[SAT]).await;
    let place = installation.place(SAT).await;
    let reader = Reader::default();
    let watch = SatelliteWatch::start(&place, &reader).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    installation.allow_removals().await;
    let hub = installation.hub.clone();
    let mut sweep =
        Sweep { installation, place, reader, watch, operator, rng: StdRng::seed_from_u64(seed), kills: 0 };

    suspend(&sweep.installation, SAT).await;
    create_all(&hub, TEAM, 0..180, |number| bulk_host(number, 1, NOTES)).await;
    let first = sweep.deliver("first delivery", 180).await;
    assert!(first.layout == "Snapshot" && first.shards.len() >= 4, "{} shards", first.shards.len());

    suspend(&sweep.installation, SAT).await;
    change_all(&hub, TEAM, 0..2, |number| bulk_host(number, 2, NOTES)).await;
    delete_all(&hub, TEAM, 179..180).await;
    let update = sweep.deliver("update", 179).await;
    let touched = update.shards.difference(&first.shards).count();
    let several = 2..first.shards.len();
    assert!(several.contains(&touched) && update.bits == first.bits, "{touched} shards touched");

    // The previous bytes again, so the shards have their previous names.
    suspend(&sweep.installation, SAT).await;
    change_all(&hub, TEAM, 0..2, |number| bulk_host(number, 1, NOTES)).await;
    create_all(&hub, TEAM, 179..180, |number| bulk_host(number, 1, NOTES)).await;
    let reverted = sweep.deliver("reverted", 180).await;
    assert_eq!((&reverted.shards, &reverted.digest), (&first.shards, &first.digest));

    suspend(&sweep.installation, SAT).await;
    create_all(&hub, TEAM, 180..330, |number| bulk_host(number, 1, NOTES)).await;
    let grown = sweep.deliver("growth", 330).await;
    assert!(grown.bits > first.bits, "{} bits after {}", grown.bits, first.bits);

    // Too large for Single, but small enough for fewer buckets.
    suspend(&sweep.installation, SAT).await;
    delete_all(&hub, TEAM, 70..330).await;
    let shrunk = sweep.deliver("shrinking", 70).await;
    assert!(
        shrunk.layout == "Snapshot" && shrunk.bits < grown.bits,
        "{} bits after {}",
        shrunk.bits,
        grown.bits
    );

    suspend(&sweep.installation, SAT).await;
    delete_all(&hub, TEAM, 50..70).await;
    let single = sweep.deliver("Snapshot to Single", 50).await;
    assert_eq!(single.layout, "Single");

    suspend(&sweep.installation, SAT).await;
    create_all(&hub, TEAM, 50..180, |number| bulk_host(number, 3, NOTES)).await;
    let again = sweep.deliver("Single to Snapshot", 180).await;
    assert_eq!(again.layout, "Snapshot");

    let turns = sweep.watch.turns();
    println!("sweep: {} kills, {} states of the pointer, every one complete", sweep.kills, turns.len());
    assert!(sweep.kills >= 20, "{} kills", sweep.kills);

    sweep.restart_writes_nothing(&again, 180).await;
}

impl Sweep {
    /// Delivers the hub's set with a kill at every write. The satellite must be suspended.
    async fn deliver(&mut self, what: &str, objects: usize) -> Delivered {
        all_ready(&self.installation, objects).await;
        let volume = self.installation.volume().to_path_buf();
        let wanted = volume_holds(&volume, objects, objects, |_| true).await;
        let created_before = self.watch.created().len();
        let names_before = self.names().await;
        // The first run is killed before its first write. Each later run gets one write further.
        let mut stop = (1, At::Before);
        let mut kills = 0;
        let delivered = loop {
            let run = self.installation.recorder.sequence().now();
            let existing = self.names().await;
            let proxy = &self.installation.proxies[SAT];
            let gate = Gate::at(proxy, "/configmaps", stop.0, stop.1);
            if kills == 0 {
                // The first run is the process that made the previous delivery.
                self.installation.change_satellite(SAT, json!({ "suspend": false })).await;
            } else {
                self.operator = self.installation.operator_builder(GROUNDLINK).await.spawn();
            }
            let finished = eventually_every(
                LOOK,
                LONG,
                &format!("{what}: the next write, or the end, after {kills} kills"),
                async || {
                    if gate.is_reached(proxy) {
                        return Ok(None);
                    }
                    let finished = self.finished(&wanted).await;
                    // A write may have begun meanwhile.
                    if gate.is_reached(proxy) { Ok(None) } else { finished.map(Some) }
                },
            )
            .await;
            if finished.is_none() {
                self.operator.kill();
                // No request of the dead process may arrive later.
                eventually(LONG, "the proxy notices the kill", async || match proxy.open_connections() {
                    0 => Ok(()),
                    open => Err(format!("{open} connections")),
                })
                .await;
                kills += 1;
            }
            proxy.set_fault(None);
            self.judge_run(what, run, &existing);
            // The set must be complete now.
            match self.place.read(&self.reader).await {
                Err(why) if !why.contains("no pointer") || names_before.contains("groundlink") => {
                    panic!("{what}, after kill {kills} at write {stop:?}: {why}")
                }
                _ => {}
            }
            if let Some(delivered) = finished {
                break delivered;
            }
            stop = if self.rng.random_bool(0.5) { (1, At::After) } else { (2, At::Before) };
        };
        self.watch.assert_clean().await;
        // From a watch, because the proxy does not know the outcome of a request whose caller was
        // killed.
        let created = self.watch.created().split_off(created_before);
        let missing: BTreeSet<&String> = delivered.shards.difference(&names_before).collect();
        let shards: Vec<&String> = created.iter().filter(|name| *name != "groundlink").collect();
        println!(
            "{what}: {kills} kills; {} files in {} shards (bits {}), {} of them new, {} created",
            delivered.files.len(),
            delivered.shards.len(),
            delivered.bits,
            missing.len(),
            shards.len()
        );
        assert_eq!(
            shards.len(),
            missing.len(),
            "{what}: created {created:#?}, but missing were {missing:#?}"
        );
        assert_eq!(shards.into_iter().collect::<BTreeSet<_>>(), missing, "{what}");
        self.kills += kills;
        delivered
    }

    /// Checks that a restart with nothing to do reads every shard, and writes nothing but the
    /// Lease.
    async fn restart_writes_nothing(&mut self, held: &Delivered, objects: usize) {
        // Status writes that are due would follow after the start.
        all_have(&self.installation, ConditionType::Synced, objects).await;
        self.installation.satellite_in_sync(SAT, LONG).await;
        // Objects that were Synced without the suspended satellite name it until they are written
        // again, at a bounded rate.
        eventually(LONG, "no status names a satellite that lacks it", async || {
            let list = self.installation.objects(TEAM).list(&ListParams::default()).await;
            let names_one = |object: &MonitoringObject| {
                object.status.as_ref().is_none_or(|status| status.pending_satellites.is_some())
            };
            match list.map_err(|error| error.to_string())?.iter().filter(|one| names_one(one)).count() {
                0 => Ok(()),
                count => Err(format!("{count} do")),
            }
        })
        .await;
        let status = self.operator.terminate(LONG).await;
        assert!(status.success(), "{status}: {}", self.operator.log_text());
        let before = self.installation.recorder.sequence().now();
        self.operator = self.installation.operator(GROUNDLINK).await;
        let recorder = &self.installation.recorder;
        eventually(LONG, "every shard is read, and the set acknowledged", async || {
            let gets =
                recorder.matching(|e| e.seq_start > before && e.method == Method::GET && e.server == SAT);
            let read: BTreeSet<_> = gets.iter().filter_map(|e| e.path.rsplit('/').next()).collect();
            let unread: Vec<_> = held.shards.iter().filter(|shard| !read.contains(shard.as_str())).collect();
            let metrics = self.operator.metrics().await;
            let line = format!("groundlink_satellite_acknowledgements_total{{satellite=\"{SAT}\"}}");
            match unread.is_empty() && metrics.lines().any(|found| found.starts_with(&line)) {
                true => Ok(()),
                false => Err(format!("not read: {unread:?}; {metrics}")),
            }
        })
        .await;
        // Only waiting shows that nothing follows.
        tokio::time::sleep(QUIET).await;
        let (leases, writes): (Vec<_>, Vec<_>) = recorder
            .matching(|e| e.seq_start > before && e.is_mutating())
            .into_iter()
            .partition(|e| e.path.contains("/leases"));
        let writes: Vec<_> = writes.iter().map(|e| format!("{} {} {}", e.server, e.method, e.path)).collect();
        assert!(writes.is_empty(), "writes after a restart with nothing to do: {writes:#?}");
        assert!(!leases.is_empty(), "the proxies recorded nothing of the restart");
        println!("sweep: a restart with {} shards in place writes nothing", held.shards.len());
    }

    /// Checks that one process tried to create only ConfigMaps that did not exist.
    fn judge_run(&self, what: &str, since: u64, existing: &BTreeSet<String>) {
        let tried = self.installation.recorder.matching(|e| is_create(e) && e.seq_start > since);
        let again: Vec<_> =
            tried.iter().filter_map(created_name).filter(|name| existing.contains(name)).collect();
        assert!(again.is_empty(), "{what}: tried to create existing ConfigMaps: {again:?}");
    }

    /// Returns the set once it equals the volume, is reported as Synced, and leaves no garbage.
    async fn finished(&self, wanted: &Files) -> Result<Delivered, String> {
        let object = self.installation.satellites().get(SAT).await.map_err(|error| error.to_string())?;
        let status = object.status.unwrap_or_default();
        let synced = status.conditions.iter().any(|condition| {
            condition.r#type == ConditionType::Synced
                && condition.status == ConditionStatus::True
                && condition.observed_generation == object.metadata.generation
        });
        let acked = status.acked.as_ref().map(|acked| acked.digest.clone());
        let marked = self.place.marked_digest().await?;
        if !synced || acked.as_ref() != Some(&marked) {
            return Err(format!("not Synced; acked {acked:?}, marked {marked}"));
        }
        let delivered = self.place.read(&self.reader).await?;
        if let Some(difference) = difference(wanted, &delivered.files) {
            return Err(difference);
        }
        let mut named: BTreeSet<String> = delivered.shards.union(&delivered.previous).cloned().collect();
        named.insert("groundlink".to_owned());
        let names = self.names().await;
        let garbage: Vec<_> = names.difference(&named).collect();
        if garbage.is_empty() {
            return Ok(delivered);
        }
        // The operator deletes garbage when it looks at a quiet satellite: every 30 s, or at once
        // after a change of the pointer by another client.
        let touch =
            json!({ "metadata": { "annotations": { "touched": rand::random::<u32>().to_string() } } });
        let touched = self
            .place
            .api()
            .patch_metadata("groundlink", &PatchParams::default(), &Patch::Merge(touch))
            .await;
        touched.map_err(|error| error.to_string())?;
        Err(format!("garbage is left: {garbage:?}"))
    }

    /// Returns the names of the ConfigMaps on the satellite.
    async fn names(&self) -> BTreeSet<String> {
        self.place.names().await.expect("the satellite answers")
    }
}

fn is_create(exchange: &Exchange) -> bool {
    exchange.server == SAT && exchange.method == Method::POST && exchange.path.ends_with("/configmaps")
}

fn created_name(exchange: &Exchange) -> Option<String> {
    exchange.request_json()["metadata"]["name"].as_str().map(str::to_owned)
}
