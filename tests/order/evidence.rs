//! The evidence of a run: requests from the recording proxies, file events from the kernel, and the
//! JSON header of each file. Shares no code with the operator.

use super::deliveries::{Base, Sent};
use crate::support::{Exchange, FileEvent, Recorder, VolumeWatch};
use http::Method;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Longer than a request takes from the operator to the proxy on a busy machine.
pub(super) const TRANSIT: Duration = Duration::from_secs(1);

/// File events and requests, numbered from one sequence.
pub struct History {
    /// Every event of the volume, from before the operator's first start.
    pub files: Vec<FileEvent>,
    /// Every request that went through a proxy.
    pub exchanges: Vec<Exchange>,
    /// R9 must hold on the volume after every event from here on. Earlier, a scan finds the first
    /// files of a new directory, and its order against other directories is unknown.
    pub directories_since: u64,
}

impl History {
    /// Collects everything until now.
    pub fn take(recorder: &Recorder, watch: &VolumeWatch, directories_since: u64) -> Self {
        Self { exchanges: recorder.exchanges(), files: watch.history(), directories_since }
    }
}

/// The outcome of a request, as far as its caller can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Answered 2xx at this place in the order.
    Acknowledged(u64),
    /// Certainly not applied.
    Refused,
    /// No answer, or one after which the write may have been applied.
    Unknown,
}

