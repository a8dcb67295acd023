//! The values of rules: what Icinga leaves out of `apply.set`, and where rules of one name meet,
//! found by evaluating the published contents, and reported in the condition `ValuesTaken`.
//!
//! A change of a host costs one evaluation by each rule that sets something; a change of such a
//! rule, or of a name that it looked for, one on each host. A step evaluates at most [`PAIRS`] of
//! these, so a large set delays nothing else. Without such a rule it costs nothing.

mod report;

use crate::api::objects::ApplyTo;
use crate::api::{IcingaType, Reason};
use crate::evaluate::{Host, LeftOut, Made, Part, Rule};
use crate::identity::ObjectKey;
use crate::references::Index;
use crate::status::Values;
use crate::text::quoted;
use crate::validate::Name;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Evaluations of a rule on a host in one step, and the time between two steps.
const PAIRS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(20);
/// Hosts that a message names.
const NAMED: usize = 3;
/// Hosts whose words are kept. Of others only the number is known.
const WORDED: usize = 100;

/// The type, target and name of a rule's objects.
type Shared = (IcingaType, bool, String);

/// What the evaluation knows, and what it has to do.
#[derive(Default)]
pub(super) struct Evaluation {
    rules: BTreeMap<ObjectKey, Known>,
    /// Rules by what they can share.
    sharing: BTreeMap<Shared, BTreeSet<ObjectKey>>,
    /// Hosts that changed.
    hosts: VecDeque<ObjectKey>,
    /// Rules that are to be evaluated on every host.
    waiting: BTreeSet<ObjectKey>,
    sweep: Option<Sweep>,
    /// Rules whose status may have to be written again.
    outdated: BTreeMap<ObjectKey, Duration>,
    names_changed: bool,
    looked: Option<Duration>,
    reported: Duration,
}

/// A rule, and what was found of it.
struct Known {
    rule: Arc<Rule>,
    /// It was evaluated on every host.
    is_complete: bool,
    /// What is left out, by host.
    left_out: BTreeMap<ObjectKey, Box<str>>,
    /// Where another rule, or a single object, has the name, by host.
    shared: BTreeMap<ObjectKey, Box<str>>,
    /// Names that were looked for, and whether they were there.
    tested: BTreeMap<Name, bool>,
}

/// Rules that are being evaluated on every host, each of which is so read once.
struct Sweep {
    rules: BTreeSet<ObjectKey>,
    /// Those that are left.
    hosts: Vec<ObjectKey>,
}

fn is_there(index: &Index, name: &Name) -> bool {
    let gives = |key: &ObjectKey| {
        let content = index.visible(key);
        content.is_some_and(|content| content.provides().iter().any(|provided| provided.name == *name))
    };
    index.is_reserved(name) || index.providers(name).any(gives)
}

/// Returns the host of a published content. None if it is none, or is not wholly known.
fn host_of(index: &Index, key: &ObjectKey) -> Option<Host> {
    let Part::Host { is_template: false, packed } = index.visible(key)?.part() else { return None };
    let template = |name: &str| {
        let name = Name::template(IcingaType::Host, name);
        let content = index.providers(&name).find_map(|key| index.visible(key))?;
        match content.part() {
            Part::Host { is_template: true, packed } => Some(packed.clone()),
            _ => None,
        }
    };
    Host::unpack(packed, &template)
}

impl Known {
    fn new(rule: Arc<Rule>) -> Self {
        Self {
            rule,
            is_complete: false,
            left_out: BTreeMap::new(),
            shared: BTreeMap::new(),
            tested: BTreeMap::new(),
        }
    }

    fn shares(&self) -> Shared {
        (self.rule.kind, self.rule.to == ApplyTo::Service, self.rule.beginning().to_owned())
    }

