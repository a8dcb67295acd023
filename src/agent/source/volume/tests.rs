use super::*;
use tempfile::TempDir;

/// Waits for a set that satisfies a test.
async fn until(volume: &mut Volume, is_so: impl Fn(&WantedSet) -> bool) -> WantedSet {
    let wait = async {
        loop {
            if let Some(Wanted::Set(set)) = volume.news().wanted
                && is_so(&set)
            {
                return set;
            }
            assert!(volume.changed().await, "the scanner has ended");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("news of the volume")
}

fn put(scratch: &TempDir, namespace: &str, name: &str, text: &str) {
    let directory = scratch.path().join("objects.d").join(namespace);
    fs::create_dir_all(&directory).unwrap();
    fs::write(scratch.path().join("temp"), text).unwrap();
    fs::rename(scratch.path().join("temp"), directory.join(name)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_the_volume_is_a_set_and_only_what_is_not_held_is_read() {
    let scratch = tempfile::tempdir().unwrap();
    put(&scratch, "a", "x.conf", "1");
    let mut volume = Volume::follow(scratch.path(), scratch.path(), Revision { term: 0, counter: 7 });
    let first = until(&mut volume, |_| true).await;
    assert_eq!(first.revision, Revision { term: 0, counter: 8 });
    let fetched = volume.fetch(None).await.unwrap();
    assert_eq!(fetched.content.keys().collect::<Vec<_>>(), ["a.x.conf"]);
    let held = fetched.offer.files;

    // A namespace that is new, and a file in it.
    put(&scratch, "b", "y.conf", "1");
    let second = until(&mut volume, |set| set.digest != first.digest).await;
    let fetched = volume.fetch(Some(held)).await.unwrap();
    assert_eq!(fetched.content.keys().collect::<Vec<_>>(), ["b.y.conf"]);
    assert_eq!(fetched.offer.files.len(), 2);
    assert!(second.revision > first.revision);

    // The same bytes again are the same set; other bytes are another.
    put(&scratch, "b", "y.conf", "2");
    let third = until(&mut volume, |set| set.digest != second.digest).await;
    fs::remove_file(scratch.path().join("objects.d/b/y.conf")).unwrap();
    let fourth = until(&mut volume, |set| set.digest != third.digest).await;
    assert_eq!(fourth.digest, first.digest);

    fs::write(scratch.path().join(CONFIRMED), format!("{}\n", first.digest)).unwrap();
    put(&scratch, "a", "z.conf", "1");
    until(&mut volume, |set| set.shrink_confirmed == Some(first.digest)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_not_there_is_trouble_and_no_empty_set() {
    let scratch = tempfile::tempdir().unwrap();
    let mut volume = Volume::follow(scratch.path(), scratch.path(), Revision::default());
    tokio::time::timeout(Duration::from_secs(20), volume.changed()).await.unwrap();
    let news = volume.news();
    assert!(news.wanted.is_none() && news.trouble.unwrap().contains("objects.d"));
    put(&scratch, "a", "x.conf", "1");
    until(&mut volume, |_| true).await;
}
