//! A satellite that is away, one that joins late, and an operator that is killed.

use crate::screen::{count, time};
use crate::stage::{Stage, Verdict, Wrong, says, written_status};
use crate::support::{Exchange, GENEROUS, condition_of, eventually};
use futures::StreamExt;
use groundlink::api::{ConditionStatus, ConditionType};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub async fn outage(stage: &mut Stage) -> Verdict {
    stage.screen.say(
        "edge-b's API server is frozen (SIGSTOP): its port is open and nothing answers. Meanwhile a host is changed, one is \
         created, and a service is deleted. Deletes are what Icinga's own sync loses in this case.",
    );
    println!();
    let mut wrong = Wrong::default();
    let server = stage.installation.plane.server("edge-b");
    let before = stage.installation.pointer("edge-b").await.and_then(|map| map.data).unwrap_or_default();
    server.pause();
    let paused = Instant::now();
    let mark = stage.mark();
    let patch = r#"{"spec":{"host":{"address":"192.0.2.112"}}}"#;
    stage.kubectl(&["patch", "mo", "web-02", "-n", "team-a", "--type=merge", "-p", patch]).await;
    let host = json!({ "host": { "imports": ["linux-server"], "address": "192.0.2.14", "vars": { "role": "web" } } });
    stage.installation.put("team-a", "web-04", host).await;
    stage.screen.block("(and web-04 is created)");
    let last = stage.mark();
    stage.kubectl(&["delete", "mo", "web-01-certificate", "-n", "team-a"]).await;
    let asked = stage.request_of_kubectl(last).started;
    stage.installation.published("team-a", "web-04").await;
    // Deletions gather for a second before the first of them is carried out.
    eventually(GENEROUS, "the file of the deleted service is gone", async || {
        match stage.installation.files().contains_key("team-a.web-01-certificate.conf") {
            true => Err("it is there".to_owned()),
            false => Ok(()),
        }
    })
    .await;
    stage.installation.equal("edge-a", GENEROUS).await;
    let followed = stage
        .acknowledged(mark, |data| {
            data["team-a.web-04.conf"].is_string() && data["team-a.web-01-certificate.conf"].is_null()
        })
        .remove("edge-a")
        .map(|(_, at)| at.saturating_duration_since(asked));
    wrong.unless(followed.is_some(), "edge-a did not follow");
    let followed = followed.map_or("?".into(), time);
    stage.screen.say(&format!(
        "edge-a has all of it {followed} after the last request; it does not wait for edge-b."
    ));
    println!();
    let satellites = stage.installation.satellites();
    let noticed = eventually(GENEROUS, "edge-b is reported as unreachable", async || {
        let object = satellites.get("edge-b").await.map_err(|error| error.to_string())?;
        let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
        match conditions.iter().find(|c| c.r#type == ConditionType::Reachable) {
            Some(c) if c.status == ConditionStatus::False => Ok(c.message.clone()),
            other => Err(format!("{:?}", other.map(|c| c.status))),
        }
    });
    let noticed =
        stage.screen.busy("until the operator reports edge-b (an answer may take 3 s here)", noticed).await;
    stage.kubectl(&["get", "sat", "-n", "groundlink"]).await;
    stage.kubectl(&["get", "mo", "-n", "team-a", "web-01", "web-02", "web-04"]).await;
    stage.screen.quote(&format!("edge-b: {noticed}"));
    for name in ["web-02", "web-04"] {
        let object = stage.installation.objects("team-a").get(name).await.expect("it is there");
        let synced = condition_of(&object, ConditionType::Synced);
        let honest = matches!(synced, Some((ConditionStatus::False, _, _)));
        wrong.unless(honest, format!("{name} is called Synced while edge-b is away"));
    }
    println!();

    let away = paused.elapsed();
    server.resume();
    let (back, mark) = (Instant::now(), stage.mark());
    let equal = stage.installation.equal("edge-b", GENEROUS);
    let held = stage.screen.busy("edge-b is back (SIGCONT); until it is equal", equal).await;
    let reading = back.elapsed();
    let written = stage.acknowledged(mark, |data| data["team-a.web-04.conf"].is_string()).remove("edge-b");
    let took = written.map_or(reading, |(_, at)| at.saturating_duration_since(back));
    wrong.unless(
        before.contains_key("team-a.web-01-certificate.conf"),
        "the deleted key was not there before",
    );
    wrong.unless(!held.contains_key("team-a.web-01-certificate.conf"), "the deleted service is still there");
    wrong.unless(
        held.get("team-a.web-02.conf").is_some_and(|text| text.contains("192.0.2.112")),
        "web-02 is stale",
    );
    stage.all_synced().await;
    Verdict::of(
        wrong.0,
        format!(
            "edge-b was away for {}; edge-a followed within {followed}; edge-b was equal {} after it came back: with the \
             change and the new host, without the deleted service",
            time(away),
            time(took)
        ),
    )
}

