//! The witness: reads the whole history of a run, in one total order, and says where the promise was broken. Pure.
//!
//! It shares no code with the operator: requests come from the recording proxies, files from the kernel, and the header
//! of a file is read as the JSON that it is.

use crate::support::{Exchange, FileEvent, FileEventKind, Recorder, VolumeWatch, digest};
use http::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than a request takes from the operator to the proxy, on a machine that is busy.
const TRANSIT: Duration = Duration::from_secs(1);

/// What happened, file events and requests numbered from one sequence.
pub struct History {
    /// Everything that the watch of the volume saw, from before the operator's first start.
    pub files: Vec<FileEvent>,
    /// Everything that went through the proxies.
    pub exchanges: Vec<Exchange>,
    /// From here on the volume is held to R9 after every single event: when its directories exist. (The first files of a
    /// new directory are found by a scan, whose order against other directories is not known.)
    pub directories_since: u64,
}

impl History {
    /// Everything until now.
    pub fn take(recorder: &Recorder, watch: &VolumeWatch, directories_since: u64) -> Self {
        Self { exchanges: recorder.exchanges(), files: watch.history(), directories_since }
    }
}

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// R1: a satellite was sent bytes that had not been renamed into place before.
    DeliveredBeforeRename,
    /// R1: a satellite was sent bytes whose Ready=True had not been acknowledged before.
    DeliveredBeforeAcknowledgement,
    /// R4: a revision went back, or stands for two contents.
    RevisionWentBack,
    /// I7: a satellite was given an older content again.
    ContentWentBack,
    /// R5: an object appeared on a satellite although its file had been removed, and not put back, some time before.
    DeliveredAfterRemoval,
    /// I1: a reader could have seen half a file.
    WrittenInPlace,
    /// I2: Ready=True was sent for bytes that were not what the volume held.
    ReadyWithoutFile,
    /// R9: a delivered set names what it does not hold, or holds a name twice.
    DeliveredOpenSet,
    /// R9: the same for the volume, at one instant.
    VolumeOpenSet,
}

/// One place where it was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What.
    pub rule: Rule,
    /// When, in the total order.
    pub seq: u64,
    /// `<namespace>/<name>`, or the satellite.
    pub subject: String,
    /// For a person.
    pub detail: String,
}

/// What the witness looked at, and what it found.
#[derive(Debug, Default)]
pub struct Findings {
    pub violations: Vec<Violation>,
    /// Writes of a pointer, and keys in them.
    pub satellite_writes: usize,
    pub keys: usize,
    /// Of these keys, those whose acknowledgement was lost with the process, and which a LIST told its successor.
    pub recovered_keys: usize,
    pub renames: usize,
    pub removals: usize,
    /// Acknowledged status writes with Ready=True, and all others that were sent.
    pub ready_writes: usize,
    pub other_status_writes: usize,
    /// Of the accepted Ready=True writes, those that a withdrawal overtook on their way.
    pub overtaken: usize,
    /// Checks that the kernel's queue left open: the file was replaced again before the watch could read it.
    pub inconclusive: usize,
}

impl Findings {
    /// # Panics
    /// With every violation and what became of its object, if there is one, or if more than a few checks could not be made.
    pub fn assert_clean(&self, test: &str, history: &History) {
        println!(
            "{test}: checked {} satellite writes with {} keys ({} acknowledged in a LIST after a kill), {} renames, \
             {} removals, {} Ready=True writes ({} overtaken by a withdrawal), {} other status writes; {} checks \
             inconclusive, {} violations",
            self.satellite_writes,
            self.keys,
            self.recovered_keys,
            self.renames,
            self.removals,
            self.ready_writes,
            self.overtaken,
            self.other_status_writes,
            self.inconclusive,
            self.violations.len()
        );
        let subjects: BTreeSet<_> = self.violations.iter().map(|violation| &violation.subject).collect();
        let stories: Vec<_> = subjects.iter().map(|subject| story(history, subject)).collect();
        assert!(stories.is_empty(), "{test}: {:#?}\n{}", self.violations, stories.join("\n"));
        assert!(self.satellite_writes > 0 && self.renames > 0 && self.ready_writes > 0, "{test}: {self:?}");
        let checks = self.keys + self.ready_writes + self.renames;
        assert!(self.inconclusive * 50 <= checks, "{test}: {} of {checks} inconclusive", self.inconclusive);
    }
}

