//! A satellite that is slower than the changes.

use super::evidence::History;
use super::witness::check;
use crate::support::{
    Action, Fault, GENEROUS, Installation, VolumeWatch, bulk_host, change_all, create_all, eventually,
};
use crate::{GROUNDLINK, ONE_AT_A_TIME};
use std::time::{Duration, Instant};

const OBJECTS: usize = 20;
const ROUNDS: usize = 40;
/// What each request to the slow satellite waits.
const DELAY: Duration = Duration::from_millis(700);

/// R4, R8, I6: it skips revisions and is never more than one delivery behind. The other one waits
/// for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_slower_than_the_changes_skips_revisions_and_delays_no_other() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let installation = Installation::start(&["fast", "slow"]).await;
    let watch = VolumeWatch::start(installation.volume(), installation.recorder.sequence());
    installation.recorder.before_each_request(watch.flusher());
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    create_all(&installation.hub, "team-a", 0..OBJECTS, |number| bulk_host(number, 0, 100)).await;
    for satellite in ["fast", "slow"] {
        installation.equal(satellite, GENEROUS).await;
    }
    let directories = installation.recorder.sequence().now();
    let delay = Fault::on(Action::Delay(DELAY), |head, _| head.uri.path().contains("/configmaps"));
    installation.proxies["slow"].set_fault(Some(delay));
    let writes = |satellite: &str, since: u64| {
        installation.recorder.count(|e| {
            e.is_mutating() && e.server == satellite && e.seq_start > since && e.path.contains("/configmaps")
        })
    };
    let begun = Instant::now();
    for round in 1..=ROUNDS {
        let number = round % OBJECTS;
        change_all(&installation.hub, "team-a", number..number + 1, |number| bulk_host(number, round, 100))
            .await;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    // The fast one is equal while the slow one has not even begun its last delivery.
    let at_the_end = installation.recorder.sequence().now();
    installation.equal("fast", GENEROUS).await;
    let took = begun.elapsed();
    let [fast, slow] = ["fast", "slow"].map(|satellite| writes(satellite, directories));
    eventually(GENEROUS, "the slow satellite holds the last change", async || {
        let files = installation.files();
        let held = installation.pointer("slow").await.and_then(|pointer| pointer.data).unwrap_or_default();
        if files == held { Ok(()) } else { Err("it differs from the volume".to_owned()) }
    })
    .await;
    let late = writes("slow", at_the_end);
    println!(
        "slow: {ROUNDS} changes in {took:.1?}: {fast} writes to the fast satellite, {slow} to the slow one, {late} after the last change"
    );
    let most = took.as_millis() / DELAY.as_millis() + 2;
    assert!(slow as u128 <= most && slow < fast, "{slow} writes, at most {most}");
    assert!(late <= 2, "{late} deliveries after the last change, but the newest set is one");
    let history = History::take(&installation.recorder, &watch, directories);
    check(&history).assert_clean("slow", &history);
    assert!(operator.exit_status().is_none());
}
