//! Another operator's name in a status: nothing is written, published or delivered.

use super::*;
use crate::ownership::Claim;

const OTHER_OPERATOR: &str = "other/groundlink";

/// Returns a hub on which another operator published these objects: they have its statuses, and this one starts on a volume
/// of its own.
fn second(objects: &[(&str, Spec)]) -> Hub {
    let mut first = Hub::with(objects);
    for (name, _) in objects {
        first.named(name, Some(OTHER_OPERATOR));
    }
    Hub::on(first.api, ModelDisk::default(), None, 1)
}

impl Hub {
    /// Somebody writes the name of an operator into a status.
    fn named(&mut self, name: &str, operator: Option<&str>) {
        let mut status = self.api.objects[&key(name)].status.clone();
        if let Some(status) = &mut status {
            status.operator = operator.map(str::to_owned);
        }
        self.api.edit_status(&key(name), status);
    }

    fn operator(&self, name: &str) -> Option<&str> {
        self.api.objects[&key(name)].status.as_ref()?.operator.as_deref()
    }

    fn takes_over(mut self, from: &str) -> Self {
        let names = ["CheckCommand!hostalive"].iter().filter_map(|name| Name::parse(name).ok());
        let claim = Claim::default().taking_over_from(Some(from));
        let scan = self.volume.scan().unwrap();
        let start = Start { scan, claim, seed: 7, ..Start::default() };
        let guard = RemovalGuard { share: 50, least: 3 };
        self.core = Core::new(Settings::default(), guard, Index::new(names.collect()), start);
        self
    }

    fn does_nothing(&self) -> bool {
        self.commits.is_empty() && self.writes.is_empty() && self.snapshots.is_empty()
    }
}

#[test]
fn a_second_operator_writes_nothing_says_why_and_names_the_first() {
    let mut hub = second(&[("h1", PLAIN), ("h2", PLAIN)]);
    let mut page = hub.first_page();
    page.push(Event::ListComplete);
    hub.tell(Input::Watched(page));
    hub.probed(INSTALLED);
    hub.apply("new", PLAIN);
    hub.apply("wrong", INVALID);
    hub.settle();
    hub.pass(MINUTE);
    assert!(hub.does_nothing(), "{:?} {:?}", hub.commits, hub.writes);
    let why = hub.stopped.clone().unwrap();
    for words in [
        "MonitoringObject a/h1: status.operator: ",
        OTHER_OPERATOR,
        "--take-over-from",
        "groundlink/groundlink",
    ] {
        assert!(why.contains(words), "{words}: {why}");
    }
    assert!(hub.measured.contains(&Measurement::OfAnotherOperator(2)));
    let announced: Vec<_> = hub.announced.iter().map(|said| (said.key.name(), said.news.reason)).collect();
    assert_eq!(announced, [("h1", Reason::OtherOperator)]);
}

#[test]
fn nothing_begins_in_the_step_in_which_the_name_is_seen() {
    let mut hub = Hub::committed(&[("h1", PLAIN), ("h2", PLAIN)]);
    hub.answer("h1");
    // The other operator was faster at h2.
    let status = hub.api.objects[&key("h1")].status.clone();
    hub.api.edit_status(&key("h2"), status);
    hub.named("h2", Some(OTHER_OPERATOR));
    hub.answer("h2");
    assert_eq!(hub.operator("h2"), Some(OTHER_OPERATOR), "the write tested whose it is");
    hub.apply("h3", PLAIN);
    hub.watch();
    assert!(hub.stopped.is_some());
    assert!(hub.commits.is_empty() && hub.writes.is_empty(), "{:?} {:?}", hub.commits, hub.writes);
}

#[test]
fn it_goes_on_when_nothing_is_the_others_any_more() {
    let mut hub = second(&[("h1", PLAIN), ("h2", PLAIN)]);
    hub.list();
    hub.named("h1", None);
    hub.settle();
    assert!(hub.stopped.is_some() && hub.does_nothing(), "h2 is still another's");
    hub.api.delete(&key("h2"));
    hub.settle();
    hub.settle();
    assert_eq!((hub.stopped.clone(), hub.operator("h1")), (None, Some("groundlink/groundlink")));
    assert_eq!(hub.ready("h1"), READY);
    assert!(hub.measured.contains(&Measurement::OfAnotherOperator(0)));
}

#[test]
fn an_object_that_a_complete_list_does_not_name_holds_nothing() {
    let mut hub = second(&[("h1", PLAIN)]);
    hub.list();
    assert!(hub.stopped.is_some());
    hub.api.delete(&key("h1"));
    hub.list_only();
    assert_eq!(hub.stopped, None);
}

#[test]
fn a_takeover_writes_its_name_into_every_status_and_nothing_else() {
    let mut hub = second(&[("h1", PLAIN), ("h2", INVALID), ("h3", PLAIN)]).takes_over(OTHER_OPERATOR);
    hub.fleet(&[]);
    hub.list();
    for _ in 0..30 {
        hub.settle();
    }
    assert_eq!(hub.stopped, None);
    for name in ["h1", "h2", "h3"] {
        assert_eq!(hub.operator(name), Some("groundlink/groundlink"), "{name}");
    }
    assert_eq!(
        hub.measured.iter().rfind(|m| matches!(m, Measurement::OfAnotherOperator(_))),
        Some(&Measurement::OfAnotherOperator(0))
    );
    assert!(hub.snapshots.last().is_some_and(|snapshot| snapshot.files().count() == 2));
}

#[test]
fn statuses_of_a_version_without_names_are_adopted() {
    let mut hub = Hub::with(&[("h1", PLAIN), ("h2", INVALID)]);
    hub.named("h1", None);
    hub.named("h2", None);
    let mut hub = hub.restarted();
    hub.fleet(&[]);
    hub.list();
    for _ in 0..30 {
        hub.settle();
    }
    assert_eq!(
        (hub.operator("h1"), hub.operator("h2")),
        (Some("groundlink/groundlink"), Some("groundlink/groundlink"))
    );
    let written = hub.api.status_writes;
    let mut hub = hub.restarted();
    hub.fleet(&[]);
    hub.list();
    for _ in 0..30 {
        hub.settle();
    }
    assert_eq!(hub.api.status_writes, written, "and then nothing is written");
}

/// The write that takes the status back fails: it is not done because the status says all else.
#[test]
fn a_status_that_names_nobody_is_claimed_also_after_the_first_write_failed() {
    let mut hub = Hub::with(&[("h1", PLAIN)]);
    hub.named("h1", None);
    hub.watch();
    hub.pass(SECOND);
    hub.commit();
    hub.answer_with("h1", Error::Refused("403".into()));
    hub.settle();
    hub.pass(SECOND);
    hub.settle();
    assert_eq!(hub.operator("h1"), Some("groundlink/groundlink"));
}
