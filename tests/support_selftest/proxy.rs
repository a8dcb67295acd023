use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use http::header::USER_AGENT;
use http::{Method, Request, request::Parts};
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::shared;
use crate::support::{
    Action, ApiServer, Exchange, Fault, Proxy, Recorder, Sequence, VolumeWatch, client_of, eventually,
};

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"key": "value"}})).unwrap()
}

/// A namespace is a test's own; without a controller manager it is not needed to exist for long.
async fn namespace(server: &ApiServer, name: &str) -> Api<ConfigMap> {
    let created = server.kubectl(&["create", "namespace", name]).await;
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    Api::namespaced(server.client().await, name)
}

struct Setup {
    proxy: Proxy,
    /// Past the proxy.
    direct: Api<ConfigMap>,
    /// Through the proxy.
    through: Api<ConfigMap>,
    client: Client,
}

async fn setup(name: &str) -> Setup {
    let server = shared().await.server("hub");
    let direct = namespace(&server, name).await;
    let proxy = Proxy::start(&server, &Recorder::new(&Sequence::default()));
    let kubeconfig = server.admin_kubeconfig().replace(&server.url(), &proxy.url());
    let client = client_of(&kubeconfig).await;
    Setup { proxy, direct, through: Api::namespaced(client.clone(), name), client }
}

fn creates(head: &Parts, _: &Bytes) -> bool {
    head.method == Method::POST
}

async fn create(api: &Api<ConfigMap>, name: &str) -> kube::Result<ConfigMap> {
    api.create(&PostParams::default(), &config_map(name)).await
}

#[tokio::test]
async fn it_records_each_exchange_in_order() {
    let Setup { proxy, through, .. } = setup("records").await;
    let recorder = proxy.recorder();
    let before = recorder.sequence().now();
    create(&through, "first").await.unwrap();
    let between = recorder.sequence().next();
    through.get("first").await.unwrap();
    assert!(create(&through, "first").await.is_err());
    through.delete("first", &DeleteParams::default()).await.unwrap();

    let [post, get, conflict, delete]: [Exchange; 4] = recorder.exchanges().try_into().unwrap();
    assert!(before < post.seq_start && post.seq_start < post.seq_end.unwrap());
    assert!(post.seq_end.unwrap() < between && between < get.seq_start);
    assert!(get.seq_end.unwrap() < conflict.seq_start && conflict.seq_end.unwrap() < delete.seq_start);
    assert!(post.started < post.answered.unwrap());
    assert_eq!((post.method.as_str(), &*post.path), ("POST", "/api/v1/namespaces/records/configmaps"));
    assert_eq!(post.server, "hub");
    assert_eq!(post.request_json()["metadata"]["name"], "first");
    assert_eq!(post.status, Some(201));
    assert_eq!(post.response_json()["data"]["key"], "value");
    assert_eq!(conflict.status, Some(409));
    assert!(post.is_acknowledged() && !conflict.is_acknowledged());
    let methods: Vec<_> = recorder.mutating().into_iter().map(|exchange| exchange.method).collect();
    assert_eq!(methods, [Method::POST, Method::POST, Method::DELETE]);
    assert_eq!(recorder.count(|exchange| exchange.path.ends_with("/first")), 2);
    recorder.clear();
    assert!(recorder.exchanges().is_empty());
}

