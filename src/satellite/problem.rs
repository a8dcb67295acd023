//! What went wrong with a satellite, in the words of its conditions. Text from another server is cut and cleaned here.

use crate::api::Reason;
use crate::text::clean;
use std::sync::Arc;
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

/// Keeps the credential out of what a satellite says: a hostile one can quote what it was sent.
#[derive(Clone, Default)]
pub struct Redaction {
    token: Option<Arc<str>>,
}

impl Redaction {
    /// Keeps this token out.
    pub fn new(token: Option<&str>) -> Self {
        Self { token: token.filter(|token| !token.is_empty()).map(Arc::from) }
    }

    /// The text without the token, and without whatever follows the word by which tokens are sent.
    pub fn of(&self, text: &str) -> String {
        let text = match &self.token {
            Some(token) => text.replace(&**token, "[redacted]"),
            None => text.to_owned(),
        };
        let mut words = text.split(' ').peekable();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            kept.push(word);
            if word.to_ascii_lowercase().ends_with("bearer") && words.next().is_some() {
                kept.push("[redacted]");
            }
        }
        kept.join(" ")
    }
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
    /// How long the server asked to be left alone; at most 30 s.
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

    /// From a failed request; `action` says what was asked, `target` is `<namespace>/<name>`. What the satellite said is redacted,
    /// cut and cleaned.
    pub fn of(action: &str, target: &str, error: &kube::Error, redaction: &Redaction) -> Self {
        match error {
            kube::Error::Api(status) => {
                let said = clean(&redaction.of(&status.message), 200);
                let message = format!("cannot {action} ConfigMap {target}: {} {said}", status.code);
                let problem = match status.code {
                    401 => Self::stalled(
                        Reason::Unauthorized,
                        format!("{message}; renew the token in the Secret"),
                    ),
                    403 if status.message.contains("exceeded quota") => Self::stalled(
                        Reason::QuotaExceeded,
                        format!("{message}; raise the quota of the namespace"),
                    ),
                    403 if status.message.contains("being terminated") => Self::stalled(
                        Reason::NamespaceMissing,
                        format!("{message}; the namespace is being deleted: create it again when it is gone"),
                    ),
                    403 => Self::stalled(
                        Reason::Forbidden,
                        format!("{message}; grant the Role of examples/satellite-rbac.yaml"),
                    ),
                    404 => {
                        Self::stalled(Reason::NamespaceMissing, format!("{message}; create the namespace"))
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
                let (reason, text) = cause(error);
                // Before it is cut: half a token would not be found.
                let text = clean(&redaction.of(&text), TRANSPORT_MAX);
                Self::silent(reason, format!("cannot {action} ConfigMap {target}: {text}"))
            }
        }
    }
}

/// Longest text of why a request got no answer, in bytes.
const TRANSPORT_MAX: usize = 300;

/// Why a request got no answer: whether TLS failed or the connection, and in words.
pub fn transport(error: &kube::Error) -> (Reason, String) {
    let (reason, text) = cause(error);
    (reason, clean(&text, TRANSPORT_MAX))
}

fn cause(error: &kube::Error) -> (Reason, String) {
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
    (if tls { Reason::TLSError } else { Reason::Unreachable }, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_satellite_that_quotes_the_token_is_not_quoted() {
        let redaction = Redaction::new(Some("canary-token"));
        for said in [
            "not with Bearer canary-token",
            "you sent canary-token!",
            "Authorization: bearer other-token here",
        ] {
            let told = redaction.of(said);
            assert!(!told.contains("canary-token") && !told.contains("other-token"), "{told}");
        }
        assert_eq!(redaction.of("exceeded quota: many"), "exceeded quota: many");
        let error = kube::Error::Api(Box::new(
            kube::core::Status::failure("no canary-token", "Forbidden").with_code(403),
        ));
        let problem = Problem::of("read", "icinga/groundlink", &error, &redaction);
        assert_eq!(problem.reason, Reason::Forbidden);
        assert!(
            problem.message.contains("[redacted]") && !problem.message.contains("canary"),
            "{}",
            problem.message
        );
    }
}
