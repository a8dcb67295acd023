//! Real Icinga 2 daemons on two satellites, each with an agent: what is applied on the hub is what they list.

use crate::screen::Outcome;
use crate::screen::time;
use crate::stage::{Stage, Verdict, Wrong};
use crate::support::{GENEROUS, Site, eventually, generations};
use groundlink::api::agent_report::AgentResult;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Instant;

pub async fn act(stage: &mut Stage) -> Verdict {
    let generations = generations();
    let (Some(oldest), Some(newest)) = (generations.first(), generations.last()) else {
        let observed = "icinga2 is not installed here; hack/icinga.sh installs it, then run this again";
        return Verdict { outcome: Outcome::NotChecked, observed: observed.into() };
    };
    stage.screen.say(
        "A ConfigMap is not monitoring yet. An agent beside each satellite's Icinga unpacks the delivered set into a new tree, \
         lets Icinga validate it, switches one include file, reloads, and asks the running Icinga which tree it has. Its \
         report is a Lease of its own, which nobody else may write.",
    );
    println!();
    let mut wrong = Wrong::default();
    let program = stage.program().to_str().expect("UTF-8").to_owned();
    let mut sites = Vec::new();
    for (satellite, generation) in [("edge-a", oldest), ("edge-b", newest)] {
        stage.installation.change_satellite(satellite, json!({ "ackLevel": "Loaded" })).await;
        let mut site = Site::prepare(&program, &stage.installation, satellite, generation, "signal").await;
        let started = site.start_icinga();
        stage
            .screen
            .busy(
                &format!("Icinga {generation} of {satellite} starts once its agent has a whole set in place"),
                started,
            )
            .await;
        sites.push(site);
    }
    let wanted = hosts_of_hub(stage).await;
    for site in &sites {
        let listed = lists(site, &wanted).await;
        stage.screen.label(&format!("hosts of {}, as its Icinga's API lists them", site.name));
        let rows: Vec<_> = listed.iter().map(|(name, address)| format!("{name:<24} {address}")).collect();
        stage.screen.block(&rows[..rows.len().min(4)].join("\n"));
        stage.screen.block(&format!("... {} in all", rows.len()));
    }
    stage.kubectl(&["get", "sat", "-n", "groundlink"]).await;

    stage.screen.say("A change, from kubectl to the running Icinga of both satellites:");
    let patch = r#"{"spec":{"host":{"address":"192.0.2.211"}}}"#;
    let begun = Instant::now();
    stage.kubectl(&["patch", "mo", "web-02", "-n", "team-a", "--type=merge", "-p", patch]).await;
    let wanted = hosts_of_hub(stage).await;
    for site in &sites {
        lists(site, &wanted).await;
    }
    let took = time(begun.elapsed());
    stage.screen.say(&format!("Both Icingas have the new address {took} after kubectl."));
    println!();

    stage.screen.say(
        "A set that Icinga refuses: the satellites' own configuration has a host of this name, which the hub cannot know.",
    );
    stage
        .kubectl_apply(
            "apiVersion: groundlink.dev/v1alpha1\nkind: MonitoringObject\nmetadata: { name: twice, namespace: team-a }\nspec: { name: by hand, host: { checkCommand: dummy } }\n",
        )
        .await;
    for site in &sites {
        let report =
            site.reports("the held object", |report| report.result == AgentResult::LoadedInPart).await;
        wrong.unless(
            report.object.as_deref() == Some("team-a/twice"),
            format!("{} blames another", site.name),
        );
        stage.screen.quote(&format!("{}: {}", site.name, report.message));
    }
    let said = eventually(GENEROUS, "the object says that it is rejected", async || {
        let text = stage.kubectl_quietly(&["get", "mo", "twice", "-n", "team-a", "-o", "json"], "").await;
        let object: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let synced = conditions.into_iter().find(|condition| condition["type"] == "Synced");
        match synced {
            Some(synced) if synced["reason"] == "Rejected" => {
                Ok(synced["message"].as_str().unwrap_or_default().to_owned())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    stage.screen.quote(&format!("mo/twice: Synced is False: {said}"));
    for site in &sites {
        wrong.unless(lists(site, &wanted).await == wanted, format!("{} lost something", site.name));
    }
    let begun = Instant::now();
    stage.kubectl(&["delete", "mo", "twice", "-n", "team-a"]).await;
    for site in &sites {
        site.reports("Loaded", |report| report.result == AgentResult::Loaded).await;
    }
    let healed = time(begun.elapsed());
    stage.screen.say(&format!("Without it both satellites are Loaded again after {healed}."));
    println!();

    stage.screen.say("The Icinga of edge-b is killed, and starts again with what it had.");
    if let Some(site) = sites.last_mut() {
        site.icinga.kill();
        site.icinga.start().await;
        wrong.unless(lists(site, &wanted).await == wanted, "edge-b lost something");
    }
    stage.sites = sites;
    let observed = format!(
        "{} hosts on Icinga {oldest} and {newest}; a change took {took}; one refused object was named and harmed nothing",
        wanted.len()
    );
    Verdict::of(wrong.0, observed)
}

/// The hosts that are declared on the hub, with their addresses.
async fn hosts_of_hub(stage: &Stage) -> BTreeMap<String, String> {
    let text = stage.kubectl_quietly(&["get", "mo", "-A", "-o", "json"], "").await;
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let objects = list["items"].as_array().cloned().unwrap_or_default();
    let hosts = objects.iter().filter(|object| {
        object["spec"]["host"].is_object()
            && object["spec"]["template"] != true
            && object["spec"]["zone"].is_null()
    });
    let is_ready = |object: &serde_json::Value| {
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    hosts
        .filter(|object| is_ready(object))
        .map(|object| {
            let name = object["spec"]["name"].as_str().or(object["metadata"]["name"].as_str());
            let address = object["spec"]["host"]["address"].as_str();
            (name.unwrap_or_default().to_owned(), address.unwrap_or_default().to_owned())
        })
        .collect()
}

/// Waits until Icinga lists these hosts, and returns them.
async fn lists(site: &Site, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let wanted: Vec<_> = wanted.iter().map(|(name, address)| (name.as_str(), address.as_str())).collect();
    site.lists(&wanted).await;
    site.hosts().await.unwrap_or_default()
}