#[tokio::test]
async fn two_proxies_share_one_order_and_one_hook() {
    let plane = shared().await;
    let recorder = Recorder::new(&Sequence::default());
    let sequence = recorder.sequence().clone();
    recorder.before_each_request(move || {
        sequence.next();
    });
    let mut clients = Vec::new();
    let proxies = ["hub", "sat-a"].map(|name| Proxy::start(&plane.server(name), &recorder));
    for (proxy, name) in proxies.iter().zip(["hub", "sat-a"]) {
        let server = plane.server(name);
        clients.push(client_of(&server.admin_kubeconfig().replace(&server.url(), &proxy.url())).await);
    }
    for client in clients.iter().cycle().take(6) {
        client.apiserver_version().await.unwrap();
    }
    let exchanges = recorder.exchanges();
    let servers: Vec<_> = exchanges.iter().map(|exchange| exchange.server.as_str()).collect();
    assert_eq!(servers, ["hub", "sat-a", "hub", "sat-a", "hub", "sat-a"]);
    let numbers: Vec<_> = exchanges.iter().flat_map(|one| [one.seq_start, one.seq_end.unwrap()]).collect();
    assert_eq!(numbers, (0..6).flat_map(|i| [3 * i + 2, 3 * i + 3]).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_callers_identity_is_passed_on() {
    let server = shared().await.server("hub");
    let Setup { proxy, .. } = setup("identity").await;
    let kubectl = ["-n", "identity", "create", "serviceaccount", "nobody"];
    assert!(server.kubectl(&kubectl).await.status.success());
    let token = server.service_account_token("identity", "nobody").await;
    let client = client_of(&server.kubeconfig_for(&proxy.url(), &token)).await;
    let refusal = Api::<ConfigMap>::namespaced(client, "identity").get("any").await.unwrap_err();
    assert!(matches!(&refusal, kube::Error::Api(status)
        if status.is_forbidden() && status.message.contains("system:serviceaccount:identity:nobody")));
}

#[tokio::test]
async fn it_records_which_program_asked() {
    let Setup { proxy, client, .. } = setup("program").await;
    let request = Request::get("/version").header(USER_AGENT, "kubectl/v1").body(Vec::new()).unwrap();
    client.request_text(request).await.unwrap();
    let [asked]: [Exchange; 1] = proxy.recorder().exchanges().try_into().unwrap();
    assert_eq!(asked.user_agent.as_deref(), Some("kubectl/v1"));
}

#[tokio::test]
async fn respond_answers_without_the_api_server() {
    let Setup { proxy, direct, through, .. } = setup("respond").await;
    let fault = Fault::on(Action::refuse(503, "ServiceUnavailable"), creates).times(1);
    proxy.set_fault(Some(fault.clone()));
    let error = create(&through, "one").await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 503), "{error:?}");
    assert!(direct.get_opt("one").await.unwrap().is_none());
    create(&through, "one").await.unwrap();
    assert_eq!(fault.hits(), 1);
    let [refused, created]: [Exchange; 2] = proxy.recorder().mutating().try_into().unwrap();
    assert!(refused.status == Some(503) && matches!(refused.action, Some(Action::Respond { .. })));
    assert!(created.is_acknowledged() && created.is_applied() && created.action.is_none());
}

#[tokio::test]
async fn drop_after_apply_applies_and_does_not_tell() {
    let Setup { proxy, direct, through, .. } = setup("drop-after").await;
    proxy.set_fault(Some(Fault::on(Action::DropAfterApply, creates)));
    let error = create(&through, "one").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "an answer came: {error:?}");
    assert!(direct.get_opt("one").await.unwrap().is_some(), "it was not applied");
    let [exchange]: [Exchange; 1] = proxy.recorder().mutating().try_into().unwrap();
    assert_eq!(exchange.status, Some(201));
    assert!(exchange.is_applied() && !exchange.is_acknowledged());
}

#[tokio::test]
async fn drop_before_applies_nothing() {
    let Setup { proxy, direct, through, .. } = setup("drop-before").await;
    proxy.set_fault(Some(Fault::on(Action::DropBefore, creates)));
    let error = create(&through, "one").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "an answer came: {error:?}");
    assert!(direct.get_opt("one").await.unwrap().is_none(), "it was applied");
    let [exchange]: [Exchange; 1] = proxy.recorder().mutating().try_into().unwrap();
    assert_eq!((exchange.status, exchange.seq_end), (None, None));
    proxy.set_fault(None);
    create(&through, "one").await.unwrap();
}

#[tokio::test]
async fn delay_hang_and_pause_hold_requests_back() {
    let Setup { proxy, direct, through, .. } = setup("hold").await;
    proxy.set_fault(Some(Fault::on(Action::Delay(Duration::from_millis(300)), creates)));
    let started = Instant::now();
    create(&through, "delayed").await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));

    let hang = Fault::on(Action::Hang, creates).times(1);
    proxy.set_fault(Some(hang.clone()));
    let hanging = tokio::spawn({
        let through = through.clone();
        async move { create(&through, "hanging").await }
    });
    eventually(Duration::from_secs(5), "the request hangs", async || {
        if hang.hits() == 1 { Ok(()) } else { Err("not there".into()) }
    })
    .await;
    create(&through, "passing").await.unwrap();
    assert!(!hanging.is_finished() && direct.get_opt("hanging").await.unwrap().is_none());
    proxy.release();
    hanging.await.unwrap().unwrap();

    proxy.pause_all();
    let connections = proxy.open_connections();
    let paused = tokio::time::timeout(Duration::from_millis(300), create(&through, "given-up")).await;
    assert!(paused.is_err(), "a paused proxy answered: {paused:?}");
    eventually(Duration::from_secs(5), "the proxy notices that the caller left", async || {
        let open = proxy.open_connections();
        if open < connections { Ok(()) } else { Err(format!("{open} connections")) }
    })
    .await;
    proxy.resume_all();
    create(&through, "after").await.unwrap();
    assert!(direct.get_opt("given-up").await.unwrap().is_none(), "a request of a caller that left was sent");
}

