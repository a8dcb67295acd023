//! Each right of the chart's roles on the hub is taken away from a working operator: the refused request is named,
//! nothing is lost or removed, and the work goes on when the right is back.

use crate::GROUNDLINK;
use crate::support::{Exchange, GENEROUS, Installation, OPERATOR, Operator, eventually, host, succeeded};
use groundlink::api::{ConditionStatus, ConditionType};
use groundlink::identity::Revision;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TEAM: &str = "team-a";

/// Rights that nothing needs here: the Lease is there already, no event is repeated, the satellite has its finalizer, and no
/// write of a SatelliteCluster's status has an unknown outcome.
const NOT_HERE: [(&str, &str); 4] =
    [("create", "leases"), ("patch", "events"), ("patch", "satelliteclusters"), ("get", "satelliteclusters")];

/// A verb of one rule of a role.
#[derive(Clone, Debug)]
struct Right {
    role: &'static str,
    rule: usize,
    verb: String,
    group: String,
    resource: String,
}

impl Right {
    fn name(&self) -> (String, String) {
        (self.verb.clone(), self.resource.clone())
    }

    /// Returns whether an answer refused a request that needs it.
    fn is_refused_by(&self, exchange: &Exchange) -> bool {
        // The answers of watches are not recorded.
        if exchange.query.contains("watch=true") {
            let is_same = self.verb == "watch" && exchange.path.ends_with(&self.resource);
            return exchange.status == Some(403) && is_same;
        }
        let words = format!("cannot {} resource \\\"{}\\\"", self.verb, self.resource);
        let says = |body: &[u8]| String::from_utf8_lossy(body).contains(&words);
        exchange.status == Some(403) && exchange.response_body.as_deref().is_some_and(says)
    }
}

/// Returns the rules of a role of the release.
async fn rules(installation: &Installation, role: &str) -> Vec<Value> {
    let arguments = ["get", role, "groundlink", "-n", OPERATOR, "-o", "json"];
    let output = installation.plane.server("hub").kubectl(&arguments).await;
    succeeded("kubectl get", &output);
    let mut role: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(role["rules"].take()).unwrap()
}

/// Writes the rules, and waits until the API server applies them to this right.
async fn write(installation: &Installation, right: &Right, rules: &[Value], is_granted: bool) {
    let hub = installation.plane.server("hub");
    let patch = json!([{ "op": "replace", "path": "/rules", "value": rules }]).to_string();
    let patch = ["patch", right.role, "groundlink", "-n", OPERATOR, "--type=json", "-p", &patch];
    succeeded("kubectl patch", &hub.kubectl(&patch).await);
    let resource = match right.group.as_str() {
        "" => right.resource.clone(),
        group => match right.resource.split_once('/') {
            Some((resource, _)) => format!("{resource}.{group}"),
            None => format!("{}.{group}", right.resource),
        },
    };
    let account = format!("--as=system:serviceaccount:{OPERATOR}:groundlink");
    let mut question = vec!["auth", "can-i", &right.verb, &resource, "-n", OPERATOR, &account];
    let part = right.resource.split_once('/').map(|(_, part)| format!("--subresource={part}"));
    question.extend(part.as_deref());
    let granted: Value = rules[right.rule].clone();
    let name = granted["resourceNames"][0].as_str().map(|name| format!("{resource}/{name}"));
    if let Some(name) = &name {
        question[3] = name;
    }
    eventually(GENEROUS, &format!("{right:?} is granted: {is_granted}"), async || {
        let answer = hub.kubectl(&question).await;
        let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if (said == "yes") == is_granted { Ok(()) } else { Err(said) }
    })
    .await;
}

