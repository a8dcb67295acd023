//! The meaning of a satellite's answers.

use super::steps::Steps;
use crate::cli::output::span;
use crate::text::clean;
use k8s_openapi::api::authorization::v1::ResourceRule;
use serde_json::Value;

/// The verbs that the operator needs for ConfigMaps.
pub(super) const VERBS: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];
/// Largest difference of clocks without a warning, in seconds.
const SKEW: i64 = 30;
/// Oldest supported minor version of Kubernetes 1.
const OLDEST: u32 = 33;

/// Returns whether the operator needs a rule, or every account has it.
pub(super) fn is_needed(rule: &ResourceRule, account: Option<&str>) -> bool {
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    let resources = rule.resources.as_deref().unwrap_or_default();
    let names = rule.resource_names.as_deref().unwrap_or_default();
    let only = |list: &[String], allowed: &[&str]| {
        !list.is_empty() && list.iter().all(|entry| allowed.contains(&entry.as_str()))
    };
    let verbs = |allowed: &[&str]| only(&rule.verbs, allowed);
    let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];
    (only(groups, &[""]) && only(resources, &["configmaps"]) && verbs(&VERBS))
        || (only(groups, &["coordination.k8s.io"])
            && only(resources, &["leases"])
            && verbs(&["get", "list", "watch"]))
        || (only(groups, &[""])
            && only(resources, &["serviceaccounts/token"])
            && account.is_some_and(|account| only(names, &[account]))
            && verbs(&["create"]))
        || (only(groups, &["authorization.k8s.io", "authentication.k8s.io"])
            && only(resources, &reviews)
            && verbs(&["create"]))
        // Every account may read which certificate authorities it can trust.
        || (only(groups, &["certificates.k8s.io"])
            && only(resources, &["clustertrustbundles"])
            && verbs(&["get", "list", "watch"]))
}

/// Returns a rule as text.
pub(super) fn words(rule: &ResourceRule) -> String {
    let resources = rule.resources.as_deref().unwrap_or_default().join(",");
    let names = rule.resource_names.as_deref().unwrap_or_default().join(",");
    let of = if names.is_empty() { String::new() } else { format!(" {names}") };
    clean(&format!("{} {resources}{of}", rule.verbs.join(",")), 150)
}

/// Judges the version of the satellite, from the body of `/version`.
pub(super) fn version(steps: &mut Steps, code: u16, body: &[u8]) {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(text) = said["gitVersion"].as_str().filter(|_| code == 200) else {
        return steps.skipped("version", format!("the satellite does not say it ({code})"));
    };
    let text = clean(text, 60);
    let minor = said["minor"].as_str().unwrap_or_default();
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>() {
        Ok(minor) if minor < OLDEST && said["major"] == "1" => {
            steps.warning(
                "version",
                format!("Kubernetes {text}"),
                format!("upgrade the satellite: 1.{OLDEST} is the oldest supported version"),
            );
        }
        _ => steps.ok("version", format!("Kubernetes {text}")),
    }
}

/// Compares the satellite's clock with ours: tokens and conditions are judged by both.
pub(super) fn clock(steps: &mut Steps, header: Option<&http::HeaderValue>, asked: i64, answered: i64) {
    let date = header.and_then(|value| value.to_str().ok());
    let Some(theirs) = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok()) else {
        return steps.skipped("clock", "the answer has no readable Date");
    };
    let theirs = theirs.timestamp().as_second();
    // The time between question and answer is no difference.
    let skew = if theirs < asked { theirs - asked } else { (theirs - answered).max(0) };
    match skew.abs() > SKEW {
        false => steps.ok("clock", format!("within {SKEW} s of this machine's")),
        true => steps.warning(
            "clock",
            format!("{} {} of this machine's", span(skew.abs()), if skew > 0 { "ahead" } else { "behind" }),
            "synchronise both clocks (NTP): a token that is new or about to end is judged by them",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::satellite::check::steps::Verdict;

    fn rule(group: &str, resources: &[&str], verbs: &[&str], names: &[&str]) -> ResourceRule {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        ResourceRule {
            api_groups: Some(vec![group.into()]),
            resources: Some(own(resources)),
            resource_names: Some(own(names)),
            verbs: own(verbs),
        }
    }

    #[test]
    fn a_needed_rule_is_no_excess() {
        let me = Some("groundlink");
        assert!(is_needed(&rule("", &["configmaps"], &VERBS, &[]), me));
        assert!(is_needed(&rule("coordination.k8s.io", &["leases"], &["get", "list", "watch"], &[]), me));
        assert!(is_needed(&rule("", &["serviceaccounts/token"], &["create"], &["groundlink"]), me));
        for other in [
            rule("", &["configmaps"], &["*"], &[]),
            rule("coordination.k8s.io", &["leases"], &["get", "patch"], &[]),
            rule("", &["configmaps", "secrets"], &["get"], &[]),
            rule("*", &["configmaps"], &["get"], &[]),
            rule("", &["serviceaccounts/token"], &["create"], &[]),
            rule("", &["serviceaccounts/token"], &["create"], &["groundlink", "admin"]),
            rule("", &[], &["get"], &[]),
            rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"], &[]),
            rule("certificates.k8s.io", &["clustertrustbundles"], &["create"], &[]),
        ] {
            assert!(!is_needed(&other, me), "{}", words(&other));
        }
        assert!(!is_needed(&rule("", &["serviceaccounts/token"], &["create"], &[""]), None));
    }

    #[test]
    fn a_slow_answer_is_no_difference_of_clocks() {
        let header = http::HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        let date = 784_111_777;
        for (asked, answered, expected) in [
            (date, date, Verdict::Ok),
            (date - 50, date + 50, Verdict::Ok),
            (date + 30, date + 30, Verdict::Ok),
            (date + 31, date + 31, Verdict::Warning),
            (date - 40, date - 31, Verdict::Warning),
        ] {
            let mut steps = Steps::default();
            clock(&mut steps, Some(&header), asked, answered);
            assert_eq!(steps.verdict("clock"), Some(expected), "{asked} {answered}");
        }
    }
}
