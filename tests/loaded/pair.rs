//! A sharded set, two agents on one satellite, and a satellite whose API server is away.

use crate::GROUNDLINK;
use crate::support::{
    GENEROUS, Installation, Site, bulk_host, bulk_name, change_all, condition_of, create_all, eventually,
    generations,
};
use groundlink::api::agent_report::AgentResult;
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use http::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

const SAT: &str = "sat-a";
const TEAM: &str = "team-a";
const OBJECTS: usize = 300;
/// Bytes of notes: enough for several shards.
const NOTES: usize = 8000;
const LONG: Duration = Duration::from_secs(120);

fn spec(number: usize, version: usize) -> Value {
    let mut spec = bulk_host(number, version, NOTES);
    spec["host"]["checkCommand"] = "dummy".into();
    spec["host"]["address"] = format!("10.{version}.{}.{}", number >> 8, number & 255).into();
    spec
}

/// The files that Icinga loads: inode by name.
fn inodes(site: &Site) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(site.icinga.path("load/active.conf")).expect("active.conf");
    let (_, rest) = text.split_once("include_recursive \"").expect("the tree");
    let objects = PathBuf::from(rest.split('"').next().expect("a path"));
    let entries = std::fs::read_dir(objects).expect("the tree").flatten();
    let inode = |entry: std::fs::DirEntry| {
        (entry.file_name().display().to_string(), entry.metadata().expect("a file").ino())
    };
    entries.map(inode).collect()
}

