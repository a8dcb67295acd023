//! The witness: reads the whole history of a run in one total order, and reports every violation.
//! Pure.

use super::closed::{open_ends, reserved};
use super::deliveries::{Base, Delivery, Part, Sent};
use super::evidence::{
    Answer, Fate, Header, History, State, StatusWrite, TRANSIT, Timeline, key_of_path, lists, status_write,
};
use super::rules::{Arrival, Findings, Rule, Violation};
use crate::support::{Exchange, FileEvent, FileEventKind};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Checks every rule.
pub fn check(history: &History) -> Findings {
    check_from(history, &Base::default()).0
}

/// [`check`] of a history that begins in the middle of a run, at a moment when every satellite held
/// what was acknowledged. Returns the base of the history that follows, too.
pub fn check_from(history: &History, base: &Base) -> (Findings, Base) {
    let mut witness = Witness {
        findings: Findings::default(),
        reserved: reserved(),
        headers: HashMap::new(),
        closed: HashSet::new(),
        passed: HashSet::new(),
    };
    let mut timelines = witness.timelines(&history.files);
    let statuses = witness.statuses(&history.exchanges, &mut timelines, base);
    let told = lists(&history.exchanges);
    let sent = Sent::read(&history.exchanges, base);
    for delivery in &sent.deliveries {
        witness.contents(delivery, &mut timelines, &statuses, &told);
    }
    witness.shards(&sent, base);
    let satellites: BTreeSet<&str> = sent.deliveries.iter().map(|d| d.satellite.as_str()).collect();
    for satellite in satellites {
        let is_accepted = |d: &&Delivery| d.satellite == satellite && matches!(d.fate, Fate::Acknowledged(_));
        let of_it: Vec<_> = sent.deliveries.iter().filter(is_accepted).collect();
        witness.revisions(satellite, &of_it, base.pointers.get(satellite));
        let known = base.pointers.contains_key(satellite);
        witness.ages(satellite, &of_it, &statuses, base, known);
        witness.undead(&of_it, &timelines, base, known);
    }
    witness.volume(&history.files, history.directories_since);
    witness.findings.violations.sort_by_key(|violation| violation.seq);
    let acknowledged = acknowledged(&statuses, &timelines, &told);
    (witness.findings, sent.into_base(base.pointers.clone(), acknowledged))
}

/// Returns the digest of each file in place that was acknowledged last.
fn acknowledged(
    statuses: &HashMap<String, Vec<StatusWrite>>,
    timelines: &HashMap<String, Timeline>,
    told: &[(u64, HashMap<String, String>)],
) -> HashMap<String, String> {
    let proven = |key: &String, write: &&StatusWrite| match write.fate {
        Fate::Acknowledged(_) => true,
        Fate::Refused => false,
        Fate::Unknown => {
            told.iter().any(|(end, digests)| write.start < *end && digests.get(key) == write.digest.as_ref())
        }
    };
    let last = statuses.iter().filter_map(|(key, writes)| {
        let write = writes.iter().rev().filter(|write| write.ready).find(|write| proven(key, write))?;
        let digest = write.digest.clone()?;
        let state = timelines.get(key).map_or(&State::Absent, |timeline| timeline.state_at(u64::MAX));
        let is_there = matches!(state, State::Hidden) || *state == State::Holds(digest.clone());
        is_there.then(|| (key.clone(), digest))
    });
    last.collect()
}

struct Witness {
    findings: Findings,
    reserved: BTreeSet<String>,
    headers: HashMap<Arc<str>, Option<Arc<Header>>>,
    /// Shards of each sharded set in which nothing was open.
    closed: HashSet<Vec<String>>,
    /// Shards whose files were all in place and acknowledged. What was so at one place in the order
    /// is so at all later ones.
    passed: HashSet<String>,
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

