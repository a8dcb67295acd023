//! L3: the time that the index of names needs for a change, and whether it grows with the set.

use crate::mix::{self, Declared, HOST_TEMPLATE, Mix, SERVICE_TEMPLATE};
use crate::progress;
use crate::report::{Report, Row, Samples, Target, short};
use groundlink::api::IcingaVersion;
use groundlink::identity::{ObjectKey, Uid};
use groundlink::references::{Index, itl};
use groundlink::render::Rendered;
use groundlink::validate::{Name, Settings};
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Changes of one kind in one round.
const TURNS: usize = 500;
/// The larger set has this many times the objects of the smaller one.
const SMALLER: usize = 4;

/// A set of objects, and its index.
struct Set {
    mix: Mix,
    settings: Settings,
    /// In the order of a LIST.
    contents: Vec<Arc<Rendered>>,
    ages: HashMap<ObjectKey, usize>,
    index: Index,
    /// Grows with every change, so that no content occurs twice.
    version: usize,
}

impl Set {
    fn new(objects: usize) -> Self {
        let (mix, settings) = (Mix::new(objects), mix::settings());
        let mut contents: Vec<_> = mix.all().map(|declared| mix::rendered(&declared, &settings)).collect();
        let ages = contents.iter().enumerate().map(|(age, content)| (content.key().clone(), age)).collect();
        contents.sort_by(|one, other| one.key().cmp(other.key()));
        Self { mix, settings, contents, ages, index: Index::default(), version: 0 }
    }

    /// Loads every object into an empty index, as after a LIST.
    fn load(&mut self) -> Duration {
        self.index = Index::new(itl(IcingaVersion::V2_13));
        let contents = self.contents.clone();
        self.timed(|set| contents.into_iter().for_each(|content| set.upsert(content))).0
    }

    fn upsert(&mut self, content: Arc<Rendered>) {
        // An object that is not in the set is younger than all that are.
        let age = self.ages.get(content.key()).copied().unwrap_or(self.ages.len());
        self.index.upsert(age as i64, &Uid::new(&mix::uid(age)), content);
    }

    /// Times a change, the decision about it, and the list of objects whose visibility or content
    /// changed.
    fn timed(&mut self, change: impl FnOnce(&mut Self)) -> (Duration, BTreeSet<ObjectKey>) {
        let start = Instant::now();
        change(self);
        self.index.resolve();
        let changed = black_box(self.index.take_changed());
        (start.elapsed(), changed)
    }

    fn renders(&self, declared: &Declared) -> Arc<Rendered> {
        mix::rendered(declared, &self.settings)
    }

    /// Times one change. A change that is undone at once counts as the slower of the two steps.
    fn leaf(&mut self, sort: Leaf, turn: usize) -> Duration {
        self.version += 1;
        // A large prime as the stride: far from the previous change, and spread over the whole set.
        let number = turn * 7_919 % self.mix.services();
        match sort {
            Leaf::Service => {
                let content = self.renders(&self.mix.service(number, self.version));
                self.timed(|set| set.upsert(content)).0
            }
            Leaf::Host => {
                let content = self.renders(&self.mix.host(number / 2, self.version));
                self.timed(|set| set.upsert(content)).0
            }
            Leaf::ComesAndGoes => {
                let content = self.renders(&self.mix.further_service(number));
                let key = content.key().clone();
                let comes = self.timed(|set| set.upsert(content)).0;
                assert!(self.index.visible(&key).is_some(), "{key} was not admitted");
                comes.max(self.timed(|set| set.index.remove(&key)).0)
            }
        }
    }

    fn visible(&self) -> usize {
        self.index.all_visible().count()
    }
}

/// Changes of a single object.
#[derive(Clone, Copy)]
enum Leaf {
    Service,
    Host,
    ComesAndGoes,
}

const LEAVES: [(Leaf, &str); 3] = [
    (Leaf::Service, "new content of a service"),
    (Leaf::Host, "new content of a host that two services name"),
    (Leaf::ComesAndGoes, "a service is created or deleted (the slower)"),
];

