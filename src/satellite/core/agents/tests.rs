use super::*;
use crate::api::agent_report::{Checked, HeldContent, HeldObject, RunningSet};
use crate::api::satellite_cluster::AgentState;
use crate::api::{AgentResult, ConditionStatus, Reason};

const POINTER: &str = "groundlink";

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(counter: u64) -> Revision {
    Revision { term: 7, counter }
}

fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}

/// A history in which the set `word` was delivered at each counter.
fn history(sets: &[(u64, &str)]) -> History {
    let mut history = History::default();
    for (counter, word) in sets {
        history.add(DeliveredSet {
            pointer: at(*counter),
            digest: digest(word),
            snapshot: at(*counter),
            left_out: Arc::default(),
        });
    }
    history
}

/// The report of an agent that knows this set and runs that one.
fn report(result: AgentResult, newest: (u64, &str), runs: Option<(u64, &str)>) -> AgentReport {
    AgentReport {
        result,
        revision: Some(at(newest.0).to_string()),
        digest: Some(digest(newest.1).to_string()),
        running: runs.map(|(counter, word)| RunningSet {
            revision: at(counter).to_string(),
            digest: digest(word).to_string(),
            loaded_at: "2026-11-29T12:00:00Z".into(),
        }),
        icinga_version: "2.14.6".into(),
        ..AgentReport::new(POINTER)
    }
}

fn loaded(counter: u64, word: &str) -> AgentReport {
    report(AgentResult::Loaded, (counter, word), Some((counter, word)))
}

fn held(objects: &[&str], report: AgentReport) -> AgentReport {
    let object = |name: &&str| HeldObject {
        object: (*name).into(),
        content: HeldContent::Previous,
        message: "no such command".into(),
        digest: None,
    };
    AgentReport { result: AgentResult::LoadedInPart, held: objects.iter().map(object).collect(), ..report }
}

fn found(name: &str, stamp: u64, report: AgentReport) -> Found {
    Found { name: name.into(), stamp, said: Said::Report(Arc::new(report)) }
}

fn listed(found: Vec<Found>) -> Agents {
    let mut agents = Agents::default();
    agents.heard(s(0), Heard::Listed { found, is_more: false });
    agents
}

/// Status, reason and message of `Loaded` if the set `word` is delivered.
fn says(agents: &Agents, word: &str, now: u64) -> (ConditionStatus, Reason, String) {
    agents.verdict("edge", POINTER, Some(digest(word)), s(now)).loaded
}

fn reason(agents: &Agents, word: &str, now: u64) -> Reason {
    says(agents, word, now).1
}

#[test]
fn each_report_is_one_state_of_loaded() {
    use ConditionStatus::{False, True, Unknown};
    let rejected = AgentReport {
        message: "syntax error".into(),
        object: Some("team-a/web".into()),
        ..report(AgentResult::Rejected, (2, "b"), Some((1, "a")))
    };
    let unproved = report(AgentResult::Unproved, (2, "b"), Some((1, "a")));
    let cases: Vec<(Said, ConditionStatus, Reason, &[&str])> = vec![
        (Said::Nothing, Unknown, Reason::AwaitingAgent, &["agent one has never reported"]),
        (Said::Unreadable("has version 2".into()), Unknown, Reason::AwaitingAgent, &["one", "version 2"]),
        (Said::Report(loaded(2, "b").into()), True, Reason::Loaded, &["loaded by agent one"]),
        (
            Said::Report(rejected.into()),
            False,
            Reason::Rejected,
            &["one", "7.2", "syntax error", "team-a/web"],
        ),
        (Said::Report(unproved.into()), False, Reason::Rejected, &["did not prove", "7.2"]),
        (
            Said::Report(report(AgentResult::Held, (2, "b"), Some((1, "a"))).into()),
            False,
            Reason::ManyRemovals,
            &["7.2"],
        ),
        (
            Said::Report(held(&["team-a/web", "team-a/db"], loaded(2, "b")).into()),
            False,
            Reason::Rejected,
            &["2 objects", "first team-a/web", "previous content", "no such command"],
        ),
        (
            Said::Report(report(AgentResult::Loading, (2, "b"), Some((1, "a"))).into()),
            False,
            Reason::Pending,
            &["one has not loaded"],
        ),
        (
            Said::Report(
                AgentReport {
                    message: "no space left".into(),
                    ..report(AgentResult::Loading, (2, "b"), Some((1, "a")))
                }
                .into(),
            ),
            False,
            Reason::Pending,
            &["one has not loaded", "of revision 7.2 it reports: no space left"],
        ),
        // It knows only an older set, which it refused: the newer one may be accepted.
        (
            Said::Report(report(AgentResult::Rejected, (1, "a"), None).into()),
            False,
            Reason::Pending,
            &["one has not loaded"],
        ),
    ];
    for (said, status, reason, words) in cases {
        let agents = listed(vec![Found { name: "one".into(), stamp: 1, said: said.clone() }]);
        let loaded = says(&agents, "b", 1);
        assert_eq!((loaded.0, loaded.1), (status, reason), "{said:?}");
        assert!(words.iter().all(|word| loaded.2.contains(word)), "{said:?}: {}", loaded.2);
    }
    let (status, reason, message) = says(&listed(vec![]), "b", 1);
    assert_eq!((status, reason), (Unknown, Reason::AwaitingAgent));
    assert!(message.contains("satellite add edge --agent"), "{message}");
}

