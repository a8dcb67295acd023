//! Tests the witness with invented histories of sharded sets, and of runs that are checked in
//! pieces.

use super::deliveries::Base;
use super::evidence::History;
use super::forged::{Story, WEB, group, host};
use super::rules::Rule;
use super::witness::check_from;
use crate::support::digest;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use serde_json::{Value, json};
use std::io::Write as _;

const MAPS: &str = "/api/v1/namespaces/icinga/configmaps";
const LINUX: &str = "team-b/linux";

/// A shard: its name and its ConfigMap.
fn shard(files: &[(&str, &str)]) -> (String, Value) {
    let mut files: Vec<_> =
        files.iter().map(|(key, text)| (format!("{}.conf", key.replace('/', ".")), *text)).collect();
    files.sort();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut lines = String::new();
    for (key, text) in &files {
        let mut head = tar::Header::new_ustar();
        head.set_size(text.len() as u64);
        archive.append_data(&mut head, key, text.as_bytes()).unwrap();
        lines += &format!("{}  {key}\n", digest(text.as_bytes()).trim_start_matches("sha256:"));
    }
    let mut archive = archive.into_inner().unwrap();
    archive.flush().unwrap();
    let packed = BASE64_STANDARD.encode(archive.finish().unwrap());
    let sum = digest(lines.as_bytes());
    let name = format!("groundlink-{}", &sum.trim_start_matches("sha256:")[..32]);
    let body = json!({ "metadata": { "name": name }, "binaryData": { "files.tar.gz": packed } });
    (name, body)
}

impl Story {
    /// Sends a shard, and returns its name.
    fn sent(&mut self, satellite: &str, files: &[(&str, &str)]) -> String {
        let (name, body) = shard(files);
        self.exchange(satellite, Method::POST, MAPS, &body, Some(201));
        name
    }

    fn pointed(&mut self, satellite: &str, revision: &str, shards: &[&str], previous: &[&str]) -> usize {
        let shards: Vec<_> = shards.iter().map(|name| json!({ "name": name })).collect();
        let manifest = json!({ "version": 1, "shards": shards, "previous": previous }).to_string();
        let body = json!({
            "metadata": { "annotations": { "groundlink.dev/revision": revision } },
            "data": { "manifest.json": manifest },
        });
        self.exchange(satellite, Method::PUT, &format!("{MAPS}/groundlink"), &body, Some(200))
    }

    fn removed(&mut self, satellite: &str, name: &str, answer: Option<u16>) {
        self.exchange(satellite, Method::DELETE, &format!("{MAPS}/{name}"), &json!({}), answer);
    }

    fn listed(&mut self, satellite: &str, name: &str) {
        let at = self.exchange(satellite, Method::GET, MAPS, &json!({}), Some(200));
        let answer = json!({ "items": [{ "metadata": { "name": name } }] });
        self.exchanges[at].response_body = Some(answer.to_string().into());
    }

    /// Ends the history here. The next one begins with the files that are there.
    fn next_part(&mut self, base: &Base, there: &[(&str, &str)]) -> Base {
        let history =
            History { files: self.files.clone(), exchanges: self.exchanges.clone(), directories_since: 0 };
        let (findings, next) = check_from(&history, base);
        assert_eq!(findings.violations, []);
        (self.files, self.exchanges) = (Vec::new(), Vec::new());
        for (key, text) in there {
            self.found(key, text);
        }
        next
    }

    fn broken_from(&self, base: &Base) -> Vec<(Rule, String)> {
        let history =
            History { files: self.files.clone(), exchanges: self.exchanges.clone(), directories_since: 0 };
        check_from(&history, base).0.violations.into_iter().map(|v| (v.rule, v.subject)).collect()
    }
}

#[test]
fn a_correct_history_of_shards_has_no_violation() {
    let (one, two, linux) = (host("web", 1, &[]), host("web", 2, &["HostGroup!linux"]), group("linux"));
    let mut story = Story::default();
    story.published(WEB, &one);
    let first = story.sent("sat-a", &[(WEB, &one)]);
    story.pointed("sat-a", "1.1", &[&first], &[]);
    story.published(LINUX, &linux);
    story.published(WEB, &two);
    let [web, group] = [&[(WEB, &two[..])], &[(LINUX, &linux[..])]].map(|files| story.sent("sat-a", files));
    story.pointed("sat-a", "1.2", &[&web, &group], &[&first]);
    // The same set once more: the first shard is garbage now.
    story.pointed("sat-a", "1.3", &[&web, &group], &[]);
    story.removed("sat-a", &first, Some(200));
    let findings = story.findings();
    assert_eq!(findings.violations, []);
    assert_eq!((findings.satellite_writes, findings.keys), (3, 5));
    let arrived: Vec<_> = findings.arrivals.iter().map(|arrival| arrival.key.as_str()).collect();
    assert_eq!(arrived.iter().filter(|key| **key == WEB).count(), 2, "{arrived:?}");
}

