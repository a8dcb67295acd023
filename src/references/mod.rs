//! Which of the valid objects may be published: the largest set in which everything that is named exists, and every name
//! is given once. Incremental: a change costs what it touches. Pure.

mod admission;
mod dependencies;
mod index;
mod itl;
mod names;
mod order;

pub use dependencies::{Providers, circle};
pub use index::{Index, MAX_RELAYED, Waiting};
pub use itl::itl;
pub use order::{Step, order};
