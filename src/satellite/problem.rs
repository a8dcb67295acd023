//! A problem of a satellite, in the words of its conditions.

use crate::api::Reason;
use std::time::Duration;

/// The state of the connection to the satellite's API server, as a problem shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// It was not asked.
    None,
    /// It did not answer.
    Silent,
    /// It answered.
    Answered,
}

/// A problem of one satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The reason, one word.
    pub reason: Reason,
    /// For a person.
    pub message: String,
    /// The state of the connection, for the breaker.
    pub contact: Contact,
    /// True if another attempt may succeed without a change by a person.
    pub transient: bool,
    /// The pause that the server asked for; at most `RETRY_AFTER_MAX`.
    pub retry_after: Option<Duration>,
}

/// Longest pause that a server can ask for: a delivery cannot wait for an hour.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

impl Problem {
    /// Makes a problem that only a person can resolve.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::None, transient: false, retry_after: None }
    }

    /// Makes a problem that may resolve itself.
    pub fn transient(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::None, transient: true, retry_after: None }
    }

    /// Makes a problem of a request that got no answer.
    pub fn silent(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::Silent, transient: true, retry_after: None }
    }

    /// Returns the same problem, reported in an answer of the satellite.
    pub fn answered(self) -> Self {
        Self { contact: Contact::Answered, ..self }
    }
}
