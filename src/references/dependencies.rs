//! Ensures that no host or service depends on itself. Icinga 2.14 and later refuse the whole
//! configuration if there is one circle of dependencies; older versions never notify about the
//! hosts and services in it. A service always depends on its host. Only the names that a rule
//! excludes or selects can be checked here, so everything that a rule could match counts as
//! matched.

use crate::identity::ObjectKey;
use crate::render::Rendered;
use crate::validate::{Checkable, Child, Name, facts};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Longest chain of dependencies. Icinga itself allows 256.
const MAX_DEPTH: usize = 20;
/// Most paths from one host or service up to the ends of its chains. Icinga follows each of them
/// at every check.
const MAX_WAYS: usize = 1_000;

/// Returns the contents of the set that provide a name. The set includes the content that is being
/// judged, instead of an older one of the same resource.
pub type Providers<'a> = dyn Fn(&Name) -> Vec<Arc<Rendered>> + 'a;

/// Returns why Icinga would not load the set with this dependency in it, for a person. None if it
/// would. Without the dependency the set must be free of circles. A single dependency costs a
/// search above and below it; a rule costs a search above every parent of the set.
pub fn circle(content: &Rendered, providers: &Providers) -> Option<String> {
    let link = content.link()?;
    let mut chains = Chains {
        providers,
        rules: providers(&facts::dependency_rule()),
        known: HashMap::new(),
        path: Vec::new(),
    };
    let starts = match &link.child {
        Child::One(child) => chains.with_what_is_below(child),
        Child::Hosts(_) | Child::Services(_) => chains.all_parents(),
    };
    starts.iter().find_map(|start| chains.of(start, None).err())
}

/// The chains above a host or service: how long the longest is, and how many paths there are.
#[derive(Clone, Copy)]
struct Shape {
    depth: usize,
    ways: usize,
}

/// The dependency that led here. None for the implicit link from a service to its host.
type Via = Option<Arc<Rendered>>;

fn key(via: &Via) -> Option<&ObjectKey> {
    via.as_ref().map(|content| content.key())
}

struct Chains<'a> {
    providers: &'a Providers<'a>,
    rules: Vec<Arc<Rendered>>,
    known: HashMap<Checkable, Shape>,
    path: Vec<(Checkable, Via)>,
}

impl Chains<'_> {
    /// Returns the direct parents of a host or service.
    fn above(&self, child: &Checkable) -> Vec<(Checkable, Via)> {
        let single = (self.providers)(&facts::dependency_of(child));
        let by_dependency = single
            .iter()
            .chain(&self.rules)
            .filter_map(|content| Some((content.link()?.parent_of(child)?, Some(Arc::clone(content)))));
        let mut above: Vec<_> = by_dependency.collect();
        if child.service.is_some() {
            above.push((Checkable { host: child.host.clone(), service: None }, None));
        }
        // Sorted, so that the message does not change while the set is the same.
        above.sort_by(|(a, via), (b, other)| (a, key(via)).cmp(&(b, key(other))));
        above
    }

    /// Returns the chains above a host or service, or the message about a circle or a chain that
    /// is too long.
    fn of(&mut self, node: &Checkable, via: Via) -> Result<Shape, String> {
        if let Some(known) = self.known.get(node) {
            return Ok(*known);
        }
        if let Some(at) = self.path.iter().position(|(other, _)| other == node) {
            self.path.push((node.clone(), via));
            return Err(self.describe(at));
        }
        self.path.push((node.clone(), via));
        if self.path.len() > 2 * MAX_DEPTH {
            return Err(self.too_much(node));
        }
        let mut shape = Shape { depth: 0, ways: 0 };
        for (parent, via) in self.above(node) {
            let step = usize::from(via.is_some());
            let above = self.of(&parent, via)?;
            shape.depth = shape.depth.max(above.depth + step);
            shape.ways = shape.ways.saturating_add(above.ways);
        }
        shape.ways = shape.ways.max(1);
        if shape.depth > MAX_DEPTH || shape.ways > MAX_WAYS {
            return Err(self.too_much(node));
        }
        self.path.pop();
        self.known.insert(node.clone(), shape);
        Ok(shape)
    }

    fn too_much(&self, node: &Checkable) -> String {
        format!(
            "{node} would depend on a chain of more than {MAX_DEPTH} hosts and services, or have more than {MAX_WAYS} \
             paths to its parents; make the chain flatter"
        )
    }

    fn describe(&self, from: usize) -> String {
        let circle = self.path.get(from..).unwrap_or_default();
        let mut text = circle
            .first()
            .map(|(node, _)| format!("{node} would depend on itself: {node}"))
            .unwrap_or_default();
        let mut left_out = None;
        for pair in circle.windows(2) {
            let [(child, _), (parent, via)] = pair else { continue };
            text.push_str(&format!(" -> {parent}"));
            if let Some(content) = via {
                text.push_str(&format!(" (MonitoringObject {})", content.key()));
                if content.link().is_some_and(|link| link.applies_to().is_some()) {
                    left_out = Some((child, content.key()));
                }
            }
        }
        text.push_str("; remove one of these dependencies");
        if let Some((child, rule)) = left_out {
            text.push_str(&format!(
                ", or leave {child} out of {rule} by name, with ignoreWhere: {}",
                by_name(child)
            ));
        }
        text
    }

    /// Returns the child, plus every descendant that is itself a parent.
    fn with_what_is_below(&self, child: &Checkable) -> Vec<Checkable> {
        let mut starts = Vec::new();
        let mut queue = vec![child.host.clone()];
        let mut seen = HashSet::new();
        while let Some(host) = queue.pop() {
            if !seen.insert(host.clone()) {
                continue;
            }
            let dependencies = (self.providers)(&facts::dependency_on(&host));
            if dependencies.is_empty() {
                continue;
            }
            for link in dependencies.iter().filter_map(|content| content.link()) {
                starts.push(link.parent());
                match &link.child {
                    Child::One(below) => queue.push(below.host.clone()),
                    // A rule may match any host or service.
                    Child::Hosts(_) | Child::Services(_) => return self.all_parents(),
                }
            }
            let own_services = self.rules.iter().filter_map(|rule| rule.link());
            let own_services = own_services.filter(|link| link.parent_host.is_none());
            starts.extend(own_services.map(|link| Checkable { host: host.clone(), ..link.parent() }));
        }
        // Sorted, so that the message does not change while the set is the same. The child comes
        // first, so that the message begins with it.
        starts.sort();
        starts.insert(0, child.clone());
        starts
    }

    /// Returns every parent of the set. Every circle contains one of these.
    fn all_parents(&self) -> Vec<Checkable> {
        let all = (self.providers)(&facts::dependency());
        let parents: BTreeSet<_> =
            all.iter().filter_map(|content| content.link()).map(|link| link.parent()).collect();
        parents.into_iter().collect()
    }
}

fn by_name(node: &Checkable) -> String {
    let host = (!node.host.is_empty()).then(|| format!("host.name == {:?}", node.host));
    let service = node.service.as_ref().map(|service| format!("service.name == {service:?}"));
    host.into_iter().chain(service).collect::<Vec<_>>().join(" && ")
}

#[cfg(test)]
mod tests;
