//! Kubeconfigs that would run a program, read a file or connect elsewhere. Each is refused with its
//! field; nothing runs, and nothing leaks.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, Operator, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

const REFUSED: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::CredentialRefused);

/// Starts the operator with a trace log, with or without loopback satellites.
async fn operator(installation: &Installation, allow_loopback: bool) -> Operator {
    // Writes the kubeconfig of the hub.
    drop(installation.operator_builder(GROUNDLINK).await);
    let mut builder = Operator::builder(GROUNDLINK)
        .arg("run")
        .args(["--volume", installation.volume().to_str().unwrap()])
        .args(["--namespace", OPERATOR, "--listen", "127.0.0.1:0", "--log-format", "json", "--log", "trace"])
        .kubeconfig(&installation.scratch().join("operator.kubeconfig"));
    if allow_loopback {
        builder = builder.arg("--allow-loopback-satellites");
    }
    let operator = builder.spawn();
    installation.ready(&operator).await;
    operator
}

/// Returns a kubeconfig with these fields in its cluster and user.
fn kubeconfig(server: &str, cluster: Value, user: Value) -> Value {
    let mut out = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "k", "cluster": { "server": server } }],
        "users": [{ "name": "u", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
    });
    for (field, value) in cluster.as_object().unwrap() {
        out["clusters"][0]["cluster"][field] = value.clone();
    }
    for (field, value) in user.as_object().unwrap() {
        out["users"][0]["user"][field] = value.clone();
    }
    out
}

