//! Publishing, a change, a refusal, a deletion.

use crate::icinga;
use crate::screen::{count, time};
use crate::stage::{Stage, Verdict, Wrong, difference, is_pointer_write, says, written_status};
use crate::support::{FileEventKind, GENEROUS, eventually};
use groundlink::api::Reason;

pub async fn publish(stage: &mut Stage) -> Verdict {
    stage.screen.say(
        "A team declares hosts, groups and services in its own namespace. The operator writes one file for each into the \
         hub's volume (READY), then delivers the same bytes to every satellite (SYNCED).",
    );
    println!();
    let mark = stage.mark();
    stage.kubectl(&["apply", "-f", "examples/monitoring"]).await;
    let began = stage.request_of_kubectl(mark).started;
    let objects = stage.all_synced().await;
    let files = stage.all_equal().await;
    stage.kubectl(&["get", "mo", "-A"]).await;
    stage.show_satellites().await;
    let last = stage
        .writes(mark)
        .into_iter()
        .filter(|e| written_status(e).is_some_and(|(_, _, s)| says(&s, "Synced")));
    let took = last.filter_map(|e| e.answered).max().map(|at| at.saturating_duration_since(began));
    let mut wrong = Wrong::default();
    wrong.unless(objects > 0 && files == objects, format!("{objects} objects, {files} files"));
    Verdict::of(
        wrong.0,
        format!(
            "{}, {}; edge-a and edge-b hold exactly these bytes; all Synced {} after kubectl began",
            count(objects, "object", "objects"),
            count(files, "file", "files"),
            took.map(time).unwrap_or_default()
        ),
    )
}

pub async fn change(stage: &mut Stage) -> Verdict {
    stage.screen.say("A host gets another address.");
    println!();
    let key = "team-a.web-01.conf";
    let before = stage.installation.files().remove(key).unwrap_or_default();
    let mark = stage.mark();
    let patch = r#"{"spec":{"host":{"address":"192.0.2.111"}}}"#;
    stage.kubectl(&["patch", "mo", "web-01", "-n", "team-a", "--type=merge", "-p", patch]).await;
    stage.installation.synced("team-a", "web-01").await;
    let after = stage.installation.files().remove(key).unwrap_or_default();
    stage.screen.label("what changed in objects.d/team-a/web-01.conf");
    difference(&before, &after).iter().for_each(|line| stage.screen.difference(line));

    let began = stage.request_of_kubectl(mark).started;
    let acknowledged = stage.acknowledged(mark, |data| data[key].as_str() == Some(&after));
    let mut wrong = Wrong::default();
    for (satellite, _) in &stage.satellites {
        wrong.unless(acknowledged.contains_key(satellite), format!("{satellite} does not have it"));
    }
    stage.all_equal().await;
    let files = stage.file_events(mark).len();
    let writes = stage.writes(mark);
    let statuses = writes.iter().filter(|e| written_status(e).is_some()).count();
    let pointers = writes.iter().filter(|e| is_pointer_write(e)).count();
    wrong.unless(before != after, "the file did not change");
    wrong.unless(files == 1 && pointers == 2, "more was written than needed");
    let times: Vec<_> = acknowledged
        .iter()
        .map(|(satellite, (_, at))| {
            format!("{satellite} after {}", time(at.saturating_duration_since(began)))
        })
        .collect();
    Verdict::of(
        wrong.0,
        format!(
            "{}; written: {}, {} of the object, {}",
            times.join(", "),
            count(files, "file", "files"),
            count(statuses, "status", "statuses"),
            count(pointers, "ConfigMap", "ConfigMaps"),
        ),
    )
}

