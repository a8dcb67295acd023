//! Faults of single calls: interrupted, failed, or failed and carried out all the same.

use super::*;
use crate::publish::Disk as _;

const FILE: (&str, &str) = ("a", "host.conf");

fn host(text: &str) -> Arc<Rendered> {
    content("a/host", text, &["Host!h"], &[])
}

fn remove(content: &Arc<Rendered>) -> Change {
    Change::Remove { key: content.key().clone(), old: Some(content.clone()) }
}

/// Returns a volume that holds this file.
fn holding(content: &Arc<Rendered>) -> (ModelDisk, Volume<ModelDisk>) {
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    assert_eq!(published(&volume.commit(vec![publish(None, content)], &|| true)).len(), 1);
    (disk, volume)
}

fn on_disk(disk: &ModelDisk) -> Option<Vec<u8>> {
    disk.all_visible().get(&(FILE.0.into(), FILE.1.into())).map(|bytes| bytes.to_vec())
}

/// Returns whether a power cut can leave only this content.
fn survives(disk: &ModelDisk, content: &Rendered) -> bool {
    disk.after_power_cut(FILE.0, FILE.1).iter().all(|left| left.as_ref() == Some(&content.bytes()))
}

/// Every other call of each kind is interrupted by a signal.
#[test]
fn interrupted_calls_are_repeated() {
    const NAME: &str = "publish::tests::faults::interrupted_calls_are_repeated";
    let calls = "fsync,syncfs,openat2,renameat,renameat2,unlinkat,mkdirat,fchmod,getdents64";
    if !is_child(NAME, &[&format!("{calls}:error=EINTR:when=1+2"), "write:error=EINTR:when=3+7"]) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let contents: Vec<_> = (0..20).map(|i| content(&format!("n{}/o{i}", i % 3), "", &[], &[])).collect();
    for some in [&contents[..2], &contents[2..]] {
        let outcomes = volume.commit(some.iter().map(|c| publish(None, c)).collect(), &|| true);
        assert_eq!(published(&outcomes).len(), some.len(), "{:?}", failures(&outcomes));
    }
    assert_eq!(volume.scan().unwrap().files.len(), 20);
    let outcomes = volume.commit(contents.iter().map(remove).collect(), &|| true);
    assert_eq!(failures(&outcomes).len(), 0, "{:?}", failures(&outcomes));
}

