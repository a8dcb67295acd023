//! Files that somebody else changes or removes on the volume.

use super::*;
use crate::metrics::Correction;

const MINE: &[u8] = b"object Host \"by hand\" {}\n";

impl Hub {
    /// Somebody changes the file of an object, or removes it.
    fn meddle(&mut self, name: &str, bytes: Option<&[u8]>) {
        self.disk.meddle("a", &format!("{name}.conf"), bytes);
    }

    /// Returns what others did to files, as the metrics count it.
    fn corrected(&self) -> Vec<Correction> {
        let what = |measured: &Measurement| match measured {
            Measurement::Corrected(what) => Some(*what),
            _ => None,
        };
        self.measured.iter().filter_map(what).collect()
    }

    /// The watcher reports that somebody touched the files of these objects.
    fn touch(&mut self, names: &[&str]) {
        self.pass(SECOND);
        self.tell(Input::Touched(Some(names.iter().map(|name| key(name)).collect())));
    }
}

#[test]
fn a_file_that_somebody_changes_is_put_back_and_its_object_is_not_ready_until_then() {
    let other = Hub::with(&[("h0", OTHER)]);
    let other = other.disk.all_visible()[&("a".to_owned(), "h0.conf".to_owned())].to_vec();
    for bytes in [None, Some(MINE), Some(&b""[..]), Some(&other[..])] {
        let mut hub = Hub::with(&[("g0", PLAIN), ("h0", IN_GROUP)]);
        let (delivered, snapshots) = (hub.delivered("h0"), hub.snapshots.len());
        assert_eq!(hub.corrected(), []);
        hub.meddle("h0", bytes);
        hub.touch(&["h0"]);
        assert_eq!(hub.kind_of("h0"), Kind::Refusal, "at once");
        hub.answer("h0");
        assert_eq!(hub.ready("h0"), not_ready(Reason::ContentChanged), "the file is not back yet");
        hub.settle();
        assert_eq!((hub.on_disk("h0"), hub.ready("h0")), (hub.wanted("h0"), READY));
        assert_eq!((hub.delivered("h0"), hub.snapshots.len()), (delivered, snapshots), "satellites keep it");
        let found = if bytes.is_none() { Correction::Removed } else { Correction::Changed };
        assert_eq!(hub.corrected(), [found], "counted once");
    }
}

#[test]
fn what_the_hub_writes_itself_is_no_change() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    let writes = hub.disk.writes();
    hub.touch(&["h0", "h1", "nobody"]);
    hub.tell(Input::Touched(None));
    hub.pass(10 * MINUTE);
    hub.pass(SECOND);
    assert!(hub.commits.is_empty() && hub.writes.is_empty() && hub.disk.writes() == writes);
}

#[test]
fn a_round_over_all_files_finds_what_no_watcher_shows() {
    for is_told in [true, false] {
        let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
        hub.meddle("h0", Some(MINE));
        hub.meddle("h1", None);
        if is_told {
            // The watcher lost count.
            hub.tell(Input::Touched(None));
        } else {
            hub.pass(6 * MINUTE);
        }
        hub.pass(2 * SECOND);
        hub.settle();
        for name in ["h0", "h1"] {
            assert_eq!((hub.on_disk(name), hub.ready(name)), (hub.wanted(name), READY), "{name}");
        }
    }
}

#[test]
fn a_round_checks_a_few_files_a_second() {
    let names: Vec<_> = (0..100).map(|number| format!("h{number:03}")).collect();
    let objects: Vec<_> = names.iter().map(|name| (name.as_str(), PLAIN)).collect();
    let mut hub = Hub::with(&objects);
    names.iter().for_each(|name| hub.meddle(name, None));
    hub.tell(Input::Touched(None));
    hub.pass(SECOND);
    assert_eq!(keys(&hub.commits[0]).len(), 32);
    hub.settle();
    for _ in 0..5 {
        hub.pass(SECOND);
        hub.settle();
    }
    assert!(names.iter().all(|name| hub.on_disk(name) == hub.wanted(name)));
}

#[test]
fn whoever_keeps_changing_a_file_makes_little_work() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let statuses = hub.api.status_writes;
    let (mut commits, began) = (0, hub.elapsed);
    for _ in 0..400 {
        hub.meddle("h0", Some(MINE));
        hub.touch(&["h0"]);
        commits += hub.commits.len();
        hub.settle();
    }
    // At once six times, and then every five minutes.
    let most = 7 + ((hub.elapsed - began).as_secs() / 300) as usize;
    assert!((6..=most).contains(&commits), "{commits} commits, at most {most}");
    let statuses = hub.api.status_writes - statuses;
    assert!(statuses <= 4 * most as u64, "{statuses} statuses");
    let (ready, reason) = hub.ready("h0").unwrap();
    assert_eq!((ready, reason), (ConditionStatus::False, Reason::ContentChanged));
    hub.pass(6 * MINUTE);
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.ready("h0")), (hub.wanted("h0"), READY));
}

#[test]
fn what_names_a_file_that_is_put_back_later_comes_with_it() {
    let mut hub = Hub::with(&[("g0", PLAIN)]);
    for _ in 0..10 {
        hub.meddle("g0", None);
        hub.touch(&["g0"]);
        hub.settle();
    }
    assert_eq!(hub.on_disk("g0"), None, "it is held");
    hub.change("h0", PLAIN);
    assert_eq!(keys(&hub.commits[0]), ["h0"]);
    hub.settle();
    hub.change("h1", IN_GROUP);
    hub.disk.take_seen();
    hub.settle();
    let seen: Vec<_> = hub.disk.take_seen().into_iter().map(|((_, file), _)| file).collect();
    assert_eq!(seen, ["g0.conf", "h1.conf"]);
}

#[test]
fn a_file_that_somebody_adds_is_removed() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    hub.meddle("extra", Some(MINE));
    hub.touch(&["extra"]);
    hub.settle();
    assert_eq!(hub.corrected(), [Correction::Added]);
    assert_eq!(hub.on_disk("extra"), None);
}

#[test]
fn what_is_kept_beside_an_invalid_generation_is_put_back() {
    let mut hub = Hub::with(&[("h0", PLAIN)]);
    let kept = hub.on_disk("h0");
    hub.change("h0", INVALID);
    hub.settle();
    hub.meddle("h0", None);
    hub.touch(&["h0"]);
    hub.settle();
    assert_eq!((hub.on_disk("h0"), hub.delivered("h0")), (kept, kept));
    assert_eq!(hub.ready("h0"), not_ready(Reason::Invalid));
}

#[test]
fn what_a_slow_volume_leaves_unread_is_checked_later() {
    let mut hub = Hub::with(&[("h0", PLAIN), ("h1", PLAIN)]);
    hub.meddle("h0", None);
    hub.meddle("h1", None);
    hub.reads_at_once = 1;
    hub.touch(&["h0", "h1"]);
    assert_eq!(keys(&hub.commits[0]), ["h0"]);
    hub.settle();
    assert!(hub.on_disk("h1").is_some());
}
