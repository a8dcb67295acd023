//! The events of one object, in the order in which they happened.

use crate::screen::time;
use crate::stage::{Stage, Verdict, Wrong, is_pointer_write, says, written_status};
use crate::support::{FileEventKind, digest};
use std::time::Instant;

const MANIFEST: &str = "\
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: { name: web-03, namespace: team-a }
spec:
  host: { imports: [linux-server], address: 192.0.2.13, vars: { role: web } }
";
const PATH: &str = "objects.d/team-a/web-03.conf";
/// The same file as a key of a ConfigMap.
const KEY: &str = "team-a.web-03.conf";

struct Step {
    seq: u64,
    at: Instant,
    witness: String,
    text: String,
}

pub async fn act(stage: &mut Stage) -> Verdict {
    stage.screen.say(
        "The reason why this operator exists: remote sync must not run ahead of the file that it is about. Every \
         step below was seen from outside the operator and got its number from one counter.",
    );
    println!();
    let mark = stage.mark();
    stage.kubectl_apply(MANIFEST).await;
    stage.installation.synced("team-a", "web-03").await;

    let (mut wrong, mut steps) = (Wrong::default(), Vec::new());
    let mut step = |seq, at, witness: &str, text: String| {
        steps.push(Step { seq, at, witness: witness.to_owned(), text });
    };
    let request = stage.request_of_kubectl(mark);
    step(
        request.seq_start,
        request.started,
        "hub's API",
        "kubectl asks for MonitoringObject team-a/web-03".into(),
    );

    if let (Some(seq), Some(at), Some(code)) = (request.seq_end, request.answered, request.status) {
        step(seq, at, "hub's API", format!("{code}: stored"));
    }

    // The volume: inotify.
    let (mut renamed, mut bytes) = (None, String::new());
    for event in stage.watch.history().into_iter().filter(|event| event.seq > mark) {
        match &event.kind {
            FileEventKind::Staged if renamed.is_none() => {
                step(event.seq, event.at, "volume", format!("{} appears: a temporary file", event.path));
            }
            FileEventKind::Renamed(content) if event.path == PATH => {
                step(event.seq, event.at, "volume", format!("it is renamed to {PATH}"));
                renamed = Some(event.seq);
                bytes = content
                    .as_ref()
                    .map(|c| String::from_utf8_lossy(&c.bytes).into_owned())
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    let file = digest(bytes.as_bytes());

    // The statuses, through the hub's proxy.
    let (mut ready, mut synced) = (None, None);
    for exchange in stage.writes(mark) {
        let Some((_, name, status)) = written_status(&exchange) else { continue };
        let (Some(seq_end), Some(answered), Some(code)) =
            (exchange.seq_end, exchange.answered, exchange.status)
        else {
            continue;
        };
        if name != "web-03" {
            continue;
        }
        let what = match (says(&status, "Ready"), says(&status, "Synced")) {
            (true, false) => "Ready=True, Synced=False",
            (true, true) => "Ready=True, Synced=True",
            _ => "not Ready",
        };
        let named = status["publishedDigest"].as_str().unwrap_or_default();
        wrong.unless(named == file, format!("the status names {named}, the file is {file}"));
        step(
            exchange.seq_start,
            exchange.started,
            "hub's API",
            format!("status PATCH: {what}, publishedDigest {}", named.get(..19).unwrap_or(named)),
        );
        step(
            seq_end,
            answered,
            "hub's API",
            format!("{} {code}", if code == 200 { "acknowledged:" } else { "answered:" }),
        );
        if exchange.is_acknowledged() && says(&status, "Ready") {
            ready.get_or_insert(seq_end);
        }
        if says(&status, "Synced") {
            synced.get_or_insert(exchange.seq_start);
        }
    }

    // The satellites, through theirs.
    let (mut begun, mut stored) = (Vec::new(), Vec::new());
    for exchange in stage.writes(mark).into_iter().filter(is_pointer_write) {
        let body = exchange.request_json();
        let Some(text) = body["data"][KEY].as_str() else { continue };
        let (Some(seq_end), Some(answered), Some(code)) =
            (exchange.seq_end, exchange.answered, exchange.status)
        else {
            continue;
        };
        let equal = digest(text.as_bytes()) == file;
        wrong.unless(equal, format!("{} was sent other bytes than the file's", exchange.server));
        let revision = body["metadata"]["annotations"]["groundlink.dev/revision"].as_str().unwrap_or("?");
        let what = if equal { "the same bytes" } else { "OTHER BYTES" };
        step(
            exchange.seq_start,
            exchange.started,
            &exchange.server,
            format!("{} ConfigMap icinga/groundlink, revision {revision}, with {what}", exchange.method),
        );
        let answer = if code < 300 { "acknowledged:" } else { "answered:" };
        step(seq_end, answered, &exchange.server, format!("{answer} {code}"));
        begun.push(exchange.seq_start);
        if exchange.is_acknowledged() {
            stored.push((exchange.server, seq_end));
        }
    }

    stage.screen.label("what was seen (ms since the request of kubectl; number in the common order)");
    println!("    {:>8}  {:>6}  {:<10} what", "ms", "number", "seen at");
    steps.sort_by_key(|step| step.seq);
    for step in &steps {
        let ms = step.at.saturating_duration_since(request.started).as_secs_f64() * 1000.0;
        println!("    {ms:>8.1}  {:>6}  {:<10} {}", step.seq, step.witness, step.text);
    }

    println!();
    stage.screen.say(
        "(Not visible from outside: fsync of the file before the rename, and of its directory after it.)",
    );

    let held = stored.iter().map(|(server, _)| server.as_str()).collect::<std::collections::BTreeSet<_>>();
    wrong.unless(held.len() == 2, format!("satellites that acknowledged: {held:?}"));
    let (first_write, last_ack) = (begun.iter().min(), stored.iter().map(|(_, seq)| seq).max());
    let (Some(renamed), Some(ready), Some(first_write), Some(last_ack), Some(synced)) =
        (renamed, ready, first_write, last_ack, synced)
    else {
        wrong.unless(false, "a step was not seen");
        return Verdict::of(wrong.0, format!("{} steps were seen", steps.len()));
    };
    let order = [renamed, ready, *first_write, *last_ack, synced];
    wrong.unless(order.is_sorted(), "the order did not hold");
    let total =
        steps.last().map(|step| step.at.saturating_duration_since(request.started)).unwrap_or_default();
    let sign = if order.is_sorted() { " <" } else { "," };
    Verdict::of(
        wrong.0,
        format!(
            "file renamed {renamed}{sign} Ready acknowledged {ready}{sign} first ConfigMap write begins {first_write}{sign} \
             both satellites acknowledged {last_ack}{sign} Synced written {synced}; all in {}",
            time(total)
        ),
    )
}

/// Shows the file, and the ConfigMap that a satellite's Icinga mounts.
pub async fn show(stage: &Stage) {
    stage.screen.label(&format!("the file: <volume>/{PATH}"));
    stage.screen.block(&stage.installation.files().remove(KEY).unwrap_or_default());

    stage.screen.label("the ConfigMap, read from edge-a's own API server");
    let arguments = ["get", "configmap", "groundlink", "-n", "icinga", "-o", "json"];
    let output = stage.kubectl_on("edge-a", &arguments).await;
    stage.screen.command("kubectl --context edge-a get configmap groundlink -n icinga -o yaml   # shortened");
    let object: serde_json::Value = serde_json::from_str(&output).unwrap_or_default();
    let mut text = String::from("data:\n");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        if key == KEY {
            text.push_str(&format!("  {key}: |\n"));
            value.lines().take(5).for_each(|line| text.push_str(&format!("    {line}\n")));
            text.push_str("    ...\n");
        } else {
            text.push_str(&format!("  {key}: # {} bytes\n", value.len()));
        }
    }
    text.push_str("metadata:\n  annotations:\n");
    for (name, value) in object["metadata"]["annotations"].as_object().into_iter().flatten() {
        text.push_str(&format!("    {name}: {value}\n"));
    }
    text.push_str("  labels:\n");
    for (name, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        text.push_str(&format!("    {name}: {}\n", value.as_str().unwrap_or_default()));
    }
    stage.screen.block(&text);
}
