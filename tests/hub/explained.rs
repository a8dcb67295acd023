//! A hub that cannot be reached: the message has the root cause and the remedy. It is logged when
//! the condition begins, changes and ends, not at every attempt.

use crate::GROUNDLINK;
use crate::support::{Action, ControlPlane, Fault, GENEROUS, Installation, Operator, eventually};
use http::Method;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Long enough for ten attempts of the lease and five of the watch.
const WHILE: Duration = Duration::from_secs(8);

/// Returns the lines of the log: level, target and fields.
fn lines(operator: &Operator) -> Vec<(String, String, Value)> {
    let text = operator.log_text();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let field = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        (field("level"), field("target"), line["fields"].clone())
    };
    text.lines().map(line).collect()
}

/// Returns the lines that occur more than once, with their count.
fn repeated(operator: &Operator) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (level, target, fields) in lines(operator) {
        *counts.entry(format!("{level} {target} {fields}")).or_insert(0) += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_authority_of_the_hub_is_named_once() {
    let plane = ControlPlane::start(&["hub", "other"]).await;
    let (hub, other) = (plane.server("hub"), plane.server("other"));
    let scratch = tempfile::tempdir().unwrap();
    let kubeconfig = scratch.path().join("kubeconfig");
    std::fs::write(&kubeconfig, other.kubeconfig_for(&hub.url(), "token")).unwrap();
    let operator = Operator::builder(GROUNDLINK)
        .args(["run", "--namespace", "groundlink", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .args(["--volume", scratch.path().to_str().unwrap()])
        .kubeconfig(&kubeconfig)
        .spawn();

    let ready = eventually(GENEROUS, "/readyz names the lease and the watch", async || {
        let (code, body) = operator.get("/readyz").await;
        match code == 503 && body.contains("cannot read Lease") && body.contains("cannot watch") {
            true => Ok(body),
            false => Err(format!("{code} {body}")),
        }
    })
    .await;
    tokio::time::sleep(WHILE).await;

    println!("{ready}");
    for part in ["lease", "monitoringobjects"] {
        let line =
            ready.lines().find(|line| line.starts_with(part)).unwrap_or_else(|| panic!("{part}: {ready}"));
        for words in [
            "invalid peer certificate: ",
            "the operator trusts CN=",
            "(certificate-authority of the kubeconfig)",
            &format!("give it the certificate authority of {}", hub.url()),
        ] {
            assert!(line.contains(words), "{words:?} is not in: {line}");
        }
    }
    let all = lines(&operator);
    println!("{} lines in {} s:\n{}", all.len(), WHILE.as_secs(), operator.log_text());
    let foreign: Vec<_> = all.iter().filter(|(_, target, _)| !target.starts_with("groundlink")).collect();
    assert!(foreign.is_empty(), "a dependency logs what Groundlink reports: {foreign:#?}");
    assert_eq!(repeated(&operator), BTreeMap::new());
    assert!(all.len() <= 12, "{} lines in {} s", all.len(), WHILE.as_secs());
    assert!(operator.terminate(Duration::from_secs(10)).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_cannot_be_renewed_is_logged_when_it_begins_and_ends() {
    let installation = Installation::start(&[]).await;
    let operator = installation.operator(GROUNDLINK).await;
    let fault = Fault::on(Action::refuse(503, "ServiceUnavailable"), |head, _| {
        head.method == Method::PUT && head.uri.path().contains("/leases/")
    })
    .times(5);
    installation.hub_proxy.set_fault(Some(fault.clone()));
    let messages = |message: &str| {
        let all = lines(&operator);
        all.into_iter().filter(|(_, _, fields)| fields["message"] == message).collect::<Vec<_>>()
    };
    let ended = eventually(GENEROUS, "the lease is renewed again", async || {
        let ended = messages("the lease is renewed again");
        if ended.is_empty() { Err(operator.log_text()) } else { Ok(ended) }
    })
    .await;
    assert_eq!(fault.hits(), 5, "the lease must be retried");
    let began = messages("cannot renew the lease; writing goes on until it expires");
    assert_eq!((began.len(), ended.len()), (1, 1), "{}", operator.log_text());
    let why = began[0].2["why"].as_str().unwrap();
    assert!(
        why.contains("cannot write Lease groundlink/groundlink: 503: refused by the test proxy"),
        "{why}"
    );
}
