use super::*;
use crate::identity::{ObjectKey, Uid};
use crate::render::{Rendered, read_back};
use crate::simulation::disk::ModelDisk;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;

fn content(key: &str, body: &str, provides: &[&str], uses: &[&str]) -> Arc<Rendered> {
    let (namespace, name) = key.split_once('/').unwrap();
    let uses: Vec<_> = uses.iter().map(|name| vec![*name]).collect();
    let header = serde_json::json!({ "provides": provides, "uses": uses });
    let text = format!("// file\n// groundlink: {header}\n{body}\n");
    Arc::new(read_back(&ObjectKey::new(namespace, name), text.into_bytes()).unwrap())
}

fn publish(old: Option<&Arc<Rendered>>, new: &Arc<Rendered>) -> Change {
    Change::Publish {
        old: old.cloned(),
        is_known: true,
        new: new.clone(),
        uid: Uid::new("uid"),
        generation: 1,
    }
}

fn published(outcomes: &[Outcome]) -> Vec<String> {
    let keys = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Published(published) => Some(published.content().key().to_string()),
        _ => None,
    });
    keys.collect()
}

fn failures(outcomes: &[Outcome]) -> Vec<&Failure> {
    outcomes
        .iter()
        .filter_map(|o| if let Outcome::Failed(failure) = o { Some(failure) } else { None })
        .collect()
}

fn files(root: &Path) -> usize {
    std::fs::read_dir(root.join(".groundlink/staging")).unwrap().count()
}

#[test]
fn a_batch_is_published_in_order_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let host = content("a/host", "", &["Host!h"], &["CheckCommand!c"]);
    let command = content("b/command", "", &["CheckCommand!c"], &[]);
    let outcomes = volume.commit(vec![publish(None, &host), publish(None, &command)], &|| true);
    assert_eq!(published(&outcomes), ["b/command", "a/host"]);
    let file = root.path().join("objects.d/a/host.conf");
    assert_eq!(std::fs::read(&file).unwrap(), host.bytes());
    assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o644);
    assert_eq!(files(root.path()), 0);
    let remove =
        |content: &Arc<Rendered>| Change::Remove { key: content.key().clone(), old: Some(content.clone()) };
    let outcomes = volume.commit(vec![remove(&command), remove(&host)], &|| true);
    assert!(matches!(&outcomes[0], Outcome::Removed(key) if *key == *host.key()));
    assert!(!root.path().join("objects.d/a").exists());
}

#[test]
fn a_large_batch_uses_one_sync_and_is_found_again() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let contents: Vec<_> = (0..50).map(|i| content(&format!("n{}/o{i}", i % 3), "", &[], &[])).collect();
    let outcomes = volume.commit(contents.iter().map(|c| publish(None, c)).collect(), &|| true);
    assert_eq!(published(&outcomes).len(), 50);
    let found = volume.scan().unwrap();
    assert_eq!(found.len(), 50);
    assert!(
        found.iter().all(|file| contents.iter().any(|c| c.digest() == file.digest && *c.key() == file.key))
    );
}

#[test]
fn what_depends_on_a_failed_file_is_not_renamed() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let command = content("b/command", "", &["CheckCommand!c"], &[]);
    let host = content("a/host", "", &["Host!h"], &["CheckCommand!c"]);
    let other = content("a/other", "", &["Host!o"], &[]);
    // A directory in the place of the command's file cannot be replaced by a rename.
    std::fs::create_dir_all(root.path().join("objects.d/b/command.conf/x")).unwrap();
    let outcomes =
        volume.commit(vec![publish(None, &host), publish(None, &command), publish(None, &other)], &|| true);
    assert_eq!(published(&outcomes), ["a/other"]);
    let messages: Vec<_> = failures(&outcomes).iter().map(|f| f.message.clone()).collect();
    assert!(messages.iter().any(|m| m.contains("waits for b/command")), "{messages:?}");
    assert_eq!(files(root.path()), 0);
}

#[test]
fn a_symlink_in_the_path_is_never_followed() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let volume = Volume::open(root.path(), false).unwrap();
    symlink(outside.path(), root.path().join("objects.d/a")).unwrap();
    let outcomes = volume.commit(vec![publish(None, &content("a/host", "", &[], &[]))], &|| true);
    assert_eq!(failures(&outcomes).len(), 1);
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_lost_claim_stops_everything() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let outcomes = volume.commit(vec![publish(None, &content("a/host", "", &[], &[]))], &|| false);
    assert_eq!(failures(&outcomes).len(), 1);
    assert!(!root.path().join("objects.d/a").exists());
}

#[test]
fn only_one_process_and_only_our_volume() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    assert!(matches!(Volume::open(root.path(), false), Err(Error::Locked(_))));
    let id = volume.id().to_owned();
    drop(volume);
    std::fs::write(root.path().join(".groundlink/staging/7.tmp"), "half").unwrap();
    assert_eq!(Volume::open(root.path(), false).unwrap().id(), id);
    assert_eq!(files(root.path()), 0);
    let foreign = tempfile::tempdir().unwrap();
    std::fs::create_dir(foreign.path().join("objects.d")).unwrap();
    assert!(matches!(Volume::open(foreign.path(), false), Err(Error::NotOurs(_))));
    assert!(matches!(Volume::open(root.path(), true), Err(Error::NotMounted(_))));
    assert!(matches!(Volume::open(&root.path().join("nope"), false), Err(Error::Open { .. })));
}

#[test]
fn a_directory_that_cannot_be_opened_is_no_empty_directory() {
    let disk = ModelDisk::default();
    let volume = Volume::on(disk.clone());
    let host = content("a/host", "", &[], &[]);
    assert_eq!(published(&volume.commit(vec![publish(None, &host)], &|| true)), ["a/host"]);
    // The volume is synced and lists its directories; then the disk fails.
    disk.stop_after(Some(2));
    let error = volume.scan().unwrap_err();
    assert!(error.to_string().contains("open objects.d/a"), "{error}");
    disk.stop_after(Some(1));
    assert!(volume.look(&[host.key().clone()]).is_err());
    disk.stop_after(None);
    assert_eq!(volume.scan().unwrap().len(), 1);
}

#[test]
fn a_file_or_symlink_among_the_directories_is_not_ours() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let volume = Volume::open(root.path(), false).unwrap();
    let host = content("b/host", "", &[], &[]);
    volume.commit(vec![publish(None, &host)], &|| true);
    std::fs::write(root.path().join("objects.d/README"), "by hand").unwrap();
    std::fs::write(outside.path().join("x.conf"), "object Host \"x\" {}").unwrap();
    symlink(outside.path(), root.path().join("objects.d/c")).unwrap();
    let found: Vec<_> = volume.scan().unwrap().into_iter().map(|file| file.key).collect();
    assert_eq!(found, [host.key().clone()]);
}
