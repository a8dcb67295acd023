//! Two builds in turn on one installation: upgrades and rollbacks, each with its CRDs, under a random load.
//!
//! `make upgrade FROM=<revision>` builds the other one.

use super::evidence::History;
use super::kill::restart_writes_nothing;
use super::load::Load;
use super::witness::check;
use crate::support::{GENEROUS, Installation, VolumeWatch, succeeded};
use crate::{GROUNDLINK, ONE_AT_A_TIME, seed};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Names the other program.
const OTHER: &str = "GROUNDLINK_TEST_OTHER_BUILD";
const SATELLITES: [&str; 2] = ["sat-a", "sat-b"];
/// Changes of the program under load. Every third ends it by SIGKILL.
const TURNS: usize = 12;
/// Operations of the load between two of them.
const OPERATIONS: usize = 40;

/// Applies the CRDs that a program brings.
async fn apply_crds(installation: &Installation, program: &str) {
    let directory = installation.scratch().join("crds");
    std::fs::create_dir_all(&directory).unwrap();
    let mut command = tokio::process::Command::new(program);
    let written = command.args(["crd", "--out"]).arg(&directory).output().await.unwrap();
    succeeded("groundlink crd", &written);
    let files = directory.to_str().unwrap();
    installation.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", files]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs another build: make upgrade FROM=<revision>"]
async fn upgrades_and_rollbacks_lose_nothing_and_rewrite_nothing() {
    let other = std::env::var(OTHER).unwrap_or_else(|_| panic!("{OTHER} names no program"));
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Arc::new(Installation::start(&SATELLITES).await);
    let sequence = installation.recorder.sequence().clone();
    let watch = VolumeWatch::start(installation.volume(), &sequence);
    installation.recorder.before_each_request(watch.flusher());
    apply_crds(&installation, &other).await;
    let mut operator = installation.operator(&other).await;
    installation.allow_removals().await;
    let mut load = Load::new(seed("upgrade"));
    load.prepare(&installation).await;
    let directories = sequence.now();

    let steps = Arc::new(AtomicUsize::new(0));
    let working = tokio::spawn({
        let (installation, steps) = (installation.clone(), steps.clone());
        async move {
            while steps.fetch_add(1, Ordering::SeqCst) < (TURNS + 1) * OPERATIONS {
                load.step(&installation).await;
                tokio::time::sleep(load.pause(0..60)).await;
            }
            load
        }
    });
    for turn in 1..=TURNS {
        while steps.load(Ordering::SeqCst) < turn * OPERATIONS {
            assert!(!working.is_finished(), "the load ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let program = if turn % 2 == 0 { &other } else { GROUNDLINK };
        apply_crds(&installation, program).await;
        if turn % 3 == 0 {
            operator.kill();
        } else {
            assert!(operator.terminate(GENEROUS).await.success());
        }
        operator = installation.operator_builder(program).await.spawn();
        operator.wait_for_log("\"recovered\"", GENEROUS).await;
    }
    let load = working.await.unwrap();
    let history = || History::take(&installation.recorder, &watch, directories);
    load.settled(&installation, &SATELLITES, history).await;
    let history = history();
    check(&history).assert_clean("upgrade", &history);

    let resources = load.size().0;
    println!("upgrade: {TURNS} changes of the program under load: nothing lost of {resources} resources");
    for (what, program) in [("upgrade", GROUNDLINK), ("rollback", &other), ("upgrade again", GROUNDLINK)] {
        apply_crds(&installation, program).await;
        operator = restart_writes_nothing(what, &installation, &SATELLITES, &watch, operator, program).await;
    }
}