/// What became of a request, as far as the operator or the API server can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Answered 2xx at this place in the order.
    Acknowledged(u64),
    /// Certainly not applied.
    Refused,
    /// No answer, or one that says nothing about it.
    Unknown,
}

impl Fate {
    fn of(exchange: &Exchange) -> Self {
        match (exchange.status, exchange.seq_end) {
            (Some(200..300), Some(end)) if exchange.is_acknowledged() => Self::Acknowledged(end),
            (Some(400..500), _) => Self::Refused,
            _ => Self::Unknown,
        }
    }
}

/// One write of an object's status.
struct StatusWrite {
    start: u64,
    fate: Fate,
    ready: bool,
    digest: Option<String>,
}

/// One write of a satellite's pointer.
struct Delivery<'a> {
    exchange: &'a Exchange,
    fate: Fate,
    revision: Option<(u64, u64)>,
    /// Text by `<namespace>/<name>`.
    files: BTreeMap<String, Arc<str>>,
    foreign: Vec<String>,
}

/// What a file holds from an event on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Holds(String),
    /// Something that was replaced before it could be read.
    Hidden,
    Absent,
}

#[derive(Default)]
struct Timeline {
    states: Vec<(u64, State)>,
    removals: Vec<(u64, Instant)>,
    /// Contents that were in place, by the first event that shows them.
    seen: HashMap<String, u64>,
    /// Events that put a content there that could not be read.
    hidden: Vec<u64>,
    /// Digests taken for such a content.
    guessed: BTreeSet<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Open,
}

impl Timeline {
    fn was_in_place(&mut self, digest: &str, before: u64) -> Answer {
        if self.seen.get(digest).is_some_and(|seq| *seq < before) {
            return Answer::Yes;
        }
        // A content that nobody could read stands for one digest, not for any.
        let hidden = self.hidden.iter().filter(|seq| **seq < before).count();
        self.guessed.insert(digest.to_owned());
        if self.guessed.len() <= hidden { Answer::Open } else { Answer::No }
    }

    /// Whether the file held `digest` until it was removed, and that was hardly before the request arrived.
    fn was_removed_just_now(&self, digest: &str, exchange: &Exchange) -> bool {
        let Some((seq, when)) = self.last_removal(exchange.seq_start) else { return false };
        let held = matches!(self.state_at(seq), State::Holds(held) if held == digest);
        held && exchange.started.saturating_duration_since(when) < TRANSIT
    }

    fn last_removal(&self, before: u64) -> Option<(u64, Instant)> {
        let at = self.removals.partition_point(|(seq, _)| *seq < before);
        at.checked_sub(1).map(|at| self.removals[at])
    }

    fn state_at(&self, seq: u64) -> &State {
        let at = self.states.partition_point(|(event, _)| *event < seq);
        at.checked_sub(1).map_or(&State::Absent, |at| &self.states[at].1)
    }
}

/// Checks everything.
pub fn check(history: &History) -> Findings {
    let mut witness =
        Witness { findings: Findings::default(), reserved: reserved(), headers: HashMap::new() };
    let mut timelines = witness.timelines(&history.files);
    let statuses = witness.statuses(&history.exchanges, &mut timelines);
    let told = lists(&history.exchanges);
    let deliveries: Vec<Delivery<'_>> = history.exchanges.iter().filter_map(delivery).collect();
    for delivery in &deliveries {
        witness.contents(delivery, &mut timelines, &statuses, &told);
    }
    let satellites: BTreeSet<&str> = deliveries.iter().map(|d| d.exchange.server.as_str()).collect();
    for satellite in satellites {
        let of_it: Vec<_> = deliveries.iter().filter(|d| d.exchange.server == satellite).collect();
        witness.revisions(satellite, &of_it);
        witness.ages(satellite, &of_it, &statuses);
        witness.undead(&of_it, &timelines);
    }
    witness.volume(&history.files, history.directories_since);
    witness.findings.violations.sort_by_key(|violation| violation.seq);
    witness.findings
}

struct Witness {
    findings: Findings,
    reserved: BTreeSet<String>,
    headers: HashMap<Arc<str>, Option<Arc<Header>>>,
}