/// The first write takes a part of the bytes, and the next one fails with EFBIG.
#[test]
fn a_file_that_is_written_in_part_never_takes_the_place_of_the_old_one() {
    const NAME: &str =
        "publish::tests::faults::a_file_that_is_written_in_part_never_takes_the_place_of_the_old_one";
    if !is_limited_child(NAME, 4) {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let (old, large, other) = (host("old"), host(&"x".repeat(20_000)), content("a/other", "", &[], &[]));
    assert_eq!(published(&volume.commit(vec![publish(None, &old)], &|| true)).len(), 1);
    let outcomes = volume.commit(vec![publish(Some(&old), &large), publish(None, &other)], &|| true);
    assert_eq!(published(&outcomes), ["a/other"], "it stops no other");
    let [failure] = failures(&outcomes)[..] else { panic!("{outcomes:?}") };
    assert!(failure.message.contains("ulimit -f"), "{}", failure.message);
    assert!(failure.message.contains("the previous file is kept"), "{}", failure.message);
    assert!(matches!(failure.after, After::Unchanged));
    assert_eq!(std::fs::read(root.path().join("objects.d/a/host.conf")).unwrap(), old.bytes());
    assert_eq!(files(root.path()), 0, "no leftover");
}

#[test]
fn a_quota_is_a_full_volume() {
    let error = std::io::Error::from_raw_os_error(rustix::io::Errno::DQUOT.raw_os_error());
    assert!(crate::publish::explain::remedy(&error).contains("the volume is full"));
}

#[test]
fn a_failure_says_what_is_on_the_volume() {
    let (old, new) = (host("old"), host("new"));
    let outcome = |call, change| {
        let (disk, volume) = holding(&old);
        disk.refuse(&[call], false);
        let outcomes = volume.commit(vec![change], &|| true);
        let [Outcome::Failed(Failure { message, .. })] = &outcomes[..] else { panic!("{outcomes:?}") };
        (message.clone(), on_disk(&disk))
    };
    for call in ["write_temp", "sync_temp", "rename"] {
        let (message, bytes) = outcome(call, publish(Some(&old), &new));
        assert!(message.contains("the previous file is kept") && bytes == Some(old.bytes()), "{message}");
    }
    let (message, bytes) = outcome("sync_directory", publish(Some(&old), &new));
    assert!(message.contains("the new file is in place") && bytes == Some(new.bytes()), "{message}");
    assert!(!message.contains("kept"), "{message}");
    let (message, bytes) = outcome("sync_directory", remove(&old));
    assert!(message.contains("the file is removed") && bytes.is_none(), "{message}");
    let (message, bytes) = outcome("remove", remove(&old));
    assert!(message.contains("the previous file is kept") && bytes == Some(old.bytes()), "{message}");
}

#[test]
fn a_confirmation_whose_sync_failed_proves_nothing() {
    let old = host("old");
    let (disk, volume) = holding(&old);
    disk.refuse(&["sync_all"], false);
    let outcomes = volume.commit(vec![publish(Some(&old), &old)], &|| true);
    let after = failures(&outcomes).into_iter().map(|failure| &failure.after).next();
    assert!(matches!(after, Some(After::NotDurable(Some(new))) if new.digest() == old.digest()));
}

#[test]
fn what_is_only_to_be_confirmed_is_looked_at() {
    let old = host("old");
    for edited in [Some(&b"by hand"[..]), None] {
        let (disk, volume) = holding(&old);
        disk.meddle(FILE.0, FILE.1, edited);
        let outcomes = volume.commit(vec![publish(Some(&old), &old)], &|| true);
        assert_eq!(published(&outcomes), ["a/host"]);
        assert!(survives(&disk, &old), "{edited:?}");
    }
}

#[test]
fn a_directory_that_is_not_durable_is_synced_by_the_next_attempt() {
    let host = host("");
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    disk.refuse(&["sync_objects"], false);
    let outcomes = volume.commit(vec![publish(None, &host)], &|| true);
    assert!(failures(&outcomes)[0].message.contains("sync objects.d"));
    disk.refuse(&[], false);
    assert_eq!(published(&volume.commit(vec![publish(None, &host)], &|| true)), ["a/host"]);
    assert!(survives(&disk, &host));
}

#[test]
fn a_directory_that_somebody_else_created_is_synced() {
    let host = host("");
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    volume.scan().unwrap();
    disk.make_directory("a").unwrap();
    assert_eq!(published(&volume.commit(vec![publish(None, &host)], &|| true)), ["a/host"]);
    assert!(survives(&disk, &host));
}

#[test]
fn a_rename_or_removal_that_failed_may_have_been_carried_out() {
    let (old, new) = (host("old"), host("new"));
    let (disk, volume) = holding(&old);
    disk.refuse(&["rename"], true);
    assert_eq!(published(&volume.commit(vec![publish(Some(&old), &new)], &|| true)), ["a/host"]);
    assert!(survives(&disk, &new));
    disk.refuse(&["remove"], true);
    let outcomes = volume.commit(vec![remove(&new)], &|| true);
    assert!(matches!(&outcomes[..], [Outcome::Removed(_)]), "{outcomes:?}");
    assert_eq!(disk.after_power_cut(FILE.0, FILE.1), [None]);
}

#[test]
fn after_a_rename_that_failed_nothing_is_claimed_of_a_file_that_cannot_be_read() {
    let (old, new) = (host("old"), host("new"));
    for is_done in [true, false] {
        let (disk, volume) = holding(&old);
        disk.refuse(&["rename", "read"], is_done);
        let outcomes = volume.commit(vec![publish(Some(&old), &new)], &|| true);
        let [Outcome::Failed(Failure { message, after, .. })] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(matches!(after, After::Unknown) && message.contains("it is not known"), "{message}");
    }
}

#[test]
fn a_file_that_a_failed_rename_found_edited_is_not_claimed() {
    let (old, other, new) = (host("old"), host("other"), host("new"));
    let (disk, volume) = holding(&old);
    disk.meddle(FILE.0, FILE.1, Some(&other.bytes()));
    disk.refuse(&["rename"], false);
    let outcomes = volume.commit(vec![publish(Some(&old), &new)], &|| true);
    let after = failures(&outcomes).into_iter().map(|failure| &failure.after).next();
    assert!(matches!(after, Some(After::NotDurable(Some(there))) if there.digest() == other.digest()));
}
