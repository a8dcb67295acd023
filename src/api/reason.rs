//! Reasons of conditions and events.

use super::closed::closed_enum;
use super::kind::{BOTH_KINDS, Kind, MONITORING_OBJECT, SATELLITE_CLUSTER};
use super::open::Vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

closed_enum! {
    /// Why a condition has its status. A new reason does not compile before its kinds and its
    /// outlook are decided below, and a test fails until it stands in the documentation.
    pub enum Reason {
        /// The file of this generation is in place and durable, and the API server acknowledged
        /// the status that says so.
        Published,
        /// A field has a value that cannot be published; the message names it.
        Invalid,
        /// An older resource has this Icinga name.
        NameConflict,
        /// Something that the object names is not published. The object is published as soon as
        /// all that it names is.
        UnresolvedReference,
        /// The namespace may not declare this type.
        NotAllowed,
        /// It is over a size limit; the message has the figures.
        TooLarge,
        /// The volume refused the file; the operator tries again.
        PublishFailed,
        /// `spec.suspend` is set.
        Suspended,
        /// Every satellite that should hold it acknowledged it.
        AllSatellites,
        /// No satellite should hold it.
        NoSatellites,
        /// The operator waits for something that comes by itself; the message names it.
        Pending,
        /// Satellites that should hold it do not answer. The message names them.
        SatelliteUnreachable,
        /// Satellites that should hold it cannot be delivered to. The message names them, each with
        /// its own reason.
        SatelliteFailing,
        /// Icinga 2 refused it: that of a satellite, or of the hub.
        Rejected,
        /// Nothing is pending.
        Complete,
        /// Icinga takes every value that a rule reads from variables.
        AllTaken,
        /// Icinga leaves out values that a rule reads from variables: they do not fit their fields,
        /// or name what does not exist. The message names hosts and variables.
        ValueLeftOut,
        /// Another rule, or a single object, has the name of an object that the rule would make.
        NameShared,
        /// The API server answers and accepts the credential.
        Connected,
        /// There is no connection, or no answer within the deadline.
        Unreachable,
        /// The TLS handshake failed.
        TLSError,
        /// The API server does not accept the credential (401).
        Unauthorized,
        /// The credential lacks a permission (403).
        Forbidden,
        /// The target namespace does not exist.
        NamespaceMissing,
        /// A resource quota of the target namespace is used up.
        QuotaExceeded,
        /// An object of the same name belongs to someone else, or the satellite holds a newer
        /// revision.
        Conflict,
        /// Someone keeps changing what is delivered.
        DriftFight,
        /// An agent has never reported, or is silent; or there is none.
        AwaitingAgent,
        /// The kubeconfig holds something that is refused; the message names the field.
        CredentialRefused,
        /// The Secret or its key does not exist.
        CredentialMissing,
        /// The credential is accepted and ends soon, or could not be renewed. The message says
        /// when it ends and what to do.
        CredentialExpiring,
        /// The ConfigMaps were left on a satellite that did not answer in time.
        CleanupSkipped,
        /// This version of the operator cannot do this yet.
        Unsupported,
        /// Somebody changed what was published on the hub's volume, or delivered to the satellite.
        ContentChanged,
        /// The satellite holds what was delivered.
        InSync,
        /// More objects left at once than may be removed without a person.
        ManyRemovals,
        /// The agent of the hub's Icinga 2 proved that it runs the object. Every agent of the
        /// satellite proved that its Icinga 2 runs the delivered set.
        Loaded,
        /// Another operator wrote a status, and this one writes nothing.
        OtherOperator,
        /// Active checks never had a result, although two of their intervals are over.
        ChecksOverdue,
    }
}

/// How what a reason names ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// It is a state that was asked for.
    Settled,
    /// It ends by itself: the operator waits, or tries again.
    Transient,
    /// A person must act. A resource with a condition of this reason is `Stalled`.
    Stalled,
    /// One of the latter two, by the cause; the condition `Stalled` shows which.
    Varies,
}

impl Reason {
    /// Returns the kinds of resource that a condition or an event with this reason speaks about.
    pub const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Published
            | Self::NameConflict
            | Self::UnresolvedReference
            | Self::NotAllowed
            | Self::PublishFailed
            | Self::AllSatellites
            | Self::NoSatellites
            | Self::SatelliteUnreachable
            | Self::SatelliteFailing
            | Self::AllTaken
            | Self::ValueLeftOut
            | Self::NameShared
            | Self::OtherOperator => MONITORING_OBJECT,
            Self::Invalid
            | Self::TooLarge
            | Self::Suspended
            | Self::Pending
            | Self::Rejected
            | Self::Complete
            | Self::ContentChanged
            | Self::AwaitingAgent
            | Self::Loaded => BOTH_KINDS,
            Self::Connected
            | Self::Unreachable
            | Self::TLSError
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NamespaceMissing
            | Self::QuotaExceeded
            | Self::Conflict
            | Self::DriftFight
            | Self::CredentialRefused
            | Self::CredentialMissing
            | Self::CredentialExpiring
            | Self::CleanupSkipped
            | Self::Unsupported
            | Self::InSync
            | Self::ManyRemovals
            | Self::ChecksOverdue => SATELLITE_CLUSTER,
        }
    }

    /// Returns how what the reason names ends.
    pub const fn outlook(self) -> Outlook {
        match self {
            Self::Published
            | Self::AllSatellites
            | Self::NoSatellites
            | Self::Complete
            | Self::AllTaken
            | Self::ValueLeftOut
            | Self::NameShared
            | Self::Connected
            | Self::InSync
            | Self::Loaded => Outlook::Settled,
            Self::PublishFailed
            | Self::Pending
            | Self::Unreachable
            | Self::TLSError
            | Self::AwaitingAgent
            | Self::CredentialMissing
            | Self::CredentialExpiring
            | Self::ContentChanged
            | Self::ChecksOverdue => Outlook::Transient,
            Self::Invalid
            | Self::NameConflict
            | Self::NotAllowed
            | Self::TooLarge
            | Self::Unauthorized
            | Self::Forbidden
            | Self::NamespaceMissing
            | Self::QuotaExceeded
            | Self::CredentialRefused
            | Self::CleanupSkipped
            | Self::Unsupported
            | Self::OtherOperator => Outlook::Stalled,
            Self::Suspended
            | Self::Rejected
            | Self::Conflict
            | Self::DriftFight
            | Self::ManyRemovals
            | Self::UnresolvedReference
            | Self::SatelliteUnreachable
            | Self::SatelliteFailing => Outlook::Varies,
        }
    }

    /// Returns the anchor of the reason in the documentation: that of a heading that is the word
    /// itself.
    pub fn anchor(self) -> String {
        self.as_str().to_ascii_lowercase()
    }
}

impl Vocabulary for Reason {
    const NAME: &'static str = "Reason";
    const MAX: u32 = 1024;
    // That of metav1.Condition.
    const PATTERN: &'static str = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$";

    fn of(text: &str) -> Option<Self> {
        Self::of(text)
    }

    fn word(self) -> &'static str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_the_word_that_a_status_has() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
            assert!(!reason.kinds().is_empty());
        }
    }
}
