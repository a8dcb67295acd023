//! What the agents' reports mean: the conditions `Loaded` and `Checked`, and the rows of the
//! status.

use super::{AGES, Agents, Known, MOST, Said, running};
use crate::api::agent_report::{AgentReport, HeldContent};
use crate::api::condition::{format_timestamp, parse_timestamp};
use crate::api::satellite_cluster::{AgentChecks, AgentState, AgentStatus, Watermark};
use crate::api::{ConditionStatus, Reason};
use crate::identity::Digest;
use crate::text::clean;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most agents in a status.
const SHOWN: usize = 8;
/// Most agents that a message names.
const NAMED: usize = 3;
/// Longest message of a row, in bytes.
const MESSAGE_MAX: usize = 256;
/// Longest message of one agent in a condition, in bytes.
const WORD_MAX: usize = 300;
/// Most checkables of one agent: a larger number is not believed.
const CHECKABLES: u64 = 1_000_000_000;

/// A condition: status, reason and message.
type Said3 = (ConditionStatus, Reason, String);

/// What is true of the agents of one satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The condition `Loaded`.
    pub loaded: Said3,
    /// The condition `Checked`.
    pub checked: Said3,
    /// The oldest set that an agent runs. None if one of them runs none.
    pub running: Option<Watermark>,
    /// The first agents.
    pub rows: Vec<AgentStatus>,
    /// All agents by state.
    pub counts: BTreeMap<AgentState, u32>,
    /// True if an agent is silent.
    pub is_silent: bool,
}

/// How an agent stands to the delivered set. The worst counts for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Rejects,
    Holds,
    IsAwaited,
    IsLoading,
    HasLoaded,
}

impl Standing {
    fn condition(self) -> (ConditionStatus, Reason) {
        match self {
            Self::Rejects => (ConditionStatus::False, Reason::Rejected),
            Self::Holds => (ConditionStatus::False, Reason::ManyRemovals),
            // Nobody knows what it runs.
            Self::IsAwaited => (ConditionStatus::Unknown, Reason::AwaitingAgent),
            Self::IsLoading => (ConditionStatus::False, Reason::Pending),
            Self::HasLoaded => (ConditionStatus::True, Reason::Loaded),
        }
    }
}

struct Judged<'a> {
    name: &'a str,
    state: AgentState,
    standing: Standing,
    /// For a person; begins with the agent's name.
    message: String,
    report: Option<&'a AgentReport>,
}

impl Agents {
    /// Returns what is true now of the agents that follow `pointer`, if `delivered` is the digest
    /// of the set that the satellite holds. `name` is the satellite's.
    pub fn verdict(&self, name: &str, pointer: &str, delivered: Option<Digest>, now: Duration) -> Verdict {
        let judged: Vec<_> =
            self.of(pointer).map(|(agent, known)| self.judge(agent, known, delivered, now)).collect();
        let mut counts = BTreeMap::new();
        for agent in &judged {
            *counts.entry(agent.state).or_default() += 1;
        }
        Verdict {
            loaded: self.loaded_condition(name, &judged, now),
            checked: self.checked_condition(&judged, now),
            running: self.running(pointer),
            rows: judged.iter().take(SHOWN).map(row).collect(),
            is_silent: counts.contains_key(&AgentState::Silent),
            counts,
        }
    }

