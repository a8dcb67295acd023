//! A volume that is full, read-only, missing, foreign, or in use.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Injected, Installation, Operator, condition_of, eventually, host, skip};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A tmpfs, unmounted when dropped, also after a panic.
struct Mounted(PathBuf);

impl Mounted {
    /// Returns `None` if this process may not mount.
    fn tmpfs(at: &Path, options: &str) -> Option<Self> {
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("{options},mode=0777"), "tmpfs"])
            .arg(at)
            .output()
            .expect("run mount");
        if output.status.success() {
            return Some(Self(at.to_path_buf()));
        }
        skip(&format!("cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim()));
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: an operator may still run.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Until dropped, every write of the operator to the volume fails with EROFS, as on a read-only
/// file system. `mount -o remount,ro` cannot do that, because the operator has its lock file open
/// for writing. `None` if this process may not trace.
async fn read_only(operator: &Operator) -> Option<Injected> {
    // Temp files are created with openat2. Directories are opened with it too, which would succeed
    // on a read-only volume; but a commit begins with its temp files.
    let calls = "mkdirat,renameat,renameat2,unlinkat,fchmod,fsync,syncfs,openat2";
    let faults: Vec<_> = calls.split(',').map(|call| format!("{call}:error=EROFS")).collect();
    let faults: Vec<_> = faults.iter().map(String::as_str).collect();
    Injected::into(operator, &faults).await
}

async fn not_ready(operator: &Operator, words: &[&str]) -> String {
    eventually(GENEROUS, &format!("/readyz says {words:?}"), async || {
        let (code, body) = operator.get("/readyz").await;
        match code == 503 && words.iter().all(|word| body.contains(word)) {
            true => Ok(body),
            false => Err(format!("{code} {body}")),
        }
    })
    .await
}

/// Waits for Ready=False with PublishFailed, and checks that the message has these words.
async fn publish_fails(installation: &Installation, name: &str, words: &[&str]) {
    let message = installation.refused("team-a", name, Reason::PublishFailed).await;
    for word in words {
        assert!(message.contains(word), "{word:?} is not in {message:?}");
    }
    let object = installation.objects("team-a").get(name).await.unwrap();
    let reconciling = condition_of(&object, ConditionType::Reconciling).unwrap();
    assert_eq!(reconciling.0, ConditionStatus::True, "it must be retried");
    let stalled = condition_of(&object, ConditionType::Stalled).unwrap();
    assert_eq!(stalled.0, ConditionStatus::False, "nobody needs to act");
}

/// Fills the volume to the last page.
fn fill(ballast: &Path) {
    let mut file = std::fs::File::create(ballast).unwrap();
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_read_only_at_the_start_is_named_and_waited_for() {
    let installation = Installation::start(&["sat-a"]).await;
    let Some(mounted) = Mounted::tmpfs(installation.volume(), "size=1m") else { return };
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    let (before, delivered) = (installation.files(), installation.equal("sat-a", GENEROUS).await);
    assert!(operator.terminate(GENEROUS).await.success());
    let remount = |options: &str| {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&mounted.0).status();
        assert!(status.expect("run mount").success(), "{options}");
    };
    remount("ro");
    installation.put("team-a", "web", host("second")).await;
    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    let body = not_ready(&operator, &["volume", "Read-only file system"]).await;
    println!("read-only at the start: {body}");
    assert_eq!((installation.files(), operator.exit_status()), (before, None));
    assert_eq!(installation.equal("sat-a", GENEROUS).await, delivered);
    remount("rw");
    installation.synced("team-a", "web").await;
    assert!(installation.equal("sat-a", GENEROUS).await["team-a.web.conf"].contains("second"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_or_read_only_volume_keeps_its_files_and_recovers() {
    let installation = Installation::start(&["sat-a"]).await;
    let Some(mounted) = Mounted::tmpfs(installation.volume(), "size=256k,nr_inodes=64") else { return };
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for name in ["web", "gone"] {
        installation.put("team-a", name, host("first")).await;
        installation.synced("team-a", name).await;
    }
    let before = installation.files();

    // No space: a changed and a new object.
    let ballast = installation.volume().join("ballast");
    fill(&ballast);
    installation.put("team-a", "web", host("does not fit")).await;
    installation.put("team-a", "new", host("does not fit")).await;
    for name in ["web", "new"] {
        publish_fails(&installation, name, &["the volume is full", "the previous file is kept"]).await;
    }
    assert_eq!(installation.files(), before, "the previous files must be unchanged");
    assert_eq!(installation.equal("sat-a", GENEROUS).await, before);
    assert_eq!(operator.get("/livez").await.0, 200);
    // A deletion works, and the waiting objects use the space that it frees.
    installation.delete("team-a", "gone").await;
    eventually(GENEROUS, "the file is gone", async || {
        if installation.files().contains_key("team-a.gone.conf") { Err("there".to_owned()) } else { Ok(()) }
    })
    .await;
    // There is space again.
    let started = Instant::now();
    std::fs::remove_file(&ballast).unwrap();
    for name in ["web", "new"] {
        installation.synced("team-a", name).await;
    }
    println!("full: recovered {:?} after space was freed", started.elapsed());
    let held = installation.equal("sat-a", GENEROUS).await;
    assert_eq!(held.keys().collect::<Vec<_>>(), ["team-a.new.conf", "team-a.web.conf"]);
    assert!(held["team-a.web.conf"].contains("does not fit"));

    // No inodes, and some again.
    let ballast = installation.volume().join("inodes");
    std::fs::create_dir(&ballast).unwrap();
    for i in 0.. {
        if std::fs::File::create(ballast.join(i.to_string())).is_err() {
            break;
        }
    }
    let before = installation.files();
    installation.put("team-a", "web", host("no inode")).await;
    publish_fails(&installation, "web", &["the volume is full", "the previous file is kept"]).await;
    assert_eq!(installation.files(), before);
    let started = Instant::now();
    std::fs::remove_dir_all(&ballast).unwrap();
    installation.synced("team-a", "web").await;
    println!("inodes: recovered {:?} after inodes were freed", started.elapsed());

    // Read-only, and back.
    let before = installation.files();
    if let Some(read_only) = read_only(&operator).await {
        installation.put("team-a", "web", host("read-only")).await;
        publish_fails(&installation, "web", &["the volume is read-only", "the previous file is kept"]).await;
        installation.delete("team-a", "new").await;
        operator.wait_for_log("team-a/new", GENEROUS).await;
        assert_eq!(installation.files(), before);
        assert_eq!(
            installation.equal("sat-a", GENEROUS).await,
            before,
            "published files must stay delivered"
        );
        assert_eq!(operator.get("/livez").await.0, 200);
        let started = Instant::now();
        drop(read_only);
        installation.synced("team-a", "web").await;
        eventually(GENEROUS, "the deleted object's file is removed", async || {
            if installation.files().contains_key("team-a.new.conf") {
                Err("there".to_owned())
            } else {
                Ok(())
            }
        })
        .await;
        println!("read-only: recovered {:?} after the volume was writable", started.elapsed());
        let held = installation.equal("sat-a", GENEROUS).await;
        assert!(held.len() == 1 && held["team-a.web.conf"].contains("read-only"), "{held:?}");
    }
    let staging = installation.volume().join(".groundlink/staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0, "no temp file is left");
    assert!(operator.terminate(Duration::from_secs(10)).await.success());
    drop(mounted);
}

/// R9: a set stays closed although one of its files cannot be written.
///
/// That file is retried with its own pauses. Objects that name it come in other batches.
#[tokio::test(flavor = "multi_thread")]
async fn no_object_is_published_while_one_that_it_names_cannot_be_written() {
    let installation = Installation::start(&[]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "anchor", host("keeps the directory")).await;
    installation.published("team-a", "anchor").await;
    // A file cannot be renamed over a directory.
    let obstacle = installation.volume().join("objects.d/team-a/web.conf");
    std::fs::create_dir(&obstacle).unwrap();
    installation.put("team-a", "web", host("cannot be written")).await;
    publish_fails(&installation, "web", &["rename"]).await;
    for name in ["ping", "http", "ssh"] {
        let service = json!({ "service": { "hostName": "web", "checkCommand": "hostalive" } });
        installation.put("team-a", name, service).await;
        publish_fails(&installation, name, &["waits for team-a/web"]).await;
        // Nor is it published in a later batch, with other files.
        installation.put("team-a", "anchor", host(name)).await;
        installation.published("team-a", "anchor").await;
        publish_fails(&installation, name, &["waits for team-a/web"]).await;
    }
    std::fs::remove_dir(&obstacle).unwrap();
    for name in ["web", "ping", "http", "ssh"] {
        installation.published("team-a", name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_own_volume_is_used_and_by_one_operator_at_a_time() {
    let mut installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("one")).await;

    // No mount where one is required; then it is mounted.
    let plain = installation.scratch().join("plain");
    std::fs::create_dir(&plain).unwrap();
    installation.set_volume(&plain);
    let operator = installation.operator_builder(GROUNDLINK).await.arg("--require-mount").spawn();
    let body = not_ready(&operator, &["nothing is mounted there", plain.to_str().unwrap()]).await;
    assert_eq!(operator.get("/livez").await, (200, "ok\n".to_owned()), "{body}");
    assert_eq!(std::fs::read_dir(&plain).unwrap().count(), 0, "nothing may be written under the mount point");
    let mounted = Mounted::tmpfs(&plain, "size=1m");
    if mounted.is_some() {
        installation.ready(&operator).await;
        installation.synced("team-a", "web").await;
        assert_eq!(installation.files().len(), 1);
    }
    assert!(operator.terminate(Duration::from_secs(10)).await.success());
    drop(mounted);

    // The configuration of another program.
    let foreign = installation.scratch().join("foreign");
    std::fs::create_dir_all(foreign.join("objects.d/team-a")).unwrap();
    std::fs::write(foreign.join("objects.d/team-a/web.conf"), "theirs").unwrap();
    installation.set_volume(&foreign);
    let operator = installation.operator_builder(GROUNDLINK).await.spawn();
    not_ready(&operator, &["objects.d that Groundlink did not make", foreign.to_str().unwrap()]).await;
    assert_eq!(std::fs::read_to_string(foreign.join("objects.d/team-a/web.conf")).unwrap(), "theirs");
    assert!(!foreign.join(".groundlink").exists(), "a foreign volume was claimed");
    assert!(operator.terminate(Duration::from_secs(10)).await.success());

    // Two operators on one volume: the second waits, and takes over when the first is killed.
    let volume = installation.scratch().join("shared");
    std::fs::create_dir(&volume).unwrap();
    installation.set_volume(&volume);
    let first = installation.operator(GROUNDLINK).await;
    installation.synced("team-a", "web").await;
    let second = installation.operator_builder(GROUNDLINK).await.spawn();
    not_ready(&second, &["another process holds .groundlink/lock", volume.to_str().unwrap()]).await;
    installation.put("team-a", "web", host("two")).await;
    installation.synced("team-a", "web").await;
    assert_eq!(second.get("/readyz").await.0, 503, "the second operator must wait");
    let killed = Instant::now();
    first.kill();
    installation.ready(&second).await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(8), "took over after {took:?}");
    installation.put("team-a", "web", host("three")).await;
    installation.synced("team-a", "web").await;
    assert!(installation.files()["team-a.web.conf"].contains("three"));
    println!("took over {took:?} after the kill");
}
