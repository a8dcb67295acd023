//! What the reports of agents change.

use super::*;
use crate::api::agent_report::{AgentReport, AgentResult, HeldContent, HeldObject, RunningSet};
use crate::satellite::core::agents::{Found, Heard, Said};

fn loads(set: &Wanted, held: &[&str]) -> AgentReport {
    let object = |name: &&str| HeldObject {
        object: (*name).into(),
        content: HeldContent::Previous,
        message: "no such command".into(),
        digest: None,
    };
    AgentReport {
        revision: Some(set.revision.to_string()),
        digest: Some(set.view.digest.to_string()),
        result: if held.is_empty() { AgentResult::Loaded } else { AgentResult::LoadedInPart },
        running: Some(RunningSet {
            revision: set.revision.to_string(),
            digest: set.view.digest.to_string(),
            loaded_at: "2026-11-29T12:00:00Z".into(),
        }),
        held: held.iter().map(object).collect(),
        ..AgentReport::new("groundlink")
    }
}

fn found(name: &str, stamp: u64, report: AgentReport) -> Found {
    Found { name: name.into(), stamp, said: Said::Report(Arc::new(report)) }
}

fn loaded_level() -> Value {
    json!({ "ackLevel": "Loaded" })
}

impl Stage {
    fn moment(&self) -> Moment {
        Moment { now: self.now, unix: self.unix(), random: 0.5, is_leader: true }
    }

    fn hear(&mut self, heard: Heard) {
        self.effects.clear();
        let moment = self.moment();
        self.actor.heard(self.now, heard, &moment);
        self.effects = self.actor.take_effects();
    }

    fn list(&mut self, found: Vec<Found>) {
        self.hear(Heard::Listed { found, is_more: false });
    }

    /// What the last effects reported to the hub, in their order.
    fn told(&self) -> Vec<String> {
        let word = |effect: &Effect| match effect {
            Effect::NotHeld => Some("nothing".to_owned()),
            Effect::Holds(revision, _) => Some(revision.to_string()),
            Effect::Rejects(rejected) => Some(format!("rejects {}", rejected.len())),
            _ => None,
        };
        self.effects.iter().filter_map(word).collect()
    }

    fn delivers(&mut self, set: Wanted) {
        self.set = Some(set);
        self.writes = vec!["groundlink"];
        self.now += s(5);
        self.step(Woken::Snapshot).unwrap();
    }
}

#[test]
fn with_ack_level_loaded_a_set_is_held_when_every_agent_loaded_it() {
    let mut stage = Stage::new(loaded_level());
    let (one, two) = (wanted(1, "one"), wanted(2, "two"));
    stage.delivers(one.clone());
    assert!(!stage.holds());
    assert_eq!(stage.says(Synced), "False AwaitingAgent");
    stage.list(vec![]);
    assert_eq!((stage.told(), stage.says(Synced)), (vec![], "False AwaitingAgent".into()));
    stage.list(vec![
        found("a", 1, loads(&one, &[])),
        Found { said: Said::Nothing, ..found("b", 1, loads(&one, &[])) },
    ]);
    assert!(stage.told().is_empty(), "one has not");
    stage.hear(Heard::Changed(found("b", 2, loads(&one, &[]))));
    assert_eq!((stage.told(), stage.says(Synced)), (vec!["1.1".to_owned()], "True InSync".into()));
    // A heartbeat is no news.
    stage.hear(Heard::Changed(found("b", 3, loads(&one, &[]))));
    assert!(stage.effects.is_empty(), "{:?}", stage.effects);
    stage.delivers(two.clone());
    assert!(!stage.holds());
    assert_eq!((stage.says(Loaded), stage.says(Synced)), ("False Pending".into(), "False Pending".into()));
    stage.hear(Heard::Changed(found("a", 2, loads(&two, &[]))));
    assert!(stage.told().is_empty(), "b has not");
    stage.hear(Heard::Changed(found("b", 4, loads(&two, &[]))));
    assert_eq!(stage.told(), ["1.2"]);
}

#[test]
fn with_ack_level_written_agents_change_no_synced() {
    let mut stage = Stage::new(json!({}));
    let one = wanted(1, "one");
    stage.delivers(one.clone());
    assert!(stage.holds());
    stage.list(vec![found("a", 1, loads(&one, &["n/a"]))]);
    assert!(stage.told().is_empty());
    assert_eq!((stage.says(Loaded), stage.says(Synced)), ("False Rejected".into(), "True InSync".into()));
    stage.hear(Heard::Failed { why: "403".into(), is_forbidden: true });
    assert_eq!(
        (stage.says(Ready), stage.says(Loaded)),
        ("True Connected".into(), "Unknown AwaitingAgent".into())
    );
}

