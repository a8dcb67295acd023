//! Watches of the operator that break, end too early, fall silent, or leave events out.

use crate::GROUNDLINK;
use crate::support::{
    Action, Fault, GENEROUS, Installation, Operator, Proxy, bulk_host, bulk_name, create_all, eventually,
    eventually_every, host,
};
use http::Method;
use http::request::Parts;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const OBJECTS: &str = "/monitoringobjects";

fn query(head: &Parts) -> &str {
    head.uri.query().unwrap_or_default()
}

fn begins_watch(head: &Parts) -> bool {
    head.method == Method::GET && query(head).contains("watch=")
}

fn lists(head: &Parts, path: &str) -> bool {
    head.method == Method::GET && head.uri.path().ends_with(path) && !query(head).contains("watch=")
}

/// The first version that each watch asks for from now on is too old, whenever it is asked for.
fn expired(asked: Arc<Mutex<BTreeMap<String, String>>>) -> Fault {
    Fault::on(Action::refuse(410, "Expired"), move |head, _| {
        let version = query(head).split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
        let Some(version) = version.filter(|_| begins_watch(head)) else { return false };
        let mut asked = asked.lock().unwrap();
        asked.entry(head.uri.path().to_owned()).or_insert_with(|| version.to_owned()) == version
    })
}

async fn stays_ready(operator: &Operator) {
    let (code, body) = operator.get("/readyz").await;
    assert_eq!(code, 200, "{body}");
}

/// An API server, or something before it, answers the start of a watch with 410 instead of saying
/// so in the stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_version_is_too_old_begins_anew_with_a_list() {
    let mut installation = Installation::start(&["sat-a"]).await;
    installation
        .kubectl(&["create", "clusterrole", "ns", "--verb=list,watch", "--resource=namespaces"])
        .await;
    let binding = ["create", "clusterrolebinding", "ns", "--clusterrole=ns"];
    installation.kubectl(&[&binding[..], &["--serviceaccount=groundlink:groundlink"]].concat()).await;
    installation.prepare("sat-b").await;
    // Makes the operator watch namespaces.
    let chosen = json!({ "namespaces": { "from": "Selector", "selector": { "served": "yes" } } });
    installation.register("sat-b", chosen).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    installation.put("team-a", "web", host("one")).await;
    for satellite in ["sat-a", "sat-b"] {
        installation.satellite_in_sync(satellite, GENEROUS).await;
    }

    let asked = Arc::new(Mutex::new(BTreeMap::new()));
    installation.recorder.clear();
    let proxies: Vec<&Proxy> =
        [&installation.hub_proxy].into_iter().chain(installation.proxies.values()).collect();
    for proxy in &proxies {
        proxy.set_fault(Some(expired(asked.clone())));
        proxy.cut_connections();
    }
    let began = Instant::now();
    let watched: BTreeSet<&str> = [
        "/apis/groundlink.dev/v1alpha1/monitoringobjects",
        "/apis/groundlink.dev/v1alpha1/namespaces/groundlink/satelliteclusters",
        "/api/v1/namespaces/groundlink/secrets",
        "/api/v1/namespaces",
        "/api/v1/namespaces/icinga/configmaps",
        "/apis/coordination.k8s.io/v1/namespaces/icinga/leases",
    ]
    .into();
    eventually(GENEROUS, "every watch begins anew", async || {
        let began_anew = |path: &&&str| {
            let seen = installation.recorder.matching(|e| e.path == **path && e.method == Method::GET);
            let refused = seen.iter().position(|e| e.is_watch() && e.status == Some(410));
            let listed = refused.and_then(|at| seen[at..].iter().position(|e| !e.is_watch()).map(|n| at + n));
            listed.is_some_and(|at| seen[at..].iter().any(|e| e.is_watch() && e.status == Some(200)))
        };
        let missing: Vec<_> = watched.iter().filter(|path| !began_anew(path)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not {missing:?}")) }
    })
    .await;
    println!("every watch works {:?} after its version became too old", began.elapsed());
    let known: BTreeSet<_> = asked.lock().unwrap().keys().cloned().collect();
    assert!(known.iter().map(String::as_str).eq(watched.iter().copied()), "{known:?}");
    installation.put("team-a", "later", host("one")).await;
    installation.kubectl(&["label", "namespace", "team-a", "served=yes"]).await;
    installation.synced("team-a", "later").await;
    installation.holds_keys("sat-b", "groundlink", &["team-a.later.conf", "team-a.web.conf"]).await;
    installation.ready(&operator).await;

    // Every version is too old, for a while: the pauses grow.
    let always = Fault::on(Action::refuse(410, "Expired"), begins_watch_of_objects);
    installation.recorder.clear();
    installation.hub_proxy.set_fault(Some(always.clone()));
    installation.hub_proxy.cut_connections();
    eventually(GENEROUS, "five refusals", async || match always.hits() {
        5.. => Ok(()),
        hits => Err(format!("{hits}")),
    })
    .await;
    let lists = installation.recorder.matching(|e| e.path.ends_with(OBJECTS) && !e.is_watch());
    assert!(lists.len() <= 7, "{} lists for {} refusals", lists.len(), always.hits());
    println!("{} lists for {} refusals", lists.len(), always.hits());
    // A watch that ends at once is not begun again at once.
    let ended = Fault::on(Action::Respond { status: 200, body: "".into() }, begins_watch_of_objects);
    installation.hub_proxy.set_fault(Some(ended.clone()));
    installation.hub_proxy.cut_connections();
    let hits = async |least: u64| {
        eventually(GENEROUS, "watches end", async || match ended.hits() {
            hits if hits >= least => Ok(Instant::now()),
            hits => Err(format!("{hits}")),
        })
        .await
    };
    let (first, fifth) = (hits(1).await, hits(5).await);
    assert!(fifth - first > Duration::from_secs(2), "five watches within {:?}", fifth - first);
    installation.hub_proxy.set_fault(None);
    installation.put("team-a", "latest", host("one")).await;
    installation.synced("team-a", "latest").await;
    installation.ready(&operator).await;
}

