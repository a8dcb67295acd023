//! `satellite check`: each fault is named with its remedy, and hides no other.

use super::fixture::{Clusters, OPERATOR, apply, kubectl};
use crate::support::{Hostile, Manner, Port};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};

const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// Returns the names of the steps with this result.
fn with(steps: &[Value], result: &str) -> Vec<String> {
    let found = steps.iter().filter(|step| step["result"] == result);
    found.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

fn step<'a>(steps: &'a [Value], name: &str) -> &'a Value {
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}: {steps:?}"))
}

#[track_caller]
fn assert_step(steps: &[Value], name: &str, result: &str, words: &[&str]) {
    let step = step(steps, name);
    assert_eq!(step["result"], result, "{steps:#?}");
    for word in words {
        assert!(step.to_string().contains(word), "{word:?} is not in {step}");
    }
}

impl Clusters {
    /// Returns the names of the ConfigMaps in the satellite's namespace.
    async fn config_maps(&self) -> String {
        kubectl(&self.edge, &["-n", "icinga", "get", "configmaps", "-o", "name"]).await
    }

    async fn set_verbs(&self, verbs: &[&str]) {
        let rule = json!({ "apiGroups": [""], "resources": ["configmaps"], "verbs": verbs });
        let rules = json!({ "rules": if verbs.is_empty() { vec![] } else { vec![rule] } });
        let patch = ["-n", "icinga", "patch", "role", "groundlink", "--type=merge", "-p", &rules.to_string()];
        kubectl(&self.edge, &patch).await;
    }

    async fn set_spec(&self, spec: Value) {
        let patch = json!({ "spec": spec }).to_string();
        let patch = ["-n", OPERATOR, "patch", "satellitecluster", "edge-a", "--type=merge", "-p", &patch];
        kubectl(&self.hub, &patch).await;
    }