    fn judge<'a>(
        &self,
        name: &'a str,
        known: &'a Known,
        delivered: Option<Digest>,
        now: Duration,
    ) -> Judged<'a> {
        let awaited = |state, message: String| Judged {
            name,
            state,
            standing: Standing::IsAwaited,
            message,
            report: None,
        };
        let report: &AgentReport = match &known.said {
            Said::Nothing => {
                let message = format!("agent {name} has never reported; start it, or delete its Lease");
                return awaited(AgentState::NeverReported, message);
            }
            Said::Unreadable(why) => {
                let message = format!(
                    "agent {name}: the report cannot be used: {why}; give agent and operator the same version"
                );
                return awaited(AgentState::Unreadable, message);
            }
            Said::Report(report) => report,
        };
        if let Some(silent) = self.silence(known, now) {
            let minutes = silent.as_secs() / 60;
            let age = AGES.iter().rev().find(|age| **age <= minutes).unwrap_or(&AGES[0]);
            let message = format!("agent {name} is silent for more than {age} min; look at its Pod");
            return Judged { report: Some(report), ..awaited(AgentState::Silent, message) };
        }
        let (standing, message) = standing(name, report, running(known).map(|(_, digest)| digest), delivered);
        Judged { name, state: report.result.into(), standing, message, report: Some(report) }
    }

    fn loaded_condition(&self, name: &str, judged: &[Judged<'_>], now: Duration) -> Said3 {
        let unknown = |message: String| (ConditionStatus::Unknown, Reason::AwaitingAgent, message);
        if let Some(why) = &self.forbidden {
            return unknown(format!(
                "the agents are not heard: {why}; run groundlink satellite add {name} --context <the satellite's> again, \
                 or apply examples/satellite-rbac.yaml there"
            ));
        }
        if let Some(why) = self.blindness(now) {
            return unknown(format!("the agents are not heard: {why}"));
        }
        let more = match self.is_more {
            true => format!("; there are more than {MOST} agents, and the others are not heard"),
            false => String::new(),
        };
        let Some(worst) = judged.iter().map(|agent| agent.standing).min() else {
            return unknown(format!(
                "no agent has reported{more}; to install one, run groundlink satellite add {name} --agent <its name> \
                 --context <the satellite's>"
            ));
        };
        let (status, reason) = worst.condition();
        let those: Vec<_> = judged.iter().filter(|agent| agent.standing == worst).collect();
        let message = match (worst, those.as_slice()) {
            (Standing::HasLoaded, [one]) => format!("loaded by agent {}", one.name),
            (Standing::HasLoaded, all) => format!("loaded by all {} agents", all.len()),
            (_, some) => {
                let words: Vec<_> = some.iter().take(NAMED).map(|agent| agent.message.as_str()).collect();
                let rest = some.len() - words.len();
                let rest = if rest > 0 { format!("; and {rest} more agents") } else { String::new() };
                format!("{}{rest}", words.join("; "))
            }
        };
        (status, reason, message + &more)
    }

    fn checked_condition(&self, judged: &[Judged<'_>], now: Duration) -> Said3 {
        let unknown = |message: String| (ConditionStatus::Unknown, Reason::AwaitingAgent, message);
        if self.forbidden.is_some() || self.blindness(now).is_some() {
            return unknown("the agents are not heard; see the condition Loaded".into());
        }
        let heard = |agent: &Judged<'_>| {
            let report = agent.report.filter(|_| agent.state != AgentState::Silent);
            report.and_then(|report| report.checked.clone())
        };
        let checks: Vec<_> = judged.iter().map(|agent| (agent.name, heard(agent))).collect();
        let mut known = checks.iter().filter_map(|(name, checked)| Some((name, checked.as_ref()?)));
        let late = known.find(|(_, checked)| checked.overdue > 0);
        if let Some((name, checked)) = late {
            let first = checked.first.as_deref().map_or_else(String::new, |first| format!(", first {first}"));
            let message = format!(
                "agent {name}: {} of {} checks never had a result{first}; look at Icinga's log there",
                checked.overdue, checked.checkables
            );
            return (ConditionStatus::False, Reason::ChecksOverdue, message);
        }
        match checks.iter().find(|(_, checked)| checked.is_none()) {
            Some((name, _)) => unknown(format!("agent {name} has not said whether checks run")),
            None if checks.is_empty() => unknown("no agent has reported".into()),
            None => (ConditionStatus::True, Reason::Complete, "no check is overdue".into()),
        }
    }

    fn running(&self, pointer: &str) -> Option<Watermark> {
        let sets: Option<Vec<_>> =
            self.of(pointer).map(|(_, known)| Some((running(known)?, known))).collect();
        let ((revision, digest), known) = sets?.into_iter().min_by_key(|((revision, _), _)| *revision)?;
        let Said::Report(report) = &known.said else { return None };
        // The API server refuses a status with a time that is none.
        let time = Some(parse_timestamp(&report.running.as_ref()?.loaded_at)).filter(|time| *time > 0);
        let time = time.map(format_timestamp);
        Some(Watermark { revision: revision.to_string(), digest: digest.to_string(), time })
    }
}

/// Returns how the agent with this report stands to the delivered set, and its message.
fn standing(
    name: &str,
    report: &AgentReport,
    running: Option<Digest>,
    delivered: Option<Digest>,
) -> (Standing, String) {
    use crate::api::AgentResult as Result;
    let Some(delivered) = delivered else {
        return (Standing::IsLoading, format!("agent {name} waits for a set"));
    };
    let is_newest = report.digest.as_deref().and_then(|text| text.parse().ok()) == Some(delivered);
    let revision = report.revision.as_deref().unwrap_or("unknown");
    let object = report.object.as_ref().map_or_else(String::new, |object| format!(" (object {object})"));
    let said = clean(&report.message, WORD_MAX);
    match report.result {
        Result::Rejected if is_newest => {
            (Standing::Rejects, format!("agent {name} rejected revision {revision}: {said}{object}"))
        }
        Result::Unproved if is_newest => (
            Standing::Rejects,
            format!("agent {name}: Icinga 2 did not prove that it runs revision {revision}: {said}{object}"),
        ),
        Result::Held if is_newest => {
            (Standing::Holds, format!("agent {name} does not load revision {revision}: {said}{object}"))
        }
        _ if running != Some(delivered) => {
            let why = match said.is_empty() {
                true => said,
                // Perhaps about an older set, so with its revision.
                false => format!("; of revision {revision} it reports: {said}"),
            };
            (Standing::IsLoading, format!("agent {name} has not loaded the delivered set yet{why}"))
        }
        _ => match report.held.first() {
            None => (Standing::HasLoaded, String::new()),
            Some(first) => {
                let content = match first.content {
                    HeldContent::Previous => "its previous content runs",
                    HeldContent::LeftOut => "it is left out",
                };
                let message = format!(
                    "agent {name} loaded the set except {} objects that Icinga 2 refused, first {} ({content}): {}",
                    report.held.len(),
                    first.object,
                    first.message
                );
                (Standing::Rejects, message)
            }
        },
    }
}

fn row(agent: &Judged<'_>) -> AgentStatus {
    let report = agent.report;
    let said = report.map(|report| report.message.as_str()).filter(|said| !said.is_empty());
    let message = match agent.state {
        AgentState::NeverReported | AgentState::Unreadable | AgentState::Silent => agent.message.as_str(),
        _ => said.unwrap_or_default(),
    };
    AgentStatus {
        name: agent.name.to_owned(),
        result: agent.state,
        revision: report.and_then(|report| report.revision.clone()),
        message: clean(message, MESSAGE_MAX),
        icinga_version: report.map(|report| report.icinga_version.clone()).unwrap_or_default(),
        checked: report.and_then(|report| report.checked.as_ref()).map(|checked| AgentChecks {
            checkables: checked.checkables.min(CHECKABLES),
            overdue: checked.overdue.min(CHECKABLES),
            first: checked.first.clone(),
        }),
    }
}
