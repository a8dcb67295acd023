//! The commands with a running operator, installed by the chart: a satellite is joined, rotated
//! without a failed delivery, and removed without leftovers.

use super::fixture::{Run, kubectl, satellite};
use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, host};

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_is_joined_rotated_and_removed_while_the_operator_delivers() {
    let installation = Installation::start(&[]).await;
    let (hub, edge) = (installation.plane.server("hub"), installation.plane.add("edge").await);
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("first")).await;
    let run = async |arguments: &[&str]| -> Run { satellite(&hub, &edge, arguments).await };
    let add = ["add", "edge-a", "--context", "edge", "--create-namespace", "--allow-loopback-satellites"];
    run(&add).await.exits_with(0);
    installation.satellite_in_sync("edge-a", GENEROUS).await;
    installation.synced("team-a", "web").await;
    installation.equal("edge", GENEROUS).await;
    // With an operator there is no warning. The operator's own rights are enough for a check.
    let check = ["check", "edge-a", "--allow-loopback-satellites"];
    let said = run(&check).await.exits_with(0);
    assert!(said.out.contains("edge-a: 21 ok, 0 warnings, 0 failed, 0 skipped"), "{}", said.out);
    let own = hub.service_account_kubeconfig(OPERATOR, OPERATOR).await;
    let path = installation.scratch().join("own.kubeconfig");
    std::fs::write(&path, own).unwrap();
    run(&[&check[..], &["--hub-kubeconfig", path.to_str().unwrap()]].concat()).await.exits_with(0);

    let rotate = ["rotate", "edge-a", "--context", "edge", "--allow-loopback-satellites"];
    let said = run(&rotate).await.exits_with(0);
    said.stderr_has(&["waiting until the operator uses the new token"]);
    assert!(said.out.contains("the satellite refuses the old token"), "{}", said.out);
    installation.put("team-a", "web", host("second")).await;
    installation.synced("team-a", "web").await;
    assert!(installation.equal("edge", GENEROUS).await["team-a.web.conf"].contains("second"));
    let metrics = operator.metrics().await;
    let failures = "groundlink_satellite_failures_total{satellite=\"edge-a\"";
    assert!(!metrics.contains(failures), "the rotation caused failures: {metrics}");
    // A second `add` changes nothing, although the operator writes the status meanwhile.
    let said = run(&add).await.exits_with(0);
    assert_eq!(said.out.matches(" unchanged\n").count(), 6, "{}", said.out);
    let said = run(&["list"]).await.exits_with(0);
    println!("{}", said.out);
    let row: Vec<_> = said.out.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["edge-a", "True", "True", "InSync", "0", "1"], "{}", said.out);

    // An agent is prepared without touching the rest, and `remove` takes it along.
    let said = run(&[&add[..], &["--agent", "one"]].concat()).await.exits_with(0);
    assert_eq!(said.out.matches(" unchanged\n").count(), 6, "{}", said.out);
    assert_eq!(said.out.matches("groundlink-agent-one").count(), 4, "{}", said.out);
    let said = run(&check).await.exits_with(0);
    assert!(said.out.contains("groundlink-agent-one has never reported"), "{}", said.out);

    let said = run(&["remove", "edge-a", "--context", "edge"]).await.exits_with(0);
    println!("{}", said.out);
    assert!(said.out.contains("no ConfigMap of edge-a is left"), "{}", said.out);
    let agents = "agents whose accounts go with that of the hub: groundlink-agent-one; end them";
    assert!(said.out.contains(agents), "{}", said.out);
    let kinds = "configmaps,secrets,serviceaccounts,roles,rolebindings,leases";
    assert_eq!(kubectl(&edge, &["-n", "icinga", "get", kinds, "-o", "name"]).await, "");
    let mine = ["-n", OPERATOR, "get", "satelliteclusters,secrets", "-o", "name"];
    let left = kubectl(&hub, &mine).await;
    assert!(!left.contains("edge-a"), "{left}");
    assert!(operator.exit_status().is_none());
}
