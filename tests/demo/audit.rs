//! Every delivery of the whole demo, checked against everything that was seen.

use crate::screen::count;
use crate::stage::{Stage, Verdict, Wrong, is_pointer_write, says, written_status};
use crate::support::{Exchange, digest};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A file (as a ConfigMap's key) with one content.
type Version = (String, String);

pub async fn act(stage: &mut Stage) -> Verdict {
    stage.screen.say(
        "The order of one object was shown above. Now all of them: every file in every ConfigMap that was sent to a \
         satellite since the start must have been renamed into place on the hub, and its Ready acknowledged by the hub's API \
         server, before that request began; and every Synced must have been preceded by an acknowledgement of every satellite.",
    );
    stage.watch.flush();
    let exchanges = stage.installation.recorder.exchanges();
    let mut wrong = Wrong::default();

    // When each version was in place, and when it was known as acknowledged.
    let mut renamed: HashMap<Version, u64> = HashMap::new();
    for event in stage.watch.history() {
        if let (Some(path), Some(content)) = (event.path.strip_prefix("objects.d/"), event.content()) {
            renamed.entry((path.replacen('/', ".", 1), content.digest.clone())).or_insert(event.seq);
        }
    }
    let mut acknowledged: HashMap<Version, u64> = HashMap::new();
    let mut stored: HashMap<(&str, Version), u64> = HashMap::new();
    for exchange in exchanges.iter().filter(|e| e.is_acknowledged()) {
        let Some(seq) = exchange.seq_end else { continue };
        if exchange.server != "hub" {
            let answer = exchange.response_json();
            for version in versions(&answer["data"]) {
                stored.entry((&exchange.server, version)).or_insert(seq);
            }
        } else if let Some((namespace, name, status)) = written_status(exchange) {
            if says(&status, "Ready") {
                note(&mut acknowledged, &namespace, &name, &status, seq);
            }
        } else if is_list(exchange) {
            // After a restart the operator knows from here what was acknowledged before.
            for item in exchange.response_json()["items"].as_array().into_iter().flatten() {
                let field = |name: &str| item["metadata"][name].as_str().unwrap_or_default();
                note(&mut acknowledged, field("namespace"), field("name"), &item["status"], seq);
            }
        }
    }

    let (mut deliveries, mut files) = (0, 0);
    let mut early: BTreeMap<String, String> = BTreeMap::new();
    for exchange in exchanges.iter().filter(|e| is_pointer_write(e)) {
        deliveries += 1;
        for version in versions(&exchange.request_json()["data"]) {
            files += 1;
            let before = |seen: &HashMap<Version, u64>| {
                seen.get(&version).is_some_and(|seq| *seq < exchange.seq_start)
            };
            if !before(&renamed) {
                early.insert(
                    version.0.clone(),
                    format!("{} was sent to {} before it was in place", version.0, exchange.server),
                );
            } else if !before(&acknowledged) {
                early.insert(
                    version.0.clone(),
                    format!("{} was sent to {} before Ready was acknowledged", version.0, exchange.server),
                );
            }
        }
    }
    wrong.0.extend(early.into_values().take(3));

    let mut synced = 0;
    for exchange in exchanges.iter().filter(|e| e.is_mutating()) {
        let Some((namespace, name, status)) = written_status(exchange) else { continue };
        let Some(digest) = status["publishedDigest"].as_str().filter(|_| says(&status, "Synced")) else {
            continue;
        };
        synced += 1;
        let version = (format!("{namespace}.{name}.conf"), digest.to_owned());
        for (satellite, since) in &stage.satellites {
            let seq = stored.get(&(satellite.as_str(), version.clone()));
            let held = exchange.seq_start < *since || seq.is_some_and(|seq| *seq < exchange.seq_start);
            wrong.unless(
                held || wrong.0.len() > 4,
                format!("{} was called Synced before {satellite} had it", version.0),
            );
        }
    }
    let half = stage.watch.violations().len();
    wrong.unless(half == 0, format!("{half} times a half-written file was visible"));
    wrong.unless(deliveries > 0 && synced > 0, "nothing was seen");
    Verdict::of(
        wrong.0,
        format!(
            "{} with {files} files in all, {}, {} written files, {} half-written files visible",
            count(deliveries, "delivery", "deliveries"),
            count(synced, "Synced status", "Synced statuses"),
            renamed.len(),
            half
        ),
    )
}

/// The files that a ConfigMap's data holds.
fn versions(data: &Value) -> Vec<Version> {
    let files = data.as_object().into_iter().flatten();
    files.filter_map(|(key, text)| Some((key.clone(), digest(text.as_str()?.as_bytes())))).collect()
}

fn is_list(exchange: &Exchange) -> bool {
    exchange.path.ends_with("/v1alpha1/monitoringobjects") && !exchange.is_watch() && !exchange.is_mutating()
}

fn note(acknowledged: &mut HashMap<Version, u64>, namespace: &str, name: &str, status: &Value, seq: u64) {
    if let Some(digest) = status["publishedDigest"].as_str() {
        let first =
            acknowledged.entry((format!("{namespace}.{name}.conf"), digest.to_owned())).or_insert(seq);
        *first = seq.min(*first);
    }
}