#[tokio::test]
async fn rewrite_changes_what_the_api_server_gets() {
    let Setup { proxy, direct, through, .. } = setup("rewrite").await;
    let other = serde_json::to_vec(&config_map("a-name-of-another-length")).unwrap();
    proxy.set_fault(Some(Fault::on(Action::RewriteRequestBody(other.into()), creates)));
    assert_eq!(create(&through, "one").await.unwrap().metadata.name.unwrap(), "a-name-of-another-length");
    assert!(direct.get_opt("one").await.unwrap().is_none());
    assert_eq!(proxy.recorder().mutating()[0].request_json()["metadata"]["name"], "one");
}

#[tokio::test]
async fn a_watch_streams_and_breaks_when_connections_are_cut() {
    let Setup { proxy, direct, through, client, .. } = setup("streams").await;
    let version = through.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let parameters = WatchParams::default();
    let opened = tokio::time::timeout(Duration::from_secs(5), through.watch(&parameters, &version)).await;
    let mut events = opened.expect("the answer is held back").unwrap().boxed();
    for name in ["one", "two", "three"] {
        create(&direct, name).await.unwrap();
        let event = tokio::time::timeout(Duration::from_secs(2), events.try_next()).await;
        let event = event.expect("the event is buffered somewhere").unwrap().unwrap();
        assert!(matches!(&event, WatchEvent::Added(map) if map.metadata.name.as_deref() == Some(name)));
    }
    let watched = proxy.recorder().matching(Exchange::is_watch);
    assert_eq!(watched.len(), 1);
    assert!(watched[0].seq_end.is_some() && watched[0].response_body.is_none());

    assert!(proxy.open_connections() > 0);
    proxy.cut_connections();
    let end = tokio::time::timeout(Duration::from_secs(5), events.try_next()).await;
    assert!(!matches!(end.expect("the watch ends"), Ok(Some(_))));
    eventually(Duration::from_secs(5), "all connections are closed", async || {
        match proxy.open_connections() {
            0 => Ok(()),
            open => Err(format!("{open} open")),
        }
    })
    .await;
    client.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn an_api_server_that_is_down_looks_like_a_closed_connection() {
    let plane = crate::support::ControlPlane::start(&["down"]).await;
    let server = plane.server("down");
    let proxy = Proxy::start(&server, &Recorder::default());
    let client = client_of(&server.admin_kubeconfig().replace(&server.url(), &proxy.url())).await;
    client.apiserver_version().await.unwrap();
    server.stop();
    assert!(client.apiserver_version().await.is_err());
    server.restart().await;
    client.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn its_cost_is_small() {
    let Setup { proxy: _proxy, direct, through, .. } = setup("cost").await;
    let mut medians = Vec::new();
    for api in [&direct, &through] {
        let mut times = Vec::new();
        for _ in 0..100 {
            let started = Instant::now();
            let _ = api.get_opt("nothing").await.unwrap();
            times.push(started.elapsed());
        }
        times.sort_unstable();
        medians.push(times[50]);
    }
    println!("GET p50 direct {:?}, through the proxy {:?}", medians[0], medians[1]);
    assert!(medians[1] < medians[0] + Duration::from_millis(20), "{medians:?}");
}

#[tokio::test]
async fn with_the_flush_hook_a_rename_before_a_request_has_the_lower_number() {
    let server = shared().await.server("hub");
    let volume = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(volume.path().join("objects.d/team-a")).unwrap();
    let recorder = Recorder::default();
    let watch = VolumeWatch::start(volume.path(), recorder.sequence());
    recorder.before_each_request(watch.flusher());
    let proxy = Proxy::start(&server, &recorder);
    let client = client_of(&server.admin_kubeconfig().replace(&server.url(), &proxy.url())).await;
    for round in 0..50 {
        std::fs::write(volume.path().join("temp"), [round]).unwrap();
        let target = volume.path().join(format!("objects.d/team-a/{round}.conf"));
        std::fs::rename(volume.path().join("temp"), target).unwrap();
        client.apiserver_version().await.unwrap();
    }
    let renames: Vec<_> = watch.history().iter().map(|event| event.seq).collect();
    let requests: Vec<_> = recorder.exchanges().iter().map(|exchange| exchange.seq_start).collect();
    assert_eq!(renames, (0..50).map(|round| 3 * round + 1).collect::<Vec<_>>());
    assert_eq!(requests, (0..50).map(|round| 3 * round + 2).collect::<Vec<_>>());
}
