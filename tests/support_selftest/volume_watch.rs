use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::{FileEvent, FileEventKind, Sequence, VolumeWatch, digest};

const WEB: &str = "objects.d/team-a/web.conf";

fn publish(volume: &Path, path: &str, bytes: &[u8]) {
    let staging = volume.join(".groundlink/staging");
    fs::create_dir_all(&staging).unwrap();
    let target = volume.join(path);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(staging.join("temp"), bytes).unwrap();
    fs::rename(staging.join("temp"), target).unwrap();
}

fn kinds(history: &[FileEvent], path: &str) -> Vec<&'static str> {
    let of_path = history.iter().filter(|event| event.path == path);
    of_path
        .map(|event| match event.kind {
            FileEventKind::Found(_) => "found",
            FileEventKind::Renamed(_) => "renamed",
            FileEventKind::Deleted => "deleted",
            FileEventKind::CreatedInPlace => "created in place",
            FileEventKind::ModifiedInPlace(_) => "modified in place",
            FileEventKind::Staged => "staged",
        })
        .collect()
}

#[test]
fn renames_and_deletes_are_seen_in_order_with_their_bytes() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), WEB, b"zero");
    let sequence = Sequence::default();
    let watch = VolumeWatch::start(volume.path(), &sequence);
    publish(volume.path(), WEB, b"one");
    watch.flush();
    let between = sequence.now();
    publish(volume.path(), WEB, b"two");
    watch.flush();
    fs::remove_file(volume.path().join(WEB)).unwrap();

    assert_eq!(kinds(&watch.history(), WEB), ["found", "renamed", "renamed", "deleted"]);
    let seen = watch.digests_seen(WEB);
    let digests: Vec<_> = seen.iter().map(|(_, digest)| digest.as_str()).collect();
    assert_eq!(digests, [digest(b"zero"), digest(b"one"), digest(b"two")]);
    assert!(seen[1].0 <= between && between < seen[2].0, "{seen:?}, {between} between them");
    assert!(watch.violations().is_empty());
    assert!(!watch.history().iter().any(|event| event.superseded));
    assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

#[test]
fn writes_in_place_are_violations() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), WEB, b"one");
    let watch = VolumeWatch::start(volume.path(), &Sequence::default());
    fs::write(volume.path().join(WEB), b"two").unwrap();
    fs::write(volume.path().join("objects.d/team-a/new.conf"), b"new").unwrap();
    fs::hard_link(volume.path().join(WEB), volume.path().join("objects.d/team-a/link.conf")).unwrap();

    let history = watch.history();
    assert!(kinds(&history, WEB)[1..].iter().all(|kind| *kind == "modified in place"), "{history:?}");
    assert_eq!(watch.digests_seen(WEB).last().unwrap().1, digest(b"two"));
    assert_eq!(kinds(&history, "objects.d/team-a/new.conf")[0], "created in place");
    assert_eq!(kinds(&history, "objects.d/team-a/link.conf"), ["created in place"]);
    let mut violated: Vec<_> = watch.violations().into_iter().map(|event| event.path).collect();
    violated.dedup();
    assert_eq!(violated.len(), 3, "{violated:?}");
}

#[test]
fn closing_the_writer_after_the_rename_is_no_violation() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), WEB, b"one");
    let watch = VolumeWatch::start(volume.path(), &Sequence::default());
    let staged = volume.path().join(".groundlink/staging/temp");
    let mut writer = fs::File::create(&staged).unwrap();
    writer.write_all(b"two").unwrap();
    fs::rename(&staged, volume.path().join(WEB)).unwrap();
    drop(writer);
    let history = watch.history();
    assert_eq!(kinds(&history, WEB), ["found", "renamed"]);
    assert!(!history.iter().any(|event| event.superseded));
}

#[test]
fn a_volume_that_is_filled_from_nothing_is_seen_completely() {
    let volume = tempfile::tempdir().unwrap();
    fs::create_dir_all(volume.path().join(".groundlink/staging")).unwrap();
    let watch = VolumeWatch::start_with_staging(volume.path(), &Sequence::default());
    for namespace in 0..200 {
        for name in 0..5 {
            let path = format!("objects.d/team-{namespace}/host-{name}.conf");
            publish(volume.path(), &path, path.as_bytes());
        }
    }
    let history = watch.history();
    for namespace in 0..200 {
        for name in 0..5 {
            let path = format!("objects.d/team-{namespace}/host-{name}.conf");
            let seen: Vec<_> = watch.digests_seen(&path).into_iter().map(|(_, digest)| digest).collect();
            assert_eq!(seen, [digest(path.as_bytes())], "{path}: {:?}", kinds(&history, &path));
        }
    }
    assert!(watch.violations().is_empty());
    let staged = kinds(&history, ".groundlink/staging/temp");
    assert_eq!(staged, ["staged"; 1000]);
    assert!(history.is_sorted_by_key(|event| event.seq));
}

#[test]
fn an_event_read_too_late_says_so() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), WEB, b"zero");
    // Seen whether the thread was in time or not: 200 renames, each known or marked.
    let watch = VolumeWatch::start(volume.path(), &Sequence::default());
    for round in 0..200_u32 {
        publish(volume.path(), WEB, &round.to_be_bytes());
    }
    let history = watch.history();
    let renames: Vec<_> =
        history.iter().filter(|event| matches!(event.kind, FileEventKind::Renamed(_))).collect();
    assert_eq!(renames.len(), 200);
    for (round, event) in (0..200_u32).zip(&renames) {
        let own = event.content().is_some_and(|content| content.bytes[..] == round.to_be_bytes());
        assert!(own || event.superseded, "rename {round}: {event:?}");
    }
    assert!(!renames[199].superseded);
}

#[test]
fn removing_and_moving_away_a_namespace_is_seen() {
    let volume = tempfile::tempdir().unwrap();
    publish(volume.path(), WEB, b"one");
    publish(volume.path(), "objects.d/team-b/web.conf", b"one");
    let watch = VolumeWatch::start(volume.path(), &Sequence::default());
    fs::remove_dir_all(volume.path().join("objects.d/team-a")).unwrap();
    fs::rename(volume.path().join("objects.d/team-b"), volume.path().join("away")).unwrap();
    publish(volume.path(), WEB, b"two");
    assert_eq!(kinds(&watch.history(), WEB)[..2], ["found", "deleted"]);
    assert_eq!(watch.digests_seen(WEB).last().unwrap().1, digest(b"two"));
    assert_eq!(kinds(&watch.history(), "objects.d/team-b/web.conf"), ["found", "deleted"]);
}