impl Witness {
    fn report(&mut self, rule: Rule, seq: u64, subject: &str, detail: impl Into<String>) {
        let violation = Violation { rule, seq, subject: subject.to_owned(), detail: detail.into() };
        self.findings.violations.push(violation);
    }

    fn timelines(&mut self, files: &[FileEvent]) -> HashMap<String, Timeline> {
        let mut timelines: HashMap<String, Timeline> = HashMap::new();
        for event in files {
            let Some(key) = key_of_path(&event.path) else { continue };
            if event.is_violation() {
                self.report(Rule::WrittenInPlace, event.seq, &key, format!("{:?}", event.kind));
            }
            let timeline = timelines.entry(key).or_default();
            match (&event.kind, event.content()) {
                (FileEventKind::Staged, _) => continue,
                (FileEventKind::Deleted, _) => {
                    self.findings.removals += 1;
                    timeline.states.push((event.seq, State::Absent));
                    timeline.removals.push((event.seq, event.at));
                }
                (_, None) => {
                    timeline.hidden.push(event.seq);
                    timeline.states.push((event.seq, State::Hidden));
                }
                (_, Some(content)) => {
                    self.findings.renames += 1;
                    if event.superseded {
                        timeline.hidden.push(event.seq);
                    }
                    timeline.seen.entry(content.digest.clone()).or_insert(event.seq);
                    timeline.states.push((event.seq, State::Holds(content.digest.clone())));
                }
            }
        }
        timelines
    }

    /// Every status write, by object; and I2 for each that says Ready.
    ///
    /// At the start of a request every earlier file event has a lower number. The write tests the generation, and whoever
    /// renames another content has read a newer generation from the API server before; so if the write is *accepted*, the
    /// file held its very digest when it was sent. If its fate is unknown, it held that digest at some time before.
    ///
    /// A withdrawal (what the object names was deleted) moves no generation, so it can overtake a write that is on its way.
    /// That is counted, and allowed only for as long as a request may take to get here.
    fn statuses(
        &mut self,
        exchanges: &[Exchange],
        timelines: &mut HashMap<String, Timeline>,
    ) -> HashMap<String, Vec<StatusWrite>> {
        let mut statuses: HashMap<String, Vec<StatusWrite>> = HashMap::new();
        for exchange in exchanges {
            let Some((key, write)) = status_write(exchange) else { continue };
            match (write.ready, write.fate) {
                (true, Fate::Acknowledged(_)) => self.findings.ready_writes += 1,
                _ => self.findings.other_status_writes += 1,
            }
            if write.ready && write.fate != Fate::Refused {
                let timeline = timelines.entry(key.clone()).or_default();
                let digest = write.digest.clone().unwrap_or_default();
                let state = timeline.state_at(write.start).clone();
                let answer = match (write.fate, &state) {
                    (_, State::Holds(held)) if *held == digest => Answer::Yes,
                    (Fate::Acknowledged(_), State::Absent)
                        if timeline.was_removed_just_now(&digest, exchange) =>
                    {
                        self.findings.overtaken += 1;
                        Answer::Yes
                    }
                    (Fate::Acknowledged(_), State::Holds(_) | State::Absent) => Answer::No,
                    (Fate::Acknowledged(_), State::Hidden) => Answer::Open,
                    _ => timeline.was_in_place(&digest, write.start),
                };
                match answer {
                    Answer::Yes => {}
                    Answer::Open => self.findings.inconclusive += 1,
                    Answer::No => {
                        let detail = format!(
                            "Ready=True for {digest} ({:?}) while the file was {state:?}",
                            write.fate
                        );
                        self.report(Rule::ReadyWithoutFile, write.start, &key, detail);
                    }
                }
            }
            statuses.entry(key).or_default().push(write);
        }
        statuses
    }

