use super::*;
use crate::api::Reason;
use crate::api::condition::ConditionStatus;
use crate::api::satellite_cluster::{AgentState, BreakerState, Stats};
use std::time::Instant;

#[test]
fn a_credential_without_an_end_and_a_removed_satellite_have_no_expiry() {
    let metrics = Metrics::default();
    let line = |satellite: &str| {
        let start =
            format!("groundlink_satellite_credential_expiry_timestamp_seconds{{satellite=\"{satellite}\"}} ");
        metrics.encode().lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
    };
    metrics.satellite_credential_expiry("a", Some(1_800_000_000));
    metrics.satellite_credential_expiry("b", Some(1_900_000_000));
    assert_eq!(line("a").as_deref(), Some("1800000000"));
    metrics.satellite_credential_expiry("a", None);
    assert_eq!(line("a"), None);
    metrics.satellite_gone("b");
    assert_eq!(line("b"), None);
}

#[test]
fn a_removed_satellite_leaves_no_metric() {
    let metrics = Metrics::default();
    metrics.satellite_behind("gone", Instant::now());
    metrics.satellite_acked("gone", Some(&Stats::default()));
    metrics.satellite_wrote("gone", &WriteCounts::default());
    metrics.satellite_loaded("gone", Instant::now());
    metrics.satellite_agents("gone", &[(AgentState::Loaded, 2)].into());
    metrics.satellite_corrected("gone");
    metrics.satellite_breaker("gone", BreakerState::Open);
    metrics.satellite_failed("gone", Reason::Forbidden);
    metrics.satellite_credential_expiry("gone", Some(1_800_000_000));
    metrics.satellite_behind("gone", Instant::now());
    metrics.satellite_conditions("gone", [("Ready", ConditionStatus::False, "Forbidden")].into_iter());
    let names = |text: &str| text.lines().filter(|line| line.contains("\"gone\"")).count();
    assert!(names(&metrics.encode()) > 20);
    metrics.satellite_gone("gone");
    assert_eq!(names(&metrics.encode()), 0, "{}", metrics.encode());
}

#[test]
fn agents_are_counted_by_result_and_a_load_is_counted_twice() {
    let metrics = Metrics::default();
    let has = |line: &str| metrics.encode().lines().any(|each| each == line);
    metrics.satellite_agents("a", &[(AgentState::Loaded, 1), (AgentState::Silent, 1)].into());
    assert!(has("groundlink_satellite_agents{satellite=\"a\",result=\"Silent\"} 1"));
    metrics.satellite_agents("a", &[(AgentState::Loaded, 2)].into());
    assert!(has("groundlink_satellite_agents{satellite=\"a\",result=\"Loaded\"} 2"));
    assert!(!metrics.encode().contains("Silent"));
    metrics.satellite_loaded("a", Instant::now());
    metrics.satellite_loaded("b", Instant::now());
    assert!(has("groundlink_satellite_publish_to_loaded_seconds_count{satellite=\"a\"} 1"));
    assert!(has("groundlink_publish_to_loaded_seconds_count 2"));
}

/// The values of the labels are an interface: `docs/metrics.md` lists them, and dashboards name
/// them.
#[test]
fn the_documented_kinds_and_results_of_status_writes_are_those_that_are_counted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let metrics = Metrics::default();
    for kind in Kind::ALL {
        for result in WriteResult::ALL {
            metrics.status_written(kind, result);
        }
    }
    let text = metrics.encode();
    let series: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("groundlink_status_writes_total")).collect();
    assert_eq!(series.len(), Kind::ALL.len() * WriteResult::ALL.len(), "{series:?}");
    let listed = |label: &str, values: &[&str]| {
        let all = values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        assert!(
            docs.contains(&format!("`{label}` is one of {all}")),
            "docs/metrics.md does not say: {label}: {all}"
        );
        for value in values {
            let has = |line: &&str| line.contains(&format!("{label}=\"{value}\""));
            assert!(series.iter().any(has), "{label}={value} is not counted: {series:?}");
        }
    };
    listed("kind", &["ready", "refusal", "synced"]);
    listed("result", &["ok", "stale", "gone", "refused", "unknown", "panicked"]);
}

#[test]
fn a_condition_has_one_status_and_one_reason() {
    let metrics = Metrics::default();
    let lines = || {
        let text = metrics.encode();
        let of = text.lines().filter(|line| line.starts_with("groundlink_satellite_condition{"));
        of.map(str::to_owned).collect::<Vec<_>>()
    };
    metrics.satellite_conditions(
        "a",
        [("Ready", ConditionStatus::True, "Connected"), ("Synced", ConditionStatus::True, "InSync")]
            .into_iter(),
    );
    metrics.satellite_conditions("b", [("Ready", ConditionStatus::True, "Connected")].into_iter());
    assert_eq!(lines().len(), 3);
    metrics.satellite_conditions("a", [("Ready", ConditionStatus::False, "Suspended")].into_iter());
    let wanted = "groundlink_satellite_condition{satellite=\"a\",type=\"Ready\",status=\"False\",reason=\"Suspended\"} 1";
    assert_eq!(lines().iter().filter(|line| line.contains("\"a\"")).collect::<Vec<_>>(), [wanted]);
}

/// The objectives of `docs/slo.md` are read from these buckets.
#[test]
fn the_objectives_are_bounds_of_buckets() {
    let metrics = Metrics::default();
    metrics.satellite_behind("a", Instant::now());
    metrics.satellite_acked("a", None);
    metrics.satellite_loaded("a", Instant::now());
    let text = metrics.encode();
    for bucket in [
        "groundlink_satellite_publish_to_acknowledge_seconds_bucket{le=\"30.0\",satellite=\"a\"} 1",
        "groundlink_satellite_publish_to_loaded_seconds_bucket{le=\"120.0\",satellite=\"a\"} 1",
        "groundlink_publish_to_loaded_seconds_bucket{le=\"120.0\"} 1",
    ] {
        assert!(text.lines().any(|line| line == bucket), "{bucket} is not in:\n{text}");
    }
}