/// Measures the index at both sizes, taking turns.
pub fn changes(objects: usize, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    progress!("L3: rendering {} and {objects} objects", objects / SMALLER);
    let mut sets = [Set::new(objects / SMALLER), Set::new(objects)];
    progress!("L3: loading both sets {rounds} times");
    let mut loads = [Samples::default(), Samples::default()];
    for _ in 0..=rounds {
        for (set, loads) in sets.iter_mut().zip(&mut loads) {
            loads.push(set.load());
        }
    }
    for set in &sets {
        let lost = set.contents.len() - set.visible();
        if lost > 0 {
            report.failures.push(format!("L3: {lost} of {} objects were not admitted", set.contents.len()));
        }
    }
    let [small, large] = &loads;
    let metric =
        format!("L3  load and resolve, {objects} (compared with: {SMALLER} times {})", objects / SMALLER);
    report.row(Row::new(metric, "ms", Some(small.median() * SMALLER as f64), large.median()));
    report.notes.push(format!("L3: load and resolve, {objects}, in each round: {} ms", large.spread()));
    report
        .details
        .push(json!({ "phase": "L3", "what": "load", "small": small.json(), "large": large.json() }));

    let nothing = from_nothing(&sets[1], rounds, report);
    for (sort, what) in LEAVES {
        leaves(&mut sets, sort, what, rounds, nothing, report);
    }
    for template in [SERVICE_TEMPLATE, HOST_TEMPLATE] {
        template_changes(&mut sets[1], template, rounds, nothing, report);
    }
    held(&mut sets[1], rounds, report);
    Ok(())
}

fn leaves(sets: &mut [Set; 2], sort: Leaf, what: &str, rounds: usize, nothing: f64, report: &mut Report) {
    progress!("L3: {what}");
    let mut times = [Samples::default(), Samples::default()];
    for round in 0..=rounds {
        for (set, times) in sets.iter_mut().zip(&mut times) {
            for turn in 0..TURNS {
                let took = set.leaf(sort, round * TURNS + turn);
                if round > 0 {
                    times.push(took);
                }
            }
        }
    }
    let [small, large] = &times;
    let [few, many] = [0, 1].map(|set| sets[set].contents.len());
    let us = |samples: &Samples, percent| samples.percentile(percent) * 1_000.0;
    let row = |percent, other, ours| {
        Row::new(format!("L3  {what}, {many}, p{percent} (compared with: {few})"), "µs", Some(other), ours)
    };
    report.row(row(50, us(small, 50.0), us(large, 50.0)).target(Target::Ratio(2.0)));
    report.row(row(99, us(small, 99.0), us(large, 99.0)));
    let metric = format!("L3  {what}, {many} (compared with: the closed set from scratch)");
    report.row(Row::new(metric, "µs", Some(nothing * 1_000.0), us(large, 50.0)));
    report.details.push(json!({ "phase": "L3", "what": what, "small": small.json(), "large": large.json() }));
}

/// Changes, deletes and recreates a template that many objects use.
fn template_changes(set: &mut Set, name: &str, rounds: usize, nothing: f64, report: &mut Report) {
    progress!("L3: template {name}");
    let key = ObjectKey::new("common", name);
    let (all, mut lost, mut told) = (set.visible(), 0, 0);
    let [mut content, mut gone, mut back] = [(); 3].map(|()| Samples::default());
    for round in 0..=rounds {
        for _ in 0..TURNS / 10 {
            set.version += 1;
            let next = set.renders(&set.mix.template(name, set.version));
            let (took, changed) = set.timed(|set| set.upsert(next));
            told = told.max(changed.len());
            if round > 0 {
                content.push(took);
            }
        }
        let present = set.index.visible(&key).unwrap().clone();
        let took = set.timed(|set| set.index.remove(&key)).0;
        lost = all - set.visible();
        if round == 0 {
            // In one round only, because it is slow.
            same_from_nothing(set, Some(&key), report);
        } else {
            gone.push(took);
        }
        let took = set.timed(|set| set.upsert(present)).0;
        if round > 0 {
            back.push(took);
        }
        if set.visible() != all {
            report.failures.push(format!("L3: {} of {all} objects came back", set.visible()));
        }
    }
    let users = set.mix.quarter();
    let exact = name == SERVICE_TEMPLATE;
    if lost < users + 1 || (exact && lost != users + 1) {
        report
            .failures
            .push(format!("L3: {lost} objects were withdrawn with template {name}, which {users} use"));
    }
    if told > 1 {
        report.notes.push(format!("L3: a new content of template {name} reported {told} objects as changed"));
    }
    let sort = if exact { "service" } else { "host" };
    let metric = format!("L3  new content of a {sort} template that {users} use");
    report.row(Row::new(metric, "µs", None, content.median() * 1_000.0));
    for (what, times) in [("is deleted", &gone), ("is recreated", &back)] {
        let others = lost - 1;
        let metric = format!(
            "L3  a {sort} template {what}, with its {others} dependants (compared with: from scratch)"
        );
        report.row(Row::new(metric, "ms", Some(nothing), times.median()));
        let each = times.median() * 1_000.0 / lost as f64;
        report.notes.push(format!(
            "L3: template {name} {what}: {} ms in each round, {} µs an object",
            times.spread(),
            short(each)
        ));
        report
            .details
            .push(json!({ "phase": "L3", "what": what, "template": name, "lost": lost, "ms": times.json() }));
    }
}

