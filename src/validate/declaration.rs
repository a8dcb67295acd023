//! A checked declaration: what `validate` makes of a resource, and what `render` writes.

use super::expression::{Attribute, Expression};
use super::link::Link;
use super::name::IcingaType;
use super::needs::{Provided, Relay, Use};
use super::value::Value;
use crate::api::objects::{ApplyTo, Field};

/// The statement that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `object`
    Object,
    /// `template`
    Template,
    /// `apply`
    Apply(ApplyTo),
}

/// A checked declaration: rendering it cannot fail, and Icinga accepts the result if everything
/// that it needs exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The statement.
    pub form: Form,
    /// The type.
    pub kind: IcingaType,
    /// Icinga's name, without the host of a service.
    pub name: String,
    /// Templates, in order.
    pub imports: Vec<String>,
    /// What templates set, and this takes back.
    pub unset: Vec<Unset>,
    /// Groups beside those of templates.
    pub add_groups: Vec<String>,
    /// Attributes, in the order in which they are written.
    pub attributes: Vec<(&'static str, Value)>,
    /// `for (... in ...)`
    pub for_each: Option<ForEach>,
    /// What each object of a rule gets from expressions, in order.
    pub set: Vec<Assignments>,
    /// Attributes that only `set` may give: each object needs one of each list.
    pub needs_set: Vec<&'static [&'static str]>,
    /// `assign where`
    pub assign: Vec<Expression>,
    /// `ignore where`
    pub ignore: Vec<Expression>,
    /// The zone, which is an attribute too, for placement.
    pub zone: Option<String>,
    /// Child and parent of a dependency.
    pub link: Option<Box<Link>>,
    /// Names that the published set gains.
    pub provides: Vec<Provided>,
    /// Names that the published set must hold.
    pub uses: Vec<Use>,
    /// Names that the published set gains if it holds others.
    pub relays: Vec<Relay>,
}

impl Declaration {
    /// Returns the name, or what Icinga puts before each key of a rule with `forEach`.
    pub(crate) fn beginning(&self) -> String {
        match &self.for_each {
            Some(for_each) => for_each.prefix.clone().unwrap_or_else(|| format!("{} ", self.name)),
            None => self.name.clone(),
        }
    }

    /// True if other declarations may import this one: a template, or a command.
    pub(crate) fn is_importable(&self) -> bool {
        self.form == Form::Template || self.kind.is_code() && self.form == Form::Object
    }
}

/// What templates set, and a declaration takes back.
#[derive(Clone, Debug, PartialEq)]
pub enum Unset {
    /// An attribute, which gets Icinga's default.
    Attribute(&'static str, Value),
    /// An entry of a dictionary, which is removed: the attribute, and keys below it.
    Entry(&'static str, Vec<String>),
}

/// One object for each entry of a custom variable.
#[derive(Clone, Debug, PartialEq)]
pub struct ForEach {
    /// The custom variable.
    pub attribute: Attribute,
    /// Beginning of the names. None for the rule's name and a blank.
    pub prefix: Option<String>,
    /// Custom variable that gets the key.
    pub key_var: Option<String>,
    /// Custom variable that gets the value.
    pub value_var: Option<String>,
}

impl ForEach {
    /// Longest list in which a number is looked for. Icinga looks again for each entry.
    pub const MAX_LOOKED_FOR: usize = 500;
}

/// What an object of a rule gets from expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignments {
    /// Only where this is true. None for everywhere.
    pub when: Option<Expression>,
    /// Fields.
    pub fields: Vec<(&'static Field, Expression)>,
    /// Times by day.
    pub ranges: Vec<(String, Expression)>,
    /// Custom variables.
    pub vars: Vec<(String, Expression)>,
    /// Dictionaries that are added to the custom variables.
    pub add_vars: Vec<Expression>,
}

impl Assignments {
    /// True if it may give an attribute.
    pub fn gives(&self, attribute: &str) -> bool {
        let field = self.fields.iter().any(|(field, _)| field.attribute == attribute);
        field || attribute == "ranges" && !self.ranges.is_empty()
    }
}
