//! Which of the operator's answers are reached from where, with the settings of the chart.

use super::sinks::get;
use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, OPERATOR, Operator, Port, eventually};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);

/// The addresses on which a process listens.
fn listening(pid: u32) -> BTreeSet<(Ipv4Addr, u16)> {
    let own: BTreeSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|target| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']').map(str::to_owned))
        .collect();
    let table = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/net/{name}")).unwrap_or_default();
    let six = table("tcp6");
    let of_ours = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| own.contains(*inode))
    };
    assert_eq!(six.lines().filter(of_ours).count(), 0, "none on IPv6: {six}");
    let hex = |text: &str| u32::from_str_radix(text, 16).unwrap();
    let four = table("tcp");
    let addresses = four.lines().filter(of_ours).map(|line| {
        let (address, port) = line.split_whitespace().nth(1).unwrap().split_once(':').unwrap();
        (Ipv4Addr::from(hex(address).to_le_bytes()), hex(port) as u16)
    });
    addresses.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_pod_there_is_a_yes_or_a_no_and_nothing_else() {
    let installation = Installation::start(&[]).await;
    let (http, probes) = (Port::reserve(), Port::reserve());
    let ports = format!("http.port={},probes.port={}", http.number(), probes.number());
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/groundlink");
    let template = ["template", OPERATOR, chart, "--show-only", "templates/deployment.yaml", "--set", &ports];
    let rendered = installation.plane.server("hub").helm(&template).await;
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    let setting = |name: &str| {
        let line = rendered.lines().skip_while(|line| !line.ends_with(&format!("name: {name}"))).nth(1);
        let value = line.and_then(|line| line.trim().strip_prefix("value: "));
        value.unwrap_or_else(|| panic!("no {name} in {rendered}")).trim_matches('"').to_owned()
    };
    // Writes the kubeconfig.
    drop(installation.operator_builder(GROUNDLINK).await);
    let bad = Fault::on(Action::refuse(503, "ServiceUnavailable"), |head, _| {
        head.uri.path().ends_with("/monitoringobjects")
    });
    installation.hub_proxy.set_fault(Some(bad));
    let operator = Operator::builder(GROUNDLINK)
        .arg("run")
        .args(["--volume", installation.volume().to_str().unwrap(), "--namespace", OPERATOR])
        .args(["--log-format", "json"])
        .env("GROUNDLINK_LISTEN", setting("GROUNDLINK_LISTEN"))
        .env("GROUNDLINK_PROBES", setting("GROUNDLINK_PROBES"))
        .kubeconfig(&installation.scratch().join("operator.kubeconfig"))
        .spawn();
    operator.wait_for_log("listening for probes", GENEROUS).await;

    let (inside, any) = (Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED);
    let wanted = BTreeSet::from([(inside, http.number()), (any, probes.number())]);
    assert_eq!(listening(operator.pid()), wanted);
    // Another address of this machine: whatever reaches it reaches the Pod.
    let outside = Ipv4Addr::new(127, 0, 0, 2);
    let at = |address: Ipv4Addr, port: &Port| SocketAddr::from((address, port.number()));
    for path in ["/livez", "/readyz", "/metrics"] {
        let refused = get(at(outside, &http), path, LIMIT).await.unwrap_err();
        assert!(refused.contains("refused"), "{refused}");
    }
    let (code, why) = get(at(inside, &http), "/readyz", LIMIT).await.unwrap();
    assert!(code == 503 && why.contains("monitoringobjects: "), "{code} {why}");
    assert_eq!(get(at(inside, &http), "/metrics", LIMIT).await.unwrap().0, 200);
    let asked = async |path: &str| get(at(outside, &probes), path, LIMIT).await.unwrap();
    assert_eq!(asked("/livez").await, (200, "ok\n".to_owned()));
    assert_eq!(asked("/readyz").await, (503, "not ready\n".to_owned()));
    assert_eq!(asked("/metrics").await, (404, String::new()));
    installation.hub_proxy.set_fault(None);
    eventually(GENEROUS, "the probe says yes", async || match asked("/readyz").await {
        (200, yes) if yes == "ok\n" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}
