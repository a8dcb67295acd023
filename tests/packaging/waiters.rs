//! What waits for an object, and how its wait ends: `helm --wait` of Helm 4 and of Helm 3, and
//! `kubectl wait`. The engines of Argo CD and Flux are in `gitops.rs`.

use super::repository;
use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, OPERATOR, binary, succeeded};
use groundlink::api::{ConditionStatus, ConditionType};
use serde_json::{Value, json};
use std::process::Output;
use std::time::{Duration, Instant};

/// How long each waiter may wait.
const PATIENCE: &str = "12s";

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    /// With an error before its time was over.
    Failed,
    TimedOut,
}

impl End {
    fn of(output: &Output, began: Instant) -> Self {
        match output.status.success() {
            true => Self::Done,
            false if began.elapsed() < Duration::from_secs(10) => Self::Failed,
            false => Self::TimedOut,
        }
    }
}

/// A chart with one object, of the name of its namespace: no other host has it.
fn chart(installation: &Installation, namespace: &str, spec: &Value) -> String {
    let directory = installation.scratch().join(format!("chart-{namespace}"));
    std::fs::create_dir_all(directory.join("templates")).unwrap();
    std::fs::write(directory.join("Chart.yaml"), "apiVersion: v2\nname: objects\nversion: 0.1.0\n").unwrap();
    let object = json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
        "metadata": { "name": namespace }, "spec": spec,
    });
    std::fs::write(directory.join("templates/web.yaml"), object.to_string()).unwrap();
    directory.display().to_string()
}

/// Installs the object by a Helm. Returns what it said, too.
async fn helm(installation: &Installation, program: &str, state: &str, spec: &Value) -> (End, String) {
    let namespace = format!("{state}-{program}");
    installation.namespace(&namespace).await;
    let chart = chart(installation, &namespace, spec);
    let began = Instant::now();
    let mut command = installation.plane.server("hub").command(program);
    command.args(["install", "objects", &chart, "-n", &namespace, "--wait", "--timeout", PATIENCE]);
    let output = command.output().await.unwrap();
    (End::of(&output, began), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Installs the object by each Helm, and waits for it by kubectl. Each has a namespace of its own.
async fn waits(installation: &Installation, state: &str, spec: Value) -> [End; 3] {
    let kubectl = async {
        let namespace = format!("{state}-kubectl");
        installation.namespace(&namespace).await;
        installation.put(&namespace, &namespace, spec.clone()).await;
        let (object, timeout) = (format!("mo/{namespace}"), format!("--timeout={PATIENCE}"));
        let arguments = ["wait", &object, "-n", &namespace, "--for=condition=Synced", &timeout];
        let began = Instant::now();
        End::of(&installation.plane.server("hub").kubectl(&arguments).await, began)
    };
    let (four, three, kubectl) = tokio::join!(
        helm(installation, "helm", state, &spec),
        helm(installation, "helm3", state, &spec),
        kubectl
    );
    println!("{state:<24} Helm 4 {:?}, Helm 3 {:?}, kubectl wait {kubectl:?}", four.0, three.0);
    println!("{}", four.1);
    [four.0, three.0, kubectl]
}

fn host(command: &str) -> Value {
    json!({ "host": { "checkCommand": command } })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_waiter_ends_with_the_truth() {
    use End::{Done, Failed, TimedOut};
    let installation = Installation::start(&["edge"]).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("edge", GENEROUS).await;

    // Helm 3 looks at no custom resource, so its end says nothing.
    assert_eq!(waits(&installation, "synced", host("dummy")).await, [Done, Done, Done]);
    let mut suspended = host("dummy");
    suspended["suspend"] = json!(true);
    let refused = json!({ "host": { "checkCommand": "dummy", "notes": "a\u{0}b" } });
    let (refused, missing, suspended) = tokio::join!(
        waits(&installation, "refused", refused),
        waits(&installation, "names-what-is-missing", host("no such command")),
        waits(&installation, "suspended", suspended)
    );
    assert_eq!(refused, [Failed, Done, TimedOut]);
    assert_eq!(missing, [TimedOut, Done, TimedOut]);
    assert_eq!(suspended, [Failed, Done, TimedOut]);

    let silence = Fault::on(Action::refuse(503, "ServiceUnavailable"), |_, _| true);
    installation.proxies["edge"].set_fault(Some(silence));
    let waiting = waits(&installation, "satellite-away", host("dummy")).await;
    assert_eq!(waiting, [TimedOut, Done, TimedOut]);
    // Now the satellite has been away for longer than objects wait for it.
    installation.register("edge", json!({ "syncTimeout": "10s" })).await;
    let stalled = ConditionType::Stalled;
    installation
        .condition("satellite-away-kubectl", "satellite-away-kubectl", stalled, ConditionStatus::True)
        .await;
    let gone = waits(&installation, "satellite-away-for-long", host("dummy")).await;
    assert_eq!(gone, [Failed, Done, TimedOut]);
}

/// Helm 3 makes the same resources of the chart.
#[tokio::test(flavor = "multi_thread")]
async fn helm_3_renders_the_chart_alike() {
    for values in std::fs::read_dir(repository("charts/groundlink/ci")).unwrap() {
        let values = values.unwrap().path().display().to_string();
        let render = |program: &str| {
            let mut command = std::process::Command::new(binary(program));
            command.args(["template", "groundlink", &repository("charts/groundlink"), "-n", OPERATOR]);
            for kind in ["ServiceMonitor", "PodMonitor", "PrometheusRule"] {
                command.arg("--api-versions").arg(format!("monitoring.coreos.com/v1/{kind}"));
            }
            // A Helm that was built without a version of Kubernetes takes an old one.
            let output = command.args(["--kube-version", "1.37.0", "-f", &values]).output().unwrap();
            succeeded(program, &output);
            super::documents(&String::from_utf8(output.stdout).unwrap())
        };
        assert_eq!(render("helm"), render("helm3"), "{values}");
    }
}