    /// Returns a token of the satellite with other times, signed with the satellite's own key.
    pub fn signed(&self, token: &str, issued: i64, expires: i64) -> String {
        let mut parts = token.split('.');
        let (header, payload) = (parts.next().unwrap(), parts.next().unwrap());
        let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        for (claim, value) in [("iat", issued), ("nbf", issued), ("exp", expires)] {
            claims[claim] = json!(value);
        }
        let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key =
            rustls_pki_types::PrivateKeyDer::from_pem_slice(self.edge.cert_and_key().1.as_bytes()).unwrap();
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let signer = key.choose_scheme(&[rustls::SignatureScheme::RSA_PKCS1_SHA256]).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign(text.as_bytes()).unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_and_each_excess_permission_is_named() {
    let clusters = Clusters::joined().await;
    let said = clusters.satellite(&["check", "edge-a", "--allow-loopback-satellites"]).await.exits_with(0);
    println!("{}", said.out);
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (0, vec![]));
    // No operator runs here, which causes a warning.
    assert_eq!((with(&steps, "warning"), with(&steps, "skipped")), (vec!["operator".into()], vec![]));
    assert_step(&steps, "authentication", "ok", &["system:serviceaccount:icinga:groundlink"]);
    assert_step(&steps, "version", "ok", &["v1."]);
    assert_step(&steps, "clock", "ok", &[]);
    assert_step(&steps, "credential", "ok", &["bound to Secret groundlink-token"]);
    assert_step(&steps, "expiry", "ok", &["36"]);
    assert_step(
        &steps,
        "excess",
        "ok",
        &["no permission beyond those it needs in namespace icinga", "not looked at"],
    );
    assert_eq!(clusters.config_maps().await, "", "the probe was not deleted");

    for missing in VERBS {
        let verbs: Vec<_> = VERBS.into_iter().filter(|verb| *verb != missing).collect();
        clusters.set_verbs(&verbs).await;
        let (code, steps) = clusters.check("edge-a").await;
        let name = format!("{missing} configmaps");
        assert_eq!((code, with(&steps, "failed")), (3, vec![name.clone()]), "{steps:#?}");
        assert_step(&steps, &name, "failed", &["satellite add edge-a", "satellite-rbac.yaml"]);
        // Steps that need the verb are skipped. Above all, nothing is created that could not be
        // deleted.
        let skipped: &[&str] = match missing {
            "create" => &["namespace", "write"],
            "delete" => &["write"],
            _ => &[],
        };
        assert_eq!(with(&steps, "skipped"), skipped, "{missing}");
        assert_eq!(clusters.config_maps().await, "");
    }
    clusters.set_verbs(&[]).await;
    let (_, steps) = clusters.check("edge-a").await;
    assert_eq!(with(&steps, "failed").len(), VERBS.len());
    // The printed remedy works.
    clusters.add("edge-a", &["--force-conflicts"]).await.exits_with(0);
    assert_eq!(clusters.check("edge-a").await.0, 0);

    // Excess rights, in the namespace and cluster-wide.
    let role = ["-n", "icinga", "create", "role", "more", "--verb=list", "--resource=secrets"];
    kubectl(&clusters.edge, &role).await;
    let account = "--serviceaccount=icinga:groundlink";
    kubectl(&clusters.edge, &["-n", "icinga", "create", "rolebinding", "more", "--role=more", account]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!(code, 0);
    assert_step(&steps, "excess", "warning", &["list secrets"]);
    kubectl(&clusters.edge, &["-n", "icinga", "delete", "rolebinding", "more"]).await;
    let verbs = format!("--verb={}", VERBS.join(","));
    kubectl(&clusters.edge, &["create", "clusterrole", "everywhere", &verbs, "--resource=configmaps"]).await;
    let binding = ["create", "clusterrolebinding", "everywhere", "--clusterrole=everywhere", account];
    kubectl(&clusters.edge, &binding).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!(code, 0);
    assert_step(&steps, "excess", "warning", &["in every namespace get configmaps, list configmaps"]);
    // One excess verb is enough for the warning.
    let once = ["create", "clusterrole", "once", "--verb=update", "--resource=configmaps"];
    kubectl(&clusters.edge, &once).await;
    let binding = ["create", "clusterrolebinding", "once", "--clusterrole=once", account];
    kubectl(&clusters.edge, &binding).await;
    kubectl(&clusters.edge, &["delete", "clusterrolebinding", "everywhere"]).await;
    assert_step(
        &clusters.check("edge-a").await.1,
        "excess",
        "warning",
        &["in every namespace update configmaps"],
    );
    let binding = ["create", "clusterrolebinding", "everywhere", "--clusterrole=everywhere", account];
    kubectl(&clusters.edge, &binding).await;
    // With this right a missing namespace can be distinguished from a forbidden one.
    clusters.set_spec(json!({ "target": { "namespace": "nowhere" } })).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["namespace".into()]));
    assert_step(&steps, "namespace", "failed", &["nowhere does not exist", "create it"]);
    assert_eq!(with(&steps, "skipped"), ["write"]);
    clusters.set_spec(json!({ "target": { "namespace": "icinga" } })).await;
    kubectl(&clusters.edge, &["delete", "clusterrolebinding", "everywhere", "once"]).await;

    // A dry run writes nothing.
    let dry = ["check", "edge-a", "--allow-loopback-satellites", "--dry-run", "-o", "json"];
    let dry = clusters.satellite(&dry).await.exits_with(0).json();
    let steps = dry["steps"].as_array().unwrap();
    assert_eq!((with(steps, "skipped"), with(steps, "failed")), (vec!["write".into()], vec![]));
    assert_step(steps, "namespace", "ok", &[]);

