//! What the expressions of a rule come to on a host, as Icinga reads the file that `render` makes
//! of them. A value that does not fit its field is left out there, and nobody else would say so.
//!
//! Only what names and custom variables decide is known here. Whatever depends on more (a service,
//! a group that rules fill, a constant of the node, a regular expression) is unknown, and nothing
//! is said of it.

mod expression;
mod fits;
mod host;
mod rule;
mod values;

pub use fits::Missing;
pub use host::Host;
pub use rule::{LeftOut, Made, Rule};

use crate::api::IcingaType;
use crate::validate::{Declaration, Form};
use std::sync::Arc;

/// What an evaluation needs of a declaration.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// Nothing.
    #[default]
    None,
    /// A host or a template of hosts: what conditions read of it, packed.
    Host {
        /// True for a template.
        is_template: bool,
        /// JSON.
        packed: Box<str>,
    },
    /// A rule.
    Rule(Arc<Rule>),
}

impl Part {
    /// Returns the part of a declaration.
    pub fn of(declaration: &Declaration) -> Self {
        match (declaration.kind, declaration.form) {
            (IcingaType::Host, Form::Object | Form::Template) => host::pack(declaration),
            (_, Form::Apply(to)) => Self::Rule(Arc::new(Rule::of(declaration, to))),
            _ => Self::None,
        }
    }
}

/// It follows from the bytes of the file, so it is no difference between two contents.
impl PartialEq for Part {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Part {}

#[cfg(test)]
mod tests;
