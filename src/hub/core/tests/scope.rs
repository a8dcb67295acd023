//! An operator of named namespaces: each is listed and watched by itself, and what one watch cannot see has not left.

use super::*;
use crate::watch::{Listed, Scope};
use std::sync::Arc;

const OF_BOTH: [(&str, Spec); 4] = [("h0", PLAIN), ("h1", PLAIN), ("b/h2", PLAIN), ("b/h3", PLAIN)];

impl Hub {
    /// The process is killed, and another one starts that watches these namespaces alone.
    fn restarted_with(self, namespaces: &[&str]) -> Self {
        let mut hub = self.restarted();
        let names: Vec<_> = namespaces.iter().map(|&name| name.to_owned()).collect();
        hub.core = core(hub.volume.scan().unwrap(), hub.crd.clone()).watching(Scope::of(&names));
        hub
    }

    fn watch_of(&mut self, namespace: &str, events: Vec<Event>) {
        let namespace: Arc<str> = namespace.into();
        self.tell(Input::WatchedIn(events.into_iter().map(|event| (namespace.clone(), event)).collect()));
    }

    /// Returns a LIST of one namespace, without its end.
    fn page_of(&mut self, namespace: &str) -> Vec<Event> {
        self.reported = self.api.log.len();
        let objects: Vec<_> = self.api.objects.values().cloned().collect();
        let objects = objects.iter().filter(|stored| stored.key.namespace() == namespace);
        let objects = objects.map(|stored| Event::Object(Box::new(self.api.received(stored))));
        std::iter::once(Event::ListBegins).chain(objects).collect()
    }

    fn list_of(&mut self, namespace: &str) {
        let mut events = self.page_of(namespace);
        events.push(Event::ListComplete);
        self.watch_of(namespace, events);
    }

    fn breaks(&mut self, namespace: &str) {
        self.watch_of(namespace, vec![Event::Broken(format!("{namespace} is forbidden"))]);
    }

    fn is_whole(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.on_disk(name).is_some() && self.delivered(name).is_some())
    }
}

/// Returns an operator of the namespaces `a` and `b` that has begun and rests.
fn of_both() -> Hub {
    let mut hub = Hub::with(&OF_BOTH).restarted_with(&["a", "b"]);
    hub.list_of("a");
    hub.list_of("b");
    hub.settle();
    hub.measured.clear();
    hub
}

const ALL: [&str; 4] = ["h0", "h1", "b/h2", "b/h3"];

#[test]
fn nothing_is_decided_before_every_namespace_was_listed() {
    let mut hub = Hub::with(&OF_BOTH).restarted_with(&["a", "b"]);
    hub.list_of("a");
    hub.change("h0", OTHER);
    hub.pass(MINUTE);
    assert!(hub.commits.is_empty() && hub.writes.is_empty() && hub.snapshots.is_empty() && hub.probes == 0);
    assert_eq!(hub.missing(Part::MonitoringObjects), "namespace b: not listed yet");
    hub.breaks("b");
    assert_eq!(hub.missing(Part::MonitoringObjects), "b is forbidden");
    let page = hub.page_of("b");
    hub.watch_of("b", page);
    // What `a` does meanwhile is no LIST of `b`.
    hub.list_of("a");
    hub.pass(10 * MINUTE);
    assert!(hub.commits.is_empty() && hub.snapshots.is_empty());
    assert_eq!(hub.missing(Part::MonitoringObjects), "b is forbidden", "until it was listed");
    hub.list_of("b");
    assert_eq!(hub.missing(Part::MonitoringObjects), "");
    hub.settle();
    assert!(hub.is_whole(&ALL) && hub.held.is_none());
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}

#[test]
fn with_nothing_changed_nothing_is_written_after_a_restart() {
    let mut hub = of_both();
    assert!(hub.is_whole(&ALL));
    let mut hub = {
        hub.writes.clear();
        hub.restarted_with(&["a", "b"])
    };
    hub.list_of("b");
    hub.list_of("a");
    hub.probed(INSTALLED);
    hub.pass(SECOND);
    assert!(hub.commits.is_empty() && hub.writes.is_empty(), "{:?}", hub.writes);
    assert!(hub.is_whole(&ALL));
}

#[test]
fn a_list_of_one_namespace_removes_nothing_of_another() {
    let mut hub = of_both();
    hub.api.delete(&key("h0"));
    hub.api.delete(&key("b/h2"));
    // The LIST of `b` breaks off, and then is forbidden.
    hub.watch_of("b", vec![Event::ListBegins]);
    hub.breaks("b");
    hub.list_of("a");
    hub.probed(INSTALLED);
    hub.commit();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (None, None), "it is gone by the LIST of its own");
    assert!(hub.is_whole(&["h1", "b/h2", "b/h3"]));
    for _ in 0..20 {
        hub.pass(MINUTE);
        hub.breaks("b");
        hub.settle();
    }
    assert!(hub.is_whole(&["h1", "b/h2", "b/h3"]));
    hub.list_of("b");
    hub.probed(INSTALLED);
    hub.commit();
    assert_eq!(hub.on_disk("b/h2"), None);
    assert!(hub.is_whole(&["h1", "b/h3"]));
}

