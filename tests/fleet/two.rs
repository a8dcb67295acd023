//! Two operators: the older is frozen at a write, and wakes after the newer has delivered, with
//! that write still in transit. The satellite's set is complete in every state, and never goes
//! back.

use super::stage::{LONG, TEAM, all_ready, equal};
use crate::support::reader::published;
use crate::support::{
    At, Gate, Installation, Operator, OperatorBuilder, Place, Reader, SatelliteWatch, bulk_host, change_all,
    create_all, eventually_every,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use http::Method;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SAT: &str = "sat-a";
const NOTES: usize = 8000;
const OBJECTS: usize = 180;
/// Most positions that are tried. The test ends earlier, at the first delivery with fewer writes.
const POSITIONS: u64 = 16;
/// How long the woken process is watched. Only waiting shows that it does nothing.
const WAKING: Duration = Duration::from_secs(2);

/// Interval between two reads of the whole set.
const POLL: Duration = Duration::from_millis(100);

struct Stage {
    installation: Installation,
    place: Place,
    reader: Reader,
    watch: SatelliteWatch,
    volumes: [PathBuf; 2],
    leader: usize,
    /// The delivered versions of the objects, oldest first.
    versions: Vec<usize>,
}

/// R3 and R4: a former leader that wakes up neither deletes a named shard nor takes the satellite
/// backwards.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_frozen_at_a_write_does_no_harm_when_it_wakes() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&[SAT]).await;
    let place = installation.place(SAT).await;
    let reader = Reader::default();
    let watch = SatelliteWatch::start(&place, &reader).await;
    let volumes = [installation.volume().to_path_buf(), installation.scratch().join("other")];
    std::fs::create_dir(&volumes[1]).unwrap();
    let mut stage = Stage { installation, place, reader, watch, volumes, leader: 0, versions: vec![1] };
    stage.installation.namespace(TEAM).await;
    create_all(&stage.installation.hub, TEAM, 0..OBJECTS, |number| bulk_host(number, 1, NOTES)).await;
    let mut leader = stage.builder().await.spawn();
    stage.installation.ready(&leader).await;
    all_ready(&stage.installation, OBJECTS).await;
    let first = equal(&stage.place, &stage.reader, &published(&stage.volumes[0]), LONG).await;
    assert!(first.shards.len() >= 4, "{} shards", first.shards.len());

    let mut positions = 0;
    // The first round waits until the lease expires. Later rounds remove its holder by hand, which
    // is faster and harder: when the frozen process wakes, it still believes for some seconds that
    // it leads.
    for k in 1..=POSITIONS {
        let at = if k % 2 == 1 { At::Before } else { At::After };
        let by_hand = k > 1;
        match stage.freeze_at(leader, k, at, by_hand).await {
            (next, true) => (leader, positions) = (next, k),
            (last, false) => {
                leader = last;
                break;
            }
        }
    }
    let turns = stage.watch.turns();
    println!("two operators: {positions} positions, {} states of the pointer", turns.len());
    assert!(positions >= 4, "{positions} positions");
    assert!(leader.exit_status().is_none());
}

impl Stage {
    /// Returns the builder of an operator with the volume of `self.leader`.
    async fn builder(&mut self) -> OperatorBuilder {
        self.installation.set_volume(&self.volumes[self.leader].clone());
        self.installation.operator_builder(GROUNDLINK).await
    }

    async fn change(&mut self, version: usize) {
        self.versions.push(version);
        change_all(&self.installation.hub, TEAM, 0..3, |number| bulk_host(number, version, NOTES)).await;
        all_ready(&self.installation, OBJECTS).await;
    }

    /// Freezes the leader at its k-th write, lets another take over and deliver, and wakes it.
    /// Returns false if there is no such write.
    async fn freeze_at(&mut self, old: Operator, k: u64, at: At, by_hand: bool) -> (Operator, bool) {
        let next = self.versions.iter().max().unwrap() + 1;
        let gate = Gate::at(&self.installation.proxies[SAT], "/configmaps", k, at);
        self.change(next).await;
        let volume = self.volumes[self.leader].clone();
        let started = Instant::now();
        let stopped =
            eventually_every(POLL, LONG, &format!("write {k}, or the end of the delivery"), async || {
                let proxy = &self.installation.proxies[SAT];
                if gate.is_reached(proxy) {
                    return Ok(true);
                }
                // Garbage is deleted a moment after the pointer is written.
                let files = published(&volume);
                match self.place.read(&self.reader).await {
                    Ok(held) if held.files == files && started.elapsed() > WAKING * 2 => Ok(false),
                    Ok(_) => Err("delivered, but more writes may follow".to_owned()),
                    Err(why) => Err(why),
                }
            })
            .await;
        if !stopped {
            self.installation.proxies[SAT].set_fault(None);
            return (old, false);
        }
        old.pause();
        gate.open();
        let write = gate.stopped(&self.installation.proxies[SAT]).unwrap();
        if by_hand {
            let patch = r#"{"spec":{"holderIdentity":""}}"#;
            self.installation
                .kubectl(&["patch", "lease", "groundlink", "-n", "groundlink", "--type=merge", "-p", patch])
                .await;
        }
        self.leader = 1 - self.leader;
        let new = self.builder().await.spawn();
        self.installation.ready(&new).await;
        let volume = self.volumes[self.leader].clone();
        // Back to earlier bytes: they need exactly the shards that the frozen process is about to
        // delete, or has replaced.
        let back = if write.method == Method::DELETE { 3 } else { 2 };
        let before = self.versions[self.versions.len().saturating_sub(back)];
        self.change(before).await;
        equal(&self.place, &self.reader, &published(&volume), LONG).await;
        self.watch.assert_clean().await;

        // First the write in transit goes on, then the process.
        self.installation.proxies[SAT].release();
        old.resume();
        tokio::time::sleep(WAKING).await;
        self.watch.assert_clean().await;
        self.change(next + 1).await;
        let held = equal(&self.place, &self.reader, &published(&volume), LONG).await;
        self.watch.assert_clean().await;
        println!(
            "frozen at write {k} {at:?} ({} {}; by hand: {by_hand}): holds {:?} after {:.1?}",
            write.method,
            write.path.rsplit('/').next().unwrap_or_default(),
            held.revision,
            started.elapsed()
        );
        if by_hand {
            old.kill();
        } else {
            // It finds that another process led after it, and exits.
            let status = old.wait(LONG).await;
            assert!(!status.success() && old.log_text().contains("another process led after"), "{status}");
        }
        (new, true)
    }
}