    /// R1 for every key of one delivery, and R9 for the whole.
    fn contents(
        &mut self,
        delivery: &Delivery<'_>,
        timelines: &mut HashMap<String, Timeline>,
        statuses: &HashMap<String, Vec<StatusWrite>>,
        told: &[(u64, HashMap<String, String>)],
    ) {
        let (start, server) = (delivery.exchange.seq_start, &delivery.exchange.server);
        self.findings.satellite_writes += 1;
        self.findings.keys += delivery.files.len();
        for key in &delivery.foreign {
            let detail = format!("{server} was sent key {key:?}, which is no object's");
            self.report(Rule::DeliveredBeforeRename, start, key, detail);
        }
        for (key, text) in &delivery.files {
            let digest = digest(text.as_bytes());
            match timelines.entry(key.clone()).or_default().was_in_place(&digest, start) {
                Answer::Yes => {}
                Answer::Open => self.findings.inconclusive += 1,
                Answer::No => {
                    let detail = format!("{server} was sent {digest}, which was never renamed into place");
                    self.report(Rule::DeliveredBeforeRename, start, key, detail);
                    continue;
                }
            }
            let writes = statuses.get(key).map(Vec::as_slice).unwrap_or_default();
            // An acknowledged Ready=True for the digest. The refusal of a newer spec that names it will do only for what a
            // process found at its start: whether that was Ready, its predecessor took with it.
            let renamed = timelines.get(key).and_then(|timeline| timeline.seen.get(&digest)).copied();
            let found = |write: &StatusWrite| {
                told.iter().any(|(end, _)| renamed.is_some_and(|at| at < *end) && *end < write.start)
            };
            let of_digest = || {
                let names_it = writes.iter().filter(|write| write.digest.as_ref() == Some(&digest));
                names_it.filter(|write| write.ready || found(write))
            };
            if of_digest().any(|write| matches!(write.fate, Fate::Acknowledged(end) if end < start)) {
                continue;
            }
            // The answer was lost, but a LIST said before this delivery that the write had been applied.
            let recovered = of_digest().any(|write| {
                write.fate != Fate::Refused
                    && told.iter().any(|(end, digests)| {
                        write.start < *end && *end < start && digests.get(key) == Some(&digest)
                    })
            });
            if recovered {
                self.findings.recovered_keys += 1;
            } else {
                let detail =
                    format!("{server} was sent {digest}, and no status that names it was acknowledged");
                self.report(Rule::DeliveredBeforeAcknowledgement, start, key, detail);
            }
        }
        let files: Vec<_> = delivery
            .files
            .iter()
            .filter_map(|(key, text)| Some((key.as_str(), self.header(text)?)))
            .collect();
        for (key, detail) in open_ends(&files, &self.reserved, false) {
            self.report(Rule::DeliveredOpenSet, start, &key, format!("on {server}: {detail}"));
        }
    }