fn begins_watch_of_objects(head: &Parts, _: &hyper::body::Bytes) -> bool {
    begins_watch(head) && head.uri.path().ends_with(OBJECTS)
}

/// R6: a LIST that fails in the middle, or whose continue token expires, removes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_in_the_middle_removes_nothing() {
    const COUNT: usize = 600; // More than a page.
    let installation = Installation::start(&["sat-a"]).await;
    installation.namespace("team-a").await;
    create_all(&installation.hub, "team-a", 0..COUNT, |number| bulk_host(number, 1, 16)).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.satellite_in_sync("sat-a", GENEROUS).await;
    for number in [0, COUNT - 1] {
        installation.synced("team-a", &bulk_name(number)).await;
    }
    let files = installation.files();
    assert_eq!(files.len(), COUNT);

    let second_page = |head: &Parts, _: &_| lists(head, OBJECTS) && query(head).contains("continue=");
    for (action, times) in
        [(Action::refuse(503, "ServiceUnavailable"), 3), (Action::refuse(410, "Expired"), 2)]
    {
        assert!(operator_ended(&operator).await);
        let failing = Fault::on(action.clone(), second_page);
        installation.hub_proxy.set_fault(Some(failing.clone()));
        installation.recorder.clear();
        let operator = installation.operator_builder(GROUNDLINK).await.spawn();
        eventually(GENEROUS, "the LIST failed several times", async || {
            let files = installation.files().len();
            assert_eq!(files, COUNT, "no file leaves because a LIST failed");
            if failing.hits() >= times { Ok(()) } else { Err(format!("{}", failing.hits())) }
        })
        .await;
        assert_ne!(operator.get("/readyz").await.0, 200, "{action:?}");
        installation.hub_proxy.set_fault(None);
        installation.ready(&operator).await;
        // Each began with the first page.
        let pages = installation.recorder.matching(|e| e.path.ends_with(OBJECTS) && !e.is_watch());
        let first = pages.iter().filter(|e| !e.query.contains("continue=")).count() as u64;
        assert!(first > failing.hits(), "{first} first pages after {} failures", failing.hits());
        assert_eq!(installation.files(), files);
        assert_eq!(installation.satellite_writes().len(), 0);
        assert!(operator.terminate(Duration::from_secs(20)).await.success());
    }
}

async fn operator_ended(operator: &Operator) -> bool {
    operator.exit_status().is_some() || operator.terminate(Duration::from_secs(20)).await.success()
}

fn is_of(event: &Value, name: &str) -> bool {
    event["object"]["metadata"]["name"] == name
}

/// Events that the API server never sent, or that something on the way lost.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_never_came_are_found_by_the_next_list() {
    const PERIOD: Duration = Duration::from_secs(20);
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator_builder(GROUNDLINK).await.args(["--relist-every", "20s"]).spawn();
    installation.ready(&operator).await;
    installation.namespace("team-a").await;
    for name in ["stays", "changes", "goes"] {
        installation.put("team-a", name, host("one")).await;
    }
    for name in ["stays", "changes", "goes"] {
        installation.synced("team-a", name).await;
    }
    installation.hub_proxy.edit_events(Some(Arc::new(|path, event| {
        let lost = path.ends_with(OBJECTS) && (is_of(&event, "changes") || is_of(&event, "goes"));
        if lost { Vec::new() } else { vec![event] }
    })));
    installation.put("team-a", "changes", host("two")).await;
    installation.delete("team-a", "goes").await;
    installation.put("team-a", "beside", host("one")).await;
    installation.synced("team-a", "beside").await;
    let began = Instant::now();
    assert!(installation.files()["team-a.changes.conf"].contains("one"), "the event is lost");
    assert!(installation.files().contains_key("team-a.goes.conf"), "the event is lost");
    installation.synced("team-a", "changes").await;
    eventually(GENEROUS, "the deletion is found", async || {
        if installation.files().contains_key("team-a.goes.conf") { Err("there".to_owned()) } else { Ok(()) }
    })
    .await;
    println!("found {:?} after the events were lost, period {PERIOD:?}", began.elapsed());
    installation.hub_proxy.edit_events(None);
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(held["team-a.changes.conf"].contains("two") && !held.contains_key("team-a.goes.conf"));

    // It disturbs nothing.
    installation.ready(&operator).await;
    eventually(GENEROUS, "the satellite's status is the last one", async || {
        let pointer = installation.pointer("sat-a").await.and_then(|pointer| pointer.metadata.annotations);
        let held = pointer.and_then(|all| all.get("groundlink.dev/revision").cloned());
        let object = installation.satellites().get("sat-a").await.map_err(|error| error.to_string())?;
        let acked = object.status.and_then(|status| status.acked).map(|acked| acked.revision);
        if held.is_some() && acked == held { Ok(()) } else { Err(format!("{acked:?}, not {held:?}")) }
    })
    .await;
    installation.recorder.clear();
    eventually_every(Duration::from_millis(50), GENEROUS * 2, "two more lists", async || {
        stays_ready(&operator).await;
        match installation.recorder.count(|e| e.path.ends_with(OBJECTS) && !e.is_watch()) {
            2.. => Ok(()),
            lists => Err(format!("{lists}")),
        }
    })
    .await;
    let writes = installation.recorder.matching(|e| e.is_mutating() && !e.path.contains("/leases/"));
    assert!(writes.is_empty(), "{writes:#?}");
}