    /// Returns every status write by object, and checks I2 for each that says Ready.
    ///
    /// At the start of a request every earlier file event has a lower number. The write tests the
    /// generation, and an operator renames another content only after it read a newer generation
    /// from the API server. So if the write is *accepted*, the file held its very digest when the
    /// write was sent. If its fate is unknown, the file held that digest at some time before.
    ///
    /// A withdrawal, after an object that this one names was deleted, does not change the
    /// generation. So it can overtake a write in transit. That is counted, and allowed only for as
    /// long as a request may be in transit.
    fn statuses(
        &mut self,
        exchanges: &[Exchange],
        timelines: &mut HashMap<String, Timeline>,
        base: &Base,
    ) -> HashMap<String, Vec<StatusWrite>> {
        let of_base = |digest: &String| StatusWrite {
            start: 0,
            fate: Fate::Acknowledged(0),
            ready: true,
            generation: 0,
            digest: Some(digest.clone()),
        };
        let mut statuses: HashMap<String, Vec<StatusWrite>> =
            base.acknowledged.iter().map(|(key, digest)| (key.clone(), vec![of_base(digest)])).collect();
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

    /// Checks R1 for every key of one delivery, and R9 for the whole.
    fn contents(
        &mut self,
        delivery: &Delivery,
        timelines: &mut HashMap<String, Timeline>,
        statuses: &HashMap<String, Vec<StatusWrite>>,
        told: &[(u64, HashMap<String, String>)],
    ) {
        let (start, server) = (delivery.start, &delivery.satellite);
        self.findings.satellite_writes += 1;
        self.findings.keys += delivery.count();
        for key in delivery.parts.values().flat_map(|part| &part.foreign) {
            let detail = format!("{server} was sent key {key:?}, which belongs to no object");
            self.report(Rule::DeliveredBeforeRename, start, key, detail);
        }
        let is_new = |name: &String| name.is_empty() || !self.passed.contains(name);
        let new: Vec<_> = delivery.parts.iter().filter(|(name, _)| is_new(name)).collect();
        for (name, part) in new {
            let before = self.findings.violations.len() + self.findings.inconclusive;
            for (key, file) in &part.files {
                self.content(delivery, (key, &file.digest), timelines, statuses, told);
            }
            if before == self.findings.violations.len() + self.findings.inconclusive {
                self.passed.insert(name.clone());
            }
        }
        self.closed(delivery);
    }

    /// Checks R1 for one file of a delivery.
    fn content(
        &mut self,
        delivery: &Delivery,
        (key, digest): (&String, &String),
        timelines: &mut HashMap<String, Timeline>,
        statuses: &HashMap<String, Vec<StatusWrite>>,
        told: &[(u64, HashMap<String, String>)],
    ) {
        let (start, server) = (delivery.start, &delivery.satellite);
        match timelines.entry(key.clone()).or_default().was_in_place(digest, start) {
            Answer::Yes => {}
            Answer::Open => self.findings.inconclusive += 1,
            Answer::No => {
                let detail = format!("{server} was sent {digest}, which was never renamed into place");
                self.report(Rule::DeliveredBeforeRename, start, key, detail);
                return;
            }
        }
        let writes = statuses.get(key).map(Vec::as_slice).unwrap_or_default();
        // An acknowledged Ready=True for the digest. For a file that a process found at its
        // start, the refusal of a newer spec that names the digest is enough: only the previous
        // process knew whether the file was Ready.
        let renamed = timelines.get(key).and_then(|timeline| timeline.seen.get(digest)).copied();
        let found = |write: &StatusWrite| {
            told.iter().any(|(end, _)| renamed.is_some_and(|at| at < *end) && *end < write.start)
        };
        let of_digest = || {
            let names_it = writes.iter().filter(|write| write.digest.as_ref() == Some(digest));
            names_it.filter(|write| write.ready || found(write))
        };
        if of_digest().any(|write| matches!(write.fate, Fate::Acknowledged(end) if end < start)) {
            return;
        }
        // The answer was lost, but a LIST before this delivery showed that the write had been
        // applied.
        let recovered = of_digest().any(|write| {
            write.fate != Fate::Refused
                && told.iter().any(|(end, digests)| {
                    write.start < *end && *end < start && digests.get(key) == Some(digest)
                })
        });
        if recovered {
            self.findings.recovered_keys += 1;
        } else {
            let detail =
                format!("{server} was sent {digest} before any status that names it was acknowledged");
            self.report(Rule::DeliveredBeforeAcknowledgement, start, key, detail);
        }
    }

    /// Checks R9 for one delivered set. The names of its shards stand for their content.
    fn closed(&mut self, delivery: &Delivery) {
        let shards: Vec<_> = delivery.parts.keys().cloned().collect();
        let is_sharded = !delivery.parts.contains_key("");
        if !delivery.unknown.is_empty() || (is_sharded && self.closed.contains(&shards)) {
            return;
        }
        let files: Vec<_> = delivery
            .files()
            .filter_map(|(key, file)| Some((key.as_str(), self.header(&file.text)?)))
            .collect();
        let open = open_ends(&files, &self.reserved, false);
        if open.is_empty() && is_sharded {
            self.closed.insert(shards);
        }
        for (key, detail) in open {
            let detail = format!("on {}: {detail}", delivery.satellite);
            self.report(Rule::DeliveredOpenSet, delivery.start, &key, detail);
        }
    }

    /// Checks R3: each shard that a pointer names was there before, and none is deleted that the
    /// current pointer of the satellite or the one before it names.
    fn shards(&mut self, sent: &Sent, base: &Base) {
        for delivery in &sent.deliveries {
            let named = delivery.parts.keys().filter(|name| !name.is_empty()).chain(&delivery.unknown);
            for name in named {
                let key = (delivery.satellite.clone(), name.clone());
                if !sent.shards.get(&key).is_some_and(|shard| shard.exists(delivery.start)) {
                    let detail = format!("the pointer names {name}, which was not there yet");
                    self.report(Rule::PointerBeforeShard, delivery.start, &delivery.satellite, detail);
                }
            }
        }
        for (start, satellite, name) in &sent.deletions {
            let of_it = sent.deliveries.iter().filter(|d| d.satellite == *satellite && d.start < *start);
            let of_it: Vec<_> = base.pointers.get(satellite).into_iter().chain(of_it).collect();
            let current =
                of_it.iter().rposition(|d| matches!(d.fate, Fate::Acknowledged(end) if end < *start));
            // A later write without an answer may have been applied, and may not name it any more.
            let possible = current.map(|at| &of_it[at..]).unwrap_or_default();
            if !possible.is_empty() && possible.iter().all(|d| d.names(name)) {
                let detail = format!("{name} is deleted, which {:?} names", possible[0].revision);
                self.report(Rule::NamedShardDeleted, *start, satellite, detail);
            }
        }
    }

    /// Checks R4 for the writes that one satellite accepted, after `last`.
    fn revisions<'d>(
        &mut self,
        satellite: &str,
        deliveries: &[&'d Delivery],
        mut last: Option<&'d Delivery>,
    ) {
        for delivery in deliveries {
            let seq = delivery.start;
            if delivery.revision.is_none() {
                self.report(Rule::RevisionWentBack, seq, satellite, "a pointer without a readable revision");
            }
            if let Some(last) = last {
                let (before, now) = (last.revision, delivery.revision);
                if now < before {
                    let detail = format!("{now:?} after {before:?}");
                    self.report(Rule::RevisionWentBack, seq, satellite, detail);
                } else if now == before && !is_same(last, delivery) {
                    let detail = format!("{now:?} has two contents");
                    self.report(Rule::RevisionWentBack, seq, satellite, detail);
                }
            }
            last = Some(delivery);
        }
    }

    /// Checks I7: a satellite accepts the contents of one object in the order in which the hub
    /// acknowledged them. Each content is matched with the earliest possible acknowledgement. A
    /// content that returns after it had left needs a new one.
    fn ages(
        &mut self,
        satellite: &str,
        deliveries: &[&Delivery],
        statuses: &HashMap<String, Vec<StatusWrite>>,
        base: &Base,
        known: bool,
    ) {
        let held = base.acknowledged.iter().filter(|_| known);
        let mut last: HashMap<&str, (usize, Option<String>)> =
            held.map(|(key, digest)| (key.as_str(), (0, Some(digest.clone())))).collect();
        let mut before: Option<&Delivery> = None;
        for delivery in deliveries {
            let (changed, mut gone) = delivery.changes(before);
            if before.is_none() {
                let now: HashSet<_> = changed.iter().map(|(key, _)| *key).collect();
                gone = last.keys().filter(|key| !now.contains(*key)).copied().collect();
            }
            before = Some(delivery);
            for key in gone {
                if let Some((_, held)) = last.get_mut(key) {
                    *held = None;
                }
            }
            for (key, file) in changed {
                let digest = &file.digest;
                let first = match last.get(key) {
                    Some((_, Some(held))) if held == digest => continue,
                    Some((position, _)) => position + 1,
                    None => 0,
                };
                let arrival = delivery.answered.map(|at| Arrival {
                    satellite: satellite.to_owned(),
                    key: key.to_owned(),
                    digest: digest.clone(),
                    at,
                });
                self.findings.arrivals.extend(arrival);
                let writes = statuses.get(key).map(Vec::as_slice).unwrap_or_default();
                let possible = |write: &StatusWrite| {
                    write.fate != Fate::Refused
                        && write.start < delivery.start
                        && write.digest.as_ref() == Some(digest)
                };
                match (first..writes.len()).find(|at| possible(&writes[*at])) {
                    Some(at) => {
                        last.insert(key, (at, Some(digest.clone())));
                    }
                    // Another rule reports a content that was never acknowledged.
                    None if writes.iter().any(possible) => {
                        let detail = format!(
                            "{satellite} was sent {digest} again, which is older than its current content"
                        );
                        self.report(Rule::ContentWentBack, delivery.start, key, detail);
                        last.insert(key, (first, Some(digest.clone())));
                    }
                    None => {}
                }
            }
        }
    }

    /// Checks R5: a satellite may keep an object for a while after its file was removed, because a
    /// group waits for the last host that names it. But no object appears anew whose file was
    /// removed before the snapshot can have been cut.
    fn undead(
        &mut self,
        deliveries: &[&Delivery],
        timelines: &HashMap<String, Timeline>,
        base: &Base,
        known: bool,
    ) {
        let mut before: Option<&Delivery> = None;
        for delivery in deliveries {
            let (changed, _) = delivery.changes(before);
            let was_there = |key: &str| match before {
                Some(before) => before.get(key).is_some(),
                None => known && base.acknowledged.contains_key(key),
            };
            for (key, _) in changed {
                let Some(timeline) = timelines.get(key).filter(|_| !was_there(key)) else { continue };
                let removed = timeline
                    .last_removal(delivery.start)
                    .filter(|_| *timeline.state_at(delivery.start) == State::Absent);
                if removed.is_some_and(|(_, at)| delivery.started.saturating_duration_since(at) > TRANSIT) {
                    let detail = format!("appeared on {} after its file was removed", delivery.satellite);
                    self.report(Rule::DeliveredAfterRemoval, delivery.start, key, detail);
                }
            }
            before = Some(delivery);
        }
    }

    /// Checks R9 for the volume after every event.
    fn volume(&mut self, files: &[FileEvent], since: u64) {
        let mut held: BTreeMap<String, Option<Arc<Header>>> = BTreeMap::new();
        let mut reported: BTreeSet<(String, String)> = BTreeSet::new();
        let mut begun = false;
        for event in files {
            let Some(key) = key_of_path(&event.path) else { continue };
            let (before, now) = match (&event.kind, event.content()) {
                (FileEventKind::Staged, _) => continue,
                (FileEventKind::Deleted, _) => (held.remove(&key), None),
                (_, Some(content)) if !event.superseded => {
                    let text: Arc<str> = String::from_utf8_lossy(&content.bytes).into();
                    let header = self.header(&text);
                    (held.insert(key, header.clone()), Some(header))
                }
                _ => (held.insert(key, None), Some(None)),
            };
            // A change of other things than names opens and closes nothing.
            if event.seq <= since || (begun && before.is_some() && before == now) {
                continue;
            }
            begun = true;
            let unknown = held.values().any(Option::is_none);
            let files: Vec<_> =
                held.iter().filter_map(|(key, header)| Some((key.as_str(), header.clone()?))).collect();
            let open = open_ends(&files, &self.reserved, unknown);
            let now: BTreeSet<_> = open.iter().cloned().collect();
            for (key, detail) in open {
                // Reported once while it lasts.
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

/// True if two deliveries have the same files.
fn is_same(one: &Delivery, other: &Delivery) -> bool {
    let same_shards = |(a, b): (&Arc<Part>, &Arc<Part>)| Arc::ptr_eq(a, b);
    if one.parts.len() == other.parts.len() && one.parts.values().zip(other.parts.values()).all(same_shards) {
        return true;
    }
    let (changed, gone) = other.changes(Some(one));
    changed.is_empty() && gone.is_empty() && one.unknown == other.unknown
}
