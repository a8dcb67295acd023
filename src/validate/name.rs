//! Names in the published set: a declaration provides some and needs others.

pub use crate::api::IcingaType;
use crate::api::objects::ApplyTo;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A name in the published set, as one string: `Host!web 01`, `Service!web 01!ping`, `template
/// Host!generic`, or a fact such as `=a zone that lists Endpoint "e"`. `!` cannot occur in the
/// parts. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// Returns the name of an object.
    pub fn object(kind: IcingaType, name: &str) -> Self {
        Self(format!("{kind}!{name}").into())
    }

    /// Returns the name of a template.
    pub fn template(kind: IcingaType, name: &str) -> Self {
        Self(format!("template {kind}!{name}").into())
    }

    /// Returns the name of an object that belongs to a host, or to a service of it.
    pub fn attached(kind: IcingaType, host: &str, service: Option<&str>, name: &str) -> Self {
        match service {
            Some(service) => Self(format!("{kind}!{host}!{service}!{name}").into()),
            None => Self(format!("{kind}!{host}!{name}").into()),
        }
    }

    /// Returns the name of all objects with this short name on any host (service). Rules and
    /// single objects share it. No host has an empty name.
    pub fn anywhere(kind: IcingaType, target: ApplyTo, name: &str) -> Self {
        match target {
            ApplyTo::Host => Self::attached(kind, "", None, name),
            ApplyTo::Service => Self::attached(kind, "", Some(""), name),
        }
    }

    /// Returns the name that cannot exist beside this one: in Icinga an object and a template of
    /// one type cannot share a name. None for a type whose objects belong to a host, because their
    /// names begin with the host's.
    pub fn twin(&self) -> Option<Self> {
        let (head, _) = self.0.split_once('!').filter(|_| !self.0.starts_with('='))?;
        let kind = head.strip_prefix("template ").unwrap_or(head);
        if IcingaType::named(kind).is_some_and(IcingaType::is_attached) {
            return None;
        }
        Some(match self.0.strip_prefix("template ") {
            Some(object) => Self(object.into()),
            None => Self(format!("template {}", self.0).into()),
        })
    }

    /// Returns the name of something that an object makes true of the published set, as a noun
    /// phrase for messages: for example `a zone that lists Endpoint "e"`.
    pub fn fact(phrase: &str) -> Self {
        Self(format!("={phrase}").into())
    }

    /// Reads a name as the setting `externalObjects` and the ITL tables write it: `Type!name` or
    /// `template Type!name`.
    ///
    /// # Errors
    /// If the type is unknown or the name is empty.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (head, name) = text.split_once('!').ok_or_else(|| {
            format!("{text:?} is not of the form Type!name; write for example CheckCommand!my-check")
        })?;
        let kind = head.strip_prefix("template ").unwrap_or(head);
        if IcingaType::named(kind).is_none() {
            let known: Vec<_> = IcingaType::ALL.iter().map(|t| t.as_str()).collect();
            return Err(format!("{text:?}: {kind:?} is no type; use one of {}", known.join(", ")));
        }
        if name.is_empty() {
            return Err(format!("{text:?} has no name after the exclamation mark; add it"));
        }
        Ok(Self(text.into()))
    }

    /// Reads a name from the header of a published file, which this program wrote.
    pub fn from_header(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the type, with `template` before it for a template. None for a fact.
    pub fn sort(&self) -> Option<&str> {
        self.0.split_once('!').filter(|_| !self.0.starts_with('=')).map(|(sort, _)| sort)
    }

    /// Returns the name as one string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    /// For messages: `Host "web 01"`, `template Host "generic"`, `Service "ping" of Host "web
    /// 01"`.
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
