//! L3: what a change costs the index of names, and whether that grows with the set.

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

/// Changes of one sort in one round.
const TURNS: usize = 500;
/// How much smaller the other set is.
const SMALLER: usize = 4;

/// A set of objects, and its index.
struct Set {
    mix: Mix,
    settings: Settings,
    /// In the order in which a server lists them.
    contents: Vec<Arc<Rendered>>,
    ages: HashMap<ObjectKey, usize>,
    index: Index,
    /// Counts up, so that no content comes twice.
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

    /// Everything from the start, as after a LIST.
    fn load(&mut self) -> Duration {
        self.index = Index::new(itl(IcingaVersion::V2_13));
        let contents = self.contents.clone();
        self.timed(|set| contents.into_iter().for_each(|content| set.upsert(content))).0
    }

    fn upsert(&mut self, content: Arc<Rendered>) {
        // What is not in the set is younger than all of it.
        let age = self.ages.get(content.key()).copied().unwrap_or(self.ages.len());
        self.index.upsert(age as i64, &Uid::new(&mix::uid(age)), content);
    }

    /// A change, the decision, and who is told.
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

    /// One change of one sort; the longer of two if it is undone at once.
    fn leaf(&mut self, sort: Leaf, turn: usize) -> Duration {
        self.version += 1;
        // Far from the last one, and in the end everywhere.
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

/// Sorts of changes that concern one object.
#[derive(Clone, Copy)]
enum Leaf {
    Service,
    Host,
    ComesAndGoes,
}

const LEAVES: [(Leaf, &str); 3] = [
    (Leaf::Service, "new content of a service"),
    (Leaf::Host, "new content of a host that two services name"),
    (Leaf::ComesAndGoes, "a service comes, or goes (the longer)"),
];

/// Everything about the index, of two sizes in turns.
pub fn changes(objects: usize, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    progress!("L3: making {} and {objects} objects", objects / SMALLER);
    let mut sets = [Set::new(objects / SMALLER), Set::new(objects)];
    progress!("L3: loading them, {rounds} times");
    let mut loads = [Samples::default(), Samples::default()];
    for _ in 0..=rounds {
        for (set, loads) in sets.iter_mut().zip(&mut loads) {
            loads.push(set.load());
        }
    }
    for set in &sets {
        let lost = set.contents.len() - set.visible();
        if lost > 0 {
            report.failures.push(format!("L3: {lost} of {} objects are not admitted", set.contents.len()));
        }
    }
    let [small, large] = &loads;
    let metric = format!("L3  load and resolve, {objects} (next to: {SMALLER} times {})", objects / SMALLER);
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
        Row::new(format!("L3  {what}, {many}, p{percent} (next to: {few})"), "µs", Some(other), ours)
    };
    report.row(row(50, us(small, 50.0), us(large, 50.0)).target(Target::Ratio(2.0)));
    report.row(row(99, us(small, 99.0), us(large, 99.0)));
    let metric = format!("L3  {what}, {many} (next to: the closed set from nothing)");
    report.row(Row::new(metric, "µs", Some(nothing * 1_000.0), us(large, 50.0)));
    report.details.push(json!({ "phase": "L3", "what": what, "small": small.json(), "large": large.json() }));
}

/// A template that many use: another content of it, its end and its return.
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
            // Once, because it is slow.
            same_from_nothing(set, Some(&key), report);
        } else {
            gone.push(took);
        }
        let took = set.timed(|set| set.upsert(present)).0;
        if round > 0 {
            back.push(took);
        }
        if set.visible() != all {
            report.failures.push(format!("L3: {} of {all} objects are there again", set.visible()));
        }
    }
    let users = set.mix.quarter();
    let exact = name == SERVICE_TEMPLATE;
    if lost < users + 1 || (exact && lost != users + 1) {
        report.failures.push(format!("L3: {lost} objects went with template {name}, which {users} use"));
    }
    if told > 1 {
        report
            .notes
            .push(format!("L3: a new content of template {name} made {told} objects be looked at again"));
    }
    let sort = if exact { "service" } else { "host" };
    let metric = format!("L3  new content of a {sort} template that {users} use");
    report.row(Row::new(metric, "µs", None, content.median() * 1_000.0));
    for (what, times) in [("goes", &gone), ("comes back", &back)] {
        let others = lost - 1;
        let metric =
            format!("L3  a {sort} template {what}, and {others} objects with it (next to: from nothing)");
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

/// Nearly everything waits for one template, and a host among them changes.
fn held(set: &mut Set, rounds: usize, report: &mut Report) {
    progress!("L3: a host changes while nearly everything waits");
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
        report.failures.push(format!("L3: {} of {all} objects are there again", set.visible()));
    }
    let metric = format!("L3  new content of a host that waits with {waiting} others for one template");
    report.row(Row::new(metric, "µs", None, times.median() * 1_000.0));
    report.details.push(json!({ "phase": "L3", "what": "held", "waiting": waiting, "ms": times.json() }));
}

/// What an index spares: the closed set found by passes over everything. Milliseconds.
fn from_nothing(set: &Set, rounds: usize, report: &mut Report) -> f64 {
    same_from_nothing(set, None, report);
    let mut times = Samples::default();
    for _ in 0..rounds {
        let start = Instant::now();
        black_box(closed(set, None));
        times.push(start.elapsed());
    }
    let metric =
        format!("L3  the closed set of {} from nothing, by passes over everything", set.contents.len());
    report.row(Row::new(metric, "ms", Some(times.median()), f64::NAN));
    times.median()
}

/// The index and the passes agree.
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

/// What remains when everything that names something missing is left out, again and again.
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
