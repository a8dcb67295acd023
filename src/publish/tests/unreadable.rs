//! What is in the place of a file and cannot be read, or is no file.

use super::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::collections::BTreeMap;

/// Returns a volume that holds a file in namespace `b`, and the directory of namespace `a`.
fn volume() -> (tempfile::TempDir, Volume) {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let sound = content("b/sound", "", &["Host!b"], &[]);
    assert_eq!(published(&volume.commit(vec![publish(None, &sound)], &|| true)), ["b/sound"]);
    std::fs::create_dir(root.path().join("objects.d/a")).unwrap();
    (root, volume)
}

fn unread(content: &Arc<Rendered>) -> Change {
    let (new, uid) = (content.clone(), Uid::new("uid"));
    Change::Publish { old: None, is_known: false, is_unread: true, new, uid, generation: 1 }
}

/// None of these is waited for, and none hides the others.
#[test]
fn a_scan_goes_on_past_what_is_no_file_of_ours() {
    let (root, volume) = volume();
    let place = |name: &str| root.path().join(format!("objects.d/a/{name}.conf"));
    std::fs::create_dir(place("directory")).unwrap();
    symlink("/etc/hostname", place("symlink")).unwrap();
    mknodat(CWD, place("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    std::fs::write(place("foreign"), "object Host \"x\" {}").unwrap();
    let large = content("a/large", &"x".repeat(300 * 1024), &["Host!large"], &[]);
    std::fs::write(place("large"), large.bytes()).unwrap();
    let scan = volume.scan().unwrap();
    let said = |found: &Found| match &found.content {
        Content::NoFile(what) => (*what).to_owned(),
        other => format!("{other:?}"),
    };
    let found: BTreeMap<_, _> = scan.files.iter().map(|found| (found.key.name(), said(found))).collect();
    assert!(found["sound"].starts_with("InPlace"), "{found:?}");
    assert_eq!(
        (&*found["directory"], &*found["symlink"], &*found["fifo"]),
        ("a directory", "a symlink", "a FIFO")
    );
    assert_eq!((&*found["foreign"], &*found["large"]), ("Foreign", "Foreign"));
    assert!(scan.unread.is_empty());

    // All but a directory are replaced.
    let names = ["directory", "symlink", "fifo", "foreign", "large"];
    let batch = names.map(|name| publish(None, &content(&format!("a/{name}"), "", &[], &[])));
    let outcomes = volume.commit(batch.into(), &|| true);
    assert_eq!(published(&outcomes), ["a/fifo", "a/foreign", "a/large", "a/symlink"]);
    let message = &failures(&outcomes)[0].message;
    assert!(message.contains("a directory is in its place: remove it"), "{message}");
}

/// Reads fail, as those of a block which the disk has lost, or of a file of somebody else.
#[test]
fn a_file_that_cannot_be_read_hides_nothing_else() {
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    let host = content("a/host", "", &["Host!h"], &[]);
    volume.commit(vec![publish(None, &host)], &|| true);
    disk.refuse(&["read"], false);
    let scan = volume.scan().unwrap();
    assert!(
        matches!(&scan.files[0].content, Content::Unreadable(why) if why.contains("objects.d/a/host.conf"))
    );
    disk.refuse(&["files"], false);
    let scan = volume.scan().unwrap();
    assert!(scan.files.is_empty() && scan.unread["a"].contains("cannot list objects.d/a"), "{scan:?}");
    disk.refuse(&["open_directory"], false);
    assert!(volume.scan().unwrap().unread["a"].contains("cannot open objects.d/a"));
    let again = volume.scan_again(&[], &[host.key().clone()]).unwrap();
    assert!(matches!(&again.files[0].content, Content::Unreadable(_)), "{again:?}");
}

#[test]
fn what_was_found_after_a_sync_that_failed_is_not_durable() {
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    let host = content("a/host", "", &["Host!h"], &[]);
    volume.commit(vec![publish(None, &host)], &|| true);
    disk.refuse(&["sync_all"], false);
    assert!(volume.scan().is_err());
    disk.refuse(&[], false);
    let found = volume.scan().unwrap().files;
    assert!(matches!(&found[0].content, Content::Visible(content) if content.digest() == host.digest()));
}

#[test]
fn what_cannot_be_read_is_replaced_before_any_name_goes() {
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    let group = content("z/group", "", &["HostGroup!g"], &[]);
    let named = content("a/host", "", &["Host!h"], &["HostGroup!g"]);
    let host = content("a/host", "alone", &["Host!h"], &[]);
    let outcomes = volume.commit(vec![publish(None, &group), publish(None, &named)], &|| true);
    assert_eq!(published(&outcomes), ["z/group", "a/host"]);
    disk.take_seen();
    let remove = || Change::Remove { key: group.key().clone(), old: Some(group.clone()) };
    // It cannot be replaced: the group stays, because the file may name it.
    disk.refuse(&["write_temp"], false);
    let outcomes = volume.commit(vec![remove(), unread(&host)], &|| true);
    let messages: Vec<_> = failures(&outcomes).iter().map(|failure| failure.message.clone()).collect();
    assert!(messages.len() == 2 && messages[1].contains("waits for a/host"), "{messages:?}");
    disk.refuse(&[], false);
    volume.commit(vec![remove(), unread(&host)], &|| true);
    let seen: Vec<_> =
        disk.take_seen().into_iter().map(|((_, file), bytes)| (file, bytes.is_some())).collect();
    assert_eq!(seen, [("host.conf".to_owned(), true), ("group.conf".to_owned(), false)]);
}
