//! Tests the witness with invented histories. Each has one fault, which is all that it may report.

use super::evidence::History;
use super::rules::{Findings, Rule};
use super::witness::check;
use crate::support::{Action, Content, Exchange, FileEvent, FileEventKind, digest};
use http::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An invented history. Each call takes the next numbers of the sequence.
#[derive(Default)]
pub(super) struct Story {
    seq: u64,
    pub(super) files: Vec<FileEvent>,
    pub(super) exchanges: Vec<Exchange>,
}

/// Returns a file that provides `Host!<name>`, and uses `hostalive` and the given names.
pub(super) fn host(name: &str, version: u32, uses: &[&str]) -> String {
    let uses: Vec<_> = ["CheckCommand!hostalive"].iter().chain(uses).map(|name| [name]).collect();
    let header = json!({ "provides": [format!("Host!{name}")], "uses": uses });
    format!(
        "// by hand\n// groundlink: {header}\nobject Host \"{name}\" {{\n  display_name = \"v{version}\"\n}}\n"
    )
}

pub(super) fn group(name: &str) -> String {
    let header = json!({ "provides": [format!("HostGroup!{name}")] });
    format!("// by hand\n// groundlink: {header}\nobject HostGroup \"{name}\" {{\n}}\n")
}

impl Story {
    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn file(&mut self, key: &str, kind: FileEventKind) -> &mut FileEvent {
        let (seq, path) = (self.next(), format!("objects.d/{key}.conf"));
        self.files.push(FileEvent { seq, at: Instant::now(), path, kind, superseded: false });
        self.files.last_mut().unwrap()
    }

    pub(super) fn renamed(&mut self, key: &str, text: &str) -> &mut FileEvent {
        let content = Content { digest: digest(text.as_bytes()), bytes: text.to_owned().into() };
        self.file(key, FileEventKind::Renamed(Some(content)))
    }

    pub(super) fn found(&mut self, key: &str, text: &str) {
        let content = Content { digest: digest(text.as_bytes()), bytes: text.to_owned().into() };
        self.file(key, FileEventKind::Found(Some(content)));
    }

    pub(super) fn deleted(&mut self, key: &str) -> &mut FileEvent {
        self.file(key, FileEventKind::Deleted)
    }

    pub(super) fn exchange(
        &mut self,
        server: &str,
        method: Method,
        path: &str,
        body: &Value,
        answer: Option<u16>,
    ) -> usize {
        let seq_start = self.next();
        let seq_end = answer.map(|_| self.next());
        self.exchanges.push(Exchange {
            server: server.into(),
            seq_start,
            started: Instant::now(),
            seq_end,
            answered: answer.map(|_| Instant::now()),
            method,
            path: path.into(),
            query: String::new(),
            user_agent: None,
            request_body: body.to_string().into(),
            status: answer,
            held_status: answer,
            response_body: None,
            action: None,
        });
        self.exchanges.len() - 1
    }

    fn status(&mut self, key: &str, ready: &str, text: &str, answer: Option<u16>) -> usize {
        let (namespace, name) = key.split_once('/').unwrap();
        let path =
            format!("/apis/groundlink.dev/v1alpha1/namespaces/{namespace}/monitoringobjects/{name}/status");
        let body = json!([
            { "op": "test", "path": "/metadata/generation", "value": 1 },
            { "op": "add", "path": "/status", "value": {
                "observedGeneration": 1,
                "publishedDigest": digest(text.as_bytes()),
                "conditions": [{ "type": "Ready", "status": ready, "observedGeneration": 1 }],
            } },
        ]);
        self.exchange("hub", Method::PATCH, &path, &body, answer)
    }

    /// Adds a rename and an acknowledged Ready=True.
    pub(super) fn published(&mut self, key: &str, text: &str) {
        self.renamed(key, text);
        self.status(key, "True", text, Some(200));
    }

