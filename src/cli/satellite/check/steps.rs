//! The steps of `check` and their results.

use crate::text::clean;
use serde::Serialize;

/// Longest message of a step, in bytes.
const MESSAGE_MAX: usize = 1000;

/// The result of a step. The order is that of the whole result: the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// Not tried.
    Skipped,
    /// As it should be.
    Ok,
    /// The operator works, and a person should know this.
    Warning,
    /// The operator cannot work like this.
    Failed,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    /// What was tested.
    pub(super) name: String,
    pub(super) result: Verdict,
    pub(super) message: String,
    /// What to do. `None` if there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Step>);

impl Steps {
    pub(super) fn ok(&mut self, name: &str, message: impl Into<String>) {
        self.add(name, Verdict::Ok, message.into(), None);
    }

    pub(super) fn failed(&mut self, name: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(name, Verdict::Failed, message.into(), Some(remedy.into()));
    }

    pub(super) fn warning(&mut self, name: &str, message: impl Into<String>, remedy: impl Into<String>) {
        self.add(name, Verdict::Warning, message.into(), Some(remedy.into()));
    }

    pub(super) fn skipped(&mut self, name: &str, why: impl Into<String>) {
        self.add(name, Verdict::Skipped, why.into(), None);
    }

    /// Returns whether this step was tried and did not fail.
    pub(super) fn passed(&self, name: &str) -> bool {
        self.0.iter().any(|s| s.name == name && matches!(s.result, Verdict::Ok | Verdict::Warning))
    }

    /// Returns the steps in the order in which they were tried.
    pub(super) fn all(&self) -> &[Step] {
        &self.0
    }

    /// Returns the result of all steps: the worst of them.
    pub(super) fn result(&self) -> Verdict {
        self.0.iter().map(|step| step.result).max().unwrap_or(Verdict::Ok).max(Verdict::Ok)
    }

    #[cfg(test)]
    pub(super) fn verdict(&self, name: &str) -> Option<Verdict> {
        self.0.iter().find(|step| step.name == name).map(|step| step.result)
    }

    fn add(&mut self, name: &str, result: Verdict, message: String, remedy: Option<String>) {
        let message = clean(&message, MESSAGE_MAX);
        self.0.push(Step { name: name.to_owned(), result, message, remedy });
    }
}