#[test]
fn the_worst_agent_counts_and_is_named() {
    let refuses = report(AgentResult::Rejected, (2, "b"), Some((1, "a")));
    let mut all = vec![
        found("a", 1, loaded(2, "b")),
        found("b", 1, report(AgentResult::Loading, (2, "b"), Some((1, "a")))),
        Found { name: "c".into(), stamp: 1, said: Said::Nothing },
        found("d", 1, refuses),
    ];
    for (reason, name) in [
        (Reason::Rejected, "agent d"),
        (Reason::AwaitingAgent, "agent c"),
        (Reason::Pending, "agent b"),
        (Reason::Loaded, "agent a"),
    ] {
        let (_, said, message) = says(&listed(all.clone()), "b", 1);
        assert_eq!(said, reason);
        assert!(message.contains(name), "{message}");
        all.pop();
    }
}

#[test]
fn silence_is_counted_from_the_last_change_that_the_hub_saw() {
    let mut agents = listed(vec![found("one", 1, loaded(2, "b"))]);
    // The same stamp again is no renewal, whatever the report says.
    agents.heard(s(60), Heard::Changed(found("one", 1, loaded(2, "b"))));
    assert_eq!(agents.wakes(s(60)), Some(s(100)));
    assert_eq!(
        (reason(&agents, "b", 99), reason(&agents, "b", 100)),
        (Reason::Loaded, Reason::AwaitingAgent)
    );
    assert!(says(&agents, "b", 100).2.contains("one is silent for more than 1 min"));
    // What it loaded, it loaded.
    assert_eq!(agents.loaded(POINTER, &history(&[(2, "b")])).unwrap().snapshot, at(2));
    // A message per minute would be a write per minute.
    assert_eq!(says(&agents, "b", 310), says(&agents, "b", 890));
    assert_eq!((agents.wakes(s(310)), agents.wakes(s(100_000))), (Some(s(900)), None));
    agents.heard(s(1000), Heard::Changed(found("one", 2, loaded(2, "b"))));
    assert_eq!(reason(&agents, "b", 1099), Reason::Loaded);
}

#[test]
fn a_hub_that_sees_nothing_calls_nobody_silent_and_says_it_after_a_while() {
    let mut agents = listed(vec![found("one", 1, loaded(2, "b"))]);
    agents.heard(s(50), Heard::Failed { why: "no answer".into(), is_forbidden: false });
    assert_eq!((reason(&agents, "b", 149), agents.wakes(s(60))), (Reason::Loaded, Some(s(150))));
    let (_, reason_then, message) = says(&agents, "b", 150);
    assert_eq!(reason_then, Reason::AwaitingAgent);
    assert!(message.contains("no answer") && !message.contains("silent"), "{message}");
    // Its own requests failed, too: it gets some time.
    agents.heard(s(500), Heard::Listed { found: vec![found("one", 1, loaded(2, "b"))], is_more: false });
    assert_eq!(
        (reason(&agents, "b", 544), reason(&agents, "b", 545)),
        (Reason::Loaded, Reason::AwaitingAgent)
    );
    // One that renewed meanwhile is heard.
    agents.heard(s(600), Heard::Listed { found: vec![found("one", 3, loaded(2, "b"))], is_more: false });
    assert_eq!(reason(&agents, "b", 699), Reason::Loaded);
}