    fn list(&mut self, key: &str, text: &str) {
        let at = self.exchange(
            "hub",
            Method::GET,
            "/apis/groundlink.dev/v1alpha1/monitoringobjects",
            &json!({}),
            Some(200),
        );
        let (namespace, name) = key.split_once('/').unwrap();
        let answer = json!({ "items": [{
            "metadata": { "namespace": namespace, "name": name },
            "status": { "publishedDigest": digest(text.as_bytes()) },
        }] });
        self.exchanges[at].response_body = Some(answer.to_string().into());
    }

    fn delivered(&mut self, satellite: &str, revision: &str, files: &[(&str, &str)]) -> usize {
        let data: serde_json::Map<String, Value> = files
            .iter()
            .map(|(key, text)| (format!("{}.conf", key.replace('/', ".")), json!(text)))
            .collect();
        let body =
            json!({ "metadata": { "annotations": { "groundlink.dev/revision": revision } }, "data": data });
        let path = "/api/v1/namespaces/icinga/configmaps/groundlink";
        self.exchange(satellite, Method::PUT, path, &body, Some(200))
    }

    pub(super) fn findings(&self) -> Findings {
        check(&History { files: self.files.clone(), exchanges: self.exchanges.clone(), directories_since: 0 })
    }

    pub(super) fn broken(&self) -> Vec<(Rule, String)> {
        self.findings().violations.into_iter().map(|v| (v.rule, v.subject)).collect()
    }

    pub(super) fn assert_only(&self, rule: Rule, subject: &str) {
        assert_eq!(self.broken(), [(rule, subject.to_owned())], "{:#?}", self.findings());
    }
}

pub(super) const WEB: &str = "team-a/web";

#[test]
fn a_correct_history_has_no_violation() {
    let mut story = Story::default();
    let (one, two, linux) = (host("web", 1, &[]), host("web", 2, &["HostGroup!linux"]), group("linux"));
    story.published(WEB, &one);
    story.delivered("sat-a", "1.1", &[(WEB, &one)]);
    story.published("team-b/linux", &linux);
    story.published(WEB, &two);
    story.delivered("sat-a", "1.9", &[(WEB, &two), ("team-b/linux", &linux)]);
    story.delivered("sat-b", "1.9", &[(WEB, &two), ("team-b/linux", &linux)]);
    // Repeated, then withdrawn, then delivered again after a new acknowledgement.
    story.delivered("sat-a", "1.9", &[(WEB, &two), ("team-b/linux", &linux)]);
    story.published(WEB, &one);
    story.delivered("sat-a", "2.1", &[(WEB, &one), ("team-b/linux", &linux)]);
    story.deleted(WEB);
    story.delivered("sat-a", "2.2", &[("team-b/linux", &linux)]);
    story.published(WEB, &one);
    story.delivered("sat-a", "10.1", &[(WEB, &one), ("team-b/linux", &linux)]);
    let findings = story.findings();
    assert_eq!(findings.violations, []);
    let figures = (findings.satellite_writes, findings.keys, findings.renames, findings.ready_writes);
    assert_eq!((figures, findings.removals, findings.inconclusive), ((7, 12, 5, 5), 1, 0));
}

#[test]
fn bytes_never_renamed_are_reported() {
    let mut story = Story::default();
    story.published(WEB, &host("web", 1, &[]));
    story.delivered("sat-a", "1.1", &[(WEB, &host("web", 2, &[]))]);
    story.assert_only(Rule::DeliveredBeforeRename, WEB);
}

#[test]
fn bytes_renamed_too_late_or_elsewhere_are_reported() {
    let mut story = Story::default();
    let text = host("web", 1, &[]);
    story.delivered("sat-a", "1.1", &[(WEB, &text)]);
    story.published(WEB, &text);
    story.assert_only(Rule::DeliveredBeforeRename, WEB);

    let mut story = Story::default();
    story.published("team-b/web", &text);
    story.delivered("sat-a", "1.1", &[(WEB, &text)]);
    story.assert_only(Rule::DeliveredBeforeRename, WEB);
}

#[test]
fn a_key_that_belongs_to_no_object_is_reported() {
    let mut story = Story::default();
    story.delivered("sat-a", "1.1", &[("nonsense", "x")]);
    story.assert_only(Rule::DeliveredBeforeRename, "nonsense.conf");
}