#[test]
fn the_rules_hold_for_files_in_shards() {
    let (one, two) = (host("web", 1, &[]), host("web", 2, &[]));
    // Never renamed into place, and renamed but not acknowledged.
    let mut story = Story::default();
    story.published(WEB, &one);
    let name = story.sent("sat-a", &[(WEB, &two)]);
    story.pointed("sat-a", "1.1", &[&name], &[]);
    story.assert_only(Rule::DeliveredBeforeRename, WEB);
    let mut story = Story::default();
    story.renamed(WEB, &one);
    let name = story.sent("sat-a", &[(WEB, &one)]);
    story.pointed("sat-a", "1.1", &[&name], &[]);
    story.assert_only(Rule::DeliveredBeforeAcknowledgement, WEB);
    // An older content again.
    let mut story = Story::default();
    let shards = [&one, &two].map(|text| {
        story.published(WEB, text);
        story.sent("sat-a", &[(WEB, text)])
    });
    story.pointed("sat-a", "1.1", &[&shards[1]], &[]);
    story.pointed("sat-a", "1.2", &[&shards[0]], &[&shards[1]]);
    story.assert_only(Rule::ContentWentBack, WEB);
    // One revision with two contents.
    let mut story = Story::default();
    let shards = [&one, &two].map(|text| {
        story.published(WEB, text);
        story.sent("sat-a", &[(WEB, text)])
    });
    story.pointed("sat-a", "1.1", &[&shards[0]], &[]);
    story.pointed("sat-a", "1.1", &[&shards[1]], &[]);
    story.assert_only(Rule::RevisionWentBack, "sat-a");
    // A name that no shard provides.
    let mut story = Story::default();
    let (web, linux) = (host("web", 1, &["HostGroup!linux"]), group("linux"));
    story.published(LINUX, &linux);
    story.published(WEB, &web);
    let shards = [(WEB, &web), (LINUX, &linux)].map(|(key, text)| story.sent("sat-a", &[(key, text)]));
    story.pointed("sat-a", "1.1", &[&shards[0], &shards[1]], &[]);
    assert_eq!(story.broken(), []);
    story.pointed("sat-a", "1.2", &[&shards[0]], &[&shards[1]]);
    story.assert_only(Rule::DeliveredOpenSet, WEB);
}

#[test]
fn a_pointer_before_its_shard_is_reported() {
    let text = host("web", 1, &[]);
    let name = shard(&[(WEB, &text)]).0;
    let missing = [(Rule::PointerBeforeShard, "sat-a".to_owned())];
    // Never sent; sent to another satellite; sent later.
    let mut story = Story::default();
    story.published(WEB, &text);
    story.pointed("sat-a", "1.1", &[&name], &[]);
    assert_eq!(story.broken(), missing);
    let mut story = Story::default();
    story.published(WEB, &text);
    story.sent("sat-b", &[(WEB, &text)]);
    story.pointed("sat-a", "1.1", &[&name], &[]);
    assert_eq!(story.broken(), missing);
    let mut story = Story::default();
    story.published(WEB, &text);
    story.pointed("sat-a", "1.1", &[&name], &[]);
    story.sent("sat-a", &[(WEB, &text)]);
    assert_eq!(story.broken(), missing);
    // Its write has no answer, until a LIST shows it.
    for listed in [false, true] {
        let mut story = Story::default();
        story.published(WEB, &text);
        story.exchange("sat-a", Method::POST, MAPS, &shard(&[(WEB, &text)]).1, None);
        if listed {
            story.listed("sat-a", &name);
        }
        story.pointed("sat-a", "1.1", &[&name], &[]);
        assert_eq!(story.broken() == missing, !listed, "{:?}", story.broken());
    }
    // Deleted by us before, and sent again or not.
    for again in [false, true] {
        let mut story = Story::default();
        story.published(WEB, &text);
        story.sent("sat-a", &[(WEB, &text)]);
        story.removed("sat-a", &name, Some(200));
        if again {
            story.sent("sat-a", &[(WEB, &text)]);
        }
        story.pointed("sat-a", "1.1", &[&name], &[]);
        assert_eq!(story.broken() == missing, !again, "{:?}", story.broken());
    }
}

