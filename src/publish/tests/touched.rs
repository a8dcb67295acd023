//! Which files somebody else touched.

use super::*;
use rustix::event::Timespec;
use std::collections::BTreeSet;

const LONG: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
const SHORT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Returns the names of the files that are reported as touched, until nothing comes any more.
fn touched(volume: &Volume, watcher: &mut Watcher) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut limit = LONG;
    while let Some(Touched::Files(keys)) = volume.wait_for_touch(watcher, limit).unwrap() {
        all.extend(keys.iter().map(|key| key.name().to_owned()));
        limit = SHORT;
    }
    all
}

/// Runs in a process of its own. Other tests start programs, and until such a program begins, it
/// holds every file open that is being written here: its closing would be reported later, as that
/// of somebody else.
#[test]
#[ignore = "started by the test below"]
fn others_and_commits() {
    let root = tempfile::tempdir().unwrap();
    let volume = Volume::open(root.path(), false).unwrap();
    let contents: Vec<_> = (0..20).map(|i| content(&format!("a/o{i}"), "", &[], &[])).collect();
    volume.commit(contents[..3].iter().map(|c| publish(None, c)).collect(), &|| true);
    let mut watcher = volume.watcher().unwrap();
    let place = |name: &str| root.path().join(format!("objects.d/a/{name}.conf"));

    // Synced together, one by one, and replaced; and in a directory that is new.
    let other = content("a/o0", "other", &[], &[]);
    let new: Vec<_> = (0..3).map(|i| content(&format!("b/o{i}"), "", &[], &[])).collect();
    volume.commit(contents[3..].iter().map(|c| publish(None, c)).collect(), &|| true);
    volume.commit(vec![publish(Some(&contents[0]), &other)], &|| true);
    volume.commit(new.iter().map(|c| publish(None, c)).collect(), &|| true);
    for _ in 0..3 {
        assert_eq!(volume.wait_for_touch(&mut watcher, SHORT).unwrap(), None);
    }

    std::fs::write(place("o0"), "by hand").unwrap();
    std::fs::remove_file(place("o1")).unwrap();
    std::fs::rename(place("o2"), place("moved")).unwrap();
    std::fs::write(place("new"), "by hand").unwrap();
    std::fs::write(root.path().join("objects.d/a/README"), "no file of ours").unwrap();
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(touched(&volume, &mut watcher), named(&["moved", "new", "o0", "o1", "o2"]));
    std::fs::write(root.path().join("objects.d/b/o1.conf"), "by hand").unwrap();
    assert_eq!(touched(&volume, &mut watcher), named(&["o1"]));
    // A directory that is moved away, or put there, with all that is in it.
    std::fs::create_dir(root.path().join("c")).unwrap();
    std::fs::write(root.path().join("c/there.conf"), "by hand").unwrap();
    std::fs::rename(root.path().join("c"), root.path().join("objects.d/c")).unwrap();
    assert_eq!(touched(&volume, &mut watcher), named(&["there"]));
    std::fs::rename(root.path().join("objects.d/a"), root.path().join("away")).unwrap();
    assert_eq!(volume.wait_for_touch(&mut watcher, LONG).unwrap(), Some(Touched::Some));
}

#[test]
fn what_others_do_is_reported_and_what_a_commit_does_is_not() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "publish::tests::touched::others_and_commits", "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
