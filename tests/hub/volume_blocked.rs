//! A volume that does not answer, and files on it that cannot be read.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Injected, Installation, Operator, condition_of, eventually, host, skip};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bound of the end after SIGTERM, as the chart's values say, and a little for a busy machine.
const ENDS: Duration = Duration::from_secs(12);

/// Kubernetes sends SIGKILL in the end; then the Lease is held until it expires, and nothing says why.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_obeyed_while_a_sync_hangs() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "first", host("one")).await;
    installation.published("team-a", "first").await;
    let hang = ["fsync:delay_enter=120000000", "syncfs:delay_enter=120000000"];
    let Some(injected) = Injected::into(&operator, &hang).await else { return };
    installation.put("team-a", "second", host("two")).await;
    let staging = installation.volume().join(".groundlink/staging");
    eventually(GENEROUS, "a commit waits for its sync", async || {
        if std::fs::read_dir(&staging).unwrap().count() > 0 { Ok(()) } else { Err("no temp file".into()) }
    })
    .await;
    let began = Instant::now();
    kill_process(Pid::from_raw(operator.pid() as i32).unwrap(), Signal::TERM).unwrap();
    operator.wait_for_log("is abandoned (1 files, for example team-a/second)", ENDS).await;
    println!("abandoned {:?} after SIGTERM", began.elapsed());
    // A process ends only when strace lets go of the thread that it holds; a real wait for a volume ends with the process.
    drop(injected);
    let status = operator.wait(Duration::from_secs(5)).await;
    assert!(!status.success(), "{status}");
    let leases: Api<Lease> = Api::namespaced(installation.hub.clone(), crate::support::OPERATOR);
    let lease = leases.get("groundlink").await.unwrap();
    let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    assert_eq!(holder, "", "the Lease is given back");
    assert_eq!(installation.files().len(), 1);
    let _operator = installation.operator(GROUNDLINK).await;
    installation.published("team-a", "second").await;
}

/// A file system over a network, or a disk that others use.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sync_delays_what_it_is_for_and_nothing_else() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let operator = installation.operator(GROUNDLINK).await;
    let slow = ["fsync:delay_enter=700000", "syncfs:delay_enter=700000"];
    let Some(injected) = Injected::into(&operator, &slow).await else { return };
    // One sync serves a batch: forty of their own would take longer than anybody waits.
    for number in 0..40 {
        installation.put("team-a", &format!("slow-{number}"), host("one")).await;
    }
    installation.put("team-a", "refused", serde_json::json!({ "host": { "checkCommand": "nothing" } })).await;
    installation.refused("team-a", "refused", Reason::UnresolvedReference).await;
    for number in 0..40 {
        installation.synced("team-a", &format!("slow-{number}")).await;
    }
    installation.equal("sat-a", GENEROUS).await;
    assert_eq!((operator.get("/livez").await.0, operator.get("/readyz").await.0), (200, 200));
    drop(injected);
    assert!(operator.terminate(ENDS).await.success());
}

/// Returns a program that runs the operator as a user who does not own everything. `None` if that is not possible here.
fn as_nobody(installation: &Installation) -> Option<PathBuf> {
    if !Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        skip("setpriv is not installed");
        return None;
    }
    if !rustix::process::geteuid().is_root() {
        skip("only root can run the operator as another user");
        return None;
    }
    for path in [installation.scratch(), installation.volume()] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let path = installation.scratch().join("as-nobody");
    let run = format!("exec setpriv --reuid=65534 --regid=65534 --clear-groups {GROUNDLINK} \"$@\"");
    std::fs::write(&path, format!("#!/bin/sh\n{run}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    Some(path)
}

async fn operator_of_nobody(installation: &Installation, program: &Path) -> Operator {
    let builder = installation.operator_builder(program.to_str().unwrap()).await;
    let kubeconfig = installation.scratch().join("operator.kubeconfig");
    std::fs::set_permissions(kubeconfig, PermissionsExt::from_mode(0o644)).unwrap();
    builder.spawn()
}

/// The start used to end the process, and the next start again.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_the_problem_of_its_object() {
    let installation = Installation::start(&[]).await;
    installation.namespace("team-a").await;
    let Some(program) = as_nobody(&installation) else { return };
    let operator = operator_of_nobody(&installation, &program).await;
    for name in ["denied", "invalid", "fifo", "directory", "sound"] {
        installation.put("team-a", name, host("one")).await;
        installation.published("team-a", name).await;
    }
    let good = installation.files();
    assert!(operator.terminate(Duration::from_secs(20)).await.success());
    let place = |name: &str| installation.volume().join(format!("objects.d/team-a/{name}.conf"));
    for name in ["denied", "invalid"] {
        // Of root, and for root alone.
        let bytes = std::fs::read(place(name)).unwrap();
        std::fs::remove_file(place(name)).unwrap();
        std::fs::write(place(name), bytes).unwrap();
        std::fs::set_permissions(place(name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    std::fs::remove_file(place("fifo")).unwrap();
    let (file, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o644));
    rustix::fs::mknodat(rustix::fs::CWD, place("fifo"), file, mode, 0).unwrap();
    std::fs::remove_file(place("directory")).unwrap();
    std::fs::create_dir_all(place("directory").join("inside")).unwrap();
    // What is published of this one cannot be rendered again.
    installation
        .put("team-a", "invalid", serde_json::json!({ "host": { "checkCommand": "nothing-such" } }))
        .await;

    let operator = operator_of_nobody(&installation, &program).await;
    installation.put("team-a", "new", host("one")).await;
    for name in ["denied", "fifo", "sound", "new"] {
        installation.published("team-a", name).await;
    }
    let message = installation.refused("team-a", "directory", Reason::PublishFailed).await;
    assert!(message.contains("a directory is in its place: remove it"), "{message}");
    let message = installation.refused("team-a", "invalid", Reason::PublishFailed).await;
    assert!(message.contains("cannot read objects.d/team-a/invalid.conf: Permission denied"), "{message}");
    std::fs::remove_dir_all(place("directory")).unwrap();
    installation.published("team-a", "directory").await;
    let now = installation.files();
    for name in ["denied", "fifo", "directory", "sound", "invalid"] {
        let file = format!("team-a.{name}.conf");
        assert_eq!(now[&file], good[&file], "{name}");
    }
    std::fs::set_permissions(place("invalid"), PermissionsExt::from_mode(0o644)).unwrap();
    installation.refused("team-a", "invalid", Reason::UnresolvedReference).await;
    assert_eq!(installation.files()["team-a.invalid.conf"], good["team-a.invalid.conf"], "it is kept");
    let object = installation.objects("team-a").get("sound").await.unwrap();
    assert_eq!(condition_of(&object, ConditionType::Ready).unwrap().0, ConditionStatus::True);
    assert_eq!(operator.get("/livez").await.0, 200);
    assert_eq!(operator.exit_status(), None);
}
