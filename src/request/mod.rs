//! Asking an API server: every request has a deadline, and a failure says its whole chain of
//! causes.

mod certificate;
mod configured;
mod server;

pub use certificate::WrongCertificate;
pub use configured::configured_client;
pub use server::Server;

use crate::text::clean;
use kube::core::Status;
use std::time::Duration;

/// How kube begins the text of every failed request.
const CLIENT: &str = "ServiceError: ";
/// Longest text of a failure, in bytes.
const MESSAGE_MAX: usize = 300;

/// Why a request was not answered with success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No answer within this time. What was asked may have been done.
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
    /// The server refused it.
    #[error("{code}: {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// What the server said, cut and cleaned.
        message: String,
    },
    /// No answer that can be used: the connection, TLS, or the answer itself. The text names every
    /// cause, down to the last. What was asked may have been done.
    #[error("{0}")]
    Transport(String),
}

impl Failure {
    /// HTTP status of a refusal. `None` if there was no answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::Deadline(_) | Self::Transport(_) => None,
        }
    }

    /// Returns whether TLS failed, and not the connection or the answer.
    pub fn is_tls(&self) -> bool {
        let Self::Transport(text) = self else { return false };
        let text = text.to_lowercase();
        // rustls mentions TLS where the server just closed the connection, too.
        !text.contains("close_notify")
            && ["certificate", "tls", "handshake"].iter().any(|word| text.contains(word))
    }
}

impl From<&kube::Error> for Failure {
    fn from(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::from(&**status),
            error => Self::Transport(clean(&causes(error), MESSAGE_MAX)),
        }
    }
}

impl From<&Status> for Failure {
    fn from(status: &Status) -> Self {
        Self::Refused { code: status.code, message: clean(&status.message, MESSAGE_MAX) }
    }
}

/// Sends a request and waits at most `limit` for its answer.
///
/// # Errors
/// [`Failure`]. Only `Refused` proves that nothing was done.
pub async fn ask<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    answer(limit, call).await?.map_err(|error| Failure::from(&error))
}

/// Sends a request, waits at most `limit` for its answer, and leaves an error to the caller: to one that must redact the
/// server's text before it is cut.
///
/// # Errors
/// [`Failure::Deadline`].
pub async fn answer<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<Result<T, kube::Error>, Failure> {
    tokio::time::timeout(limit, call).await.map_err(|_| Failure::Deadline(limit))
}

/// Returns the text of an error and of every cause below it, each said once. The text is not cut,
/// so that a caller can redact it first.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    // kube's name for whatever failed below its client says nothing.
    if text.starts_with(CLIENT) {
        text.drain(..CLIENT.len());
    }
    // rustls adds a link to its own manual.
    if let Some(end) = text.find(": https://docs.rs") {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests;