pub async fn refusal(stage: &mut Stage) -> Verdict {
    stage.screen.say("Someone puts web-02 into a group that does not exist.");
    println!();
    let key = "team-a.web-02.conf";
    let mut wrong = Wrong::default();
    let before = stage.installation.files().remove(key).unwrap_or_default();
    let with_group = before.replacen("  import ", "  groups = [ \"dmz\" ]\n  import ", 1);
    if let Some((code, lines)) = icinga::what_if(stage, key, &with_group).await {
        stage.screen.say(&format!(
            "In a plain configuration directory that one line keeps Icinga from loading anything: icinga2 daemon -C on a copy \
             with it ends with exit code {code}:",
        ));
        lines.iter().take(1).for_each(|line| stage.screen.quote(line));
        println!();
        wrong.unless(code != 0, "Icinga accepts the mistake, so it shows nothing");
    }
    let mark = stage.mark();
    let patch = r#"{"spec":{"host":{"groups":["dmz"]}}}"#;
    stage.kubectl(&["patch", "mo", "web-02", "-n", "team-a", "--type=merge", "-p", patch]).await;
    let message = stage.installation.refused("team-a", "web-02", Reason::UnresolvedReference).await;
    stage.kubectl(&["get", "mo", "web-02", "-n", "team-a"]).await;
    stage.screen.label("its condition Ready says");
    stage.screen.quote(&message);
    let same = stage.installation.files().get(key) == Some(&before);
    let files = stage.file_events(mark).len();
    let deliveries = stage.writes(mark).iter().filter(|e| is_pointer_write(e)).count();
    wrong.unless(same && files == 0, "the published file was touched");
    wrong.unless(deliveries == 0, "a satellite was written to");
    wrong.unless(message.contains("dmz"), "the message does not name what is missing");

    stage.screen.label("the group is made, and nobody touches web-02");
    let group = "\
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: { name: dmz, namespace: team-a }
spec: { hostGroup: { displayName: Demilitarised zone } }
";
    let mark = stage.mark();
    stage.kubectl_apply(group).await;
    stage.installation.synced("team-a", "web-02").await;
    stage.kubectl(&["get", "mo", "web-02", "-n", "team-a"]).await;

    let began = stage.request_of_kubectl(mark).started;
    let ready = stage.writes(mark).into_iter().find(|e| {
        written_status(e).is_some_and(|(_, name, status)| name == "web-02" && says(&status, "Ready"))
    });
    let released = ready.and_then(|e| e.answered).map(|at| at.saturating_duration_since(began));
    wrong.unless(released.is_some(), "web-02 was not seen to become Ready");

    stage.screen.label("commands are code: not from a team's namespace");
    let command = "\
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: { name: reboot, namespace: team-a }
spec: { checkCommand: { command: [/sbin/reboot] } }
";
    stage.kubectl_apply(command).await;
    let message = stage.installation.refused("team-a", "reboot", Reason::NotAllowed).await;
    println!();
    stage.screen.quote(&message);
    wrong.unless(!stage.installation.files().contains_key("team-a.reboot.conf"), "the command was published");
    stage.kubectl_quietly(&["delete", "mo", "reboot", "-n", "team-a"], "").await;
    stage.all_synced().await;
    stage.all_equal().await;
    Verdict::of(
        wrong.0,
        format!(
            "refused, naming what is missing; {} and {} because of it, so the last good state stayed; published by itself {} \
             after the group was asked for; a command from team-a refused",
            count(files, "file touched", "files touched"),
            count(deliveries, "delivery", "deliveries"),
            released.map_or("?".into(), time),
        ),
    )
}

pub async fn deletion(stage: &mut Stage) -> Verdict {
    stage.screen.say(
        "No finalizer: a delete cannot hang on a satellite that is dead. The object is simply not in the next snapshot.",
    );
    println!();
    let mut wrong = Wrong::default();
    let object = stage.installation.objects("team-a").get("web-03").await.expect("web-03 is there");
    let finalizers = object.metadata.finalizers.unwrap_or_default();
    wrong.unless(finalizers.is_empty(), format!("finalizers {finalizers:?}"));
    let mark = stage.mark();
    stage.kubectl(&["delete", "mo", "web-03", "-n", "team-a"]).await;
    let key = "team-a.web-03.conf";
    eventually(GENEROUS, "both satellites are told", async || {
        let gone = stage.acknowledged(mark, |data| data.is_object() && data[key].is_null());
        if gone.len() == 2 { Ok(()) } else { Err(format!("{:?}", gone.keys())) }
    })
    .await;
    stage.all_equal().await;
    let began = stage.request_of_kubectl(mark).started;
    let file = stage
        .file_events(mark)
        .into_iter()
        .find(|event| event.path.ends_with("/web-03.conf") && event.kind == FileEventKind::Deleted);
    wrong.unless(file.is_some(), "the file is still there");
    let mut times: Vec<_> = file.map(|event| (event.at, "the file".to_owned())).into_iter().collect();
    for (satellite, (_, at)) in stage.acknowledged(mark, |data| data.is_object() && data[key].is_null()) {
        times.push((at, format!("the key on {satellite}")));
    }
    for (satellite, _) in &stage.satellites {
        let held = stage.installation.pointer(satellite).await.and_then(|map| map.data).unwrap_or_default();
        wrong.unless(!held.contains_key(key), format!("{satellite} still has {key}"));
    }
    let times: Vec<_> = times
        .iter()
        .map(|(at, what)| format!("{what} after {}", time(at.saturating_duration_since(began))))
        .collect();
    Verdict::of(wrong.0, format!("gone: {}", times.join(", ")))
}