    /// R4 for the writes that one satellite accepted.
    fn revisions(&mut self, satellite: &str, deliveries: &[&Delivery<'_>]) {
        let mut last: Option<&Delivery<'_>> = None;
        for delivery in deliveries.iter().filter(|d| matches!(d.fate, Fate::Acknowledged(_))) {
            let seq = delivery.exchange.seq_start;
            if delivery.revision.is_none() {
                self.report(Rule::RevisionWentBack, seq, satellite, "a pointer without a readable revision");
            }
            if let Some(last) = last {
                let (before, now) = (last.revision, delivery.revision);
                if now < before {
                    let detail = format!("{now:?} after {before:?}");
                    self.report(Rule::RevisionWentBack, seq, satellite, detail);
                } else if now == before && last.files != delivery.files {
                    let detail = format!("{now:?} stands for two contents");
                    self.report(Rule::RevisionWentBack, seq, satellite, detail);
                }
            }
            last = Some(delivery);
        }
    }

    /// I7: what a satellite accepts of one object follows the order in which it was acknowledged. Each content is matched
    /// with the earliest acknowledgement that is possible; one that comes back after it had left needs a new one.
    fn ages(
        &mut self,
        satellite: &str,
        deliveries: &[&Delivery<'_>],
        statuses: &HashMap<String, Vec<StatusWrite>>,
    ) {
        let mut last: HashMap<&str, (usize, Option<String>)> = HashMap::new();
        for delivery in deliveries.iter().filter(|d| matches!(d.fate, Fate::Acknowledged(_))) {
            for (key, (_, held)) in &mut last {
                if !delivery.files.contains_key(*key) {
                    *held = None;
                }
            }
            for (key, text) in &delivery.files {
                let digest = digest(text.as_bytes());
                let first = match last.get(key.as_str()) {
                    Some((_, Some(held))) if *held == digest => continue,
                    Some((position, _)) => position + 1,
                    None => 0,
                };
                let writes = statuses.get(key).map(Vec::as_slice).unwrap_or_default();
                let possible = |write: &StatusWrite| {
                    write.fate != Fate::Refused
                        && write.start < delivery.exchange.seq_start
                        && write.digest.as_ref() == Some(&digest)
                };
                match (first..writes.len()).find(|at| possible(&writes[*at])) {
                    Some(at) => {
                        last.insert(key, (at, Some(digest)));
                    }
                    // Never acknowledged at all is another rule's matter.
                    None if writes.iter().any(possible) => {
                        let detail =
                            format!("{satellite} was sent {digest} again, which is older than what it had");
                        self.report(Rule::ContentWentBack, delivery.exchange.seq_start, key, detail);
                        last.insert(key, (first, Some(digest)));
                    }
                    None => {}
                }
            }
        }
    }

    /// R5: a satellite may keep for a while what the volume has lost (a group waits for the last host that names it), but
    /// nothing appears anew that was removed before the snapshot can have been cut.
    fn undead(&mut self, deliveries: &[&Delivery<'_>], timelines: &HashMap<String, Timeline>) {
        let mut before: BTreeSet<&str> = BTreeSet::new();
        for delivery in deliveries.iter().filter(|d| matches!(d.fate, Fate::Acknowledged(_))) {
            let (server, start) = (&delivery.exchange.server, delivery.exchange.seq_start);
            for key in delivery.files.keys().filter(|key| !before.contains(key.as_str())) {
                let Some(timeline) = timelines.get(key) else { continue };
                let removed =
                    timeline.last_removal(start).filter(|_| *timeline.state_at(start) == State::Absent);
                if removed
                    .is_some_and(|(_, at)| delivery.exchange.started.saturating_duration_since(at) > TRANSIT)
                {
                    let detail = format!("appeared on {server} after its file was removed");
                    self.report(Rule::DeliveredAfterRemoval, start, key, detail);
                }
            }
            before = delivery.files.keys().map(String::as_str).collect();
        }
    }

    /// R9 for the volume, after every event.
    fn volume(&mut self, files: &[FileEvent], since: u64) {
        let mut held: BTreeMap<String, Option<Arc<Header>>> = BTreeMap::new();
        let mut reported: BTreeSet<(String, String)> = BTreeSet::new();
        for event in files {
            let Some(key) = key_of_path(&event.path) else { continue };
            match (&event.kind, event.content()) {
                (FileEventKind::Staged, _) => continue,
                (FileEventKind::Deleted, _) => drop(held.remove(&key)),
                (_, Some(content)) if !event.superseded => {
                    let text: Arc<str> = String::from_utf8_lossy(&content.bytes).into();
                    let header = self.header(&text);
                    held.insert(key, header);
                }
                _ => drop(held.insert(key, None)),
            }
            if event.seq <= since {
                continue;
            }
            let unknown = held.values().any(Option::is_none);
            let files: Vec<_> =
                held.iter().filter_map(|(key, header)| Some((key.as_str(), header.clone()?))).collect();
            let open = open_ends(&files, &self.reserved, unknown);
            let now: BTreeSet<_> = open.iter().cloned().collect();
            for (key, detail) in open {
                // Once for as long as it lasts.
                if !reported.contains(&(key.clone(), detail.clone())) {
                    self.report(Rule::VolumeOpenSet, event.seq, &key, &detail);
                }
            }
            reported = now;
        }
    }

    fn header(&mut self, text: &Arc<str>) -> Option<Arc<Header>> {
        let parse = || Header::read(text).map(Arc::new);
        self.headers.entry(text.clone()).or_insert_with(parse).clone()
    }
}

/// The second line of a file: what it provides and needs.
#[derive(Debug)]
pub struct Header {
    exclusive: Vec<String>,
    shared: Vec<String>,
    uses: Vec<Vec<String>>,
}

impl Header {
    /// Nothing if the file is not complete.
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

/// Files of a set that name what it does not hold, or a name that another holds. With `unknown` some file could not be
/// read, which may be the one that is missed.
fn open_ends(
    files: &[(&str, Arc<Header>)],
    reserved: &BTreeSet<String>,
    unknown: bool,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut held: HashMap<&str, (&str, bool)> = HashMap::new();
    for (key, header) in files {
        let exclusive = header.exclusive.iter().map(|name| (name, true));
        for (name, exclusive) in exclusive.chain(header.shared.iter().map(|name| (name, false))) {
            match held.get(name.as_str()) {
                Some((other, theirs)) if exclusive || *theirs => {
                    found.push(((*key).to_owned(), format!("{name:?} is also held by {other}")));
                }
                _ => drop(held.insert(name, (key, exclusive))),
            }
        }
    }
    if unknown {
        return found;
    }
    for (key, header) in files {
        for any_of in &header.uses {
            if !any_of.iter().any(|name| held.contains_key(name.as_str()) || reserved.contains(name)) {
                found.push((
                    (*key).to_owned(),
                    format!("needs {any_of:?}, which nothing in the set provides"),
                ));
            }
        }
    }
    found
}

/// What Icinga's template library has.
fn reserved() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/references/itl/2.13.txt");
    std::fs::read_to_string(path)
        .expect("the table of the template library")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// `<namespace>/<name>` of `objects.d/<namespace>/<name>.conf`.
pub fn key_of_path(path: &str) -> Option<String> {
    let key = path.strip_prefix("objects.d/")?.strip_suffix(".conf")?;
    (key.split('/').count() == 2).then(|| key.to_owned())
}

/// `<namespace>/<name>` of `<namespace>.<name>.conf`.
pub fn key_of_data(key: &str) -> Option<String> {
    let (namespace, name) = key.strip_suffix(".conf")?.split_once('.')?;
    Some(format!("{namespace}/{name}"))
}

/// What happened to one object, for the message of a test that failed.
pub fn story(history: &History, key: &str) -> String {
    let short = |text: &str| text.trim_start_matches("sha256:").chars().take(8).collect::<String>();
    let mut lines: Vec<(u64, String)> = Vec::new();
    for event in history.files.iter().filter(|event| key_of_path(&event.path).as_deref() == Some(key)) {
        let content = event.content().map(|content| short(&content.digest)).unwrap_or_default();
        let kind = format!("{:?}", event.kind).split('(').next().unwrap_or_default().to_owned();
        let late = if event.superseded { " superseded" } else { "" };
        lines.push((event.seq, format!("file {kind} {content}{late}")));
    }
    // What a satellite was sent last: deliveries that say the same are many.
    let mut last: HashMap<&str, String> = HashMap::new();
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
        } else if let Some(delivery) = delivery(exchange) {
            let held = delivery.files.get(key).map(|text| short(&digest(text.as_bytes())));
            let held = held.unwrap_or_else(|| "without it".into());
            if last.insert(&exchange.server, held.clone()).as_ref() != Some(&held) {
                let (server, revision) = (&exchange.server, delivery.revision);
                let text = format!("{server} {revision:?} {held} -> {:?} at {end}", exchange.status);
                lines.push((exchange.seq_start, text));
            }
        }
    }
    lines.sort();
    let lines: Vec<_> = lines.into_iter().map(|(seq, text)| format!("  {seq:6} {text}")).collect();
    format!("{key}:\n{}", lines.join("\n"))
}

const OBJECTS: &str = "/apis/groundlink.dev/v1alpha1";

fn status_write(exchange: &Exchange) -> Option<(String, StatusWrite)> {
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
        digest: status["publishedDigest"].as_str().map(str::to_owned),
    };
    Some((format!("{namespace}/{name}"), write))
}

/// What complete LISTs said about published digests, each with the place of its answer.
fn lists(exchanges: &[Exchange]) -> Vec<(u64, HashMap<String, String>)> {
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

fn delivery(exchange: &Exchange) -> Option<Delivery<'_>> {
    let writes =
        exchange.method == Method::POST || exchange.method == Method::PUT || exchange.method == Method::PATCH;
    if !writes || exchange.server == "hub" || !exchange.path.contains("/configmaps") {
        return None;
    }
    let body = exchange.request_json();
    let revision = body["metadata"]["annotations"]["groundlink.dev/revision"].as_str().and_then(|text| {
        let (term, counter) = text.split_once('.')?;
        Some((term.parse().ok()?, counter.parse().ok()?))
    });
    let (mut files, mut foreign) = (BTreeMap::new(), Vec::new());
    for (key, text) in body["data"].as_object().into_iter().flatten() {
        match (key_of_data(key), text.as_str()) {
            (Some(key), Some(text)) => drop(files.insert(key, text.into())),
            _ => foreign.push(key.clone()),
        }
    }
    Some(Delivery { exchange, fate: Fate::of(exchange), revision, files, foreign })
}