/// An event that comes late, with a spec that is not the newest any more; and a watch that falls
/// silent with its connection open.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_changes_nothing_and_a_silent_watch_is_found() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    // After each event of a newer generation, the last one of the generation before it comes
    // again.
    let earlier = Arc::new(Mutex::new(BTreeMap::<i64, Value>::new()));
    let (seen, repeated) = (earlier.clone(), Arc::new(Mutex::new(0)));
    let count = repeated.clone();
    installation.hub_proxy.edit_events(Some(Arc::new(move |path, event| {
        if !(path.ends_with(OBJECTS) && is_of(&event, "web")) {
            return vec![event];
        }
        let generation = event["object"]["metadata"]["generation"].as_i64().unwrap();
        let mut seen = seen.lock().unwrap();
        seen.insert(generation, event.clone());
        let late = seen.range(..generation).next_back().map(|(_, event)| event.clone());
        *count.lock().unwrap() += usize::from(late.is_some());
        [Some(event), late].into_iter().flatten().collect()
    })));
    installation.put("team-a", "web", host("first")).await;
    installation.synced("team-a", "web").await;
    installation.recorder.clear();
    installation.put("team-a", "web", host("second")).await;
    installation.synced("team-a", "web").await;
    // What came before this was taken.
    installation.put("team-a", "after", host("one")).await;
    installation.synced("team-a", "after").await;
    assert!(*repeated.lock().unwrap() > 0, "{earlier:?}");
    installation.hub_proxy.edit_events(None);
    assert!(installation.files()["team-a.web.conf"].contains("second"));
    let held = installation.equal("sat-a", GENEROUS).await;
    assert!(held["team-a.web.conf"].contains("second"));
    let ready = installation.ready_writes("web");
    assert!(ready.len() <= 2, "one write for Ready and one for Synced, not {}", ready.len());

    // 55 s without a sign, not the 295 s of kube, and not the next retry of anything else.
    installation.hub_proxy.silence_watches();
    let silent = Instant::now();
    installation.put("team-a", "unseen", host("one")).await;
    eventually(Duration::from_secs(75), "the silent watch is found", async || {
        let object = installation.objects("team-a").get("unseen").await.map_err(|error| error.to_string())?;
        object.status.filter(|status| status.published_digest.is_some()).map(drop).ok_or_else(|| "no".into())
    })
    .await;
    println!("found {:?} after the watch fell silent", silent.elapsed());
    assert!(silent.elapsed() > Duration::from_secs(5), "it was silent");
    stays_ready(&operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_ends_in_the_middle_is_not_lost() {
    let installation = Installation::start(&["sat-a"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for round in 0..3 {
        let name = format!("n{round}");
        for (what, events) in [("create", 1), ("change", 3)] {
            for proxy in [&installation.hub_proxy, &installation.proxies["sat-a"]] {
                proxy.break_events(events);
            }
            installation.put("team-a", &name, host(what)).await;
            installation.synced("team-a", &name).await;
            // Each event of the other watches may be one of those.
            for touch in 0.. {
                let left = installation.hub_proxy.events_to_break()
                    + installation.proxies["sat-a"].events_to_break();
                if left == 0 {
                    break;
                }
                installation.put("team-a", "touched", host(&format!("{round} {what} {touch}"))).await;
                installation.synced("team-a", "touched").await;
            }
        }
    }
    installation.allow_removals().await;
    for round in 0..3 {
        installation.hub_proxy.break_events(1);
        installation.delete("team-a", &format!("n{round}")).await;
    }
    eventually(GENEROUS, "what was deleted is gone", async || match installation.files() {
        files if files.len() == 1 => Ok(()),
        files => Err(format!("{files:?}")),
    })
    .await;
    installation.equal("sat-a", GENEROUS).await;
    installation.ready(&operator).await;
    assert_eq!(operator.exit_status(), None);
}