impl Fate {
    pub(super) fn of(exchange: &Exchange) -> Self {
        match (exchange.status, exchange.seq_end) {
            (Some(200..300), Some(end)) if exchange.is_acknowledged() => Self::Acknowledged(end),
            (Some(400..500), _) => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// One write of an object's status.
pub(super) struct StatusWrite {
    pub(super) start: u64,
    pub(super) fate: Fate,
    pub(super) ready: bool,
    pub(super) generation: i64,
    pub(super) digest: Option<String>,
}

/// The content of a file after an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Holds(String),
    /// Replaced before it could be read.
    Hidden,
    Absent,
}

#[derive(Default)]
pub(super) struct Timeline {
    pub(super) states: Vec<(u64, State)>,
    pub(super) removals: Vec<(u64, Instant)>,
    /// Contents that were in place, by the first event that shows them.
    pub(super) seen: HashMap<String, u64>,
    /// Events whose content could not be read.
    pub(super) hidden: Vec<u64>,
    /// Digests that were assumed for these contents.
    guessed: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Open,
}

impl Timeline {
    pub(super) fn was_in_place(&mut self, digest: &str, before: u64) -> Answer {
        if self.seen.get(digest).is_some_and(|seq| *seq < before) {
            return Answer::Yes;
        }
        // One unread content may excuse one digest, not any number of them.
        let hidden = self.hidden.iter().filter(|seq| **seq < before).count();
        self.guessed.insert(digest.to_owned());
        if self.guessed.len() <= hidden { Answer::Open } else { Answer::No }
    }

    /// True if the file held `digest` until it was removed, at most [`TRANSIT`] before the request
    /// arrived.
    pub(super) fn was_removed_just_now(&self, digest: &str, exchange: &Exchange) -> bool {
        let Some((seq, when)) = self.last_removal(exchange.seq_start) else { return false };
        let held = matches!(self.state_at(seq), State::Holds(held) if held == digest);
        held && exchange.started.saturating_duration_since(when) < TRANSIT
    }

    pub(super) fn last_removal(&self, before: u64) -> Option<(u64, Instant)> {
        let at = self.removals.partition_point(|(seq, _)| *seq < before);
        at.checked_sub(1).map(|at| self.removals[at])
    }

    pub(super) fn state_at(&self, seq: u64) -> &State {
        let at = self.states.partition_point(|(event, _)| *event < seq);
        at.checked_sub(1).map_or(&State::Absent, |at| &self.states[at].1)
    }
}

/// The second line of a file: the names that it provides and needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) exclusive: Vec<String>,
    pub(super) shared: Vec<String>,
    pub(super) uses: Vec<Vec<String>>,
}

impl Header {
    /// Returns `None` if the file is incomplete.
    pub fn read(text: &str) -> Option<Self> {
        let line = text.lines().nth(1)?.strip_prefix("// groundlink: ")?;
        let json: Value = serde_json::from_str(line).ok()?;
        let names = |value: &Value| -> Vec<String> {
            value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        };
        let lists = |field: &str| json[field].as_array().into_iter().flatten().map(names).collect::<Vec<_>>();
        let uses = [lists("uses"), lists("mutual")].concat();
        text.ends_with("}\n").then(|| Self {
            exclusive: names(&json["provides"]),
            shared: names(&json["shares"]),
            uses,
        })
    }
}

/// Returns `<namespace>/<name>` for `objects.d/<namespace>/<name>.conf`.
pub fn key_of_path(path: &str) -> Option<String> {
    let key = path.strip_prefix("objects.d/")?.strip_suffix(".conf")?;
    (key.split('/').count() == 2).then(|| key.to_owned())
}

/// Returns `<namespace>/<name>` for `<namespace>.<name>.conf`.
pub fn key_of_data(key: &str) -> Option<String> {
    let (namespace, name) = key.strip_suffix(".conf")?.split_once('.')?;
    Some(format!("{namespace}/{name}"))
}

/// Formats the history of one object, for the message of a failed test.
pub fn story(history: &History, key: &str) -> String {
    let short = |text: &str| text.trim_start_matches("sha256:").chars().take(8).collect::<String>();
    let mut lines: Vec<(u64, String)> = Vec::new();
    for event in history.files.iter().filter(|event| key_of_path(&event.path).as_deref() == Some(key)) {
        let content = event.content().map(|content| short(&content.digest)).unwrap_or_default();
        let kind = format!("{:?}", event.kind).split('(').next().unwrap_or_default().to_owned();
        let late = if event.superseded { " superseded" } else { "" };
        lines.push((event.seq, format!("file {kind} {content}{late}")));
    }
    for exchange in &history.exchanges {
        let end = exchange.seq_end.unwrap_or(0);
        if let Some((_, write)) = status_write(exchange).filter(|(other, _)| other == key) {
            let patch = exchange.request_json();
            let status = patch.as_array().and_then(|all| all.iter().find(|o| o["path"] == "/status"));
            let status = status.map(|operation| operation["value"].clone()).unwrap_or_default();
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let conditions: Vec<_> =
                conditions.map(|c| format!("{}={}/{}", c["type"], c["status"], c["reason"])).collect();
            let text = format!(
                "status g{} {} {} -> {:?} at {end}",
                status["observedGeneration"],
                write.digest.as_deref().map(short).unwrap_or_default(),
                conditions.join(" ").replace('"', ""),
                exchange.status,
            );
            lines.push((exchange.seq_start, text));
        }
    }
    // The last content for each satellite: most deliveries repeat it, and are left out.
    let mut last: HashMap<&str, String> = HashMap::new();
    let sent = Sent::read(&history.exchanges, &Base::default());
    for delivery in &sent.deliveries {
        let held = delivery.get(key).map(|file| short(&file.digest)).unwrap_or_else(|| "without it".into());
        let (satellite, revision) = (delivery.satellite.as_str(), delivery.revision);
        if last.insert(satellite, held.clone()).as_ref() != Some(&held) {
            lines.push((delivery.start, format!("{satellite} {revision:?} {held} -> {:?}", delivery.fate)));
        }
    }
    lines.sort();
    let lines: Vec<_> = lines.into_iter().map(|(seq, text)| format!("  {seq:6} {text}")).collect();
    format!("{key}:\n{}", lines.join("\n"))
}

const OBJECTS: &str = "/apis/groundlink.dev/v1alpha1";

pub(super) fn status_write(exchange: &Exchange) -> Option<(String, StatusWrite)> {
    if exchange.method != Method::PATCH {
        return None;
    }
    let path = exchange.path.strip_prefix(OBJECTS)?.strip_prefix("/namespaces/")?.strip_suffix("/status")?;
    let (namespace, name) = path.split_once("/monitoringobjects/")?;
    let patch = exchange.request_json();
    let status = &patch.as_array()?.iter().find(|operation| operation["path"] == "/status")?["value"];
    let generation = &status["observedGeneration"];
    let ready = status["conditions"].as_array().into_iter().flatten().any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "True"
            && condition["observedGeneration"] == *generation
    });
    let write = StatusWrite {
        start: exchange.seq_start,
        fate: Fate::of(exchange),
        ready,
        generation: generation.as_i64().unwrap_or_default(),
        digest: status["publishedDigest"].as_str().map(str::to_owned),
    };
    Some((format!("{namespace}/{name}"), write))
}

/// Returns the published digests in each complete LIST, with the place of its answer.
pub(super) fn lists(exchanges: &[Exchange]) -> Vec<(u64, HashMap<String, String>)> {
    let lists = exchanges.iter().filter(|exchange| {
        exchange.method == Method::GET
            && exchange.path == format!("{OBJECTS}/monitoringobjects")
            && !exchange.is_watch()
            && exchange.is_acknowledged()
    });
    let digests = |exchange: &Exchange| -> Option<(u64, HashMap<String, String>)> {
        let answer = exchange.response_json();
        let digest = |item: &Value| {
            let metadata = &item["metadata"];
            let key = format!("{}/{}", metadata["namespace"].as_str()?, metadata["name"].as_str()?);
            Some((key, item["status"]["publishedDigest"].as_str()?.to_owned()))
        };
        Some((exchange.seq_end?, answer["items"].as_array()?.iter().filter_map(digest).collect()))
    };
    lists.filter_map(digests).collect()
}
