//! Explains a failed request to a satellite in the words of its conditions. Text from another
//! server is redacted, cut and cleaned here.

use super::problem::{Problem, RETRY_AFTER_MAX};
use crate::api::Reason;
use crate::request::{WrongCertificate, causes};
use crate::text::clean;
use std::sync::Arc;
use std::time::Duration;

/// Keeps the credential out of messages: a hostile satellite can quote the request.
#[derive(Clone, Default)]
pub struct Redaction {
    token: Option<Arc<str>>,
}

impl Redaction {
    /// Keeps this token out. None if the credential is no token.
    pub fn new(token: Option<&str>) -> Self {
        Self { token: token.filter(|token| !token.is_empty()).map(Arc::from) }
    }

    /// Returns the text without the token, and without the word after `Bearer`.
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

impl Problem {
    /// Explains a failed request. `action` is the attempted action, `target` is
    /// `<namespace>/<name>`.
    pub fn of(action: &str, target: &str, error: &kube::Error, redaction: &Redaction) -> Self {
        match error {
            kube::Error::Api(status) => {
                let said = clean(&redaction.of(&status.message), 200);
                let message = format!("cannot {action} ConfigMap {target}: {} {said}", status.code);
                let problem = match status.code {
                    401 => Self::stalled(
                        Reason::Unauthorized,
                        format!("{message}; renew the credential in the Secret"),
                    ),
                    403 if status.message.contains("exceeded quota") => Self::stalled(
                        Reason::QuotaExceeded,
                        format!("{message}; raise the quota of the namespace"),
                    ),
                    403 if status.message.contains("being terminated") => Self::stalled(
                        Reason::NamespaceMissing,
                        format!("{message}; wait until the namespace is deleted, then create it again"),
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
                problem.answered()
            }
            error => {
                let (reason, text) = cause(error);
                // Redacted before it is cut: half a token would not be found.
                let text = clean(&redaction.of(&text), TRANSPORT_MAX);
                let remedy = WrongCertificate::of(&text).map_or("", remedy);
                Self::silent(reason, format!("cannot {action} ConfigMap {target}: {text}{remedy}"))
            }
        }
    }
}

/// Returns what a person does about the certificate of a satellite, as the end of a message.
fn remedy(wrong: WrongCertificate) -> &'static str {
    match wrong {
        WrongCertificate::Authority => {
            "; correct certificate-authority-data in the Secret: it did not sign that certificate"
        }
        WrongCertificate::Name => {
            "; use an address with a name from that certificate in the Secret, or set tls-server-name to one"
        }
        WrongCertificate::Time => {
            "; renew the certificate of the satellite's API server, or correct the clock of the hub"
        }
    }
}

/// Longest text of the causes of a request without an answer, in bytes.
const TRANSPORT_MAX: usize = 300;

/// Explains a request without an answer: TLS or the connection failed, and every cause in words.
pub fn transport(error: &kube::Error) -> (Reason, String) {
    let (reason, text) = cause(error);
    (reason, clean(&text, TRANSPORT_MAX))
}

fn cause(error: &kube::Error) -> (Reason, String) {
    // No cause in the chain holds a credential.
    let text = causes(error);
    // rustls names TLS although the server only closed the connection.
    let lower = text.to_lowercase();
    let tls = !lower.contains("close_notify")
        && ["certificate", "tls", "handshake"].iter().any(|word| lower.contains(word));
    (if tls { Reason::TLSError } else { Reason::Unreachable }, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pause_that_a_satellite_asks_for_is_capped() {
        for (asked, granted) in [(0, 0), (7, 7), (3600, 30), (u32::MAX, 30)] {
            let mut status = kube::core::Status::failure("busy", "TooManyRequests").with_code(429);
            status.details = serde_json::from_value(json!({ "retryAfterSeconds": asked })).unwrap();
            let error = kube::Error::Api(Box::new(status));
            let problem = Problem::of("write", "icinga/groundlink", &error, &Redaction::default());
            assert_eq!(problem.retry_after, Some(Duration::from_secs(granted)), "{asked}");
        }
    }

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