/// No connection, to the hub or a satellite, uses it, and its password is not logged.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_proxy_is_not_used() {
    let installation = Installation::start(&["sat-a"]).await;
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let url = format!("http://user:canary-proxy@{}", proxy.local_addr().unwrap());
    let builder = installation.operator_builder(GROUNDLINK).await;
    let operator = builder.env("HTTPS_PROXY", &url).env("https_proxy", &url).env("NO_PROXY", "").spawn();
    installation.ready(&operator).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    let log = operator.log_text();
    assert!(log.contains("asked directly") && !log.contains("canary-proxy"), "{log}");
    let called = proxy.accept().map(|(_, from)| from);
    assert!(called.is_err(), "{called:?} connected to the proxy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dangerous_kubeconfig_is_refused_by_field_runs_nothing_and_leaks_nothing() {
    let installation = Installation::start(&["sat-a"]).await;
    let running = operator(&installation, true).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("one")).await;
    installation.synced("team-a", "web").await;

    let secret = format!("canary-{:032x}", rand::random::<u128>());
    let ran = installation.scratch().join("ran");
    let script = installation.scratch().join("credential-helper");
    let body = format!("#!/bin/sh\ntouch {}\necho '{{}}'\n", ran.display());
    std::fs::write(&script, body).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // A file with a secret of the machine, for kubeconfigs to point to.
    let file = installation.scratch().join("secret-of-the-machine");
    std::fs::write(&file, &secret).unwrap();
    let (script, file) = (script.to_str().unwrap(), file.to_str().unwrap());
    let server = installation.proxies["sat-a"].url();
    let token = || json!({ "token": secret });
    let with = |user: Value| kubeconfig(&server, json!({ "insecure-skip-tls-verify": false }), user);
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": script,
        "interactiveMode": "Never", "env": [{ "name": "T", "value": secret }] });
    let provider =
        json!({ "name": "gcp", "config": { "cmd-path": script, "cmd-args": secret, "token-key": "{.t}" } });
    let mut two = with(token());
    two["contexts"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "d", "context": { "cluster": "k", "user": "u" } }));
    let broken = format!("token: {secret}\n  - : [");
    let cases: Vec<(&str, Value, &str)> = vec![
        ("exec", with(json!({ "exec": exec })), "users[0].user.exec"),
        ("exec-and-token", with(json!({ "exec": exec, "token": secret })), "users[0].user.exec"),
        ("provider", with(json!({ "auth-provider": provider })), "users[0].user.auth-provider"),
        ("token-file", with(json!({ "tokenFile": file })), "users[0].user.tokenFile"),
        (
            "client-cert",
            with(json!({ "client-certificate": file, "client-key": file })),
            "client-certificate",
        ),
        ("password", with(json!({ "username": "u", "password": secret })), "users[0].user.username"),
        ("impersonate", with(json!({ "token": secret, "as": "system:admin" })), "users[0].user.as"),
        (
            "skip-verify",
            kubeconfig(&server, json!({ "insecure-skip-tls-verify": true }), token()),
            "clusters[0].cluster.insecure-skip-tls-verify",
        ),
        (
            "ca-file",
            kubeconfig(&server, json!({ "certificate-authority": file }), token()),
            "clusters[0].cluster.certificate-authority",
        ),
        (
            "proxy-url",
            kubeconfig(&server, json!({ "proxy-url": "http://127.0.0.1:1" }), token()),
            "clusters[0].cluster.proxy-url",
        ),
        ("http", kubeconfig("http://127.0.0.1:1", json!({}), token()), "clusters[0].cluster.server"),
        ("two-contexts", two, "contexts"),
        ("no-yaml", Value::String(broken), "not valid YAML"),
        ("no-user", with(json!({})), "users[0].user needs token"),
    ];
    installation.recorder.clear();
    for (name, config, _) in &cases {
        let text = config.as_str().map_or_else(|| config.to_string(), str::to_owned);
        installation.set_secret(name, &text).await;
        installation.register(name, json!({})).await;
    }
    for (name, _, field) in &cases {
        let message =
            installation.satellite_says(name, ConditionType::CredentialsValid, REFUSED, GENEROUS).await;
        assert!(message.contains(field) && message.contains(&format!("Secret {name}")), "{name}: {message}");
        let stalled = (ConditionStatus::True, Reason::CredentialRefused);
        installation.satellite_says(name, ConditionType::Stalled, stalled, GENEROUS).await;
    }
    // The good satellite works on, and is the only one that got requests.
    installation.put("team-a", "web", host("two")).await;
    installation.published("team-a", "web").await;
    assert!(installation.equal("sat-a", GENEROUS).await["team-a.web.conf"].contains("two"));
    let foreign =
        installation.recorder.matching(|e| e.server == "sat-a" && !e.path.contains("configmaps/groundlink"));
    assert!(foreign.is_empty(), "{foreign:?}");

    // A refused kubeconfig can be corrected in place.
    let good = installation.secret("sat-a").await;
    installation.set_secret("exec", &good).await;
    installation
        .satellite_says(
            "exec",
            ConditionType::CredentialsValid,
            (ConditionStatus::True, Reason::Connected),
            GENEROUS,
        )
        .await;

    assert!(!ran.exists(), "the program in a kubeconfig ran");
    // No token, of a refused or of the good kubeconfig, appears anywhere that people read.
    let good_token = good.lines().find_map(|line| line.trim().strip_prefix("token: ")).unwrap().to_owned();
    let log = running.log_text();
    assert!(log.contains("\"TRACE\""), "the log has no trace lines");
    let events: Api<Event> = Api::all(installation.hub.clone());
    let places = [
        ("log", log),
        ("metrics", running.metrics().await),
        ("readyz", running.get("/readyz").await.1),
        (
            "satellites",
            format!("{:?}", installation.satellites().list(&ListParams::default()).await.unwrap().items),
        ),
        (
            "objects",
            format!("{:?}", installation.objects("team-a").list(&ListParams::default()).await.unwrap().items),
        ),
        ("events", format!("{:?}", events.list(&ListParams::default()).await.unwrap().items)),
        ("files", format!("{:?}", installation.files())),
        ("sat-a", format!("{:?}", installation.pointer("sat-a").await)),
    ];
    for (place, text) in &places {
        for leaked in [&secret, &good_token] {
            let at = text.find(leaked.as_str()).map(|at| text[at.saturating_sub(300)..at].to_owned());
            assert!(at.is_none(), "{place} shows a credential after: {at:?}");
        }
    }

    // Without --allow-loopback-satellites the same satellite is refused, and gets no request.
    assert!(running.terminate(std::time::Duration::from_secs(10)).await.success());
    installation.recorder.clear();
    let strict = operator(&installation, false).await;
    let message =
        installation.satellite_says("sat-a", ConditionType::CredentialsValid, REFUSED, GENEROUS).await;
    assert!(message.contains("clusters[0].cluster.server") && message.contains("loopback"), "{message}");
    installation.put("team-a", "web", host("three")).await;
    installation.published("team-a", "web").await;
    let waiting = (ConditionStatus::False, Reason::CredentialRefused);
    installation.satellite_says("sat-a", ConditionType::Synced, waiting, GENEROUS).await;
    assert_eq!(installation.recorder.count(|e| e.server == "sat-a"), 0, "a refused address got a request");
    assert!(installation.pointer("sat-a").await.unwrap().data.unwrap()["team-a.web.conf"].contains("two"));
    assert!(strict.exit_status().is_none());
}
