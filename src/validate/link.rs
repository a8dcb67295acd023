//! The link between child and parent that a dependency makes, by which it is seen that nothing
//! depends on itself.

use super::expression::{self, Expression, Known, Scope, Subject};
use crate::api::objects::ApplyTo;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A host, or a service of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkable {
    /// The host. Empty if it is unknown: no host has an empty name.
    pub host: String,
    /// The service. None for the host itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl fmt::Display for Checkable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) if self.host.is_empty() => write!(f, "Service {service:?} of any host"),
            Some(service) => write!(f, "Service {service:?} of Host {:?}", self.host),
            None => write!(f, "Host {:?}", self.host),
        }
    }
}

/// A link of an Icinga `Dependency`: what depends on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Link {
    /// The child, or the rule that finds children.
    pub child: Child,
    /// The parent's host. None for the child's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_host: Option<String>,
    /// The parent's service. None if the host is the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_service: Option<String>,
}

/// The child of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Child {
    /// One host or service.
    One(Checkable),
    /// All hosts that these conditions match.
    Hosts(Conditions),
    /// All services that these conditions match.
    Services(Conditions),
}

/// `assignWhere` and `ignoreWhere` of a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// One of these must be true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assign: Vec<Condition>,
    /// None of these may be true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Condition>,
}

/// An expression with its source, which is what the header of a file holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    source: String,
    expression: Expression,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl TryFrom<String> for Condition {
    type Error = String;
    fn try_from(source: String) -> Result<Self, String> {
        // What is true of one entry of a `forEach` only is not known by names.
        let scope = Scope { subjects: &[Subject::Host, Subject::Service], has_entry: true };
        let expression = expression::parse_in(&source, scope)?;
        Ok(Self { source, expression })
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.source
    }
}

impl Link {
    /// Returns the parent of a child. None if the link does not concern it. A rule's conditions
    /// are judged by names alone: a condition that could match counts as matching.
    pub fn parent_of(&self, child: &Checkable) -> Option<Checkable> {
        let parent = Checkable {
            host: self.parent_host.as_ref().unwrap_or(&child.host).clone(),
            service: self.parent_service.clone(),
        };
        let concerns = match &self.child {
            Child::One(one) => one == child,
            // A rule leaves out its own parent.
            Child::Hosts(conditions) => {
                child.service.is_none() && *child != parent && conditions.may_match(child)
            }
            Child::Services(conditions) => {
                child.service.is_some() && *child != parent && conditions.may_match(child)
            }
        };
        concerns.then_some(parent)
    }

    /// Returns the parent, if it is the same for all children. For a rule whose parents are
    /// services of the children's own hosts, its host is unknown.
    pub fn parent(&self) -> Checkable {
        Checkable { host: self.parent_host.clone().unwrap_or_default(), service: self.parent_service.clone() }
    }

    /// Returns what a rule applies to. None if the link is of one child.
    pub fn applies_to(&self) -> Option<ApplyTo> {
        match &self.child {
            Child::One(_) => None,
            Child::Hosts(_) => Some(ApplyTo::Host),
            Child::Services(_) => Some(ApplyTo::Service),
        }
    }
}

impl Conditions {
    fn may_match(&self, child: &Checkable) -> bool {
        let known = Known {
            host: Some(child.host.as_str()).filter(|host| !host.is_empty()),
            service: child.service.as_deref(),
        };
        let truth = |condition: &Condition| condition.expression.truth(known);
        (self.assign.is_empty() || self.assign.iter().any(|condition| truth(condition) != Some(false)))
            && !self.ignore.iter().any(|condition| truth(condition) == Some(true))
    }
}