pub async fn late(stage: &mut Stage) -> Verdict {
    stage.screen.say("A third satellite joins. There is no log to replay: it gets the current snapshot.");
    println!();
    stage.screen.busy("kube-apiserver for edge-c", stage.installation.prepare("edge-c")).await;
    let mark = stage.mark();
    let began = Instant::now();
    stage.installation.register("edge-c", json!({})).await;
    let held = stage.installation.equal("edge-c", GENEROUS).await;
    let satellites = stage.installation.satellites();
    let synced = eventually(GENEROUS, "edge-c says Synced", async || {
        let object = satellites.get("edge-c").await.map_err(|error| error.to_string())?;
        let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
        let synced =
            conditions.iter().any(|c| c.r#type == ConditionType::Synced && c.status == ConditionStatus::True);
        if synced { Ok(()) } else { Err("not yet".into()) }
    });
    synced.await;
    let settle = tokio::time::sleep(Duration::from_secs(1));
    stage.screen.busy("a second, to see whether anything else is written", settle).await;
    let requests = stage.installation.recorder.count(|e| e.seq_start > mark && e.server == "edge-c");
    let writes = stage.writes(mark);
    let to_edge_c = writes.iter().filter(|e| e.server == "edge-c").count();
    let statuses = writes.iter().filter(|e| written_status(e).is_some()).count();
    let acknowledged = stage.acknowledged(mark, |_| true).remove("edge-c");
    stage.satellites.push(("edge-c".into(), stage.mark()));
    stage.show_satellites().await;
    let mut wrong = Wrong::default();
    wrong.unless(to_edge_c == 1, "more than one write");
    wrong.unless(statuses == 0, "statuses of objects were rewritten");
    Verdict::of(
        wrong.0,
        format!(
            "{} on edge-c {} after it was registered, with {} in {}; {} of objects rewritten",
            count(held.len(), "file", "files"),
            acknowledged.map_or("?".into(), |(_, at)| time(at.saturating_duration_since(began))),
            count(to_edge_c, "write", "writes"),
            count(requests, "request", "requests"),
            count(statuses, "status", "statuses")
        ),
    )
}

/// Hosts of the burst.
const HOSTS: usize = 60;
/// So many of them are created while the operator runs.
const BEFORE: usize = 40;
/// So many statuses are acknowledged when the operator is killed.
const KILL_AT: usize = 15;

pub async fn kill(stage: &mut Stage) -> Verdict {
    stage.screen.say(&format!(
        "{BEFORE} hosts are created at once, and the operator gets SIGKILL in the middle. While it is dead, {} more are \
         created, five are deleted, and one is changed.",
        HOSTS - BEFORE
    ));
    println!();
    let mark = stage.mark();
    let name = |i: usize| format!("lab-{i:02}");
    let host = |address: String| json!({ "host": { "imports": ["linux-server"], "address": address } });
    let installation = &stage.installation;
    let create = async |range: std::ops::Range<usize>| {
        let all = futures::stream::iter(range).map(|i| async move {
            installation.put("team-a", &name(i), host(format!("198.51.100.{i}"))).await;
        });
        all.buffer_unordered(4).for_each(|()| async {}).await;
    };
    let acknowledged = || {
        let ready = |e: &Exchange| {
            e.is_acknowledged() && written_status(e).is_some_and(|(_, _, s)| says(&s, "Ready"))
        };
        let names = stage.writes(mark).into_iter().filter(ready).map(|e| e.path);
        names.collect::<BTreeSet<_>>().len()
    };
    let killing = async {
        eventually(GENEROUS, "statuses are written", async || {
            let seen = acknowledged();
            if seen >= KILL_AT { Ok(()) } else { Err(format!("{seen}")) }
        })
        .await;
        stage.operator().kill();
    };
    tokio::join!(create(0..BEFORE), killing);
    let ready = acknowledged();
    let files = installation.files().keys().filter(|key| key.contains(".lab-")).count();
    let mut held = Vec::new();
    for (satellite, _) in &stage.satellites {
        let data = installation.pointer(satellite).await.and_then(|map| map.data).unwrap_or_default();
        held.push(format!("{} on {satellite}", data.keys().filter(|key| key.contains(".lab-")).count()));
    }
    stage.screen.say(&format!(
        "What the kill left of {BEFORE} hosts: {files} published as files, {ready} acknowledged as Ready, {}.",
        held.join(", ")
    ));
    create(BEFORE..HOSTS).await;
    for i in 0..5 {
        stage.installation.delete("team-a", &name(i)).await;
    }
    stage.installation.put("team-a", &name(30), host("203.0.113.30".into())).await;
    let began = Instant::now();
    stage.start_operator().await;
    stage.screen.say(&format!("Restarted; ready after {}.", time(began.elapsed())));
    let converged = async {
        let objects = stage.all_synced().await;
        stage.all_equal().await;
        objects
    };
    let objects = stage.screen.busy("until every object is Synced again", converged).await;
    let took = began.elapsed();
    stage.show_satellites().await;
    let mut wrong = Wrong::default();
    wrong.unless(
        !stage.watch.violations().iter().any(|event| event.seq > mark),
        "a half-written file was visible",
    );
    let half = stage.watch.violations().iter().filter(|event| event.seq > mark).count();
    let volume = stage.installation.files();
    let there = |i: &usize| volume.contains_key(&format!("team-a.{}.conf", name(*i)));
    let (back, lost) = ((0..5).filter(there).count(), (5..HOSTS).filter(|i| !there(i)).count());
    let changed = volume.get(&format!("team-a.{}.conf", name(30)));
    wrong.unless(half == 0 && back == 0 && lost == 0, "not what was asked for");
    wrong.unless(changed.is_some_and(|text| text.contains("203.0.113.30")), "the change is missing");
    Verdict::of(
        wrong.0,
        format!(
            "{} after the restart began: {objects} objects, {}, and the same on {}; {lost} hosts lost, {back} deleted hosts \
             came back, {half} half-written files visible",
            time(took),
            count(volume.len(), "file", "files"),
            count(stage.satellites.len(), "satellite", "satellites"),
        ),
    )
}

pub async fn restart(stage: &mut Stage) -> Verdict {
    stage.screen.say("The operator is ended (SIGTERM) and started again, and nothing has changed.");
    println!();
    let status = stage.operator().terminate(Duration::from_secs(20)).await;
    stage.operator = None;
    let mut wrong = Wrong::default();
    wrong.unless(status.success(), format!("it ended with {status}"));
    let mark = stage.mark();
    let began = Instant::now();
    stage.start_operator().await;
    let ready = began.elapsed();
    let looked = async {
        eventually(GENEROUS, "every satellite was looked at", async || {
            let read = |name: &str| {
                stage.installation.recorder.count(|e| {
                    e.seq_start > mark
                        && e.server == name
                        && e.path.contains("/configmaps")
                        && e.seq_end.is_some()
                })
            };
            let unread: Vec<_> =
                stage.satellites.iter().map(|(name, _)| name).filter(|name| read(name) == 0).collect();
            if unread.is_empty() { Ok(()) } else { Err(format!("not yet: {unread:?}")) }
        })
        .await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    stage.screen.busy("until it has looked at every satellite, and 2 s more", looked).await;
    let writes = stage.writes(mark);
    let files = stage.file_events(mark).len();
    let reads = stage.installation.recorder.count(|e| e.seq_start > mark && !e.is_mutating());
    wrong.unless(
        writes.is_empty(),
        writes.iter().map(|e| format!("{} {}", e.method, e.path)).take(3).collect::<Vec<_>>().join(", "),
    );
    wrong.unless(files == 0, "files were written");
    stage.all_synced().await;
    stage.all_equal().await;
    Verdict::of(
        wrong.0,
        format!(
            "ready after {}; {}, {}, {} (its own Lease aside)",
            time(ready),
            count(reads, "read", "reads"),
            count(files, "file touched", "files touched"),
            count(writes.len(), "write request", "write requests"),
        ),
    )
}
