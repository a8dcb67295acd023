//! `groundlink status`, `trace` and `wait`: what they show is where the objects are.

use super::fixture::Run;
use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

async fn run(installation: &Installation, arguments: &[&str]) -> Run {
    let kubeconfig = installation.plane.server("hub").admin_kubeconfig_path();
    let mut command = Command::new(GROUNDLINK);
    command.args(arguments).arg("--hub-kubeconfig").arg(kubeconfig).kill_on_drop(true);
    let output = tokio::time::timeout(GENEROUS, command.output()).await.expect("it ends").expect("it runs");
    Run::of(&output)
}

fn host(address: &str) -> Value {
    json!({ "host": { "address": address, "checkCommand": "dummy" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_shows_where_an_object_is_and_where_it_stopped() {
    let installation = Installation::start(&["sat-a", "sat-b"]).await;
    installation.namespace("team-a").await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("192.0.2.1")).await;

    let web = ["mo/web", "-n", "team-a"];
    let wait = async |state: &str, timeout: &str| {
        let flags = ["--for", state, "--timeout", timeout];
        run(&installation, &[&["wait"][..], &web, &flags].concat()).await
    };
    wait("synced", "60s").await.exits_with(0);
    let trace = async || run(&installation, &[&["trace"][..], &web, &["-o", "json"]].concat()).await;
    let delivered = |way: &Value| {
        let legs = way["satellites"].as_array().expect("satellites").iter();
        legs.map(|leg| leg["delivered"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    // The satellites' statuses are written after the object's.
    eventually(GENEROUS, "the trace shows that it arrived", async || {
        let found = trace().await;
        if found.code == 0 && delivered(&found.json()) == ["yes", "yes"] { Ok(()) } else { Err(found.out) }
    })
    .await;
    let text = run(&installation, &["trace", "team-a/web"]).await.exits_with(0).out;
    assert!(text.ends_with("\nIt has arrived.\n"), "{text}");
    eventually(GENEROUS, "all is well", async || {
        let status = run(&installation, &["status"]).await;
        if status.code == 0 { Ok(()) } else { Err(status.out) }
    })
    .await;
    let refusal = wait("loaded", "60s").await.exits_with(1);
    refusal.stderr_has(&["has an agent"]);

    // One satellite is away.
    installation.plane.server("sat-b").stop();
    installation.put("team-a", "web", host("192.0.2.2")).await;
    wait("ready", "60s").await.exits_with(0);
    let late = wait("synced", "3s").await.exits_with(1);
    late.stderr_has(&["team-a/web: not in time", "sat-b"]);
    eventually(GENEROUS, "the trace says where it stopped", async || {
        let way = trace().await.exits_with(1).json();
        let is_told = way["satellites"][1]["why"].as_str().is_some_and(|why| why.contains("Unreachable"));
        if is_told && delivered(&way)[1] == "no" { Ok(()) } else { Err(way.to_string()) }
    })
    .await;
    let status = run(&installation, &["status", "-o", "json"]).await.exits_with(1).json();
    assert_eq!(status["operator"]["silent"], false, "{status}");
    assert_eq!(status["objects"]["total"], 1, "{status}");
    let why = status["satellites"][1]["why"].as_str().expect("text");
    assert!(why.contains("Unreachable"), "{status}");

    // A refusal ends the wait at once.
    installation
        .put("team-a", "bad", json!({ "host": { "checkCommand": "dummy", "vars": { "x": "$open" } } }))
        .await;
    let bad = ["wait", "mo/bad", "-n", "team-a", "--for", "synced", "--timeout", "10m"];
    run(&installation, &bad).await.exits_with(1).stderr_has(&["MonitoringObject team-a/bad: Invalid"]);
    run(&installation, &["trace", "mo/none", "-n", "team-a"])
        .await
        .exits_with(1)
        .stderr_has(&["there is no MonitoringObject team-a/none"]);
}
