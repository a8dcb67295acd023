//! The step of `check` that shows the agents of the satellite.

use super::probes::Probe;
use super::steps::Steps;
use crate::api::marks::{AGENT_REPORT, MANAGED_BY, PART, PART_AGENT};
use crate::api::{AgentReport, AgentResult};
use crate::text::clean;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams};

/// Most Leases that are read. The operator reads as many.
const MOST: u32 = 16;
const STEP: &str = "agents";

impl Probe<'_> {
    /// Says which agents there are and what they report. The right to read their Leases is
    /// optional: without it the operator delivers, and hears no agent.
    pub(super) async fn agents(&self, steps: &mut Steps) {
        let target = &self.subject.target;
        let api = Api::<Lease>::namespaced(self.client.clone(), target);
        let selector = format!("{}={},{PART}={PART_AGENT}", MANAGED_BY.0, MANAGED_BY.1);
        match self.ask(api.list(&ListParams::default().labels(&selector).limit(MOST))).await {
            Ok(list) => {
                judge(steps, &list.items, &self.subject.pointer, || self.subject.add(" --agent <name>"))
            }
            Err(failure) => steps.warning(
                STEP,
                format!("the Leases of agents in namespace {target} cannot be read: {failure}"),
                format!("only if there are agents: {}", self.subject.add_again()),
            ),
        }
    }
}

/// Judges the Leases of the agents that follow `pointer`.
fn judge(steps: &mut Steps, leases: &[Lease], pointer: &str, add: impl Fn() -> String) {
    let agents: Vec<_> = leases.iter().filter_map(|lease| word(lease, pointer)).collect();
    if agents.is_empty() {
        let message = "no agent: the operator delivers, and nobody says what Icinga 2 loads";
        return steps.ok(STEP, format!("{message}; to prepare one, run {}", add()));
    }
    let message = agents.iter().map(|(said, _)| said.as_str()).collect::<Vec<_>>().join("; ");
    match agents.iter().all(|(_, is_well)| *is_well) {
        true => steps.ok(STEP, message),
        false => steps.warning(
            STEP,
            message,
            "look at the log of that agent, and at the condition Loaded of the SatelliteCluster",
        ),
    }
}

/// Returns what an agent says, and whether it is well. None if it follows another pointer.
fn word(lease: &Lease, pointer: &str) -> Option<(String, bool)> {
    let name = clean(lease.metadata.name.as_deref().unwrap_or_default(), 100);
    let text = lease.metadata.annotations.as_ref().and_then(|all| all.get(AGENT_REPORT));
    let report = match text.map(|text| AgentReport::parse(text)) {
        None => return Some((format!("{name} has never reported"), false)),
        Some(Err(why)) => return Some((format!("{name}: the report cannot be used: {why}"), false)),
        Some(Ok(report)) => report,
    };
    if report.pointer != pointer {
        return None;
    }
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    // By the agent's clock: a person judges it.
    let renewed = renewed
        .map_or_else(String::new, |time| format!(", renewed at {}", time.0.strftime("%Y-%m-%dT%H:%M:%SZ")));
    let revision = report.revision.as_deref().unwrap_or("no revision");
    let said = format!(
        "{name} says {} ({revision}{renewed}) {}",
        report.result.as_str(),
        clean(&report.message, 200)
    );
    Some((said.trim_end().to_owned(), report.result == AgentResult::Loaded))
}

#[cfg(test)]
mod tests {
    use super::super::steps::Verdict;
    use super::*;
    use serde_json::json;

    fn lease(name: &str, text: Option<&str>) -> Lease {
        let annotations = text.map_or_else(|| json!({}), |text| json!({ AGENT_REPORT: text }));
        let spec = json!({ "renewTime": "2026-11-29T12:00:00.000000Z" });
        serde_json::from_value(
            json!({ "metadata": { "name": name, "annotations": annotations }, "spec": spec }),
        )
        .unwrap()
    }

    #[test]
    fn an_agent_that_is_not_well_is_a_warning() {
        let text = |result, pointer: &str| AgentReport { result, ..AgentReport::new(pointer) }.text();
        let of = |leases: &[Lease]| {
            let mut steps = Steps::default();
            judge(&mut steps, leases, "groundlink", || "add".into());
            (steps.verdict(STEP).unwrap(), steps.all()[0].message.clone())
        };
        let (verdict, message) = of(&[]);
        assert!(verdict == Verdict::Ok && message.contains("run add"), "{message}");
        let loaded = lease("a", Some(&text(AgentResult::Loaded, "groundlink")));
        let (verdict, message) = of(std::slice::from_ref(&loaded));
        assert!(verdict == Verdict::Ok && message.contains("renewed at 2026-11-29T12:00:00Z"), "{message}");
        let elsewhere = lease("b", Some(&text(AgentResult::Rejected, "another")));
        assert_eq!(of(&[loaded.clone(), elsewhere]).0, Verdict::Ok);
        for (other, word) in [
            (lease("c", None), "c has never reported"),
            (lease("c", Some("{")), "c: the report cannot be used"),
            (lease("c", Some(&text(AgentResult::Rejected, "groundlink"))), "c says Rejected"),
        ] {
            let (verdict, message) = of(&[loaded.clone(), other]);
            assert!(verdict == Verdict::Warning && message.contains(word), "{message}");
        }
    }
}
