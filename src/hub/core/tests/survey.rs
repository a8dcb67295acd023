//! What a person is shown beside the statuses.

use super::*;

impl Hub {
    /// Returns the words about every object that is not done, by name.
    fn shown(&self) -> BTreeMap<String, (State, Reason)> {
        let keys: Vec<_> = self.core.outline().open.into_iter().map(|(_, key)| key).collect();
        let words = self.core.words(&keys, 1_000);
        words.into_iter().map(|one| (one.key.name().to_owned(), (one.state, one.reason))).collect()
    }

    fn counts(&self) -> Counts {
        self.core.outline().namespaces.get("a").copied().unwrap_or_default()
    }
}

#[test]
fn the_page_says_what_the_statuses_say_and_the_worst_first() {
    let suspended = Spec { is_suspended: true, ..PLAIN };
    let mut hub = Hub::new();
    hub.apply("fine", PLAIN);
    hub.apply("bad", INVALID);
    hub.apply("lone", IN_GROUP);
    hub.apply("off", suspended);
    assert!(!hub.core.outline().is_complete, "nothing is known before the first LIST");
    hub.fleet(&[]);
    hub.list();
    hub.pass(SECOND);
    hub.settle();
    let wanted = [
        ("bad", (State::Refused, Reason::Invalid)),
        ("lone", (State::Waiting, Reason::UnresolvedReference)),
        ("off", (State::Suspended, Reason::Suspended)),
    ];
    assert_eq!(hub.shown(), wanted.map(|(name, said)| (name.to_owned(), said)).into());
    assert_eq!(hub.counts(), Counts { refused: 1, waiting: 1, suspended: 1, done: 1 });
    let outline = hub.core.outline();
    assert!(outline.is_complete);
    assert_eq!(outline.open.iter().map(|(_, key)| key.name()).collect::<Vec<_>>(), ["bad", "lone", "off"]);
    for (name, _) in wanted {
        let said = hub.core.words(&[key(name)], 1_000).remove(0);
        let status = hub.api.objects[&key(name)].status.as_ref().unwrap();
        let ready = status.conditions.iter().find(|c| c.r#type == ConditionType::Ready).unwrap();
        assert_eq!(said.message, ready.message);
    }
    // What it waits for did not come.
    hub.pass(MINUTE);
    hub.settle();
    assert_eq!(hub.shown()["lone"], (State::Refused, Reason::UnresolvedReference));
    assert_eq!(hub.counts().refused, 2);
}

#[test]
fn nothing_is_done_before_its_status_says_so() {
    let mut hub = Hub::committed(&[("h0", PLAIN)]);
    hub.fleet(&[]);
    assert_eq!(
        hub.shown()["h0"],
        (State::Waiting, Reason::Pending),
        "published, and the status is on its way"
    );
    hub.settle();
    assert!(hub.shown().is_empty());
    let revision = hub.revision();
    hub.fleet(&[None, Some(revision)]);
    hub.change("h0", OTHER);
    assert_eq!(hub.counts(), Counts { waiting: 1, ..Counts::default() });
    assert_eq!(hub.shown()["h0"], (State::Waiting, Reason::Pending), "on its way to the volume");
    hub.settle();
    assert_eq!(hub.shown()["h0"].0, State::Waiting, "a satellite lacks it");
    hub.delete("h0");
    assert!(hub.shown().is_empty() && hub.counts().total() == 0);
    assert!(hub.core.words(&[key("h0")], 1_000).is_empty());
}