#[test]
fn a_namespace_that_cannot_be_watched_is_said_until_it_can_and_delays_no_other() {
    let mut hub = of_both();
    hub.breaks("b");
    assert_eq!(hub.missing(Part::MonitoringObjects), "b is forbidden");
    hub.change("h0", OTHER);
    hub.list_of("a");
    assert_eq!(
        hub.missing(Part::MonitoringObjects),
        "b is forbidden",
        "a LIST of another says nothing of it"
    );
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
    hub.pass(2 * MINUTE);
    assert_eq!(hub.missing(Part::MonitoringObjects), "", "it has not failed again");
}

#[test]
fn a_second_list_without_one_namespace_decides_about_the_others() {
    let mut hub = of_both();
    for name in ["h0", "h1", "b/h2"] {
        hub.api.delete(&key(name));
    }
    hub.watch();
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    assert_eq!(hub.lists, 1, "three of four");
    hub.lists = 0;
    let unknown = std::iter::once(("b".into(), "forbidden".to_owned())).collect();
    hub.tell(Input::ListedInPart(Listed { objects: BTreeMap::new(), unknown }));
    assert_eq!(keys(&hub.commits[0]), ["h0", "h1"], "half of the set may leave");
    hub.commit();
    assert!(hub.is_whole(&["b/h2", "b/h3"]));
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.lists = 0;
    let unknown = std::iter::once(("b".into(), "forbidden".to_owned())).collect();
    hub.tell(Input::ListedInPart(Listed { objects: BTreeMap::new(), unknown }));
    let held = hub.held.clone().unwrap();
    assert!(held.why.contains("namespace b: forbidden"), "{}", held.why);
    hub.pass(SECOND);
    hub.probed(INSTALLED);
    hub.listed_again();
    let held = hub.held.clone().unwrap();
    assert!(held.count == 3 && hub.is_whole(&["b/h2"]), "with it, three of four: {}", held.why);
}

#[test]
fn files_of_namespaces_that_are_not_watched_wait_for_a_person() {
    let mut hub = Hub::with(&OF_BOTH).restarted_with(&["a"]);
    hub.list_of("a");
    hub.probed(INSTALLED);
    hub.listed_again();
    let held = hub.held.clone().unwrap();
    assert!(held.why.contains("2 files") && held.why.contains("objects.d/b/h2.conf"), "{}", held.why);
    assert!(held.why.contains("--watch-namespaces") && held.why.contains("removals allow"), "{}", held.why);
    hub.change("h0", OTHER);
    for _ in 0..20 {
        hub.settle();
        hub.pass(MINUTE);
    }
    assert!(hub.on_disk("b/h2").is_some() && hub.on_disk("b/h3").is_some());
    assert_eq!((hub.ready("h0"), hub.on_disk("h0")), (READY, hub.wanted("h0")), "the others are published");
    assert!(hub.snapshots.is_empty(), "without them no snapshot is whole");
    hub.allowed_until = hub.elapsed.as_secs() as i64 + 60;
    hub.settle();
    assert_eq!((hub.on_disk("b/h2"), hub.on_disk("b/h3"), hub.held.clone()), (None, None, None));
    assert!(hub.is_whole(&["h0", "h1"]) && hub.delivered("b/h2").is_none());
}

/// The namespace is added again, or was left out by mistake.
#[test]
fn files_of_a_namespace_that_is_watched_again_are_its_objects_without_a_write() {
    let mut hub = Hub::with(&OF_BOTH).restarted_with(&["a"]);
    hub.list_of("a");
    hub.settle();
    assert!(hub.held.is_some());
    let mut hub = hub.restarted_with(&["a", "b"]);
    hub.list_of("a");
    hub.list_of("b");
    hub.probed(INSTALLED);
    hub.pass(SECOND);
    assert!(hub.held.is_none() && hub.commits.is_empty() && hub.writes.is_empty());
    assert!(hub.is_whole(&ALL));
}

#[test]
fn a_status_of_another_operator_counts_until_its_own_namespace_was_listed() {
    let mut hub = of_both();
    let mut status = hub.api.objects[&key("b/h2")].status.clone();
    if let Some(status) = &mut status {
        status.operator = Some("other/groundlink".into());
    }
    hub.api.edit_status(&key("b/h2"), status);
    hub.watch();
    assert!(hub.stopped.as_ref().is_some_and(|why| why.contains("b/h2")), "{:?}", hub.stopped);
    hub.api.delete(&key("b/h2"));
    hub.list_of("a");
    assert!(hub.stopped.is_some(), "a LIST of `a` does not name it");
    hub.list_of("b");
    hub.pass(SECOND);
    assert!(hub.stopped.is_none(), "{:?}", hub.stopped);
}
