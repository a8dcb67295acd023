//! A small set. Most names have one provider and no referrer.

use std::collections::HashSet;
use std::hash::Hash;

/// A set that is usually empty or has one member. Then it needs no allocation, and no more room
/// than the member itself.
pub struct Few<T>(Form<T>);

#[allow(clippy::box_collection, reason = "the set itself would make every name three times as large")]
enum Form<T> {
    One(T),
    /// None is the empty set. An own variant would make the type larger: a member has room for one
    /// mark beside it, not for two.
    Other(Option<Box<HashSet<T>>>),
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Form::Other(None))
    }
}

impl<T: Clone + Eq + Hash> Few<T> {
    /// Returns the members, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let (one, many) = match &self.0 {
            Form::One(member) => (Some(member), None),
            Form::Other(members) => (None, members.as_ref()),
        };
        one.into_iter().chain(many.into_iter().flat_map(|members| members.iter()))
    }

    /// Returns the number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::One(_) => 1,
            Form::Other(members) => members.as_ref().map_or(0, |members| members.len()),
        }
    }

    /// True if there is no member.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Form::Other(None))
    }

    /// True if this is a member.
    pub fn contains(&self, member: &T) -> bool {
        match &self.0 {
            Form::One(one) => one == member,
            Form::Other(members) => members.as_ref().is_some_and(|members| members.contains(member)),
        }
    }

    /// Adds a member.
    pub fn insert(&mut self, member: T) {
        match &mut self.0 {
            Form::One(other) if *other == member => {}
            Form::One(other) => {
                let both = HashSet::from([other.clone(), member]);
                self.0 = Form::Other(Some(Box::new(both)));
            }
            Form::Other(None) => self.0 = Form::One(member),
            Form::Other(Some(members)) => drop(members.insert(member)),
        }
    }

    /// Removes a member.
    pub fn remove(&mut self, member: &T) {
        match &mut self.0 {
            Form::One(other) if other == member => self.0 = Form::Other(None),
            Form::Other(Some(members)) => {
                members.remove(member);
                if members.len() == 1
                    && let Some(last) = members.iter().next().cloned()
                {
                    self.0 = Form::One(last);
                }
            }
            Form::Other(None) | Form::One(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::ObjectKey;
    use proptest::prelude::*;

    /// Each name of the hub has three of these sets.
    #[test]
    fn it_is_no_larger_than_a_key() {
        assert_eq!(size_of::<Few<ObjectKey>>(), size_of::<ObjectKey>());
    }

    proptest! {
        #[test]
        fn it_is_a_set_in_its_smallest_form(steps in prop::collection::vec((0..4_u8, any::<bool>()), 0..20)) {
            let (mut few, mut set) = (Few::default(), HashSet::new());
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
                prop_assert_eq!(matches!(few.0, Form::Other(Some(_))), set.len() > 1);
            }
        }
    }
}