#[test]
fn a_deletion_of_a_named_shard_is_reported() {
    let [one, two] = [1, 2].map(|version| host("web", version, &[]));
    let start = || {
        let mut story = Story::default();
        let shards = [&one, &two].map(|text| {
            story.published(WEB, text);
            story.sent("sat-a", &[(WEB, text)])
        });
        story.pointed("sat-a", "1.1", &[&shards[0]], &[]);
        story.pointed("sat-a", "1.2", &[&shards[1]], &[&shards[0]]);
        (story, shards)
    };
    for at in [0, 1] {
        for answer in [Some(200), None] {
            let (mut story, shards) = start();
            story.removed("sat-a", &shards[at], answer);
            assert_eq!(story.broken(), [(Rule::NamedShardDeleted, "sat-a".to_owned())], "{at} {answer:?}");
        }
    }
    // Refused by its precondition; of another satellite; named no more by a write without an answer.
    let (mut story, shards) = start();
    story.removed("sat-a", &shards[0], Some(409));
    story.removed("sat-b", &shards[0], Some(200));
    let at = story.pointed("sat-a", "1.3", &[&shards[1]], &[]);
    story.exchanges[at].status = None;
    story.removed("sat-a", &shards[0], Some(200));
    assert_eq!(story.broken(), []);
}

#[test]
fn an_archive_that_is_not_what_its_name_says_is_reported() {
    let text = host("web", 1, &[]);
    for broken in
        [json!("AAAA"), shard(&[(WEB, &host("web", 2, &[]))]).1["binaryData"]["files.tar.gz"].clone()]
    {
        let mut story = Story::default();
        story.published(WEB, &text);
        story.published(WEB, &host("web", 2, &[]));
        let (name, mut body) = shard(&[(WEB, &text)]);
        body["binaryData"]["files.tar.gz"] = broken;
        story.exchange("sat-a", Method::POST, MAPS, &body, Some(201));
        story.pointed("sat-a", "1.1", &[&name], &[]);
        let rules: Vec<_> = story.broken().into_iter().map(|(rule, _)| rule).collect();
        assert_eq!(rules, [Rule::DeliveredBeforeRename]);
    }
}

/// A run that is checked in pieces forgets nothing that a rule needs.
#[test]
fn what_was_acknowledged_and_held_is_carried_over() {
    let [one, two] = [1, 2].map(|version| host("web", version, &[]));
    let start = || {
        let mut story = Story::default();
        story.published(WEB, &one);
        let first = story.sent("sat-a", &[(WEB, &one)]);
        story.pointed("sat-a", "1.1", &[&first], &[]);
        story.published(WEB, &two);
        let second = story.sent("sat-a", &[(WEB, &two)]);
        story.pointed("sat-a", "1.2", &[&second], &[&first]);
        let base = story.next_part(&Base::default(), &[(WEB, &two)]);
        (story, base, [first, second])
    };
    // Repeated, also on a satellite that joins late, is correct.
    let (mut story, base, [first, second]) = start();
    story.pointed("sat-a", "1.2", &[&second], &[&first]);
    story.pointed("sat-a", "1.3", &[&second], &[]);
    story.sent("sat-b", &[(WEB, &two)]);
    story.pointed("sat-b", "1.3", &[&second], &[]);
    story.removed("sat-a", &first, Some(200));
    assert_eq!(story.broken_from(&base), []);
    let base = story.next_part(&base, &[(WEB, &two)]);
    // The older content is neither acknowledged nor in place any more, and its shard is gone.
    story.pointed("sat-a", "1.4", &[&first], &[&second]);
    let rules: Vec<_> = story.broken_from(&base).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, [Rule::PointerBeforeShard]);

    // A revision that goes back.
    let (mut story, base, [first, second]) = start();
    story.pointed("sat-a", "1.1", &[&second], &[&first]);
    assert_eq!(story.broken_from(&base), [(Rule::RevisionWentBack, "sat-a".to_owned())]);
    // An older content that is in place again, without a new acknowledgement.
    let (mut story, base, [first, second]) = start();
    story.renamed(WEB, &one);
    story.pointed("sat-a", "1.3", &[&first], &[&second]);
    assert_eq!(story.broken_from(&base), [(Rule::DeliveredBeforeAcknowledgement, WEB.to_owned())]);
    // A shard that the previous pointer names.
    let (mut story, base, [first, _]) = start();
    story.removed("sat-a", &first, Some(200));
    assert_eq!(story.broken_from(&base), [(Rule::NamedShardDeleted, "sat-a".to_owned())]);
    // A file that was removed, and its object appears again.
    let (mut story, base, [_, second]) = start();
    story.deleted(WEB);
    story.pointed("sat-a", "1.3", &[], &[&second]);
    let base = story.next_part(&base, &[]);
    story.pointed("sat-a", "1.4", &[&second], &[]);
    let rules: Vec<_> = story.broken_from(&base).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, [Rule::DeliveredBeforeRename]);
}
