use crate::api::Reason;
use crate::text::clean_message;

/// Why a resource is not published, for its status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// One of the reasons that stall a MonitoringObject.
    pub reason: Reason,
    /// Names the field, what is wrong with it, and the remedy.
    pub message: String,
}

impl Refusal {
    /// Returns a refusal. The message is cut, because it may quote as much of the resource as
    /// somebody wrote into it.
    pub(crate) fn new(reason: Reason, message: impl AsRef<str>) -> Self {
        Self { reason, message: clean_message(message.as_ref()) }
    }

    /// Returns a refusal with the reason `Invalid`.
    pub(crate) fn invalid(message: impl AsRef<str>) -> Self {
        Self::new(Reason::Invalid, message)
    }
}
