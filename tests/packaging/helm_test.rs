//! `helm test` against a real API server and a real operator. No kubelet runs here: the test runs the
//! Pod's command, with the Pod's account, and reports its end in the Pod's status.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, eventually, succeeded};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::process::Output;

const POD: &str = "groundlink-selftest";

/// Runs `helm test`, with the test as the kubelet. Flags of the Pod are replaced by those of `other`.
/// Returns the output of helm and of the Pod.
async fn helm_test(installation: &Installation, other: &[&str]) -> (Output, Output) {
    let server = installation.plane.server("hub");
    let helm = tokio::spawn({
        let server = server.clone();
        async move { server.helm(&["test", OPERATOR, "-n", OPERATOR, "--timeout", "60s"]).await }
    });
    let pods: Api<Pod> = Api::namespaced(installation.hub.clone(), OPERATOR);
    let pod = eventually(GENEROUS, "helm creates the Pod", async || {
        let found = pods.get_opt(POD).await.map_err(|error| error.to_string())?;
        // Not one of an earlier run.
        let fresh = found.filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.deletion_timestamp.is_none() && phase != Some("Succeeded") && phase != Some("Failed")
        });
        fresh.ok_or_else(|| format!("helm test ended: {}", helm.is_finished()))
    })
    .await;
    let spec = pod.spec.unwrap();
    let account = spec.service_account_name.unwrap();
    let kubeconfig = server.service_account_kubeconfig(OPERATOR, &account).await;
    let path = installation.scratch().join("selftest.kubeconfig");
    std::fs::write(&path, kubeconfig).unwrap();
    let mut program = tokio::process::Command::new(GROUNDLINK);
    let replaced = |given: &&String| {
        other.iter().any(|flag| {
            given.split_once('=').map(|(name, _)| name) == flag.split_once('=').map(|(name, _)| name)
        })
    };
    let given = spec.containers[0].args.as_ref().unwrap();
    program.args(given.iter().filter(|given| !given.contains('=') || !replaced(given))).args(other);
    program.env("KUBECONFIG", &path);
    let said = program.output().await.unwrap();
    let phase = if said.status.success() { "Succeeded" } else { "Failed" };
    let status = Patch::Merge(json!({ "status": { "phase": phase } }));
    pods.patch_status(POD, &PatchParams::default(), &status).await.unwrap();
    (helm.await.unwrap(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_test_proves_that_the_operator_publishes_and_fails_without_it() {
    let installation = Installation::start(&["edge"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("edge", GENEROUS).await;

    let (helm, said) = helm_test(&installation, &[]).await;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    println!("{words}");
    succeeded("groundlink selftest", &said);
    succeeded("helm test", &helm);
    assert!(words.contains("is Ready after") && words.contains("deleted"), "{words}");
    let (helm, said) = helm_test(&installation, &["--for=synced"]).await;
    succeeded("groundlink selftest --for synced", &said);
    succeeded("helm test", &helm);

    // An object of an interrupted run is replaced; one of somebody else is not touched.
    let group = json!({ "hostGroup": {} });
    installation.put(OPERATOR, POD, group.clone()).await;
    let (helm, said) = helm_test(&installation, &[]).await;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.status.success() && words.contains("does not have the label"), "{words}");
    assert!(!helm.status.success());
    let mark = json!({ "metadata": { "labels": { "groundlink.dev/selftest": "true" } } });
    let objects = installation.objects(OPERATOR);
    objects.patch(POD, &PatchParams::default(), &Patch::Merge(mark)).await.unwrap();
    let (_, said) = helm_test(&installation, &[]).await;
    succeeded("groundlink selftest after an interrupted run", &said);

    drop(operator);
    let (helm, said) = helm_test(&installation, &["--timeout=2s"]).await;
    let words = String::from_utf8_lossy(&said.stderr).into_owned();
    println!("{words}");
    assert!(!said.status.success() && words.contains("has not decided about generation 1"), "{words}");
    assert!(!helm.status.success(), "helm test succeeded without an operator");
    assert_eq!(objects.get_opt(POD).await.unwrap().map(|object| object.metadata.name), None, "it is left");
}
