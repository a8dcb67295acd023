//! The report of the agent, composed from what it knows.

use super::facts::{Refusal, Wanted};
use super::{Agent, Proof};
use crate::api::agent_report::{AgentReport, AgentResult, RunningSet};
use crate::text::clean_message;

impl Agent {
    /// Returns the report. `icinga_version` is empty if it is not known.
    pub fn report(&self, icinga_version: &str) -> AgentReport {
        let mut report = AgentReport::new(&self.settings.pointer);
        report.icinga_version = icinga_version.to_owned();
        report.running = self.running();
        if let Some(good) = &self.good {
            report.held.clone_from(&good.set.held);
        }
        report.checked.clone_from(&self.checked);
        report.durations.clone_from(&self.durations);
        let (result, message, object) = self.result();
        (report.result, report.message, report.object) = (result, clean_message(&message), object);
        if let Some(Wanted::Set(set)) = &self.wanted {
            report.revision = Some(set.revision.to_string());
            report.digest = Some(set.digest.to_string());
        }
        report
    }

    /// The set of the last good tree. If the newest set has the same content, its revision.
    fn running(&self) -> Option<RunningSet> {
        let good = self.good.as_ref()?;
        let newer = match &self.wanted {
            Some(Wanted::Set(set)) if set.digest.to_string() == good.set.digest => {
                Some(set.revision.to_string())
            }
            _ => None,
        };
        Some(RunningSet {
            revision: newer.unwrap_or_else(|| good.set.revision.clone()),
            digest: good.set.digest.clone(),
            loaded_at: self.memory.loaded_at.clone()?,
        })
    }

    fn result(&self) -> (AgentResult, String, Option<String>) {
        let plain = |result: AgentResult, message: &str| (result, message.to_owned(), None);
        let why_not = || match &self.proof {
            Proof::Proved => None,
            Proof::Unknown => Some("Icinga was not asked yet".to_owned()),
            Proof::Strayed(_, why) => Some(match &self.not_reloaded {
                Some(failed) => format!("{why}, and it cannot be reloaded: {failed}"),
                None => why.clone(),
            }),
            Proof::Silent(why) => Some(format!("Icinga does not answer: {why}")),
        };
        let set = match &self.wanted {
            None => {
                let why =
                    self.trouble.clone().unwrap_or_else(|| format!("waiting for {}", self.settings.source));
                return (AgentResult::Waiting, why, None);
            }
            Some(Wanted::Gone) => {
                let stays = match self.active.as_ref().is_some_and(|active| !active.files.is_empty()) {
                    true => format!(
                        "; the loaded set stays for {} minutes after that",
                        self.settings.keep_after_deletion.as_secs() / 60
                    ),
                    false => String::new(),
                };
                let message = format!("{} does not exist{stays}", self.settings.source);
                return (AgentResult::Waiting, message, None);
            }
            Some(Wanted::Unreadable(why)) => return (AgentResult::Rejected, why.clone(), None),
            Some(Wanted::Set(set)) => set,
        };
        let digest = set.digest.to_string();
        if let Some(why) = self.too_old_or_too_new(set) {
            return (AgentResult::Rejected, why, None);
        }
        let active = self.active.as_ref().filter(|active| active.set.digest == digest);
        if let Some(active) = active {
            return match (why_not(), active.set.held.first()) {
                // There may be a newer set, which it cannot see.
                (None, None) => plain(AgentResult::Loaded, self.trouble.as_deref().unwrap_or_default()),
                (None, Some(first)) => {
                    let message = format!(
                        "Icinga refuses {} of the objects, which keep their previous content or are left out; the first is {}: {}",
                        active.set.held.len(),
                        first.object,
                        first.message
                    );
                    (AgentResult::LoadedInPart, message, Some(first.object.clone()))
                }
                // A load that is under way is awaited first.
                (Some(_), _) if self.work.is_some() => plain(AgentResult::Loading, ""),
                (Some(why), _) => (AgentResult::Unproved, why, None),
            };
        }
        if let Some(Refusal { result, message, object, .. }) =
            self.memory.refused.as_ref().filter(|refused| refused.digest == digest)
        {
            return (*result, message.clone(), object.clone());
        }
        if self.awaits_icinga {
            let message = "Icinga does not answer, also not with the last good set, which is active again";
            return plain(AgentResult::Unproved, message);
        }
        match &self.failure {
            Some(failure) if failure.is_content => plain(AgentResult::Rejected, &failure.why),
            Some(failure) => plain(AgentResult::Loading, &failure.why),
            None => plain(AgentResult::Loading, ""),
        }
    }
}
