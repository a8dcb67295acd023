//! Closed references: whether a set has everything that a content needs. The index, the catalog
//! and the views all ask this, each about its own set.

use crate::render::Rendered;
use crate::validate::{Name, Use};

/// The longest chain of templates through which a fact may be passed on.
const MAX_RELAYED: usize = 20;

/// A set of contents, as one content sees it.
pub trait Ground {
    /// True if a name exists without any content of the set: one of the template library, or an
    /// external object.
    fn is_reserved(&self, name: &Name) -> bool;

    /// True if `is_wanted` holds for a content of the set that provides the name or passes it on.
    /// May also call it with contents that do neither.
    fn any_provider(&self, name: &Name, is_wanted: &dyn Fn(&Rendered) -> bool) -> bool;
}

/// True if the set has one of the alternatives.
pub fn is_met(needed: &Use, ground: &impl Ground) -> bool {
    needed.any_of.iter().any(|name| has(ground, name, 0))
}

/// True if the set has everything that a content needs.
pub fn is_closed(content: &Rendered, ground: &impl Ground) -> bool {
    content.uses().iter().all(|needed| is_met(needed, ground))
}

/// `relayed` is the number of templates through which the name was passed on.
fn has(ground: &impl Ground, name: &Name, relayed: usize) -> bool {
    let has_given = |given: &Name| relayed < MAX_RELAYED && has(ground, given, relayed + 1);
    ground.is_reserved(name) || ground.any_provider(name, &|content| content.gives(name, &has_given))
}
