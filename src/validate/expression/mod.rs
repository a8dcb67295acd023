//! Conditions over Icinga attributes, as a typed tree. What the parser does not know it refuses;
//! nothing of the source text reaches the configuration, which is rendered again from the tree.

mod lexer;
mod operands;
mod parser;
mod pattern;
mod tree;
mod truth;

pub use parser::{Scope, parse, parse_in};
pub use tree::{Attribute, Comparison, Entries, Expression, Subject, Type};
pub(crate) use truth::{Known, may_match, pattern_matches};