    /// Returns what is reported.
    fn values(&self) -> Values {
        if !self.is_complete {
            return Values::Unknown;
        }
        let mut parts = Vec::new();
        let listed = |found: &BTreeMap<ObjectKey, Box<str>>| {
            let words: Vec<_> = found.values().filter(|words| !words.is_empty()).take(NAMED).collect();
            let more = found.len() - words.len();
            let words = words.iter().map(|words| words.as_ref()).collect::<Vec<_>>().join("; ");
            match (more, words.is_empty()) {
                (0, _) => words,
                (_, true) => format!("on {more} hosts"),
                (_, false) => format!("{words}; and on {more} more hosts"),
            }
        };
        if !self.left_out.is_empty() {
            parts.push(format!(
                "Icinga leaves out values, and the fields keep what they had: {}; correct the variables, or declare what they name \
                 (objects outside the set are named in the setting externalObjects)",
                listed(&self.left_out)
            ));
        }
        if !self.shared.is_empty() {
            parts.push(format!(
                "another one makes the object: {}; rename one, or exclude these hosts by ignoreWhere",
                listed(&self.shared)
            ));
        }
        let reason = match (self.left_out.is_empty(), self.shared.is_empty()) {
            (true, true) => return Values::Taken,
            (true, false) => Reason::NameShared,
            (false, _) => Reason::ValueLeftOut,
        };
        Values::LeftOut { reason, message: parts.join(". ") }
    }
}

impl Evaluation {
    /// True if a rule is evaluated at all.
    fn is_wanted(&self, key: &ObjectKey) -> bool {
        self.rules.get(key).is_some_and(|known| {
            known.rule.has_set() || self.sharing.get(&known.shares()).is_some_and(|rules| rules.len() > 1)
        })
    }

    /// Returns what is to be reported of a rule. None if it is not evaluated.
    pub fn values(&self, key: &ObjectKey) -> Option<Values> {
        self.rules.get(key).filter(|_| self.is_wanted(key)).map(Known::values)
    }

    fn has_work(&self) -> bool {
        self.names_changed || !self.hosts.is_empty() || !self.waiting.is_empty() || self.sweep.is_some()
    }

    /// Takes the contents that may have changed.
    pub fn changed(&mut self, index: &Index, keys: &BTreeSet<ObjectKey>, now: Duration) {
        for key in keys {
            match index.visible(key).map(|content| content.part()) {
                Some(Part::Rule(rule)) => {
                    if !self.rules.get(key).is_some_and(|known| Arc::ptr_eq(&known.rule, rule)) {
                        self.forget(key, now);
                        self.learn(key, rule.clone(), now);
                    }
                    continue;
                }
                Some(Part::Host { is_template: true, packed }) => {
                    self.forget(key, now);
                    self.importers(index, packed);
                }
                Some(Part::Host { is_template: false, .. }) => self.hosts.push_back(key.clone()),
                Some(Part::None) => {
                    self.names_changed = true;
                    self.singles(index, key);
                }
                // Nobody knows what it was.
                None => {
                    self.names_changed = true;
                    self.forget(key, now);
                    self.hosts.push_back(key.clone());
                }
            }
        }
        if self.rules.is_empty() {
            self.hosts.clear();
        }
    }

    fn learn(&mut self, key: &ObjectKey, rule: Arc<Rule>, now: Duration) {
        let known = Known::new(rule);
        let shares = known.shares();
        self.rules.insert(key.clone(), known);
        self.sharing.entry(shares.clone()).or_default().insert(key.clone());
        self.restart_all(&shares, now);
    }

    fn forget(&mut self, key: &ObjectKey, now: Duration) {
        let Some(known) = self.rules.remove(key) else { return };
        let shares = known.shares();
        if let Some(rules) = self.sharing.get_mut(&shares) {
            rules.remove(key);
            if rules.is_empty() {
                self.sharing.remove(&shares);
            }
        }
        self.outdated.remove(key);
        self.waiting.remove(key);
        if let Some(sweep) = &mut self.sweep {
            sweep.rules.remove(key);
        }
        self.restart_all(&shares, now);
    }

    /// What rules of one name make depends on each other.
    fn restart_all(&mut self, shares: &Shared, now: Duration) {
        for key in self.sharing.get(shares).cloned().unwrap_or_default() {
            if self.is_wanted(&key) {
                self.restart(&key);
            } else {
                self.outdated.entry(key).or_insert(now);
            }
        }
    }

