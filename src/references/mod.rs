//! Decides which valid objects may be published: the largest set in which every named object
//! exists and every name is provided once. A change costs only as much as the objects that it
//! concerns. Pure.

mod admission;
mod closure;
mod dependencies;
mod few;
mod index;
mod itl;
mod names;
mod order;

pub use closure::{Ground, is_closed};
pub use dependencies::{Providers, circle};
pub use few::Few;
pub use index::{Index, Waiting};
pub use itl::itl;
pub use order::{Step, order};