#[test]
fn a_restart_of_the_hub_makes_no_silent_agent_heard() {
    let mut agents = Agents::recorded(["one".to_owned()]);
    assert!(!agents.is_known());
    let both = vec![found("one", 1, loaded(2, "b")), found("two", 1, loaded(2, "b"))];
    agents.heard(s(5), Heard::Listed { found: both, is_more: false });
    assert!(says(&agents, "b", 5).2.contains("one is silent"));
    agents.heard(s(6), Heard::Changed(found("one", 2, loaded(2, "b"))));
    assert_eq!(reason(&agents, "b", 6), Reason::Loaded);
}

#[test]
fn without_the_right_to_read_leases_the_command_that_grants_it_is_named() {
    let mut agents = Agents::default();
    agents.heard(s(0), Heard::Failed { why: "403 no".into(), is_forbidden: true });
    let (status, reason, message) = says(&agents, "b", 0);
    assert_eq!((status, reason), (ConditionStatus::Unknown, Reason::AwaitingAgent));
    assert!(message.contains("403 no") && message.contains("satellite add edge"), "{message}");
    agents.heard(s(1), Heard::Listed { found: vec![found("one", 1, loaded(2, "b"))], is_more: false });
    assert_eq!(says(&agents, "b", 1).1, Reason::Loaded);
}

#[test]
fn every_agent_must_have_loaded_a_set_that_this_process_delivered() {
    let sets = history(&[(1, "a"), (2, "b"), (3, "c")]);
    let loaded_by = |reports: Vec<AgentReport>| {
        let found = reports.into_iter().enumerate().map(|(i, report)| found(&i.to_string(), 1, report));
        listed(found.collect()).loaded(POINTER, &sets).map(|set| set.snapshot.counter)
    };
    assert_eq!(loaded_by(vec![]), None);
    assert_eq!(loaded_by(vec![loaded(3, "c"), loaded(3, "c")]), Some(3));
    assert_eq!(loaded_by(vec![loaded(3, "c"), loaded(1, "a")]), Some(1), "the slowest");
    assert_eq!(loaded_by(vec![loaded(3, "c"), report(AgentResult::Waiting, (3, "c"), None)]), None);
    assert_eq!(loaded_by(vec![loaded(9, "x")]), None, "of another process");
    assert_eq!(loaded_by(vec![loaded(9, "c")]), Some(3), "the present content under another revision");
    assert_eq!(loaded_by(vec![report(AgentResult::Rejected, (3, "c"), Some((2, "b")))]), Some(2));
    let mut other = loaded(1, "a");
    other.pointer = "another".into();
    assert_eq!(loaded_by(vec![other, loaded(3, "c")]), Some(3), "of another SatelliteCluster");
    let silent = Found { name: "z".into(), stamp: 1, said: Said::Nothing };
    assert_eq!(listed(vec![silent, found("a", 1, loaded(3, "c"))]).loaded(POINTER, &sets), None);
}

#[test]
fn held_objects_are_refused_up_to_the_snapshot_of_the_set_that_runs() {
    let sets = history(&[(1, "a"), (2, "b")]);
    let one = held(&["team-a/web", "team-a/db", "nonsense"], loaded(1, "a"));
    let two = held(&["team-a/web"], loaded(2, "b"));
    let agents = listed(vec![found("one", 1, one), found("two", 1, two)]);
    let rejected = agents.rejected(POINTER, &sets);
    let of = |name: &str| rejected.get(&ObjectKey::new("team-a", name)).unwrap();
    assert_eq!(rejected.len(), 2);
    assert_eq!((of("web").agent.as_str(), of("web").revision), ("two", at(2)), "the newest word");
    assert_eq!((of("db").agent.as_str(), of("db").revision), ("one", at(1)));
    assert!(agents.rejected("another", &sets).is_empty());
    assert!(agents.rejected(POINTER, &history(&[(3, "c")])).is_empty(), "of an unknown set");
}

