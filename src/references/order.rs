//! The order in which a batch of changes reaches the volume, so that at every instant every named
//! object exists: an object is written before its referrers and removed after them.

use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::{Link, Name, Provided};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One change of one file.
#[derive(Clone, Debug)]
pub struct Step {
    /// The file on the volume now.
    pub old: Option<Arc<Rendered>>,
    /// The file after the change. None to remove it.
    pub new: Option<Arc<Rendered>>,
    /// The file on the volume cannot be read: it may name anything.
    pub is_unread: bool,
}

impl Step {
    fn gains(&self) -> Vec<&Provided> {
        difference(&self.new, &self.old)
    }

    /// True if a dependency begins or changes.
    fn begins(&self) -> bool {
        link(&self.new).is_some_and(|new| link(&self.old) != Some(new))
    }

    /// True if a dependency ends or changes.
    fn ends(&self) -> bool {
        link(&self.old).is_some_and(|old| link(&self.new) != Some(old))
    }

    fn gains_fact(&self) -> bool {
        self.gains().iter().any(|provided| provided.name.sort().is_none())
    }

    fn loses_fact(&self) -> bool {
        self.loses().iter().any(|provided| provided.name.sort().is_none())
    }

    /// True if a name goes with this step.
    pub fn takes_away(&self) -> bool {
        !self.loses().is_empty()
    }

    fn loses(&self) -> Vec<&Provided> {
        difference(&self.old, &self.new)
    }
}

fn link(content: &Option<Arc<Rendered>>) -> Option<&Link> {
    content.as_ref()?.link()
}

/// Returns the names that `one` provides and `other` does not.
fn difference<'a>(one: &'a Option<Arc<Rendered>>, other: &'a Option<Arc<Rendered>>) -> Vec<&'a Provided> {
    let provides = |content: &'a Option<Arc<Rendered>>| content.iter().flat_map(|content| content.provides());
    let others: HashSet<&Name> = provides(other).map(|provided| &provided.name).collect();
    provides(one).filter(|provided| !others.contains(&provided.name)).collect()
}

fn uses(content: &Option<Arc<Rendered>>) -> impl Iterator<Item = &Name> {
    content
        .iter()
        .flat_map(|content| content.uses())
        .filter(|needed| !needed.mutual)
        .flat_map(|needed| &needed.any_of)
}

/// Sorts a batch; `keys` are the resources of the steps. Returns each resource with those that
/// must come before it: if one of them fails, the step must not run. If two steps need each other
/// (two resources that swap names, a zone and its endpoint), one of them comes first anyway: no
/// order of single renames could satisfy both.
pub fn order(steps: Vec<Step>, keys: &[ObjectKey]) -> Vec<(ObjectKey, Vec<ObjectKey>)> {
    // The steps that must come before each step.
    let mut gained_by: HashMap<&Name, Vec<usize>> = HashMap::new();
    let mut lost_by: HashMap<&Name, Vec<(usize, &Provided)>> = HashMap::new();
    for (i, step) in steps.iter().enumerate() {
        for provided in step.gains() {
            gained_by.entry(&provided.name).or_default().push(i);
        }
        for provided in step.loses() {
            lost_by.entry(&provided.name).or_default().push((i, provided));
        }
    }
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (i, step) in steps.iter().enumerate() {
        // A name must exist before its first referrer is written, and its last referrer must be
        // gone before the name is.
        for name in uses(&step.new) {
            before[i].extend(gained_by.get(name).into_iter().flatten());
        }
        for name in uses(&step.old) {
            for (loser, _) in lost_by.get(name).into_iter().flatten() {
                before[*loser].push(i);
            }
        }
        // If a name moves to another resource, the old one gives it up first.
        for provided in step.gains() {
            let twin = provided.name.twin();
            let lost = [Some(&provided.name), twin.as_ref()]
                .into_iter()
                .flatten()
                .filter_map(|name| lost_by.get(name));
            let in_the_way = lost.flatten().filter(|(other, held)| *other != i && held.clashes(provided));
            before[i].extend(in_the_way.map(|(other, _)| other));
        }
    }
    let mut starts: Vec<usize> = (0..steps.len()).collect();
    // What cannot be read is replaced first: nobody knows what it needs.
    // Between two renames there must be no circle of dependencies either, so dependencies end
    // before others begin. And templates pass facts on to objects outside the batch, so facts are
    // gained first and lost last.
    starts.sort_by_cached_key(|i| {
        let step = &steps[*i];
        let is_removed = step.new.is_none() && !step.ends();
        (!step.is_unread, step.begins(), is_removed, step.loses_fact(), !step.gains_fact(), keys[*i].clone())
    });
    // Depth first, without recursion: a long chain of templates must not overflow the stack.
    let mut sorted = Vec::with_capacity(steps.len());
    let mut state = vec![0u8; steps.len()];
    for start in starts {
        let mut stack = vec![(start, 0)];
        while let Some((i, next)) = stack.pop() {
            if state[i] == 2 {
                continue;
            }
            state[i] = 1;
            match before[i].get(next) {
                Some(&j) => {
                    stack.push((i, next + 1));
                    if state[j] == 0 {
                        stack.push((j, 0));
                    }
                }
                None => {
                    state[i] = 2;
                    sorted.push(i);
                }
            }
        }
    }
    sorted
        .into_iter()
        .map(|i| (keys[i].clone(), before[i].iter().map(|j| keys[*j].clone()).collect()))
        .collect()
}
