//! What Prometheus and Grafana see of a working operator: clean metrics, rules that evaluate, and a
//! dashboard whose every query has an answer.

use super::prometheus::Prometheus;
use super::text_of;
use crate::GROUNDLINK;
use crate::support::{Action, Fault, GENEROUS, Installation, binary, eventually, host};
use groundlink::agent::AgentMetrics;
use groundlink::metrics::Format;
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs `promtool check metrics` on text of the Prometheus format, which must find nothing.
fn is_clean(what: &str, text: &str) {
    let mut promtool = Command::new(binary("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{what}: {}\n{text}", String::from_utf8_lossy(&words));
}

/// Every query of the dashboard, with the title of its panel, as Grafana would send it.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text_of("charts/groundlink/files/dashboard.json")).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            let query = target["expr"].as_str().unwrap();
            let query =
                query.replace("$job", ".*").replace("$satellite", ".*").replace("$__rate_interval", "30s");
            assert!(!query.contains('$'), "a variable that the test does not know: {query}");
            found.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else { continue };
        let metric = query.strip_prefix("label_values(").unwrap().rsplit_once(',').unwrap().0;
        found.push((format!("variable {}", variable["name"]), metric.replace("$job", ".*")));
    }
    found
}

/// Panels of problems, and of agents, which this installation does not have. Their queries may have an
/// empty answer.
const MAY_BE_EMPTY: [&str; 4] = [
    "Files and sets put right after changes by others",
    "From the snapshot to Icinga",
    "Agents by result",
    "Error budget that is left",
];

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_metrics_evaluates_the_rules_and_answers_the_dashboard() {
    let installation = Installation::start(&["edge", "down"]).await;
    let operator = installation.operator(GROUNDLINK).await;
    installation.namespace("team-a").await;
    for satellite in ["edge", "down"] {
        installation.satellite_in_sync(satellite, GENEROUS).await;
    }
    let target = operator.base_url().await;
    // Every second, also those of long windows.
    let rules = ["alerts", "objectives"].map(|name| {
        let copy = installation.scratch().join(format!("{name}.yaml"));
        let text = text_of(&format!("charts/groundlink/files/{name}.yaml"));
        std::fs::write(&copy, text.replace("    interval: 5m\n", "")).unwrap();
        copy.to_str().unwrap().to_owned()
    });
    let prometheus =
        Prometheus::start(installation.scratch(), target.trim_start_matches("http://"), &rules).await;
    // Scraped before the change, so that a rate sees it.
    prometheus.has("groundlink_satellite_publish_to_acknowledge_seconds_count").await;
    installation.put("team-a", "web", host("192.0.2.1")).await;
    installation.synced("team-a", "web").await;
    let silence = Fault::on(Action::refuse(403, "Forbidden"), |_, _| true);
    installation.proxies["down"].set_fault(Some(silence));
    installation.put("team-a", "web", host("192.0.2.2")).await;
    prometheus
        .has(r#"groundlink_satellite_condition{satellite="down", type="Ready", reason="Forbidden"}"#)
        .await;
    prometheus.has(r#"groundlink_satellite_failures_total{satellite="down"}"#).await;
    prometheus.has(r#"groundlink_satellite_staleness_seconds{satellite="down"} > 0"#).await;
    prometheus.has("rate(groundlink_satellite_publish_to_acknowledge_seconds_count[30s]) > 0").await;

    // Both formats. Prometheus asked for OpenMetrics.
    prometheus.has(r#"up{job="groundlink"} == 1"#).await;
    let text = operator.metrics().await;
    assert!(text.contains("# TYPE groundlink_panics_total counter") && !text.contains("# EOF"), "{text}");
    is_clean("the operator", &text);
    is_clean("the agent", &Format::Plain.convert(AgentMetrics::default().encode()));
    for name in [
        "groundlink_build_info",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
    ] {
        prometheus.has(&format!("{name}{{job=\"groundlink\"}}")).await;
    }

    let all = queries();
    assert!(all.len() >= 30, "{}", all.len());
    for (title, query) in all {
        let what = format!("{title}: {query}");
        let may_be_empty = MAY_BE_EMPTY.contains(&title.as_str());
        eventually(GENEROUS, &what, async || match prometheus.query(&query).await {
            Ok(series) if series.is_empty() && !may_be_empty => Err("no series".to_owned()),
            Ok(_) => Ok(()),
            Err(refused) => panic!("{what}: {refused}"),
        })
        .await;
    }

    let rules = eventually(GENEROUS, "every rule is evaluated", async || {
        let rules = prometheus.rules().await;
        match rules.iter().find(|rule| rule["health"] == "unknown") {
            None => Ok(rules),
            Some(rule) => Err(rule.to_string()),
        }
    })
    .await;
    let of_files = ["alerts", "objectives"].map(|name| {
        let path = format!("{}/charts/groundlink/files/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter(|line| ["- alert: ", "- record: "].iter().any(|rule| line.contains(rule))).count()
    });
    assert_eq!(rules.len(), of_files.iter().sum::<usize>(), "those of both files");
    for rule in &rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&json!("ok"), &Value::Null), "{rule}");
    }
    // The satellite that refuses is on its way to be reported, and the operator is not absent.
    let state = |name: &str| rules.iter().find(|rule| rule["name"] == name).unwrap()["state"].clone();
    assert_eq!(state("GroundlinkAbsent"), "inactive");
    drop(operator);
    eventually(GENEROUS, "GroundlinkAbsent is pending", async || {
        let rules = prometheus.rules().await;
        let absent = rules.iter().find(|rule| rule["name"] == "GroundlinkAbsent").unwrap();
        if absent["state"] == "pending" { Ok(()) } else { Err(absent.to_string()) }
    })
    .await;
}
