//! Which of the valid objects may be published: the largest set in which everything that is named exists, and every name
//! is given once. Incremental: a change costs what it touches. Pure.

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
