//! Agents as the operator hears them: the test plays each agent with the account that
//! `satellite join-manifest --agent` makes, on a real API server.

use crate::GROUNDLINK;
use crate::support::{
    ApiServer, GENEROUS, Installation, client_of, condition_of, eventually, host, succeeded,
};
use groundlink::api::agent_report::{AgentReport, AgentResult, Checked, HeldContent, HeldObject, RunningSet};
use groundlink::api::marks::{AGENT_MANAGER, AGENT_REPORT, DIGEST, REVISION};
use groundlink::api::satellite_cluster::{AgentState, SatelliteClusterStatus};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

const SAT: &str = "sat-a";
const NAMESPACE: &str = "icinga";
const LOADED: (ConditionStatus, Reason) = (ConditionStatus::True, Reason::Loaded);
const REJECTED: (ConditionStatus, Reason) = (ConditionStatus::False, Reason::Rejected);
const AWAITED: (ConditionStatus, Reason) = (ConditionStatus::Unknown, Reason::AwaitingAgent);

/// An agent, with the rights of its own account alone.
struct Agent {
    lease: String,
    leases: Api<Lease>,
    config_maps: Api<ConfigMap>,
}

/// Makes the objects of an agent as a user would.
async fn prepare(server: &ApiServer, name: &str) -> Agent {
    let flags = ["satellite", "join-manifest", SAT, "--only", "satellite", "--agent", name];
    let printed = tokio::process::Command::new(GROUNDLINK).args(flags).output().await.expect("groundlink");
    succeeded("join-manifest", &printed);
    let manifest = String::from_utf8(printed.stdout).expect("text");
    succeeded("kubectl apply", &server.kubectl_with_input(&["apply", "-f", "-"], &manifest).await);
    let lease = format!("groundlink-agent-{name}");
    let client = client_of(&server.service_account_kubeconfig(NAMESPACE, &lease).await).await;
    let leases = Api::namespaced(client.clone(), NAMESPACE);
    let agent = Agent { lease, leases, config_maps: Api::namespaced(client, NAMESPACE) };
    // The authorizer sees new Roles only after a while.
    eventually(GENEROUS, "the agent may read its Lease", async || {
        agent.leases.get(&agent.lease).await.map(drop).map_err(|error| error.to_string())
    })
    .await;
    agent
}

impl Agent {
    /// Waits until the delivered set has this object, and returns the report of an agent that has
    /// loaded all of it.
    async fn loads(&self, key: &str) -> AgentReport {
        let pointer = eventually(GENEROUS, &format!("{key} is delivered"), async || {
            let pointer = self.config_maps.get("groundlink").await.map_err(|error| error.to_string())?;
            let has = pointer.data.as_ref().is_some_and(|data| data.contains_key(key));
            if has { Ok(pointer) } else { Err(format!("{:?}", pointer.metadata.annotations)) }
        })
        .await;
        let annotation =
            |name: &str| pointer.metadata.annotations.as_ref().expect("annotations")[name].clone();
        let (revision, digest) = (annotation(REVISION), annotation(DIGEST));
        AgentReport {
            revision: Some(revision.clone()),
            digest: Some(digest.clone()),
            result: AgentResult::Loaded,
            running: Some(RunningSet { revision, digest, loaded_at: "2026-11-29T12:00:00Z".into() }),
            checked: Some(Checked { checkables: 2, overdue: 0, first: None }),
            icinga_version: "2.14.6".into(),
            ..AgentReport::new("groundlink")
        }
    }

    async fn says(&self, report: &AgentReport) {
        let patch = json!({
            "metadata": { "annotations": { AGENT_REPORT: report.text() } },
            "spec": { "renewTime": jiff_now(), "holderIdentity": self.lease },
        });
        let parameters = PatchParams { field_manager: Some(AGENT_MANAGER.into()), ..PatchParams::default() };
        self.leases.patch(&self.lease, &parameters, &Patch::Merge(patch)).await.expect("its own Lease");
    }
}