/// Waits until an object is Synced and its satellite's status says so, too, or a request that needs the right is refused.
/// Returns whether it was.
async fn is_refused(installation: &Installation, right: &Right, name: &str) -> bool {
    let (objects, satellites) = (installation.objects(TEAM), installation.satellites());
    let revision_of = |text: Option<&str>| text.and_then(|text| text.parse::<Revision>().ok());
    eventually(GENEROUS, &format!("{name} is Synced, or refused without {right:?}"), async || {
        if installation.recorder.count(|exchange| right.is_refused_by(exchange)) > 0 {
            return Ok(true);
        }
        let status = objects.get(name).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        let satellite = satellites.get("sat-a").await.map_err(|error| error.to_string())?.status;
        let acked = satellite.and_then(|status| status.acked);
        let is_synced = status
            .conditions
            .iter()
            .any(|c| c.r#type == ConditionType::Synced && c.status == ConditionStatus::True);
        let (first, acked) = (
            revision_of(status.revision.as_deref()),
            revision_of(acked.as_ref().map(|mark| mark.revision.as_str())),
        );
        match is_synced && first.is_some() && acked >= first {
            true => Ok(false),
            false => Err(format!("{status:?}, acknowledged {acked:?}")),
        }
    })
    .await
}

/// Waits until `/readyz` or the log names what is refused.
async fn names(operator: &Operator, right: &Right) {
    let resource = right.resource.split('/').next().unwrap_or_default();
    let is_named = |line: &str| {
        let is_refusal = line.contains("may not") || line.contains("cannot");
        is_refusal && line.contains(&right.verb) && line.contains(resource)
    };
    eventually(GENEROUS, &format!("/readyz or the log names {right:?}"), async || {
        let said = format!("{}{}", operator.get("/readyz").await.1, operator.log_text());
        if said.lines().any(is_named) { Ok(()) } else { Err(said) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_of_the_hub_that_is_taken_away_is_named_and_nothing_is_lost() {
    let installation = Installation::start(&["sat-a"]).await;
    let mut operator = installation.operator(GROUNDLINK).await;
    installation.namespace(TEAM).await;
    installation.put(TEAM, "first", host("one")).await;
    installation.synced(TEAM, "first").await;

    let mut rights = Vec::new();
    for role in ["clusterrole", "role"] {
        for (rule, of) in rules(&installation, role).await.iter().enumerate() {
            for verb in of["verbs"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let (group, resource) = (text(&of["apiGroups"][0]), text(&of["resources"][0]));
                rights.push(Right { role, rule, verb: text(verb), group, resource });
            }
        }
    }
    assert!(rights.len() > 15, "{rights:?}");

    let mut files: BTreeMap<String, String> = installation.files();
    let mut never = BTreeSet::new();
    for (number, right) in rights.iter().enumerate() {
        let granted = rules(&installation, right.role).await;
        let mut without = granted.clone();
        let verbs = without[right.rule]["verbs"].as_array_mut().unwrap();
        verbs.retain(|verb| *verb != *right.verb);
        // A rule has at least one.
        verbs.push("none".into());
        let mut was_refused = false;
        for again in [false, true] {
            if was_refused {
                break;
            }
            let name = format!("n{number}-{again}");
            write(&installation, right, &without, false).await;
            installation.recorder.clear();
            if again {
                assert!(operator.terminate(GENEROUS).await.success());
                operator = installation.operator_builder_again(GROUNDLINK).spawn();
            } else {
                installation.hub_proxy.cut_connections();
            }
            installation.put(TEAM, &name, host("one")).await;
            was_refused = is_refused(&installation, right, &name).await;
            if was_refused {
                names(&operator, right).await;
            }
            write(&installation, right, &granted, true).await;
            installation.synced(TEAM, &name).await;
            let now = installation.files();
            assert!(
                files.iter().all(|(path, text)| now.get(path) == Some(text)),
                "without {right:?}: {now:?}"
            );
            assert_eq!(installation.equal("sat-a", GENEROUS).await, now);
            assert_eq!(operator.exit_status(), None, "without {right:?}");
            files = now;
            println!(
                "rights: {} {} {}: refused {was_refused}",
                right.verb,
                right.resource,
                if again { "at a start" } else { "in mid-run" }
            );
        }
        if !was_refused {
            never.insert(right.name());
        }
    }
    let expected: BTreeSet<_> =
        NOT_HERE.iter().map(|(verb, resource)| ((*verb).to_owned(), (*resource).to_owned())).collect();
    assert_eq!(never, expected, "rights that nothing needed here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_any_more_is_named_and_a_new_one_in_its_file_is_used() {
    let installation = Installation::start(&["sat-a"]).await;
    let builder = installation.operator_builder(GROUNDLINK).await;
    let hub = installation.plane.server("hub");
    let (token, kubeconfig) = (installation.scratch().join("token"), installation.scratch().join("by-file"));
    let write_token = async || {
        let text = hub.service_account_token(OPERATOR, "groundlink").await;
        let new = token.with_extension("new");
        std::fs::write(&new, &text).unwrap();
        std::fs::rename(&new, &token).unwrap();
        text
    };
    let before = write_token().await;
    let user = format!("tokenFile: {}", token.display());
    let text = hub.kubeconfig_of(&installation.hub_proxy.url(), &hub.ca_pem(), &user);
    std::fs::write(&kubeconfig, text).unwrap();
    let operator = builder.kubeconfig(&kubeconfig).spawn();
    installation.ready(&operator).await;
    installation.namespace(TEAM).await;
    installation.put(TEAM, "first", host("one")).await;
    installation.synced(TEAM, "first").await;
    let files = installation.files();

    // Another account of the same name: its rights are the same, and the old token is nobody's.
    let account = ["serviceaccount", "groundlink", "-n", OPERATOR];
    succeeded("kubectl delete", &hub.kubectl(&[&["delete"], &account[..]].concat()).await);
    succeeded("kubectl create", &hub.kubectl(&[&["create"], &account[..]].concat()).await);
    installation.hub_proxy.cut_connections();
    // The API server believes a token for some seconds.
    eventually(GENEROUS, "/readyz or the log names the credential", async || {
        let said = format!("{}{}", operator.get("/readyz").await.1, operator.log_text());
        if said.contains("renew the operator's credential") { Ok(()) } else { Err(said) }
    })
    .await;
    installation.put(TEAM, "second", host("one")).await;
    assert_eq!((installation.files(), operator.exit_status()), (files, None));
    let after = write_token().await;
    // A token is read from its file once a minute.
    eventually(GENEROUS * 2, "the new token is used", async || {
        let files = installation.files();
        if files.contains_key("team-a.second.conf") { Ok(()) } else { Err(format!("{files:?}")) }
    })
    .await;
    installation.synced(TEAM, "second").await;
    installation.ready(&operator).await;
    let log = operator.log_text();
    assert!(!log.contains(&before) && !log.contains(&after));
}