    fn restart(&mut self, key: &ObjectKey) {
        self.waiting.insert(key.clone());
        if let Some(sweep) = &mut self.sweep {
            sweep.rules.remove(key);
        }
    }

    /// Has the host of a single object evaluated again, whose name a rule may have.
    fn singles(&mut self, index: &Index, key: &ObjectKey) {
        let provided =
            index.visible(key).filter(|_| !self.rules.is_empty()).map(|content| content.provides());
        for provided in provided.into_iter().flatten().filter(|provided| provided.exclusive) {
            let parts: Vec<_> = provided.name.as_str().split('!').collect();
            if let [_, host, _] = parts[..] {
                let host = Name::object(IcingaType::Host, host);
                self.hosts.extend(index.providers(&host).cloned());
            }
        }
    }

    /// Has every host evaluated again that imports a template, also through others.
    fn importers(&mut self, index: &Index, packed: &str) {
        let Some(name) = Host::name_of(packed) else { return };
        let mut names = vec![Name::template(IcingaType::Host, &name)];
        let mut seen = BTreeSet::new();
        while let Some(name) = names.pop() {
            for key in index.referrers(&name) {
                let Some(Part::Host { is_template, packed }) = index.visible(&key).map(|c| c.part()) else {
                    continue;
                };
                if !seen.insert(key.clone()) {
                    continue;
                }
                match (is_template, Host::name_of(packed)) {
                    (true, Some(name)) => names.push(Name::template(IcingaType::Host, &name)),
                    _ => self.hosts.push_back(key),
                }
            }
        }
    }

    /// Evaluates as much as one step may.
    fn work(&mut self, index: &Index, now: Duration) {
        if std::mem::take(&mut self.names_changed) {
            let is_changed =
                |known: &Known| known.tested.iter().any(|(name, was)| is_there(index, name) != *was);
            let changed: Vec<_> = self
                .rules
                .iter()
                .filter(|(_, known)| is_changed(known))
                .map(|(key, _)| key.clone())
                .collect();
            changed.iter().for_each(|key| self.restart(key));
        }
        let is_idle = |rule: &&ObjectKey| self.is_wanted(rule) && !self.waiting.contains(*rule);
        if !self.rules.keys().any(|rule| is_idle(&rule)) {
            // Those that wait begin with every host.
            self.hosts.clear();
        }
        let mut left = PAIRS;
        while left > 0
            && let Some(host) = self.hosts.pop_front()
        {
            let rules =
                self.rules.keys().filter(|rule| self.is_wanted(rule) && !self.waiting.contains(*rule));
            let rules: Vec<_> = rules.cloned().collect();
            left = left.saturating_sub(1 + self.evaluate(index, &rules, &host, now));
        }
        if self.sweep.is_none() && !self.waiting.is_empty() {
            self.sweep = Some(self.new_sweep(index));
        }
        while left > 0
            && let Some(mut sweep) = self.sweep.take()
        {
            if let Some(host) = sweep.hosts.pop() {
                let rules: Vec<_> = sweep.rules.iter().cloned().collect();
                left = left.saturating_sub(1 + self.evaluate(index, &rules, &host, now));
                self.sweep = Some(sweep);
            } else {
                for rule in sweep.rules {
                    if let Some(known) = self.rules.get_mut(&rule) {
                        known.is_complete = true;
                        self.outdated.entry(rule).or_insert(now);
                    }
                }
            }
        }
    }

    fn new_sweep(&mut self, index: &Index) -> Sweep {
        let rules = std::mem::take(&mut self.waiting);
        for rule in &rules {
            if let Some(known) = self.rules.get_mut(rule) {
                known.tested.clear();
            }
        }
        let is_host = |part: &Part| matches!(part, Part::Host { is_template: false, .. });
        let all = index.all_visible().filter(|content| is_host(content.part()));
        Sweep { rules, hosts: all.map(|content| content.key().clone()).collect() }
    }