#[test]
fn bytes_without_an_earlier_acknowledged_ready_are_reported() {
    let text = host("web", 1, &[]);
    let deliver = |story: &mut Story| {
        story.delivered("sat-a", "1.1", &[(WEB, &text)]);
    };
    type Step<'a> = Box<dyn Fn(&mut Story) + 'a>;
    let cases: [(&str, Step<'_>); 7] = [
        ("no status", Box::new(|_| {})),
        (
            "a refusal names the digest",
            Box::new(|story| {
                story.status(WEB, "False", &text, Some(200));
            }),
        ),
        (
            "a refusal names the digest, and a LIST shows it",
            Box::new(|story| {
                story.status(WEB, "False", &text, Some(200));
                story.list(WEB, &text);
            }),
        ),
        (
            "refused",
            Box::new(|story| {
                story.status(WEB, "True", &text, Some(422));
            }),
        ),
        (
            "not answered",
            Box::new(|story| {
                story.status(WEB, "True", &text, None);
            }),
        ),
        (
            "an error",
            Box::new(|story| {
                story.status(WEB, "True", &text, Some(503));
            }),
        ),
        (
            "the answer never came",
            Box::new(|story| {
                let at = story.status(WEB, "True", &text, Some(200));
                story.exchanges[at].action = Some(Action::DropAfterApply);
            }),
        ),
    ];
    for (what, step) in cases {
        let mut story = Story::default();
        story.renamed(WEB, &text);
        step(&mut story);
        deliver(&mut story);
        assert_eq!(story.broken(), [(Rule::DeliveredBeforeAcknowledgement, WEB.to_owned())], "{what}");
    }

    // Answered after the delivery had begun: too late.
    let mut story = Story::default();
    story.renamed(WEB, &text);
    let at = story.status(WEB, "True", &text, Some(200));
    deliver(&mut story);
    story.exchanges[at].seq_end = Some(story.seq + 1);
    story.assert_only(Rule::DeliveredBeforeAcknowledgement, WEB);
}

#[test]
fn a_lost_answer_counts_once_a_list_shows_the_write() {
    let text = host("web", 1, &[]);
    let mut story = Story::default();
    story.renamed(WEB, &text);
    story.status(WEB, "True", &text, None);
    story.list(WEB, &text);
    story.delivered("sat-a", "2.1", &[(WEB, &text)]);
    assert_eq!((story.broken(), story.findings().recovered_keys), (vec![], 1));

    // Neither a LIST with another digest counts, nor one from before the write.
    let mut story = Story::default();
    story.renamed(WEB, &text);
    story.list(WEB, &text);
    story.status(WEB, "True", &text, None);
    story.list(WEB, &host("web", 0, &[]));
    story.delivered("sat-a", "2.1", &[(WEB, &text)]);
    story.assert_only(Rule::DeliveredBeforeAcknowledgement, WEB);
}

#[test]
fn a_refusal_that_names_the_digest_counts_for_a_found_file() {
    let text = host("web", 1, &[]);
    let mut story = Story::default();
    story.renamed(WEB, &text);
    story.list(WEB, &host("web", 0, &[]));
    story.status(WEB, "False", &text, Some(200));
    story.delivered("sat-a", "2.1", &[(WEB, &text)]);
    assert_eq!(story.broken(), []);
}

#[test]
fn a_restart_does_not_reset_acknowledged_contents() {
    let (one, two) = (host("web", 1, &[]), host("web", 2, &[]));
    let mut story = Story::default();
    story.published(WEB, &one);
    story.delivered("sat-a", "1.1", &[(WEB, &one)]);
    // The next process delivers to a joining satellite after its LIST, without a new status write.
    story.list(WEB, &one);
    story.delivered("sat-b", "2.1", &[(WEB, &one)]);
    assert_eq!(story.broken(), []);
    // The volume has a newer content without an acknowledgement: only the older one may be sent.
    story.renamed(WEB, &two);
    story.delivered("sat-c", "2.1", &[(WEB, &one)]);
    assert_eq!(story.broken(), []);
    story.delivered("sat-c", "2.2", &[(WEB, &two)]);
    story.assert_only(Rule::DeliveredBeforeAcknowledgement, WEB);
}

#[test]
fn a_revision_that_goes_back_or_names_two_contents_is_reported() {
    let (one, two) = (host("web", 1, &[]), host("web", 2, &[]));
    for (revision, bad) in
        [("9.100", true), ("10.1", true), ("10.2", true), ("10.3", false), ("11.1", false), ("x", true)]
    {
        let mut story = Story::default();
        story.published(WEB, &one);
        story.delivered("sat-a", "10.2", &[(WEB, &one)]);
        story.delivered("sat-b", "9.9", &[(WEB, &one)]);
        story.published(WEB, &two);
        story.delivered("sat-a", revision, &[(WEB, &two)]);
        let broken = story.broken();
        let expected = (Rule::RevisionWentBack, "sat-a".to_owned());
        assert!(if bad { broken.contains(&expected) } else { broken.is_empty() }, "{revision}: {broken:?}");
    }
    // A write that the satellite refused changed nothing.
    let mut story = Story::default();
    story.published(WEB, &one);
    story.delivered("sat-a", "10.2", &[(WEB, &one)]);
    let at = story.delivered("sat-a", "9.1", &[(WEB, &one)]);
    story.exchanges[at].status = Some(409);
    assert_eq!(story.broken(), []);
}

#[test]
fn an_older_content_that_returns_is_reported() {
    let (one, two) = (host("web", 1, &[]), host("web", 2, &[]));
    let mut story = Story::default();
    story.published(WEB, &one);
    story.published(WEB, &two);
    story.delivered("sat-a", "1.1", &[(WEB, &two)]);
    story.delivered("sat-a", "1.2", &[(WEB, &one)]);
    story.assert_only(Rule::ContentWentBack, WEB);

    // Removed from the satellite, then delivered again without a new acknowledgement.
    let mut story = Story::default();
    story.published(WEB, &one);
    story.delivered("sat-a", "1.1", &[(WEB, &one)]);
    story.deleted(WEB);
    story.delivered("sat-a", "1.2", &[]);
    story.delivered("sat-a", "1.3", &[(WEB, &one)]);
    story.assert_only(Rule::ContentWentBack, WEB);
}

#[test]
fn an_object_that_appears_after_its_file_was_removed_is_reported() {
    let text = host("web", 1, &[]);
    let mut story = Story::default();
    story.published(WEB, &text);
    story.delivered("sat-a", "1.1", &[(WEB, &text)]);
    story.deleted(WEB).at -= Duration::from_secs(2);
    // sat-a may keep the object until the next snapshot. One for sat-b may have been in transit
    // during the removal, but not two seconds later.
    story.delivered("sat-a", "1.2", &[(WEB, &text)]);
    story.published(WEB, &text);
    story.deleted(WEB);
    story.delivered("sat-b", "1.2", &[(WEB, &text)]);
    assert_eq!(story.broken(), []);
    story.files.last_mut().unwrap().at -= Duration::from_secs(2);
    story.assert_only(Rule::DeliveredAfterRemoval, WEB);
}

#[test]
fn a_file_written_in_place_is_reported() {
    for kind in [FileEventKind::CreatedInPlace, FileEventKind::ModifiedInPlace(None)] {
        let mut story = Story::default();
        story.published(WEB, &host("web", 1, &[]));
        story.file(WEB, kind);
        story.assert_only(Rule::WrittenInPlace, WEB);
    }
}

#[test]
fn ready_for_bytes_absent_from_the_volume_is_reported() {
    let (one, two) = (host("web", 1, &[]), host("web", 2, &[]));
    type Step<'a> = Box<dyn Fn(&mut Story) + 'a>;
    let cases: [(&str, Step<'_>); 5] = [
        ("before the rename", Box::new(|_| {})),
        (
            "other bytes",
            Box::new(|story| {
                story.renamed(WEB, &two);
            }),
        ),
        (
            "replaced before the write",
            Box::new(|story| {
                story.renamed(WEB, &one);
                story.renamed(WEB, &two);
            }),
        ),
        (
            "removed long before the write",
            Box::new(|story| {
                story.renamed(WEB, &one);
                story.deleted(WEB).at -= Duration::from_secs(2);
            }),
        ),
        (
            "other bytes, then removed",
            Box::new(|story| {
                story.renamed(WEB, &one);
                story.renamed(WEB, &two);
                story.deleted(WEB);
            }),
        ),
    ];
    for (what, step) in cases {
        let mut story = Story::default();
        step(&mut story);
        story.status(WEB, "True", &one, Some(200));
        assert_eq!(story.broken(), [(Rule::ReadyWithoutFile, WEB.to_owned())], "{what}");
    }

    // Withdrawn while the write was in transit.
    let mut story = Story::default();
    story.renamed(WEB, &one);
    story.deleted(WEB);
    story.status(WEB, "True", &one, Some(200));
    assert_eq!((story.broken(), story.findings().overtaken), (vec![], 1));

    // If the API server refused the write, no status has it. If the outcome is unknown, the file
    // may have been replaced meanwhile, but must have been in place before.
    let mut story = Story::default();
    story.renamed(WEB, &one);
    story.renamed(WEB, &two);
    story.status(WEB, "True", &one, Some(422));
    story.status(WEB, "True", &one, None);
    assert_eq!(story.broken(), []);
    story.status(WEB, "True", &host("web", 3, &[]), None);
    story.assert_only(Rule::ReadyWithoutFile, WEB);
}

#[test]
fn a_delivered_set_with_an_unresolved_name_is_reported() {
    let (web, linux) = (host("web", 1, &["HostGroup!linux"]), group("linux"));
    let mut story = Story::default();
    story.published("team-b/linux", &linux);
    story.published(WEB, &web);
    story.delivered("sat-a", "1.1", &[(WEB, &web), ("team-b/linux", &linux)]);
    assert_eq!(story.broken(), []);
    story.delivered("sat-a", "1.2", &[(WEB, &web)]);
    story.assert_only(Rule::DeliveredOpenSet, WEB);

    // Only names of the template library need no file.
    let mut story = Story::default();
    let text = host("web", 1, &["CheckCommand!no-such"]);
    story.published(WEB, &text);
    assert_eq!(story.broken(), [(Rule::VolumeOpenSet, WEB.to_owned())]);
}

#[test]
fn a_name_held_twice_is_reported() {
    let text = host("web", 1, &[]);
    let mut story = Story::default();
    story.published(WEB, &text);
    story.deleted(WEB);
    story.published("team-b/web", &text);
    story.delivered("sat-a", "1.1", &[(WEB, &text), ("team-b/web", &text)]);
    story.assert_only(Rule::DeliveredOpenSet, "team-b/web");
}

#[test]
fn a_volume_open_for_an_instant_is_reported() {
    let (web, linux) = (host("web", 1, &["HostGroup!linux"]), group("linux"));
    let mut story = Story::default();
    story.renamed(WEB, &web);
    story.renamed("team-b/linux", &linux);
    story.assert_only(Rule::VolumeOpenSet, WEB);

    let mut story = Story::default();
    story.renamed("team-b/linux", &linux);
    story.renamed(WEB, &web);
    story.deleted("team-b/linux");
    story.deleted(WEB);
    story.assert_only(Rule::VolumeOpenSet, WEB);

    let mut story = Story::default();
    story.renamed("team-b/linux", &linux);
    story.renamed(WEB, &web);
    story.deleted(WEB);
    story.deleted("team-b/linux");
    assert_eq!(story.broken(), []);
}

#[test]
fn an_unread_content_excuses_one_digest_and_no_more() {
    let [one, two, three] = [1, 2, 3].map(|version| host("web", version, &[]));
    let mut story = Story::default();
    // The first rename was replaced before it could be read, so its event shows the second content.
    story.renamed(WEB, &two).superseded = true;
    story.renamed(WEB, &two);
    story.status(WEB, "True", &one, None);
    assert_eq!((story.broken(), story.findings().inconclusive), (vec![], 1));
    story.status(WEB, "True", &three, None);
    story.assert_only(Rule::ReadyWithoutFile, WEB);
}