#[test]
fn checked_is_what_the_agents_say_of_their_checks() {
    let with = |overdue: u64| AgentReport {
        checked: Some(Checked { checkables: 9, overdue, first: Some("web!ping".into()) }),
        ..loaded(2, "b")
    };
    let verdict = |reports: Vec<AgentReport>, now: u64| {
        let found = reports.into_iter().enumerate().map(|(i, report)| found(&i.to_string(), 1, report));
        let checked = listed(found.collect()).verdict("edge", POINTER, Some(digest("b")), s(now)).checked;
        (checked.0, checked.1, checked.2)
    };
    use ConditionStatus::{False, True, Unknown};
    assert_eq!(verdict(vec![], 0).0, Unknown);
    assert_eq!(verdict(vec![with(0), with(0)], 0).0, True);
    assert_eq!(verdict(vec![with(0), loaded(2, "b")], 0).0, Unknown);
    let (status, reason, message) = verdict(vec![loaded(2, "b"), with(0), with(3)], 0);
    assert_eq!((status, reason), (False, Reason::ChecksOverdue));
    assert!(message.contains("agent 2: 3 of 9") && message.contains("web!ping"), "{message}");
    assert_eq!(verdict(vec![with(0)], 100).0, Unknown, "a silent agent knows nothing of now");
}

#[test]
fn rows_and_the_running_set_are_bounded_and_readable() {
    let many = (0..20).map(|i| found(&format!("{i:02}"), 1, loaded(2, "b"))).collect();
    let agents = listed(many);
    let verdict = agents.verdict("edge", POINTER, Some(digest("b")), s(1));
    assert_eq!((verdict.rows.len(), verdict.counts[&AgentState::Loaded]), (8, 16));
    assert!(verdict.loaded.2.contains("more than 16 agents"), "{}", verdict.loaded.2);
    let mut strange = loaded(2, "b");
    strange.message = "m".repeat(900);
    strange.running.as_mut().unwrap().loaded_at = "yesterday".into();
    let agents = listed(vec![found("one", 1, strange), found("two", 1, loaded(3, "c"))]);
    let verdict = agents.verdict("edge", POINTER, Some(digest("b")), s(1));
    let running = verdict.running.unwrap();
    assert_eq!((running.revision.as_str(), running.time), ("7.2", None), "the lowest");
    assert!(verdict.rows[0].message.len() <= 259 && verdict.rows[0].icinga_version == "2.14.6");
    let waits = report(AgentResult::Waiting, (2, "b"), None);
    let agents = listed(vec![found("one", 1, loaded(2, "b")), found("two", 1, waits)]);
    assert_eq!(agents.verdict("edge", POINTER, None, s(1)).running, None);
}

#[test]
fn a_lease_is_read_and_its_stamp_changes_with_each_renewal() {
    let lease = |time: &str, holder: &str, text: Option<&str>| -> Lease {
        let annotations: BTreeMap<_, _> = text.map(|text| (AGENT_REPORT, text)).into_iter().collect();
        serde_json::from_value(serde_json::json!({
            "metadata": { "name": "one", "annotations": annotations },
            "spec": { "renewTime": time, "holderIdentity": holder },
        }))
        .unwrap()
    };
    let first = Found::of(&lease("2026-11-29T12:00:00.000001Z", "pod-1", None));
    assert_eq!((first.name.as_str(), &first.said), ("one", &Said::Nothing));
    assert_eq!(first, Found::of(&lease("2026-11-29T12:00:00.000001Z", "pod-1", None)));
    assert_ne!(first.stamp, Found::of(&lease("2026-11-29T12:00:00.000002Z", "pod-1", None)).stamp);
    assert_ne!(first.stamp, Found::of(&lease("2026-11-29T12:00:00.000001Z", "pod-2", None)).stamp);
    let text = loaded(2, "b").text();
    let said = Found::of(&lease("2026-11-29T12:00:00Z", "", Some(&text))).said;
    assert_eq!(said, Said::Report(Arc::new(loaded(2, "b"))));
    assert!(matches!(Found::of(&lease("2026-11-29T12:00:00Z", "", Some("{"))).said, Said::Unreadable(_)));
}
