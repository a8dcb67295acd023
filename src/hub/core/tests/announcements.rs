//! Events: one for each transition, few in a burst.

use super::*;
use crate::hub::core::announcements::EACH;

fn reasons(hub: &mut Hub) -> Vec<(String, Reason, bool)> {
    let announced = std::mem::take(&mut hub.announced);
    announced.into_iter().map(|a| (a.key.name().to_owned(), a.news.reason, a.news.is_warning)).collect()
}

fn of(name: &str, reason: Reason, is_warning: bool) -> (String, Reason, bool) {
    (name.to_owned(), reason, is_warning)
}

#[test]
fn each_transition_is_announced_once() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    assert_eq!(reasons(&mut hub), [of("h0", Reason::Published, false)]);
    hub.fleet(&[Some(hub.revision())]);
    hub.settle();
    assert_eq!(reasons(&mut hub), [of("h0", Reason::AllSatellites, false)]);
    hub.change("h0", INVALID);
    hub.settle();
    hub.pass(MINUTE);
    hub.settle();
    let announced = hub.announced.clone();
    assert!(announced[0].news.note.contains("kept"), "{announced:?}");
    assert_eq!(announced[0].uid, Uid::new(&hub.api.objects[&key("h0")].uid));
    assert_eq!(reasons(&mut hub), [of("h0", Reason::Invalid, true)]);
    let mut hub = hub.restarted();
    hub.fleet(&[None]);
    hub.list();
    hub.settle();
    assert_eq!(reasons(&mut hub), [], "a restart is no news");
}

#[test]
fn what_may_still_come_is_announced_when_it_did_not() {
    let mut hub = Hub::committed(&[("h0", IN_GROUP), ("h1", PLAIN)]);
    hub.answer("h0");
    assert_eq!(reasons(&mut hub), []);
    hub.pass(MINUTE);
    hub.answer("h0");
    assert_eq!(reasons(&mut hub), [of("h0", Reason::UnresolvedReference, true)]);
}

#[test]
fn a_burst_has_few_events_and_leaves_some_to_other_namespaces() {
    let names: Vec<_> = (0..1_000).map(|number| format!("h{number:04}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    let count = hub.announced.len();
    let seconds = hub.elapsed.as_secs() as usize;
    assert!(count >= EACH.burst as usize && count <= EACH.burst as usize + seconds, "{count}");
    let left_out = hub.measured.iter().filter(|m| **m == Measurement::EventLeftOut).count();
    assert_eq!(left_out + count, 1_000, "the rest are counted");
    let others = (0..3_000).filter(|n| hub.core.announcements.admit(&format!("b{n}"), hub.elapsed)).count();
    assert!(
        (1..=100).contains(&others),
        "{others}: other namespaces have some left, and all together a bound"
    );
}