fn jiff_now() -> String {
    k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn holds(report: &AgentReport, object: &str) -> AgentReport {
    let held = HeldObject {
        object: object.into(),
        content: HeldContent::LeftOut,
        message: "Object 'nope' of type 'CheckCommand' does not exist.".into(),
        digest: None,
    };
    AgentReport { result: AgentResult::LoadedInPart, held: vec![held], ..report.clone() }
}

async fn start(spec: serde_json::Value) -> Installation {
    let installation = Installation::start(&[SAT]).await;
    installation.namespace("team-a").await;
    installation.change_satellite(SAT, spec).await;
    installation
}

async fn status(installation: &Installation) -> SatelliteClusterStatus {
    installation.satellites().get(SAT).await.expect("the satellite").status.unwrap_or_default()
}

async fn synced_reason(installation: &Installation, name: &str) -> Option<Reason> {
    let object = installation.objects("team-a").get(name).await.expect("the object");
    condition_of(&object, ConditionType::Synced).map(|(_, reason, _)| reason)
}

/// Waits until an object says that it waits for the satellite, and why.
async fn waits(installation: &Installation, name: &str, words: &str) {
    eventually(GENEROUS, &format!("{name} waits for {words}"), async || {
        let object = installation.objects("team-a").get(name).await.map_err(|error| error.to_string())?;
        match condition_of(&object, ConditionType::Synced) {
            Some((ConditionStatus::False, Reason::SatelliteFailing, message)) if message.contains(words) => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn synced_waits_until_every_agent_has_loaded_it() {
    let installation = start(json!({ "ackLevel": "Loaded" })).await;
    let server = installation.plane.server(SAT);
    let operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("one")).await;
    let says = async |kind, wanted| installation.satellite_says(SAT, kind, wanted, GENEROUS).await;
    let said = says(ConditionType::Loaded, AWAITED).await;
    assert!(said.contains("--agent"), "{said}");
    says(ConditionType::Synced, (ConditionStatus::False, Reason::AwaitingAgent)).await;
    let (one, two) = (prepare(&server, "one").await, prepare(&server, "two").await);
    let report = one.loads("team-a.web.conf").await;
    one.says(&report).await;
    eventually(GENEROUS, "the agent that never reported is named", async || {
        let said = says(ConditionType::Loaded, AWAITED).await;
        if said.contains("groundlink-agent-two has never reported") { Ok(()) } else { Err(said) }
    })
    .await;
    waits(&installation, "web", "sat-a (AwaitingAgent)").await;
    two.says(&report).await;
    installation.synced("team-a", "web").await;
    says(ConditionType::Loaded, LOADED).await;
    says(ConditionType::Checked, (ConditionStatus::True, Reason::Complete)).await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    let now = status(&installation).await;
    assert_eq!(now.loaded.map(|set| set.digest), report.digest);
    let rows: Vec<_> = now.agents.iter().map(|agent| (agent.name.as_str(), agent.result)).collect();
    assert_eq!(
        rows,
        [("groundlink-agent-one", AgentState::Loaded), ("groundlink-agent-two", AgentState::Loaded)]
    );

    // One lags.
    installation.put("team-a", "db", host("two")).await;
    let newer = one.loads("team-a.db.conf").await;
    one.says(&newer).await;
    two.says(&AgentReport { digest: newer.digest.clone(), result: AgentResult::Loading, ..report.clone() })
        .await;
    let said = says(ConditionType::Loaded, (ConditionStatus::False, Reason::Pending)).await;
    assert!(said.contains("groundlink-agent-two"), "{said}");
    assert_eq!(synced_reason(&installation, "db").await, Some(Reason::Pending));
    two.says(&newer).await;
    installation.synced("team-a", "db").await;
    let metrics = operator.metrics().await;
    let counted = format!("groundlink_satellite_agents{{satellite=\"{SAT}\",result=\"Loaded\"}} 2");
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
    assert!(metrics.contains("groundlink_publish_to_loaded_seconds_count 1"), "{metrics}");

    // Heartbeats change nothing, neither here nor at the satellite.
    says(ConditionType::Loaded, LOADED).await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    installation.recorder.clear();
    for _ in 0..3 {
        one.says(&newer).await;
    }
    // The operator has seen those when it has seen this.
    let late = Checked { checkables: 2, overdue: 1, first: Some("db".into()) };
    one.says(&AgentReport { checked: Some(late), ..newer.clone() }).await;
    let overdue = (ConditionStatus::False, Reason::ChecksOverdue);
    let said = says(ConditionType::Checked, overdue).await;
    assert!(said.contains("1 of 2") && said.contains("first db"), "{said}");
    assert_eq!(status_writes(&installation), 1);
}

/// The writes of SatelliteClusters that the recorder has seen.
fn status_writes(installation: &Installation) -> usize {
    installation
        .recorder
        .count(|exchange| exchange.is_mutating() && exchange.path.contains("/satelliteclusters/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_objects_that_an_icinga_refused_are_rejected_and_they_heal() {
    let installation = start(json!({ "ackLevel": "Loaded" })).await;
    let server = installation.plane.server(SAT);
    let _operator = installation.operator(GROUNDLINK).await;
    let agent = prepare(&server, "one").await;
    installation.put("team-a", "web", host("one")).await;
    let report = agent.loads("team-a.web.conf").await;
    agent.says(&report).await;
    installation.synced("team-a", "web").await;

    // A whole set that is refused: objects wait, and the satellite says why.
    installation.put("team-a", "db", host("two")).await;
    let newer = agent.loads("team-a.db.conf").await;
    let refused = AgentReport {
        result: AgentResult::Rejected,
        message: "syntax error, unexpected T_IDENTIFIER".into(),
        object: Some("team-a/db".into()),
        running: report.running.clone(),
        ..newer.clone()
    };
    agent.says(&refused).await;
    let said = installation.satellite_says(SAT, ConditionType::Loaded, REJECTED, GENEROUS).await;
    assert!(said.contains("syntax error") && said.contains("team-a/db"), "{said}");
    installation.satellite_says(SAT, ConditionType::Synced, REJECTED, GENEROUS).await;
    installation
        .satellite_says(SAT, ConditionType::Ready, (ConditionStatus::True, Reason::Connected), GENEROUS)
        .await;
    waits(&installation, "db", "sat-a (Rejected)").await;
    assert_eq!(synced_reason(&installation, "web").await, Some(Reason::AllSatellites));

    // Loaded in part.
    agent.says(&holds(&newer, "team-a/db")).await;
    let said = installation.rejected("team-a", "db").await;
    assert!(said.contains(SAT) && said.contains("groundlink-agent-one") && said.contains("'nope'"), "{said}");
    let object = installation.objects("team-a").get("db").await.expect("the object");
    let (stalled, _, _) = condition_of(&object, ConditionType::Stalled).expect("Stalled");
    assert_eq!(stalled, ConditionStatus::True);
    assert_eq!(synced_reason(&installation, "web").await, Some(Reason::AllSatellites));

    // Healed by a change of the object.
    installation.put("team-a", "db", host("three")).await;
    let healed = eventually(GENEROUS, "the change is delivered", async || {
        let report = agent.loads("team-a.db.conf").await;
        if report.digest != newer.digest { Ok(report) } else { Err("the old set".to_owned()) }
    })
    .await;
    agent.says(&healed).await;
    installation.synced("team-a", "db").await;
    installation.satellite_says(SAT, ConditionType::Loaded, LOADED, GENEROUS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_is_named_and_the_operator_restarts_without_a_write() {
    let installation = start(json!({ "ackLevel": "Loaded" })).await;
    let server = installation.plane.server(SAT);
    let operator = installation.operator(GROUNDLINK).await;
    let agent = prepare(&server, "one").await;
    installation.put("team-a", "web", host("one")).await;
    let report = agent.loads("team-a.web.conf").await;
    agent.says(&report).await;
    installation.synced("team-a", "web").await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    let settled = status(&installation).await;
    drop(operator);
    installation.recorder.clear();
    let operator = installation.operator(GROUNDLINK).await;
    let line = format!("groundlink_satellite_agents{{satellite=\"{SAT}\",result=\"Loaded\"}} 1");
    eventually(GENEROUS, "the agent is heard again", async || {
        let metrics = operator.metrics().await;
        if metrics.lines().any(|each| each == line) { Ok(()) } else { Err(metrics) }
    })
    .await;
    assert_eq!(status(&installation).await, settled);
    // The agent says no more. That takes 100 s.
    let said = installation.satellite_says(SAT, ConditionType::Loaded, AWAITED, GENEROUS * 4).await;
    assert!(said.contains("groundlink-agent-one is silent"), "{said}");
    assert_eq!(synced_reason(&installation, "web").await, Some(Reason::AllSatellites), "it was loaded");
    assert_eq!(status_writes(&installation), 1, "for the silence alone");
    agent.says(&report).await;
    installation.satellite_says(SAT, ConditionType::Loaded, LOADED, GENEROUS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_read_leases_the_satellite_works_as_before() {
    let installation = Installation::start(&[SAT]).await;
    let server = installation.plane.server(SAT);
    installation.namespace("team-a").await;
    // The Role of an older version.
    let patch = r#"[{"op":"remove","path":"/rules/1"}]"#;
    let flags = ["-n", NAMESPACE, "patch", "role", "groundlink", "--type=json", "-p", patch];
    succeeded("kubectl patch", &server.kubectl(&flags).await);
    let _operator = installation.operator(GROUNDLINK).await;
    installation.put("team-a", "web", host("one")).await;
    installation.synced("team-a", "web").await;
    installation.satellite_in_sync(SAT, GENEROUS).await;
    eventually(GENEROUS, "Loaded names the command", async || {
        let said = installation.satellite_says(SAT, ConditionType::Loaded, AWAITED, GENEROUS).await;
        if said.contains("403") && said.contains("satellite add sat-a") { Ok(()) } else { Err(said) }
    })
    .await;
    // The new Role, and a change of the SatelliteCluster, which makes the operator look at once.
    let agent = prepare(&server, "one").await;
    agent.says(&agent.loads("team-a.web.conf").await).await;
    let mut seconds = 3;
    eventually(GENEROUS, "the agent is heard", async || {
        seconds += 1;
        installation.change_satellite(SAT, json!({ "requestTimeout": format!("{seconds}s") })).await;
        let short = std::time::Duration::from_secs(5);
        let api = installation.satellites();
        let look = async || loop {
            let object = api.get(SAT).await.expect("the satellite");
            let agents = object.status.map(|status| status.agents).unwrap_or_default();
            if agents.iter().any(|agent| agent.result == AgentState::Loaded) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        };
        tokio::time::timeout(short, look()).await.map_err(|_| "not heard".to_owned())
    })
    .await;
}

/// Asks real API servers: nobody but the agent says what it loaded.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_writes_its_own_lease_and_the_hub_writes_none() {
    let installation = Installation::start(&[SAT]).await;
    let server = installation.plane.server(SAT);
    let (one, two) = (prepare(&server, "one").await, prepare(&server, "two").await);
    let hub: Client = client_of(&server.service_account_kubeconfig(NAMESPACE, "groundlink").await).await;
    let hub_leases: Api<Lease> = Api::namespaced(hub, NAMESPACE);
    let refused = |result: Result<(), kube::Error>, what: &str| match result {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 403, "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    let patch = Patch::Merge(json!({ "spec": { "holderIdentity": "x" } }));
    let parameters = PatchParams::default();
    one.leases.patch(&one.lease, &parameters, &patch).await.expect("its own");
    refused(one.leases.patch(&two.lease, &parameters, &patch).await.map(drop), "the Lease of another agent");
    refused(one.leases.list(&Default::default()).await.map(drop), "all Leases");
    let lease: Lease = serde_json::from_value(json!({ "metadata": { "name": "new" } })).unwrap();
    refused(one.leases.create(&PostParams::default(), &lease).await.map(drop), "a new Lease");
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "groundlink" } })).unwrap();
    refused(one.config_maps.create(&PostParams::default(), &map).await.map(drop), "a ConfigMap");
    refused(one.config_maps.patch("groundlink", &parameters, &patch).await.map(drop), "the pointer");
    refused(one.config_maps.list(&Default::default()).await.map(drop), "all ConfigMaps");
    let named = kube::api::ListParams::default().fields("metadata.name=groundlink");
    one.config_maps.list(&named).await.expect("the pointer alone");
    hub_leases.list(&Default::default()).await.expect("the hub reads");
    refused(hub_leases.patch(&one.lease, &parameters, &patch).await.map(drop), "the hub speaks for an agent");
    refused(hub_leases.create(&PostParams::default(), &lease).await.map(drop), "the hub makes a Lease");
    refused(hub_leases.delete(&one.lease, &Default::default()).await.map(drop), "the hub deletes a Lease");
}
