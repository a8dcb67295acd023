//! Names of Icinga objects: what a declaration provides, and what it uses.

use crate::api::objects::ApplyTo;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Type of an Icinga object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IcingaType {
    /// `Host`
    Host,
    /// `Service`
    Service,
    /// `HostGroup`
    HostGroup,
    /// `ServiceGroup`
    ServiceGroup,
    /// `User`
    User,
    /// `UserGroup`
    UserGroup,
    /// `CheckCommand`
    CheckCommand,
    /// `EventCommand`
    EventCommand,
    /// `NotificationCommand`
    NotificationCommand,
    /// `Notification`
    Notification,
    /// `TimePeriod`
    TimePeriod,
    /// `ScheduledDowntime`
    ScheduledDowntime,
    /// `Dependency`
    Dependency,
    /// `Zone`
    Zone,
    /// `Endpoint`
    Endpoint,
}

impl IcingaType {
    /// Every type, for parsing.
    pub const ALL: [Self; 15] = [
        Self::Host,
        Self::Service,
        Self::HostGroup,
        Self::ServiceGroup,
        Self::User,
        Self::UserGroup,
        Self::CheckCommand,
        Self::EventCommand,
        Self::NotificationCommand,
        Self::Notification,
        Self::TimePeriod,
        Self::ScheduledDowntime,
        Self::Dependency,
        Self::Zone,
        Self::Endpoint,
    ];

    /// The type's name in Icinga's language.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Service => "Service",
            Self::HostGroup => "HostGroup",
            Self::ServiceGroup => "ServiceGroup",
            Self::User => "User",
            Self::UserGroup => "UserGroup",
            Self::CheckCommand => "CheckCommand",
            Self::EventCommand => "EventCommand",
            Self::NotificationCommand => "NotificationCommand",
            Self::Notification => "Notification",
            Self::TimePeriod => "TimePeriod",
            Self::ScheduledDowntime => "ScheduledDowntime",
            Self::Dependency => "Dependency",
            Self::Zone => "Zone",
            Self::Endpoint => "Endpoint",
        }
    }

    /// Whether objects of this type belong to a host or a service, whose name stands before theirs.
    pub(super) fn is_attached(self) -> bool {
        matches!(self, Self::Service | Self::Notification | Self::ScheduledDowntime | Self::Dependency)
    }
}

impl fmt::Display for IcingaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name in the published set, as one string: `Host!web 01`, `Service!web 01!ping`, `template Host!generic`, or a
/// fact such as `=a zone that lists Endpoint "e"`.
/// `!` cannot occur in the parts. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// An object.
    pub fn object(kind: IcingaType, name: &str) -> Self {
        Self(format!("{kind}!{name}").into())
    }

    /// A template.
    pub fn template(kind: IcingaType, name: &str) -> Self {
        Self(format!("template {kind}!{name}").into())
    }

    /// An object that belongs to a host, or to a service of it.
    pub fn attached(kind: IcingaType, host: &str, service: Option<&str>, name: &str) -> Self {
        match service {
            Some(service) => Self(format!("{kind}!{host}!{service}!{name}").into()),
            None => Self(format!("{kind}!{host}!{name}").into()),
        }
    }

    /// Objects of this short name on any host (service): a rule takes it whole, a single object shares it. No host has an empty
    /// name.
    pub fn anywhere(kind: IcingaType, target: ApplyTo, name: &str) -> Self {
        match target {
            ApplyTo::Host => Self::attached(kind, "", None, name),
            ApplyTo::Service => Self::attached(kind, "", Some(""), name),
        }
    }

    /// Objects on any host (service) whose short names begin with this and a blank: a rule with `forEach` takes them whole, others
    /// share what could be the beginning of theirs.
    pub fn beginning(kind: IcingaType, target: ApplyTo, name: &str) -> Self {
        Self::fact(&format!(
            "a {kind} of any {} whose name begins with {:?}",
            target.word(),
            format!("{name} ")
        ))
    }

    /// The name that cannot exist beside this one: an object and a template of one type cannot share a name in Icinga (but
    /// for those that belong to a host, whose names begin with the host's).
    pub fn twin(&self) -> Option<Self> {
        let (head, _) = self.0.split_once('!').filter(|_| !self.0.starts_with('='))?;
        let kind = head.strip_prefix("template ").unwrap_or(head);
        if IcingaType::ALL.iter().any(|known| known.is_attached() && known.as_str() == kind) {
            return None;
        }
        Some(match self.0.strip_prefix("template ") {
            Some(object) => Self(object.into()),
            None => Self(format!("template {}", self.0).into()),
        })
    }

    /// Something that is true of the published set because an object says so, as a noun phrase for messages: for
    /// example `a zone that lists Endpoint "e"`.
    pub fn fact(phrase: &str) -> Self {
        Self(format!("={phrase}").into())
    }

    /// The name as the setting `externalObjects` and the ITL tables write it: `Type!name` or `template Type!name`.
    ///
    /// # Errors
    /// When the type is not known or the name is empty; the message is for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (head, name) = text.split_once('!').ok_or_else(|| {
            format!("{text:?} is not of the form Type!name, for example CheckCommand!my-check")
        })?;
        let kind = head.strip_prefix("template ").unwrap_or(head);
        if !IcingaType::ALL.iter().any(|t| t.as_str() == kind) {
            let known: Vec<_> = IcingaType::ALL.iter().map(|t| t.as_str()).collect();
            return Err(format!("{text:?}: {kind:?} is not one of {}", known.join(", ")));
        }
        if name.is_empty() {
            return Err(format!("{text:?} has no name after the exclamation mark"));
        }
        Ok(Self(text.into()))
    }

    /// From the header of a published file, which this program wrote.
    pub fn from_header(text: &str) -> Self {
        Self(text.into())
    }

    /// Type, and whether it is a template; nothing for a fact.
    pub fn sort(&self) -> Option<&str> {
        self.0.split_once('!').filter(|_| !self.0.starts_with('=')).map(|(sort, _)| sort)
    }

    /// The name as one string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    /// For messages: `Host "web 01"`, `template Host "generic"`, `Service "ping" of Host "web 01"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phrase) = self.0.strip_prefix('=') {
            return f.write_str(phrase);
        }
        let parts: Vec<&str> = self.0.split('!').collect();
        match *parts.as_slice() {
            [kind, name] => write!(f, "{kind} {name:?}"),
            [kind, "", name] => write!(f, "{kind} {name:?} of any host"),
            [kind, host, name] => write!(f, "{kind} {name:?} of Host {host:?}"),
            [kind, "", "", name] => write!(f, "{kind} {name:?} of any service"),
            [kind, host, service, name] => {
                write!(f, "{kind} {name:?} of Service {service:?} of Host {host:?}")
            }
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