#[test]
fn held_objects_are_reported_before_the_set_and_taken_back_after_it() {
    let mut stage = Stage::new(loaded_level());
    let (one, two) = (wanted(1, "one"), wanted(2, "two"));
    stage.delivers(one.clone());
    stage.list(vec![found("a", 1, loads(&one, &["n/a"]))]);
    assert_eq!(stage.told(), ["rejects 1", "1.1"]);
    let stalled = crate::api::ConditionType::Stalled;
    assert_eq!((stage.says(Synced), stage.says(stalled)), ("False Rejected".into(), "True Rejected".into()));
    // The agent starts again and runs nothing yet: nobody may take the object for loaded.
    let mut starts = loads(&one, &[]);
    (starts.result, starts.running) = (AgentResult::Waiting, None);
    stage.hear(Heard::Changed(found("a", 2, starts)));
    assert_eq!(stage.told(), ["nothing", "rejects 0"]);
    stage.hear(Heard::Changed(found("a", 3, loads(&one, &["n/a"]))));
    assert_eq!(stage.told(), ["rejects 1", "1.1"]);
    stage.delivers(two.clone());
    assert!(stage.told().is_empty(), "it stays refused until the agent says more");
    stage.hear(Heard::Changed(found("a", 4, loads(&two, &[]))));
    assert_eq!(stage.told(), ["rejects 0", "1.2"]);
    assert_eq!(stage.says(stalled), "False Complete");
}

#[test]
fn a_changed_resource_takes_back_what_the_agents_loaded() {
    let mut stage = Stage::new(loaded_level());
    let one = wanted(1, "one");
    stage.delivers(one.clone());
    stage.list(vec![found("a", 1, loads(&one, &["n/a"]))]);
    stage.step(Woken::Config(config(json!({ "ackLevel": "Loaded", "zones": ["eu"] }), kept()))).unwrap();
    assert_eq!(stage.told(), ["nothing", "rejects 1", "1.1"], "and counts again once it was delivered again");
}

#[test]
fn the_first_status_of_a_process_waits_for_the_agents() {
    let mut object = (*config(loaded_level(), kept()).object).clone();
    object.status = Some(Default::default());
    let mut stage = Stage::of(Arc::new(Config {
        object: Arc::new(object),
        selected: Ok(Default::default()),
        unreadable: None,
    }));
    let one = wanted(1, "one");
    stage.delivers(one.clone());
    assert!(stage.actor.status(None, UNIX).is_none());
    stage.list(vec![found("a", 1, loads(&one, &[]))]);
    assert_eq!(stage.says(Synced), "True InSync");
}

#[test]
fn events_are_published_when_something_begins_or_ends() {
    let mut stage = Stage::new(loaded_level());
    let one = wanted(1, "one");
    stage.delivers(one.clone());
    let mut events = |report: AgentReport, stamp: u64, later: u64| {
        stage.now += s(later);
        stage.hear(Heard::Changed(found("a", stamp, report)));
        stage.events()
    };
    let refuses = || AgentReport { result: AgentResult::Rejected, running: None, ..loads(&one, &[]) };
    let loading = || AgentReport { result: AgentResult::Loading, running: None, ..loads(&one, &[]) };
    assert!(events(loads(&one, &[]), 1, 0).is_empty());
    // The list is what makes the agents known.
    stage.list(vec![found("a", 1, loads(&one, &[]))]);
    assert!(stage.events().is_empty(), "that all is well from the beginning is no news");
    let mut events = |report: AgentReport, stamp: u64, later: u64| {
        stage.now += s(later);
        stage.hear(Heard::Changed(found("a", stamp, report)));
        stage.events()
    };
    assert_eq!(events(refuses(), 2, 1), [Reason::Rejected]);
    assert!(events(refuses(), 3, 30).is_empty() && events(loading(), 4, 1).is_empty());
    assert!(events(refuses(), 5, 1).is_empty());
    assert_eq!(events(loads(&one, &[]), 6, 1), [Reason::Loaded]);
    assert_eq!(events(loads(&one, &[]), 6, 100), [Reason::AwaitingAgent], "silent");
    assert_eq!(events(loads(&one, &[]), 7, 1), [Reason::Loaded]);
}

#[test]
fn a_set_that_was_written_and_loaded_is_measured() {
    let mut stage = Stage::new(json!({}));
    let (one, two) = (wanted(1, "one"), wanted(2, "two"));
    let measured = |stage: &Stage| -> Vec<String> {
        let word = |effect: &Effect| match effect {
            Effect::Loading(revision) => Some(format!("loading {revision}")),
            Effect::Loaded(revision) => Some(format!("loaded {revision}")),
            _ => None,
        };
        stage.effects.iter().filter_map(word).collect()
    };
    stage.delivers(one.clone());
    assert!(measured(&stage).is_empty(), "nobody loads it");
    stage.list(vec![found("a", 1, loads(&one, &[]))]);
    assert_eq!(measured(&stage), ["loaded 1.1"]);
    stage.delivers(two.clone());
    assert_eq!(measured(&stage), ["loading 1.2"]);
    stage.hear(Heard::Changed(found("a", 2, loads(&two, &[]))));
    assert_eq!(measured(&stage), ["loaded 1.2"]);
}
