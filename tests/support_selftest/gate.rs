//! A gate stops exactly the write that it should, before or after it is applied.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::shared;
use crate::support::{At, Gate, Place, Proxy, Reader, Recorder, SatelliteWatch, Sequence, client_of, grant};

const SOON: Duration = Duration::from_secs(10);

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kth_write_is_stopped_and_those_behind_it_wait() {
    let server = shared().await.server("hub");
    grant(&server, "gate").await;
    let proxy = Proxy::start(&server, &Recorder::new(&Sequence::default()));
    let client = client_of(&server.admin_kubeconfig().replace(&server.url(), &proxy.url())).await;
    let through: Api<ConfigMap> = Api::namespaced(client, "gate");
    let direct: Api<ConfigMap> = Api::namespaced(server.client().await, "gate");
    for (at, name) in [(At::Before, "before"), (At::After, "after")] {
        let gate = Gate::at(&proxy, "/gate/configmaps", 2, at);
        through.get_opt("nothing").await.unwrap();
        through.create(&PostParams::default(), &config_map(&format!("{name}-1"))).await.unwrap();
        assert!(!gate.is_reached(&proxy));
        let mut tasks = Vec::new();
        for number in 2..5 {
            let (through, map) = (through.clone(), config_map(&format!("{name}-{number}")));
            tasks.push(tokio::spawn(async move { through.create(&PostParams::default(), &map).await }));
            if number == 2 {
                gate.reached(&proxy, SOON).await;
            }
        }
        let applied = async |number| direct.get_opt(&format!("{name}-{number}")).await.unwrap().is_some();
        assert_eq!(applied(2).await, at == At::After);
        assert!(!applied(3).await && !applied(4).await);
        gate.open();
        through.create(&PostParams::default(), &config_map(&format!("{name}-5"))).await.unwrap();
        proxy.release();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}

/// A write that is stopped before the API server has it never arrives once its caller is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_caller_sent_is_not_passed_on() {
    let server = shared().await.server("hub");
    grant(&server, "dead").await;
    let proxy = Proxy::start(&server, &Recorder::new(&Sequence::default()));
    let client = client_of(&server.admin_kubeconfig().replace(&server.url(), &proxy.url())).await;
    let through: Api<ConfigMap> = Api::namespaced(client, "dead");
    let gate = Gate::at(&proxy, "/configmaps", 1, At::Before);
    let task = tokio::spawn({
        let through = through.clone();
        async move { through.create(&PostParams::default(), &config_map("late")).await }
    });
    gate.reached(&proxy, SOON).await;
    task.abort();
    drop((task.await, through));
    crate::support::eventually(SOON, "the proxy notices", async || {
        if proxy.open_connections() == 0 { Ok(()) } else { Err("still open".into()) }
    })
    .await;
    proxy.release();
    let direct: Api<ConfigMap> = Api::namespaced(server.client().await, "dead");
    assert!(direct.get_opt("late").await.unwrap().is_none());
}

/// The witness of a satellite complains of a state that no reader could have used, however short it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_sees_every_state() {
    let server = shared().await.server("hub");
    grant(&server, "witnessed").await;
    let (client, namespace) = (server.client().await, "witnessed".to_owned());
    let place = Place { satellite: "sat-a".into(), client, namespace, pointer: "groundlink".into() };
    let watch = SatelliteWatch::start(&place, &Reader::default()).await;
    let pointer = |revision: &str, layout: &str| -> ConfigMap {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        serde_json::from_value(json!({ "metadata": {
            "name": "groundlink",
            "labels": {
                "app.kubernetes.io/managed-by": "groundlink", "groundlink.dev/satellite": "sat-a",
                "groundlink.dev/hub": "h", "groundlink.dev/part": "pointer",
            },
            "annotations": {
                "groundlink.dev/revision": revision, "groundlink.dev/digest": empty,
                "groundlink.dev/layout": layout, "groundlink.dev/objects": "0",
            },
        } }))
        .unwrap()
    };
    let api = place.api();
    api.create(&PostParams::default(), &pointer("2.1", "Single")).await.unwrap();
    watch.assert_clean().await;
    for (revision, layout) in [("2.2", "Other"), ("2.3", "Single"), ("1.9", "Single"), ("2.3", "Single")] {
        api.replace("groundlink", &PostParams::default(), &pointer(revision, layout)).await.unwrap();
    }
    watch.caught_up().await;
    let complaints = watch.complaints();
    assert_eq!(complaints.len(), 2, "{complaints:#?}");
    assert!(complaints[0].contains("layout \"Other\"") && complaints[1].contains("(1, 9) after (2, 3)"));
    assert_eq!(watch.turns(), [(2, 1), (2, 3), (1, 9), (2, 3)]);
}