async fn has(site: &Site, number: usize, version: usize, count: usize) {
    let wanted = spec(number, version)["host"]["address"].as_str().expect("an address").to_owned();
    eventually(LONG, &format!("Icinga of {} lists {wanted}", site.name), async || {
        let hosts = site.hosts().await?;
        let found = hosts.get(&bulk_name(number)).cloned().unwrap_or_default();
        if found == wanted && hosts.len() == count {
            Ok(())
        } else {
            Err(format!("{found}, {} hosts", hosts.len()))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_of_a_sharded_set_is_one_shard_and_one_file_and_two_agents_speak_for_themselves() {
    let Some(generation) = generations().pop() else { return };
    let installation = Installation::start(&[SAT]).await;
    installation.namespace(TEAM).await;
    let of_set = json!({ "ackLevel": "Loaded", "target": { "layout": "Snapshot" } });
    installation.change_satellite(SAT, of_set).await;
    let _operator = installation.operator(GROUNDLINK).await;
    create_all(&installation.hub, TEAM, 0..OBJECTS, |number| spec(number, 1)).await;
    let mut one = Site::prepare_another(GROUNDLINK, &installation, (SAT, "one"), generation, "signal").await;
    let mut two = Site::prepare_another(GROUNDLINK, &installation, (SAT, "two"), generation, "api").await;
    for site in [&mut one, &mut two] {
        site.start_icinga().await;
        has(site, OBJECTS - 1, 1, OBJECTS).await;
        site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
    }
    installation.synced(TEAM, &bulk_name(7)).await;

    // One change: the other files keep their inodes, and their shards are not read again.
    let before = inodes(&one);
    one.proxy.recorder().clear();
    change_all(&installation.hub, TEAM, 7..8, |number| spec(number, 2)).await;
    for site in [&one, &two] {
        has(site, 7, 2, OBJECTS).await;
    }
    let after = inodes(&one);
    let changed: Vec<_> = after.iter().filter(|(name, inode)| before.get(*name) != Some(inode)).collect();
    assert_eq!((after.len(), changed.len()), (OBJECTS, 1), "{changed:?}");
    let is_shard = |path: &str| path.contains("/configmaps/groundlink-");
    let read = one.proxy.recorder().matching(|e| e.method == Method::GET && is_shard(&e.path));
    let shards: BTreeSet<_> = read.iter().map(|exchange| exchange.path.clone()).collect();
    assert_eq!((read.len(), shards.len()), (1, 1), "{shards:?}");
    let pointer = installation.pointer(SAT).await.expect("a pointer");
    let manifest: Value = serde_json::from_str(&pointer.data.expect("data")["manifest.json"]).expect("JSON");
    let all = manifest["shards"].as_array().map(Vec::len).unwrap_or_default();
    assert!(all >= 4, "{all} shards");
    println!("pair: 1 of {all} shards read, 1 of {OBJECTS} files written");

    // One lags: nothing counts before both have it.
    two.agent.pause();
    change_all(&installation.hub, TEAM, 8..9, |number| spec(number, 3)).await;
    has(&one, 8, 3, OBJECTS).await;
    let pending = (ConditionStatus::False, Reason::Pending);
    let said = eventually(GENEROUS, "only the second agent is awaited", async || {
        let said = installation.satellite_says(SAT, ConditionType::Loaded, pending, GENEROUS).await;
        let is_first = said.contains("groundlink-agent-one");
        if said.contains("groundlink-agent-two") && !is_first { Ok(said) } else { Err(said) }
    })
    .await;
    println!("pair: {said}");
    has(&two, 8, 1, OBJECTS).await;
    let object = installation.objects(TEAM).get(&bulk_name(8)).await.expect("the object");
    let synced = condition_of(&object, ConditionType::Synced);
    assert!(synced.is_none_or(|(status, _, _)| status != ConditionStatus::True), "one agent lags");
    two.agent.resume();
    has(&two, 8, 3, OBJECTS).await;
    installation.synced(TEAM, &bulk_name(8)).await;

    // A refusal of one is a refusal; the other goes on.
    let main = two.icinga.path("etc/icinga2.conf");
    let text = std::fs::read_to_string(&main).expect("icinga2.conf");
    let more = "object Host \"taken\" { check_command = \"dummy\" }\n";
    std::fs::write(&main, format!("{text}{more}")).expect("icinga2.conf");
    let taken = json!({ "name": "taken", "host": { "address": "10.9.9.9", "checkCommand": "dummy" } });
    installation.put(TEAM, "twice", taken).await;
    one.reports("Loaded", |report| report.result == AgentResult::Loaded && report.held.is_empty()).await;
    two.reports("the held object", |report| report.result == AgentResult::LoadedInPart).await;
    let said = installation.rejected(TEAM, "twice").await;
    assert!(said.contains("groundlink-agent-two") && !said.contains("groundlink-agent-one"), "{said}");
    has(&one, 8, 3, OBJECTS + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_icinga_starts_with_the_last_good_set() {
    let Some(generation) = generations().pop() else { return };
    let host = |address: &str| json!({ "host": { "address": address, "checkCommand": "dummy" } });
    let installation = Installation::start(&[SAT]).await;
    installation.namespace(TEAM).await;
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put(TEAM, "web", host("192.0.2.1")).await;
    let mut site = Site::prepare(GROUNDLINK, &installation, SAT, generation, "signal").await;
    site.start_icinga().await;
    site.lists(&[("web", "192.0.2.1")]).await;
    site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;

    let server = installation.plane.server(SAT);
    server.stop();
    site.agent.kill();
    site.icinga.kill();
    installation.put(TEAM, "web", host("192.0.2.2")).await;
    installation.put(TEAM, "db", host("192.0.2.3")).await;
    // Ready without a word of the API server: a whole tree is in place.
    site.restart_agent();
    site.start_icinga().await;
    eventually(GENEROUS, "Icinga lists the last good set", async || {
        let hosts = site.hosts().await?;
        let is_old = hosts.len() == 1 && hosts.get("web").is_some_and(|address| address == "192.0.2.1");
        if is_old { Ok(()) } else { Err(format!("{hosts:?}")) }
    })
    .await;
    assert!(site.agent.exit_status().is_none(), "{}", site.agent.log_text());
    server.restart().await;
    site.lists(&[("web", "192.0.2.2"), ("db", "192.0.2.3")]).await;
    site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
}