    /// Evaluates rules on a host, which may be gone. Returns how many these were.
    fn evaluate(&mut self, index: &Index, rules: &[ObjectKey], host: &ObjectKey, now: Duration) -> usize {
        if rules.is_empty() {
            return 0;
        }
        let found = host_of(index, host);
        for rule in rules {
            self.evaluate_one(index, rule, host, found.as_ref(), now);
        }
        rules.len()
    }

    /// Evaluates a rule on a host. None if there is no such host any more, or it is not known.
    fn evaluate_one(
        &mut self,
        index: &Index,
        key: &ObjectKey,
        host_key: &ObjectKey,
        host: Option<&Host>,
        now: Duration,
    ) {
        let Some(known) = self.rules.get(key) else { return };
        let tested = RefCell::new(BTreeMap::new());
        let exists = |kind: IcingaType, name: &str| {
            let name = Name::object(kind, name);
            let is_there = is_there(index, &name);
            tested.borrow_mut().insert(name, is_there);
            is_there
        };
        let made = host.and_then(|host| known.rule.on(host, &exists)).unwrap_or_default();
        let left_out = made.iter().flat_map(|made| &made.left_out).next();
        let left_out = host.zip(left_out).map(|(host, one)| words(host, one));
        let shared = host.and_then(|host| self.sharer(index, key, known, host, &made, &tested));
        let Some(known) = self.rules.get_mut(key) else { return };
        known.tested.extend(tested.into_inner());
        let changed =
            [replace(&mut known.left_out, host_key, left_out), replace(&mut known.shared, host_key, shared)];
        if known.is_complete && changed.contains(&true) {
            self.outdated.entry(key.clone()).or_insert(now);
        }
    }

    /// Returns which other one makes an object that a rule would make on a host.
    fn sharer(
        &self,
        index: &Index,
        key: &ObjectKey,
        known: &Known,
        host: &Host,
        made: &[Made],
        tested: &RefCell<BTreeMap<Name, bool>>,
    ) -> Option<Box<str>> {
        if known.rule.to != ApplyTo::Host {
            return None;
        }
        let kind = known.rule.kind;
        let mut made = made.iter().filter(|made| made.exists && !made.is_partly_unknown);
        let single = |made: &Made| {
            let name = Name::attached(kind, &host.name, None, &made.name);
            let is_there = is_there(index, &name);
            if is_there {
                tested.borrow_mut().insert(name, true);
            }
            is_there
        };
        let others = || self.sharing.get(&known.shares()).into_iter().flatten();
        let first = |made: &Made| {
            let makes = |other: &&ObjectKey| {
                let exists = |kind: IcingaType, name: &str| is_there(index, &Name::object(kind, name));
                let rule = self.rules.get(*other).map(|known| &known.rule);
                let all = rule.and_then(|rule| rule.on(host, &exists)).unwrap_or_default();
                all.iter().any(|one| one.exists && !one.is_partly_unknown && one.name == made.name)
            };
            others().filter(|other| other.goes_before(key)).find(makes)
        };
        made.find_map(|made| {
            let by = match (single(made), first(made)) {
                (true, _) => "a single object has this name".to_owned(),
                (false, Some(other)) => format!("Icinga reads the rule {other} first"),
                (false, None) => return None,
            };
            Some(format!("{} on {}: {by}", quoted(&made.name), host.name).into())
        })
    }
}

fn words(host: &Host, left_out: &LeftOut) -> Box<str> {
    let entry = match left_out.entry.as_str() {
        "" => String::new(),
        entry => format!(" ({})", quoted(entry)),
    };
    format!("{}{entry}: {}", host.name, left_out.words()).into()
}

/// Replaces what was found of a host. True if that is something else.
fn replace(found: &mut BTreeMap<ObjectKey, Box<str>>, host: &ObjectKey, words: Option<Box<str>>) -> bool {
    match words {
        None => found.remove(host).is_some(),
        Some(words) => {
            let words = if found.len() < WORDED || found.get(host).is_some_and(|old| !old.is_empty()) {
                words
            } else {
                Box::default()
            };
            found.insert(host.clone(), words.clone()).as_ref() != Some(&words)
        }
    }
}
