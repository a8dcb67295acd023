//! Which namespaces the operator watches.

use super::event::Event;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The namespaces whose MonitoringObjects are watched. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `None`: all.
    namespaces: Option<Arc<BTreeSet<Arc<str>>>>,
}

impl Scope {
    /// Returns the scope of these namespaces alone. All, if none is named.
    pub fn of(namespaces: &[String]) -> Self {
        let names: BTreeSet<Arc<str>> = namespaces.iter().map(|name| name.as_str().into()).collect();
        Self { namespaces: (!names.is_empty()).then(|| Arc::new(names)) }
    }

    /// Returns the named namespaces. `None` if all namespaces are watched.
    pub fn namespaces(&self) -> Option<&BTreeSet<Arc<str>>> {
        self.namespaces.as_deref()
    }

    /// Returns whether the objects of this namespace are watched.
    pub fn has(&self, namespace: &str) -> bool {
        self.namespaces().is_none_or(|names| names.contains(namespace))
    }

    /// Returns the place of each watch that covers the scope.
    pub fn places(&self) -> Vec<Place> {
        match self.namespaces() {
            None => vec![None],
            Some(names) => names.iter().cloned().map(Some).collect(),
        }
    }
}

/// Where one watch looks: at one namespace, or at all of them (`None`).
pub type Place = Option<Arc<str>>;

/// What one watch saw, and where it looks.
pub type Seen = (Place, Event);

/// Returns whether a watch with this place sees the objects of a namespace.
pub fn sees(place: Option<&str>, namespace: &str) -> bool {
    place.is_none_or(|place| place == namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_without_a_name_is_the_whole_cluster() {
        let all = Scope::of(&[]);
        assert!(all.has("a") && all.namespaces().is_none());
        assert_eq!(all.places(), [None]);
        let some = Scope::of(&["b".into(), "a".into(), "b".into()]);
        assert_eq!(some.places(), [Some("a".into()), Some("b".into())]);
        assert!(some.has("a") && !some.has("aa"));
        assert!(sees(None, "a") && sees(Some("a"), "a") && !sees(Some("a"), "b"));
    }
}
