//! Contents that are not published: what was published before stays.

use super::*;
use crate::api::MonitoringObject;
use crate::metrics::Work;
use crate::render::{self, Rendered};
use crate::validate::Refusal;

#[test]
fn an_invalid_generation_keeps_the_last_good_one() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let good = hub.wanted("h0");
    hub.change("h0", INVALID);
    assert!(hub.commits.is_empty());
    assert_eq!(hub.kind_of("h0"), Kind::Refusal);
    hub.answer("h0");
    hub.pass(MINUTE);
    assert_eq!(hub.ready("h0"), not_ready(Reason::Invalid));
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (good, good));
    let status = hub.api.objects[&key("h0")].status.as_ref().unwrap();
    assert_eq!(status.published_digest, good.map(|digest| digest.to_string()));
}

#[test]
fn an_unresolved_reference_keeps_the_last_good_one_until_it_appears() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let good = hub.wanted("h0");
    hub.change("h0", IN_GROUP);
    hub.settle();
    assert_eq!(hub.ready("h0"), not_ready(Reason::UnresolvedReference));
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (good, good));
    hub.change("g0", PLAIN);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.ready("g0")), (READY, READY));
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}

#[test]
fn a_suspended_object_keeps_its_file_and_takes_no_new_one() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let good = hub.wanted("h0");
    hub.change("h0", Spec { is_suspended: true, ..OTHER });
    assert!(hub.commits.is_empty());
    hub.settle();
    assert_eq!(hub.ready("h0"), not_ready(Reason::Suspended));
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (good, good));
    hub.change("h0", OTHER);
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.delivered("h0")), (READY, hub.wanted("h0")));
}

#[test]
fn a_suspended_object_that_did_not_change_stays_ready() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.change("h0", Spec { is_suspended: true, ..PLAIN });
    hub.settle();
    assert_eq!((hub.ready("h0"), hub.observed("h0")), (READY, Some(2)));
}

#[test]
fn one_that_was_never_published_is_refused_without_a_file() {
    let mut hub = Hub::committed(&[("h0", IN_GROUP), ("h1", PLAIN)]);
    hub.answer("h0");
    assert_eq!((hub.ready("h0"), hub.on_disk("h0")), (not_ready(Reason::UnresolvedReference), None));
    assert_eq!(hub.on_disk("h1"), hub.wanted("h1"), "it delays nobody");
}

#[test]
fn an_earlier_generation_is_acknowledged_before_the_refusal_of_the_present_one() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    hub.list();
    let good = hub.wanted("h0");
    // The spec changes while its file is being published.
    hub.elapsed += SECOND;
    hub.change("h0", INVALID);
    hub.commit();
    assert_eq!(hub.kind_of("h0"), Kind::Ready);
    hub.answer("h0");
    assert_eq!((hub.observed("h0"), hub.ready("h0")), (Some(1), READY));
    assert_eq!(hub.delivered("h0"), good);
    hub.answer("h0");
    assert_eq!((hub.observed("h0"), hub.ready("h0")), (Some(2), not_ready(Reason::Invalid)));
}

#[test]
fn a_stale_server_brings_no_older_spec_back() {
    let mut hub = Hub::new();
    hub.apply("h0", PLAIN);
    let old = hub.api.objects[&key("h0")].clone();
    hub.apply("h0", OTHER);
    hub.list();
    hub.settle();
    let event = Event::Object(Box::new(hub.api.received(&old)));
    hub.tell(Input::Watched(vec![event]));
    hub.pass(MINUTE);
    assert!(hub.commits.is_empty() && hub.writes.is_empty());
    assert_eq!(hub.delivered("h0"), hub.wanted("h0"));
}

fn panics_at_h1(
    key: &ObjectKey,
    object: &MonitoringObject,
    settings: &Settings,
) -> Result<Rendered, Refusal> {
    assert_ne!(key.name(), "h1", "a fault of ours");
    render::content(key, object, settings)
}

#[test]
fn an_object_that_makes_us_panic_is_refused_and_the_others_go_on() {
    let mut hub = Hub::with(&[("h1", PLAIN)]);
    let kept = hub.on_disk("h1");
    hub.core.render = panics_at_h1;
    hub.change("h1", OTHER);
    hub.change("h0", PLAIN);
    hub.settle();
    assert_eq!(hub.panics(), [Work::Object], "once, and not of the others");
    assert_eq!((hub.ready("h0"), hub.ready("h1")), (READY, not_ready(Reason::Invalid)));
    assert_eq!((hub.on_disk("h1"), hub.delivered("h1")), (kept, kept), "its last good state stays");
    let status = hub.api.objects[&key("h1")].status.as_ref().unwrap();
    let ready = status.conditions.iter().find(|c| c.r#type == ConditionType::Ready).unwrap();
    assert!(ready.message.contains("a fault of ours") && ready.message.contains("report it"), "{ready:?}");
}
