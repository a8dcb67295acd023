//! The status of a resource of ours, read as plain JSON: a newer operator may write what this
//! program does not know.

use crate::identity::Revision;
use crate::text::clean;
use kube::api::DynamicObject;
use serde_json::Value;

/// Longest explanation, in bytes. A message has at most 2048 characters.
const EXPLANATION_MAX: usize = 4096;

/// A resource as its API server returned it.
#[derive(Clone, Copy)]
pub(crate) struct Observed<'a>(pub(crate) &'a DynamicObject);

/// A condition of a resource.
#[derive(Clone, Copy)]
pub(crate) struct Condition<'a>(&'a Value);

impl<'a> Observed<'a> {
    /// Returns the resource's name.
    pub(crate) fn name(self) -> &'a str {
        self.0.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the value at a JSON pointer.
    pub(crate) fn value(self, pointer: &str) -> Option<&'a Value> {
        self.0.data.pointer(pointer)
    }

    /// Returns the text at a JSON pointer.
    pub(crate) fn text(self, pointer: &str) -> Option<&'a str> {
        self.value(pointer)?.as_str()
    }

    /// Returns the revision at a JSON pointer. `None` if there is none, or it is no revision.
    pub(crate) fn revision(self, pointer: &str) -> Option<Revision> {
        self.text(pointer)?.parse().ok()
    }

    /// Returns the condition of a type.
    pub(crate) fn condition(self, kind: &str) -> Option<Condition<'a>> {
        let all = self.value("/status/conditions")?.as_array()?;
        all.iter().find(|condition| condition["type"] == kind).map(Condition)
    }

    /// True if the condition is True, and about this generation.
    pub(crate) fn is(self, kind: &str) -> bool {
        let generation = self.0.metadata.generation;
        self.condition(kind).is_some_and(|condition| {
            condition.status() == "True" && condition.0["observedGeneration"].as_i64() == generation
        })
    }

    /// True if the operator decided about this generation of the resource.
    pub(crate) fn is_decided(self) -> bool {
        let observed = self.value("/status/observedGeneration").and_then(Value::as_i64);
        observed.is_some() && observed == self.0.metadata.generation
    }
}

impl<'a> Condition<'a> {
    /// Returns True, False or Unknown.
    pub(crate) fn status(self) -> &'a str {
        self.text("status").unwrap_or("Unknown")
    }

    /// Returns the reason.
    pub(crate) fn reason(self) -> Option<&'a str> {
        self.text("reason")
    }

    /// Returns the message. `None` if it is empty.
    pub(crate) fn message(self) -> Option<&'a str> {
        self.text("message").filter(|text| !text.is_empty())
    }

    /// Returns when the status last changed.
    pub(crate) fn since(self) -> Option<&'a str> {
        self.text("lastTransitionTime")
    }

    /// Returns reason and message as one text for a person, cleaned.
    pub(crate) fn explanation(self) -> String {
        let text = match (self.reason(), self.message()) {
            (Some(reason), Some(message)) => format!("{reason}: {message}"),
            (Some(text), None) | (None, Some(text)) => text.to_owned(),
            (None, None) => String::new(),
        };
        clean(&text, EXPLANATION_MAX)
    }

    fn text(self, field: &str) -> Option<&'a str> {
        self.0[field].as_str()
    }
}