/// Changes a host while nearly every object waits for one missing template.
fn held(set: &mut Set, rounds: usize, report: &mut Report) {
    progress!("L3: a host changes while nearly every object waits for a template");
    let key = ObjectKey::new("common", "host-base");
    let (all, base) = (set.visible(), set.index.visible(&key).unwrap().clone());
    let _ = set.timed(|set| set.index.remove(&key));
    let waiting = all - set.visible() - 1;
    let mut times = Samples::default();
    for turn in 0..rounds * TURNS / 10 {
        times.push(set.leaf(Leaf::Host, turn));
    }
    let _ = set.timed(|set| set.upsert(base));
    if set.visible() != all {
        report.failures.push(format!("L3: {} of {all} objects came back", set.visible()));
    }
    let metric = format!("L3  new content of a host that waits with {waiting} others for one template");
    report.row(Row::new(metric, "µs", None, times.median() * 1_000.0));
    report.details.push(json!({ "phase": "L3", "what": "held", "waiting": waiting, "ms": times.json() }));
}

/// Computes the closed set by repeated passes over all objects, which the index avoids. Returns
/// milliseconds.
fn from_nothing(set: &Set, rounds: usize, report: &mut Report) -> f64 {
    same_from_nothing(set, None, report);
    let mut times = Samples::default();
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(closed(set, None));
        times.push(start.elapsed());
    }
    let metric =
        format!("L3  the closed set of {} from scratch, by passes over all objects", set.contents.len());
    report.row(Row::new(metric, "ms", Some(times.median()), f64::NAN));
    times.median()
}

/// Reports a failure unless the index and the passes agree.
fn same_from_nothing(set: &Set, without: Option<&ObjectKey>, report: &mut Report) {
    let ours: HashSet<&ObjectKey> = set.index.all_visible().map(|content| content.key()).collect();
    let expected = closed(set, without);
    if ours != expected {
        let difference = ours.symmetric_difference(&expected).count();
        report
            .failures
            .push(format!("L3: index and passes differ in {difference} objects (without {without:?})"));
    }
}

/// Returns the closed set: drops each object that names a missing one, until there is none.
fn closed<'a>(set: &'a Set, without: Option<&ObjectKey>) -> HashSet<&'a ObjectKey> {
    let mut left: Vec<&Rendered> = set
        .contents
        .iter()
        .map(|content| &**content)
        .filter(|content| Some(content.key()) != without)
        .collect();
    loop {
        let names: HashSet<&Name> =
            left.iter().flat_map(|c| c.provides()).map(|provided| &provided.name).collect();
        let is_there = |name: &Name| names.contains(name) || set.index.is_reserved(name);
        let before = left.len();
        left.retain(|content| content.uses().iter().all(|needed| needed.any_of.iter().any(is_there)));
        if left.len() == before {
            return left.into_iter().map(Rendered::key).collect();
        }
    }
}
