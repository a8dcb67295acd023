//! The witness: reads the whole history of a run in one total order, and reports every violation.
//! Pure.

use super::evidence::{
    Answer, Delivery, Fate, Header, History, State, StatusWrite, TRANSIT, Timeline, delivery, key_of_path,
    lists, status_write,
};
use super::rules::{Findings, Rule, Violation};
use crate::support::{Exchange, FileEvent, FileEventKind, digest};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Checks every rule.
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

    /// Checks R1 for every key of one delivery, and R9 for the whole.
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
            let detail = format!("{server} was sent key {key:?}, which belongs to no object");
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
            // An acknowledged Ready=True for the digest. For a file that a process found at its
            // start, the refusal of a newer spec that names the digest is enough: only the previous
            // process knew whether the file was Ready.
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
            // The answer was lost, but a LIST before this delivery showed that the write had been
            // applied.
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
                    format!("{server} was sent {digest} before any status that names it was acknowledged");
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

    /// Checks R4 for the writes that one satellite accepted.
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
                    // Another rule reports a content that was never acknowledged.
                    None if writes.iter().any(possible) => {
                        let detail = format!(
                            "{satellite} was sent {digest} again, which is older than its current content"
                        );
                        self.report(Rule::ContentWentBack, delivery.exchange.seq_start, key, detail);
                        last.insert(key, (first, Some(digest)));
                    }
                    None => {}
                }
            }
        }
    }

    /// Checks R5: a satellite may keep an object for a while after its file was removed, because a
    /// group waits for the last host that names it. But no object appears anew whose file was
    /// removed before the snapshot can have been cut.
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

    /// Checks R9 for the volume after every event.
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

/// Returns the files that use a name that the set does not hold, or provide one that another file
/// provides. With `unknown` some file could not be read; it may be the missing one, so uses are not
/// checked.
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

/// Returns the names in Icinga's template library.
fn reserved() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/references/itl/2.13.txt");
    std::fs::read_to_string(path)
        .expect("the table of the template library")
        .lines()
        .map(str::to_owned)
        .collect()
}
