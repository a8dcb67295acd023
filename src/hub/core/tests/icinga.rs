//! The condition `Loaded`: what the agent of the hub's own Icinga 2 reported.

use super::*;
use crate::api::agent_report::{HeldContent, HeldObject};
use crate::api::hub_report::HubReport;
use crate::api::{AgentReport, AgentResult};

const LOADED: Option<(ConditionStatus, Reason)> = Some((ConditionStatus::True, Reason::Loaded));

fn loaded(hub: &Hub, name: &str) -> Option<(ConditionStatus, Reason)> {
    hub.condition(name, ConditionType::Loaded)
}

fn message(hub: &Hub, name: &str) -> String {
    let status = hub.api.objects[&key(name)].status.as_ref().unwrap();
    let found = status.conditions.iter().find(|condition| condition.r#type == ConditionType::Loaded);
    found.unwrap().message.clone()
}

/// Returns a hub that follows an agent, which has not reported yet. No satellite should hold anything.
fn followed(objects: &[(&str, Spec)]) -> Hub {
    let mut hub = Hub::new();
    hub.core.icinga = Some(HubIcinga::default());
    hub.fleet(&[]);
    objects.iter().for_each(|(name, spec)| hub.apply(name, *spec));
    hub.list();
    hub.settle();
    hub
}

/// Returns the report of an Icinga that runs what these objects want, and refused others.
fn report(hub: &Hub, runs: &[&str], refused: &[&str]) -> HubIcinga {
    let mut report = AgentReport::new("");
    report.result = AgentResult::Loaded;
    let held = |name: &&str| {
        HeldObject::new(format!("a/{name}"), HeldContent::LeftOut, "no such command").of(hub.wanted(name))
    };
    report.held = refused.iter().map(held).collect();
    let files = runs.iter().filter_map(|name| Some((key(name), hub.wanted(name)?)));
    HubIcinga::of(&HubReport { report, files: files.collect() })
}

fn reports(hub: &mut Hub, runs: &[&str], refused: &[&str]) {
    let reported = report(hub, runs, refused);
    hub.tell(Input::IcingaReported(reported));
}

#[test]
fn without_an_agent_there_is_no_condition() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.tell(Input::IcingaReported(HubIcinga::default()));
    hub.settle();
    assert_eq!(loaded(&hub, "h0"), None);
}

#[test]
fn loaded_is_written_once_when_the_very_bytes_run() {
    let mut hub = followed(&[("h0", PLAIN), ("h1", PLAIN)]);
    assert_eq!(loaded(&hub, "h0"), not_ready(Reason::AwaitingAgent), "Ready carried it");
    reports(&mut hub, &["h0"], &[]);
    assert_eq!((hub.written(), hub.kind_of("h0")), (vec!["h0".to_owned()], Kind::Synced));
    hub.settle();
    assert_eq!((loaded(&hub, "h0"), loaded(&hub, "h1")), (LOADED, not_ready(Reason::AwaitingAgent)));
    // The same once more, and a heartbeat's look, are no news.
    reports(&mut hub, &["h0"], &[]);
    hub.pass(MINUTE);
    assert!(hub.writes.is_empty());
    // Other bytes are not those that run.
    hub.change("h0", OTHER);
    hub.settle();
    assert_eq!((loaded(&hub, "h0"), hub.ready("h0")), (not_ready(Reason::AwaitingAgent), READY));
    reports(&mut hub, &["h0", "h1"], &[]);
    hub.settle();
    assert_eq!((loaded(&hub, "h0"), loaded(&hub, "h1")), (LOADED, LOADED));
}

#[test]
fn what_runs_before_it_is_acknowledged_is_loaded_with_its_ready() {
    let mut hub = followed(&[]);
    hub.apply("h0", PLAIN);
    hub.watch();
    hub.commit();
    reports(&mut hub, &["h0"], &[]);
    hub.answer("h0");
    hub.settle();
    let writes = hub.measured.iter().filter(|one| matches!(one, Measurement::StatusWritten { .. })).count();
    assert!(loaded(&hub, "h0") == LOADED && writes <= 2, "{writes}");
}

