//! `groundlink wait --for gone`: it never ends well while a satellite may still have the object.

use super::fixture::Run;
use crate::GROUNDLINK;
use crate::support::{At, GENEROUS, Gate, Installation, eventually, host};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A run of `groundlink wait --for gone` that goes on.
struct Waiting {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Waiting {
    fn start(installation: &Installation, object: &str, more: &[&str]) -> Self {
        let kubeconfig = installation.plane.server("hub").admin_kubeconfig_path();
        let mut command = Command::new(GROUNDLINK);
        command.args(["wait", object, "-n", "team-a", "--for", "gone", "--hub-kubeconfig"]).arg(kubeconfig);
        command.args(more).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it runs");
        let (said, stderr) = (Arc::new(Mutex::new(String::new())), child.stderr.take().expect("piped"));
        tokio::spawn({
            let said = said.clone();
            async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    *said.lock().unwrap() += &(line + "\n");
                }
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    async fn says(&self, words: &str) {
        let said = async || if self.said().contains(words) { Ok(()) } else { Err(self.said()) };
        eventually(GENEROUS, &format!("it says {words:?}"), said).await;
    }

    fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    async fn ends(mut self) -> Run {
        let status = tokio::time::timeout(GENEROUS, self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it goes on: {}", self.said())).expect("a status");
        Run { code: status.code().expect("a code"), out: String::new(), err: self.said() }
    }
}

/// Waits until the object has arrived, also in the statuses of the satellites.
async fn arrived(installation: &Installation, object: &str) {
    let kubeconfig = installation.plane.server("hub").admin_kubeconfig_path();
    eventually(GENEROUS, &format!("{object} has arrived"), async || {
        let mut trace = Command::new(GROUNDLINK);
        trace.args(["trace", object, "-n", "team-a", "--hub-kubeconfig"]).arg(&kubeconfig);
        let said = Run::of(&trace.output().await.expect("it runs"));
        if said.code == 0 { Ok(()) } else { Err(said.out + &said.err) }
    })
    .await;
}

/// True if the satellite's pointer has the object.
async fn holds(installation: &Installation, satellite: &str, key: &str) -> bool {
    let data = installation.pointer(satellite).await.and_then(|pointer| pointer.data);
    data.is_some_and(|data| data.contains_key(key))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_is_gone_when_every_satellite_holds_a_set_without_it() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    let volume = installation.volume().to_str().expect("UTF-8").to_owned();
    // With this --settle, only what was seen to leave counts.
    let strict = ["--timeout", "5m", "--settle", "1h", "--volume", &volume];
    for name in ["web", "db", "app"] {
        installation.put("team-a", name, host(name)).await;
        arrived(&installation, &format!("mo/{name}")).await;
    }

    let never = Waiting::start(&installation, "mo/web", &["--timeout", "2s"]).ends().await.exits_with(1);
    never.stderr_has(&["MonitoringObject team-a/web: not gone in time: it exists; delete it"]);

    let waiting = Waiting::start(&installation, "mo/web", &strict);
    waiting.says("it exists").await;
    installation.delete("team-a", "web").await;
    waiting.ends().await.exits_with(0);
    for satellite in ["sat-a", "sat-b"] {
        assert!(!holds(&installation, satellite, "team-a.web.conf").await, "{satellite} has it");
    }
    assert!(!installation.files().contains_key("team-a.web.conf"), "the volume has it");

    // One satellite is away, and its SatelliteCluster speaks well of it for a while.
    let mut waiting = Waiting::start(&installation, "mo/db", &strict);
    waiting.says("it exists").await;
    let away = installation.plane.server("sat-b");
    away.stop();
    installation.delete("team-a", "db").await;
    eventually(GENEROUS, "the other satellite lacks it", async || {
        if holds(&installation, "sat-a", "team-a.db.conf").await { Err("not yet".into()) } else { Ok(()) }
    })
    .await;
    waiting.says("sat-b may still have it").await;
    let late = Waiting::start(&installation, "mo/db", &["--timeout", "5s", "--settle", "0s"]).ends().await;
    late.exits_with(1).stderr_has(&["not gone in time", "sat-b may still have it"]);
    assert!(waiting.runs(), "{}", waiting.said());
    away.restart().await;
    waiting.ends().await.exits_with(0);
    assert!(!holds(&installation, "sat-b", "team-a.db.conf").await, "it is there");

    // Nobody waits for a suspended satellite, and the command says that it has the object.
    let merge = Patch::Merge(json!({ "spec": { "suspend": true } }));
    installation.satellites().patch("sat-b", &PatchParams::default(), &merge).await.expect("a patch");
    let waiting = Waiting::start(&installation, "mo/app", &strict);
    waiting.says("it exists").await;
    installation.delete("team-a", "app").await;
    let said = waiting.ends().await.exits_with(0);
    said.stderr_has(&["sat-b is not waited for (Suspended), and still has it"]);
    assert!(holds(&installation, "sat-b", "team-a.app.conf").await, "it was written");

    // Of one that nobody has seen, the satellites' sets and a working operator are enough in time.
    let long_ago =
        Waiting::start(&installation, "mo/web", &["--timeout", "5m", "--settle", "1s"]).ends().await;
    long_ago.exits_with(0).stderr_has(&["nothing has it; looking on", "sat-a was not seen with it"]);
    let elsewhere = ["--timeout", "2s", "--volume", "/nonexistent"];
    let wrong = Waiting::start(&installation, "mo/web", &elsewhere).ends().await.exits_with(2);
    wrong.stderr_has(&["has no directory objects.d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_began_before_the_deletion_is_not_overlooked() {
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "first", host("first")).await;
    arrived(&installation, "mo/first").await;

    // The write that brings the object is held on its way, until the operator gives it up.
    let proxy = &installation.proxies["sat-a"];
    let gate = Gate::at(proxy, "/configmaps", 1, At::Before);
    installation.put("team-a", "late", host("late")).await;
    gate.reached(proxy, GENEROUS).await;
    installation.delete("team-a", "late").await;
    let mut waiting = Waiting::start(&installation, "mo/late", &["--timeout", "5m", "--settle", "20s"]);
    waiting.says("sat-a").await;
    assert!(waiting.runs() && !holds(&installation, "sat-a", "team-a.late.conf").await);
    gate.open();
    proxy.release();
    waiting.ends().await.exits_with(0);
    assert!(!holds(&installation, "sat-a", "team-a.late.conf").await);
    assert!(holds(&installation, "sat-a", "team-a.first.conf").await);
}
