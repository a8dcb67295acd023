//! Conditions over Icinga attributes, as a typed tree. What the parser does not know it refuses;
//! nothing of the source text reaches the configuration, which is rendered again from the tree.

mod parser;
mod pattern;
mod tree;
mod truth;

pub use parser::parse;
pub use tree::{Attribute, Comparison, Entries, Expression, Subject};
pub(crate) use truth::{Known, may_match};