#[test]
fn a_refused_object_says_why_and_heals_and_the_others_do_not_care() {
    let mut hub = followed(&[("h0", PLAIN), ("h1", PLAIN)]);
    reports(&mut hub, &["h0"], &["h1"]);
    hub.settle();
    assert_eq!((loaded(&hub, "h0"), loaded(&hub, "h1")), (LOADED, not_ready(Reason::Rejected)));
    assert!(message(&hub, "h1").contains("no such command; it is left out"), "{}", message(&hub, "h1"));
    assert!(hub.announced.iter().any(|one| one.news.reason == Reason::Rejected && one.news.is_warning));
    // A correction is not refused, although the report still names the object.
    hub.change("h1", OTHER);
    hub.settle();
    assert_eq!(loaded(&hub, "h1"), not_ready(Reason::AwaitingAgent));
    reports(&mut hub, &["h0", "h1"], &[]);
    hub.settle();
    assert_eq!(loaded(&hub, "h1"), LOADED);
}

#[test]
fn a_restart_writes_nothing_before_and_after_the_report_is_there() {
    let mut hub = followed(&[("h0", PLAIN), ("h1", PLAIN), ("h2", PLAIN)]);
    reports(&mut hub, &["h0"], &["h1"]);
    hub.settle();
    let same = report(&hub, &["h0"], &["h1"]);
    let mut hub = hub.restarted();
    hub.core.icinga = Some(HubIcinga::default());
    hub.fleet(&[]);
    hub.list();
    hub.settle();
    hub.pass(MINUTE);
    hub.tell(Input::IcingaReported(same));
    for _ in 0..20 {
        hub.pass(SECOND);
    }
    let writes: Vec<_> =
        hub.measured.iter().filter(|one| matches!(one, Measurement::StatusWritten { .. })).collect();
    assert!(writes.is_empty() && hub.writes.is_empty(), "{writes:?}");
}

#[test]
fn what_does_not_run_any_more_and_a_silent_agent_are_reported_at_a_bounded_rate() {
    let names: Vec<String> = (0..300).map(|number| format!("h{number}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    let mut hub = followed(&objects);
    reports(&mut hub, &all, &[]);
    hub.settle();
    hub.settle();
    let is_loaded = |hub: &Hub| names.iter().filter(|name| loaded(hub, name) == LOADED).count();
    assert_eq!(is_loaded(&hub), 300);
    // Its Icinga runs another set.
    reports(&mut hub, &["h0"], &[]);
    let mut most = 0;
    let mut before = 300;
    for _ in 0..600 {
        for _ in 0..10 {
            hub.pass(20 * MILLISECOND);
            hub.answer_all();
        }
        most = most.max(before - is_loaded(&hub));
        before = is_loaded(&hub);
    }
    assert_eq!(before, 1);
    // The burst of one fifth of a second, and no more.
    assert!(most <= 112, "{most}");
    let silent = report(&hub, &["h0"], &[]).silent(true);
    hub.tell(Input::IcingaReported(silent));
    for _ in 0..600 {
        hub.pass(20 * MILLISECOND);
        hub.answer_all();
    }
    // What was proved stays.
    assert_eq!(loaded(&hub, "h0"), LOADED);
    assert_eq!(loaded(&hub, "h1"), Some((ConditionStatus::Unknown, Reason::AwaitingAgent)));
}

#[test]
fn a_satellite_that_is_away_keeps_no_loaded_back_and_no_loaded_takes_synced_back() {
    let mut hub = followed(&[("h0", PLAIN)]);
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    hub.settle();
    let synced = |hub: &Hub| hub.condition("h0", ConditionType::Synced);
    let is_synced = Some((ConditionStatus::True, Reason::AllSatellites));
    hub.change("h0", OTHER);
    hub.settle();
    let revision = hub.revision();
    hub.fleet(&[Some(revision)]);
    hub.settle();
    assert_eq!((synced(&hub), loaded(&hub, "h0")), (is_synced, not_ready(Reason::AwaitingAgent)));
    let reported = report(&hub, &["h0"], &[]);
    let mut hub = hub.restarted();
    hub.core.icinga = Some(HubIcinga::default());
    hub.list();
    hub.settle();
    // Nobody knows the satellites yet.
    hub.tell(Input::IcingaReported(reported));
    hub.settle();
    assert_eq!((synced(&hub), loaded(&hub, "h0")), (is_synced, not_ready(Reason::AwaitingAgent)));
    // It had the object, and does not answer; another one has just joined.
    let away = Satellite {
        acceptance: Some(Acceptance::default()),
        held_before: Some(revision),
        ..Satellite::default()
    };
    let satellites = BTreeMap::from([("edge-0".to_owned(), away)]);
    hub.tell(Input::FleetChanged(Fleet { listed: true, satellites }));
    hub.settle();
    assert_eq!((synced(&hub), loaded(&hub, "h0")), (is_synced, LOADED));
}
