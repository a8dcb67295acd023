//! A small set: most names have one provider and no referrer.

use std::collections::HashSet;
use std::hash::Hash;

/// A set of which most are empty or have one member. Those cost no allocation.
#[derive(Default)]
#[allow(clippy::box_collection, reason = "the set itself would make every name three times as large")]
pub enum Few<T> {
    /// No member.
    #[default]
    None,
    /// One member.
    One(T),
    /// Several members.
    Many(Box<HashSet<T>>),
}

impl<T: Clone + Eq + Hash> Few<T> {
    /// Returns the members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(member) => (Some(member), None),
            Self::Many(members) => (None, Some(members.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Many(members) => members.len(),
        }
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// True if this is a member.
    pub fn contains(&self, member: &T) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => one == member,
            Self::Many(members) => members.contains(member),
        }
    }

    /// Adds a member.
    pub fn insert(&mut self, member: T) {
        match self {
            Self::None => *self = Self::One(member),
            Self::One(other) if *other == member => {}
            Self::One(other) => *self = Self::Many(Box::new([other.clone(), member].into())),
            Self::Many(members) => drop(members.insert(member)),
        }
    }

    /// Removes a member.
    pub fn remove(&mut self, member: &T) {
        match self {
            Self::One(other) if other == member => *self = Self::None,
            Self::Many(members) => {
                members.remove(member);
                if members.len() == 1 {
                    *self = members.iter().next().cloned().map_or(Self::None, Self::One);
                }
            }
            Self::None | Self::One(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_set_in_its_smallest_form(steps in prop::collection::vec((0..4_u8, any::<bool>()), 0..20)) {
            let (mut few, mut set) = (Few::None, HashSet::new());
            for (member, comes) in steps {
                if comes {
                    few.insert(member);
                    set.insert(member);
                } else {
                    few.remove(&member);
                    set.remove(&member);
                }
                prop_assert_eq!(few.iter().copied().collect::<HashSet<_>>(), set.clone());
                prop_assert_eq!((few.len(), few.is_empty()), (set.len(), set.is_empty()));
                prop_assert!((0..4).all(|member| few.contains(&member) == set.contains(&member)));
                prop_assert_eq!(matches!(few, Few::Many(_)), set.len() > 1);
            }
        }
    }
}
