//! What went wrong with a satellite, in the words of its conditions. Text from another server is cut and cleaned here.

use crate::api::Reason;
use crate::api::condition::clean;
use std::time::Duration;

/// Whether a problem came from the satellite's API server.
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
    /// In one word.
    pub reason: Reason,
    /// For a person.
    pub message: String,
    /// What it says about the connection, for the breaker.
    pub contact: Contact,
    /// Whether trying again helps without a change by a person.
    pub transient: bool,
    /// How long the server asked to be left alone; at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
}

/// Longest time that a server can ask to be left alone: what is on its way to a satellite cannot wait for an hour.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

impl Problem {
    /// A problem that a person must resolve.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::None, transient: false, retry_after: None }
    }

    /// A problem that may go by itself.
    pub fn transient(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::None, transient: true, retry_after: None }
    }

    /// No answer.
    pub fn silent(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), contact: Contact::Silent, transient: true, retry_after: None }
    }

    /// From a failed request; `action` says what was asked, `target` is `<namespace>/<name>`.
    pub fn of(action: &str, target: &str, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let said = clean(&status.message, 200);
                let message = format!("cannot {action} ConfigMap {target}: {} {said}", status.code);
                let problem = match status.code {
                    401 => Self::transient(
                        Reason::Unauthorized,
                        format!("{message}; renew the token in the Secret"),
                    ),
                    403 if status.message.contains("exceeded quota") => Self::transient(
                        Reason::QuotaExceeded,
                        format!("{message}; raise the quota of the namespace"),
                    ),
                    403 if status.message.contains("being terminated") => Self::transient(
                        Reason::NamespaceMissing,
                        format!("{message}; the namespace is being deleted: create it again when it is gone"),
                    ),
                    403 => Self::transient(
                        Reason::Forbidden,
                        format!("{message}; grant the Role of examples/satellite-rbac.yaml"),
                    ),
                    404 => {
                        Self::transient(Reason::NamespaceMissing, format!("{message}; create the namespace"))
                    }
                    409 => Self::transient(Reason::Conflict, message),
                    429 => {
                        let asked = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
                        let asked = Duration::from_secs(asked.into());
                        let busy = Self::transient(Reason::Unreachable, message);
                        Self { retry_after: Some(asked.min(RETRY_AFTER_MAX)), ..busy }
                    }
                    413 => Self::stalled(Reason::TooLarge, message),
                    422 => Self::stalled(Reason::Rejected, message),
                    _ => Self::transient(Reason::Unreachable, message),
                };
                Self { contact: Contact::Answered, ..problem }
            }
            error => {
                let (reason, text) = transport(error);
                Self::silent(reason, format!("cannot {action} ConfigMap {target}: {text}"))
            }
        }
    }
}

/// Why a request got no answer: whether TLS failed or the connection, and in words.
pub fn transport(error: &kube::Error) -> (Reason, String) {
    // The chain of sources has the cause; none of them holds a credential.
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    // rustls adds a link to its manual, and mentions TLS where the server just closed the connection.
    let text = text.split(": https://docs.rs").next().unwrap_or_default();
    let lower = text.to_lowercase();
    let tls = !lower.contains("close_notify")
        && ["certificate", "tls", "handshake"].iter().any(|word| lower.contains(word));
    (if tls { Reason::TLSError } else { Reason::Unreachable }, clean(text, 300))
}
