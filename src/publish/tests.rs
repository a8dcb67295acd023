mod faults;
mod power_cut;
mod touched;
mod unreadable;

use super::*;
use crate::identity::{ObjectKey, Uid};
use crate::render::{Rendered, read_back};
use crate::simulation::disk::ModelDisk;
use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
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
        is_unread: false,
        new: new.clone(),
        uid: Uid::new("uid"),
        generation: 1,
    }
}

fn is_in_place(found: &Found, content: &Rendered) -> bool {
    matches!(&found.content, Content::InPlace(in_place) if in_place.digest() == content.digest())
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

/// Names the test that a process runs alone.
const CHILD: &str = "GROUNDLINK_TEST_CHILD";

/// Returns whether this process runs the test `name` alone. If not, it starts one that does, with these faults injected into
/// its system calls, and fails if that fails.
fn is_child(name: &str, faults: &[&str]) -> bool {
    if std::env::var(CHILD).as_deref() == Ok(name) {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let mut child = Command::new(if faults.is_empty() { this.as_os_str() } else { OsStr::new("strace") });
    if !faults.is_empty() {
        let can_trace = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
        if !can_trace.is_ok_and(|status| status.success()) {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must be able to trace");
            // Standard output is captured.
            let _ =
                writeln!(std::io::stderr(), "\nSKIPPED: {name}: strace is not installed, or may not trace");
            return false;
        }
        let calls: Vec<_> = faults.iter().filter_map(|fault| fault.split_once(':')).map(|(c, _)| c).collect();
        child.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={}", calls.join(","))]);
        for fault in faults {
            child.args(["-e", &format!("inject={fault}")]);
        }
        child.arg(this);
    }
    run_alone(name, child);
    false
}

/// The same with a process that may write files of this many KiB. A larger one is written in part.
fn is_limited_child(name: &str, limit: u32) -> bool {
    if std::env::var(CHILD).as_deref() == Ok(name) {
        return true;
    }
    let mut child = Command::new("bash");
    // The signal would end the process.
    let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
    child.args(["-c", &script]).arg(std::env::current_exe().unwrap());
    run_alone(name, child);
    false
}

fn run_alone(name: &str, mut child: Command) {
    let output = child.args(["--exact", name, "--nocapture"]).env(CHILD, name).output().unwrap();
    let said = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let (said, why) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}{why}");
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
    let found = volume.scan().unwrap().files;
    assert_eq!(found.len(), 50);
    let is_one = |file: &Found| contents.iter().any(|c| *c.key() == file.key && is_in_place(file, c));
    assert!(found.iter().all(is_one));
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
fn the_lease_is_asked_for_before_the_first_write_and_before_each_rename() {
    for allowed in 0..=4 {
        let disk = ModelDisk::default();
        let volume = Volume::on(disk.clone());
        let contents = ["a/h0", "a/h1", "a/h2"].map(|key| content(key, "", &[], &[]));
        let batch = contents.iter().map(|content| publish(None, content)).collect();
        let asked = Cell::new(0);
        let outcomes = volume.commit(batch, &|| {
            asked.set(asked.get() + 1);
            asked.get() <= allowed
        });
        let renamed = usize::saturating_sub(allowed, 1);
        assert_eq!((published(&outcomes).len(), failures(&outcomes).len()), (renamed, 3 - renamed));
        assert_eq!(disk.all_visible().len(), renamed, "allowed {allowed} times");
        assert!(allowed > 0 || disk.writes() == 0, "nothing is written without it");
    }
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
fn a_file_or_symlink_among_the_directories_is_not_ours() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let volume = Volume::open(root.path(), false).unwrap();
    let host = content("b/host", "", &[], &[]);
    volume.commit(vec![publish(None, &host)], &|| true);
    std::fs::write(root.path().join("objects.d/README"), "by hand").unwrap();
    std::fs::write(outside.path().join("x.conf"), "object Host \"x\" {}").unwrap();
    symlink(outside.path(), root.path().join("objects.d/c")).unwrap();
    let found: Vec<_> = volume.scan().unwrap().files.into_iter().map(|file| file.key).collect();
    assert_eq!(found, [host.key().clone()]);
}

/// The limit of descriptors belongs to a process, so the test runs itself again in one of its own.
#[test]
fn a_batch_of_any_size_needs_few_descriptors() {
    if !is_child("publish::tests::a_batch_of_any_size_needs_few_descriptors", &[]) {
        return;
    }
    let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let in_one: Vec<_> = (0..1_000).map(|i| content(&format!("a/o{i}"), "", &[], &[])).collect();
    let in_many: Vec<_> = (0..1_000).map(|i| content(&format!("n{i}/o"), "", &[], &[])).collect();
    for contents in [&in_one, &in_many] {
        let outcomes = volume.commit(contents.iter().map(|c| publish(None, c)).collect(), &|| true);
        assert_eq!(published(&outcomes).len(), 1_000, "{:?}", failures(&outcomes).first());
    }
    assert_eq!(volume.scan().unwrap().files.len(), 2_000);
    let remove =
        |content: &Arc<Rendered>| Change::Remove { key: content.key().clone(), old: Some(content.clone()) };
    let outcomes = volume.commit(in_many.iter().map(remove).collect(), &|| true);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Removed(_))));
    assert_eq!(std::fs::read_dir(root.path().join("objects.d")).unwrap().count(), 1);
}
