//! 300 random creates, changes and deletes against a hub and two satellites.

use super::evidence::History;
use super::load::Load;
use super::witness::check;
use crate::support::{Action, Fault, Installation, VolumeWatch};
use crate::{GROUNDLINK, ONE_AT_A_TIME, seed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const OPERATIONS: usize = 300;

/// R1, R4, R5 and R9 under a random load: see [`super::rules`].
#[tokio::test(flavor = "multi_thread")]
async fn every_delivered_content_was_renamed_and_acknowledged_first() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let seed = seed("random load");
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    let watch = VolumeWatch::start(installation.volume(), installation.recorder.sequence());
    installation.recorder.before_each_request(watch.flusher());
    let operator = installation.operator(GROUNDLINK).await;
    installation.allow_removals().await;
    let mut load = Load::new(seed);
    load.prepare(&installation).await;
    let directories = installation.recorder.sequence().now();
    let started = Instant::now();
    for operation in 0..OPERATIONS {
        if operation == OPERATIONS / 2 {
            installation.hub_proxy.set_fault(Some(unreliable_statuses(seed)));
        }
        load.step(&installation).await;
        // Bursts of eight operations, with a pause after each.
        if operation % 8 == 0 {
            tokio::time::sleep(load.pause(0..60)).await;
        }
    }
    let took = started.elapsed();
    installation.hub_proxy.set_fault(None);
    let history = || History::take(&installation.recorder, &watch, directories);
    load.settled(&installation, &["sat-a", "sat-b"], history).await;
    let [created, changed, deleted] = load.operations;
    println!(
        "random load: {created} creates, {changed} changes, {deleted} deletes in {took:.1?}; at the end {} resources, \
         hub, volume and both satellites equal the model",
        load.size().0
    );
    let history = history();
    check(&history).assert_clean("random load", &history);
    drop(operator);
}

/// Delays some status writes, loses some answers after the write was applied, and refuses some
/// writes for a while.
fn unreliable_statuses(seed: u64) -> Fault {
    let rng = Mutex::new(StdRng::seed_from_u64(seed ^ 1));
    Fault::new(move |head, _| {
        if head.method != http::Method::PATCH || !head.uri.path().contains("/monitoringobjects/") {
            return None;
        }
        let mut rng = rng.lock().unwrap();
        match rng.random_range(0..100) {
            0..25 => Some(Action::Delay(Duration::from_millis(rng.random_range(1..150)))),
            25..29 => Some(Action::DropAfterApply),
            29..32 => Some(Action::DropBefore),
            32..35 => Some(Action::refuse(503, "ServiceUnavailable")),
            _ => None,
        }
    })
}