    // A user without the right to review access gets no answer, which is not success.
    kubectl(&clusters.edge, &["delete", "clusterrolebinding", "system:basic-user"]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!(code, 3);
    assert_step(&steps, "authentication", "warning", &["does not say", "403", "system:basic-user"]);
    assert_step(&steps, "get configmaps", "failed", &["unknown: 403"]);
    assert_step(&steps, "excess", "skipped", &["does not say"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_and_credential_faults_are_distinguished() {
    let clusters = Clusters::joined().await;
    let (url, token) = (clusters.edge.url(), clusters.token("edge-a").await);
    let ca = clusters.edge.ca_pem();
    clusters.set_spec(json!({ "requestTimeout": "2s" })).await;

    // The certificate of another server.
    clusters.change_secret("edge-a", &[("ca.crt", &clusters.hub.ca_pem())]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["tls".into()]), "{steps:#?}");
    assert_step(&steps, "tls", "failed", &["certificate", "--ca-file"]);
    assert_step(&steps, "tcp", "ok", &[]);
    assert_step(&steps, "authentication", "skipped", &[]);
    clusters.change_secret("edge-a", &[("ca.crt", &ca), ("tls-server-name", "edge.example")]).await;
    assert_step(&clusters.check("edge-a").await.1, "tls", "failed", &["--tls-server-name"]);
    clusters.change_secret("edge-a", &[("tls-server-name", "127.0.0.1")]).await;
    assert_eq!(clusters.check("edge-a").await.0, 0);

    // Nothing listens there; the host name does not exist.
    let port = Port::reserve();
    clusters.change_secret("edge-a", &[("server", &format!("https://127.0.0.1:{}", port.number()))]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["tcp".into()]));
    assert_step(&steps, "tcp", "failed", &["refused", "--server"]);
    assert_step(&steps, "expiry", "ok", &[]);
    clusters.change_secret("edge-a", &[("server", "https://no-such-host.invalid:6443")]).await;
    assert_step(&clusters.check("edge-a").await.1, "dns", "failed", &["no-such-host.invalid"]);
    clusters.change_secret("edge-a", &[("server", &url)]).await;
    // The server accepts, but never answers.
    clusters.edge.pause();
    let (code, steps) = clusters.check("edge-a").await;
    clusters.edge.resume();
    assert_eq!((code, with(&steps, "failed")), (3, vec!["tls".into()]));
    assert_step(&steps, "tls", "failed", &["no answer"]);

    // An expired token, by its own claims and by the server's answer.
    let now = jiff::Timestamp::now().as_second();
    let good = clusters.signed(&token, now - 60, now + 3600);
    clusters.change_secret("edge-a", &[("token", &good)]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!(code, 0, "the signed token must be accepted: {steps:#?}");
    assert_step(&steps, "expiry", "warning", &["ends at", "satellite rotate edge-a"]);
    clusters.change_secret("edge-a", &[("token", &clusters.signed(&token, now - 7200, now - 3600))]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["expiry".into(), "authentication".into()]));
    assert_step(&steps, "expiry", "failed", &["ended at", "satellite rotate edge-a"]);
    assert_step(&steps, "authentication", "failed", &["401"]);
    assert_step(&steps, "get configmaps", "skipped", &["did not accept"]);
    // A garbage token, a Secret with a forbidden field, and no Secret.
    clusters.change_secret("edge-a", &[("token", "garbage")]).await;
    assert_eq!(with(&clusters.check("edge-a").await.1, "failed"), ["authentication"]);
    let kubeconfig = clusters
        .edge
        .kubeconfig_for(&url, &token)
        .replace("user:\n    token", "user:\n    exec: {command: x}\n    token");
    clusters.change_secret("edge-a", &[("value", &kubeconfig)]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["credential".into()]));
    assert_step(&steps, "credential", "failed", &["exec"]);
    // A loopback satellite is refused, as by the operator.
    let strict = clusters.satellite(&["check", "edge-a", "-o", "json"]).await.exits_with(3).json();
    assert_step(strict["steps"].as_array().unwrap(), "credential", "failed", &["edge-a"]);
    // So is the hub itself, at its in-cluster address.
    let get = ["-n", "default", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}"];
    let hub = format!("https://{}", kubectl(&clusters.hub, &get).await);
    let add = ["add", "edge-c", "--context", "edge", "--server", &hub];
    clusters.satellite(&add).await.exits_with(1).stderr_has(&["the hub's own API server"]);
    kubectl(
        &clusters.hub,
        &[
            "-n",
            OPERATOR,
            "patch",
            "secret",
            "edge-a",
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/data/value"}]"#,
        ],
    )
    .await;
    clusters.change_secret("edge-a", &[("server", &hub), ("token", &token)]).await;
    let strict = clusters.satellite(&["check", "edge-a", "-o", "json"]).await.exits_with(3).json();
    assert_step(strict["steps"].as_array().unwrap(), "credential", "failed", &["the hub's own API server"]);
    kubectl(&clusters.hub, &["-n", OPERATOR, "delete", "secret", "edge-a"]).await;
    let (code, steps) = clusters.check("edge-a").await;
    assert_eq!((code, with(&steps, "failed")), (3, vec!["credential".into()]));
    assert_step(&steps, "credential", "failed", &["does not exist", "satellite add edge-a"]);

    // An unknown satellite.
    clusters
        .satellite(&["check", "edge-z"])
        .await
        .exits_with(1)
        .stderr_has(&["no SatelliteCluster groundlink/edge-z", "edge-a"]);
    clusters.satellite(&["check"]).await.exits_with(2);
    // A Secret that was made by hand is checked like any other.
    let kubeconfig = clusters.edge.kubeconfig_for(&url, &token);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "edge-a", "namespace": OPERATOR },
        "stringData": { "value": kubeconfig },
    });
    apply(&clusters.hub, &secret.to_string()).await;
    assert_eq!(clusters.check("edge-a").await.0, 0);
    assert_eq!(clusters.config_maps().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_variables_are_neither_used_nor_printed() {
    let clusters = Clusters::joined().await;
    let check = ["check", "edge-a", "--allow-loopback-satellites"];
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let said =
            clusters.satellite_with(&[(name, "http://me:hidden@127.0.0.1:9")], &check).await.exits_with(0);
        said.stderr_has(&[&format!("{name} is not used")]);
        assert!(!said.err.contains("hidden") && !said.out.contains("hidden"), "{}", said.err);
    }
    let list =
        clusters.satellite_with(&[("HTTPS_PROXY", "no URL at all: hidden")], &["list"]).await.exits_with(0);
    assert!(!list.err.contains("hidden"), "{}", list.err);
    // A proxy in a context is an error; it is not ignored.
    let kubeconfig = clusters.edge.kubeconfig_for(&clusters.edge.url(), "t");
    let kubeconfig =
        kubeconfig.replace("    server:", "    proxy-url: http://me:hidden@127.0.0.1:9\n    server:");
    let path = clusters.file("proxy.kubeconfig", &kubeconfig);
    let said = clusters.satellite(&["list", "--hub-kubeconfig", path.to_str().unwrap()]).await.exits_with(1);
    said.stderr_has(&["context has proxy-url"]);
    assert!(!said.err.contains("hidden"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unrelated_answer_is_not_taken_for_a_verdict_on_the_credential() {
    let clusters = Clusters::joined().await;
    for (code, reason, result) in [(500, "InternalError", "failed"), (403, "Forbidden", "warning")] {
        let clock = "Date: Sun, 06 Nov 2044 08:49:37 GMT\r\n";
        let server = Hostile::start(Manner::Refuses(code, reason, clock), &clusters.edge.cert_and_key());
        clusters.change_secret("edge-a", &[("server", &server.url())]).await;
        let (exit, steps) = clusters.check("edge-a").await;
        assert_eq!(exit, 3);
        assert_step(&steps, "authentication", result, &[&code.to_string()]);
        assert_step(&steps, "tls", "ok", &[]);
        assert_step(&steps, "clock", "warning", &["ahead of this machine's", "NTP"]);
        assert_eq!(with(&steps, "ok").iter().filter(|name| name.contains("configmaps")).count(), 0);
    }
    let page = Hostile::start(Manner::Html, &clusters.edge.cert_and_key());
    clusters.change_secret("edge-a", &[("server", &page.url())]).await;
    assert_step(&clusters.check("edge-a").await.1, "authentication", "failed", &["it is unknown whether"]);
}
