//! Names of Icinga objects: what a declaration provides, and what it uses.

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
    /// `CheckCommand`
    CheckCommand,
    /// `EventCommand`
    EventCommand,
    /// `TimePeriod`
    TimePeriod,
    /// `Zone`
    Zone,
    /// `Endpoint`
    Endpoint,
}

impl IcingaType {
    /// Every type, for parsing.
    pub const ALL: [Self; 9] = [
        Self::Host,
        Self::Service,
        Self::HostGroup,
        Self::ServiceGroup,
        Self::CheckCommand,
        Self::EventCommand,
        Self::TimePeriod,
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
            Self::CheckCommand => "CheckCommand",
            Self::EventCommand => "EventCommand",
            Self::TimePeriod => "TimePeriod",
            Self::Zone => "Zone",
            Self::Endpoint => "Endpoint",
        }
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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    /// A service of one host.
    pub fn service(host: &str, name: &str) -> Self {
        Self(format!("Service!{host}!{name}").into())
    }

    /// Services of this short name on any host: an apply rule takes it whole, a single service shares it.
    pub fn services_named(name: &str) -> Self {
        Self(format!("Service!*!{name}").into())
    }

    /// The name that cannot exist beside this one: an object and a template of one type cannot share a name in Icinga (but
    /// for services, whose objects have the host's name before theirs).
    pub fn twin(&self) -> Option<Self> {
        if self.0.starts_with('=') || self.0.contains("Service!") {
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
        let mut parts = self.0.splitn(3, '!');
        let (head, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        match parts.next() {
            Some(service) if name == "*" => write!(f, "{head} {service:?} of any host"),
            Some(service) => write!(f, "{head} {service:?} of Host {name:?}"),
            None => write!(f, "{head} {name:?}"),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
