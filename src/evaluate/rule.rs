//! What a rule makes on a host.

use super::expression::Scene;
use super::fits::{Exists, Missing, are_times, fitting, is_variable};
use super::host::Host;
use super::values::{Stop, number_text};
use crate::api::IcingaType;
use crate::api::objects::{ApplyTo, Kind};
use crate::text::quoted;
use crate::validate::expression::{Expression, Subject};
use crate::validate::value::Value;
use crate::validate::{Assignments, Declaration, ForEach};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A rule, as far as it is evaluated.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Type of the objects.
    pub kind: IcingaType,
    /// What they belong to.
    pub to: ApplyTo,
    /// The name, or what stands before the key of an entry.
    beginning: String,
    assign: Vec<Expression>,
    ignore: Vec<Expression>,
    for_each: Option<ForEach>,
    set: Vec<Assignments>,
    needs_set: Vec<&'static [&'static str]>,
}

/// A value that is left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Icinga's name of the object, without its host: empty if the rule has no entries.
    pub entry: String,
    /// The field in a manifest.
    pub field: String,
    /// The variable that the value comes from. Empty if the expression reads none.
    pub from: String,
    /// Why.
    pub missing: Missing,
}

impl LeftOut {
    /// Returns the words for a person.
    pub fn words(&self) -> String {
        let from = if self.from.is_empty() { String::new() } else { format!(" from {}", self.from) };
        match &self.missing {
            Missing::Kind(words) => format!("{}{from} is not {words}", self.field),
            Missing::Object(kind, name) => {
                format!("{}{from} names {kind} {}, which does not exist", self.field, quoted(name))
            }
        }
    }
}

/// Returns the first variable that an expression reads, or else the first attribute.
fn read(expression: &Expression) -> String {
    let (mut found, mut is_variable) = (String::new(), false);
    expression.attributes(&mut |attribute| {
        let has_keys = !attribute.keys.is_empty();
        if !is_variable && (found.is_empty() || has_keys) {
            let field = if attribute.field.is_empty() { "" } else { "." };
            let keys = attribute.keys.iter().map(|key| format!(".{key}")).collect::<String>();
            found = format!("{}{field}{}{keys}", attribute.subject.word(), attribute.field);
            is_variable = has_keys;
        }
    });
    found
}

/// What a rule makes of one entry on one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The name, without the host.
    pub name: String,
    /// Attributes that `set` gives, by Icinga's name.
    pub given: BTreeMap<String, Json>,
    /// Custom variables that `set` gives.
    pub vars: BTreeMap<String, Json>,
    /// What it leaves out.
    pub left_out: Vec<LeftOut>,
    /// False if Icinga makes no such object, because only `set` could give what it needs.
    pub exists: bool,
    /// True if some value depends on more than is known here.
    pub is_partly_unknown: bool,
}

impl Rule {
    pub(super) fn of(declaration: &Declaration, to: ApplyTo) -> Self {
        Self {
            kind: declaration.kind,
            to,
            beginning: declaration.beginning(),
            assign: declaration.assign.clone(),
            ignore: declaration.ignore.clone(),
            for_each: declaration.for_each.clone(),
            set: declaration.set.clone(),
            needs_set: declaration.needs_set.clone(),
        }
    }

    /// Returns the name of its objects, or what stands before the key of an entry.
    pub fn beginning(&self) -> &str {
        &self.beginning
    }

    /// True if it sets something from expressions.
    pub fn has_set(&self) -> bool {
        !self.set.is_empty()
    }

    /// Returns the objects that the rule makes on a host. None if that depends on more than is
    /// known here. `exists` is asked for names alone.
    pub fn on(&self, host: &Host, exists: Exists<'_>) -> Option<Vec<Made>> {
        let scene = Scene { host, entry: None };
        let Some(for_each) = &self.for_each else {
            let is_made = self.applies(scene)?;
            return Some(if is_made {
                vec![self.made(scene, self.beginning.clone(), exists)]
            } else {
                Vec::new()
            });
        };
        let has_entry = |condition: &Expression| {
            let mut reads = false;
            condition.attributes(&mut |attribute| {
                reads |= [Subject::Key, Subject::Value].contains(&attribute.subject);
            });
            reads
        };
        let is_by_entry = self.assign.iter().chain(&self.ignore).any(has_entry);
        if !is_by_entry && !self.applies(scene)? {
            return Some(Vec::new());
        }
        let list = scene.attribute(&for_each.attribute).ok()?;
        let (keys, entries): (Vec<Value>, _) = match list {
            Value::Dictionary(entries) => {
                (entries.keys().map(|key| Value::String(key.clone())).collect(), entries)
            }
            Value::Array(items) => {
                let is_looked_for = items.len() <= ForEach::MAX_LOOKED_FOR;
                let number = |item: &Value| match item {
                    Value::Number(number) if is_looked_for => Some((number_text(*number), item.clone())),
                    _ => None,
                };
                let numbers = items.iter().filter_map(number).collect();
                (items, numbers)
            }
            _ => return Some(Vec::new()),
        };
        let keys: BTreeSet<_> = keys
            .into_iter()
            .filter_map(|key| match key {
                Value::String(key) => Some(key),
                Value::Number(number) => Some(number_text(number)),
                _ => None,
            })
            .filter(|key| !(key.contains('!') || key.is_empty() && self.beginning.is_empty()))
            .collect();
        let mut made = Vec::new();
        for key in keys {
            let value = entries.get(&key).cloned().unwrap_or_else(|| Value::String(key.clone()));
            let scene = Scene { host, entry: Some((&key, &value)) };
            if !is_by_entry || self.applies(scene)? {
                made.push(self.made(scene, format!("{}{key}", self.beginning), exists));
            }
        }
        Some(made)
    }

    /// Returns whether the conditions are true. None if that depends on more than is known here.
    fn applies(&self, scene: Scene<'_>) -> Option<bool> {
        let any = |conditions: &[Expression]| {
            conditions
                .iter()
                .try_fold(false, |found, condition| Ok::<_, Stop>(found || scene.holds(condition)?))
        };
        Some(any(&self.assign).ok()? && !any(&self.ignore).ok()?)
    }

    fn made(&self, scene: Scene<'_>, name: String, exists: Exists<'_>) -> Made {
        let entry = if self.for_each.is_some() { name.clone() } else { String::new() };
        let mut work = Work { entry, ..Work::default() };
        for item in &self.set {
            set(&mut work, item, scene, exists);
        }
        let Work { given, vars, left_out, is_partly_unknown, .. } = work;
        let gives = |attribute: &&str| given.contains_key(*attribute);
        let exists = self.needs_set.iter().all(|attributes| attributes.iter().any(gives));
        let json = |values: BTreeMap<String, Value>| {
            values.into_iter().map(|(name, value)| (name, value.to_json())).collect()
        };
        Made { name, exists, left_out, is_partly_unknown, given: json(given), vars: json(vars) }
    }
}

/// What was given so far.
#[derive(Default)]
struct Work {
    entry: String,
    given: BTreeMap<String, Value>,
    vars: BTreeMap<String, Value>,
    left_out: Vec<LeftOut>,
    is_partly_unknown: bool,
}

/// Notes the value of an expression: what it gives, and what is left out.
fn note(
    work: &mut Work,
    field: &str,
    scene: Scene<'_>,
    expression: &Expression,
    take: impl FnOnce(&mut Work, Value) -> Result<Vec<Missing>, Stop>,
) {
    let missing = match scene.raw(expression) {
        Ok(value) => take(work, value),
        // Icinga catches the error. It is a value of another type than the expression needs.
        Err(Stop::Fails) => Ok(vec![Missing::Kind("what its expression can be made of".into())]),
        Err(Stop::Unknown) => Err(Stop::Unknown),
    };
    let Ok(missing) = missing else {
        work.is_partly_unknown = true;
        return;
    };
    let entry = work.entry.clone();
    let from = read(expression);
    let one =
        |missing| LeftOut { entry: entry.clone(), field: field.to_owned(), from: from.clone(), missing };
    work.left_out.extend(missing.into_iter().map(one));
}

fn set(work: &mut Work, item: &Assignments, scene: Scene<'_>, exists: Exists<'_>) {
    match item.when.as_ref().map(|when| scene.holds(when)) {
        None | Some(Ok(true)) => {}
        Some(Ok(false) | Err(Stop::Fails)) => return,
        Some(Err(Stop::Unknown)) => {
            work.is_partly_unknown = true;
            return;
        }
    }
    for (field, expression) in &item.fields {
        note(work, field.name, scene, expression, |made, value| {
            let fit = fitting(field.kind, &value, exists)?;
            if let Some(value) = fit.taken {
                match value {
                    Value::Array(more) if matches!(field.kind, Kind::MoreNames(_)) => {
                        let there = made.given.entry(field.attribute.to_owned());
                        match there.or_insert(Value::Array(Vec::new())) {
                            Value::Array(there) => there.extend(more),
                            there => *there = Value::Array(more),
                        }
                    }
                    value => {
                        made.given.insert(field.attribute.to_owned(), value);
                    }
                }
            }
            Ok(fit.missing)
        });
    }
    let mut ranges = BTreeMap::new();
    for (day, expression) in &item.ranges {
        let field = format!("ranges[{day}]");
        // One day's error does not cost the others.
        note(work, &field, scene, expression, |_, value| {
            if are_times(&value) {
                ranges.insert(day.clone(), value);
                return Ok(Vec::new());
            }
            let is_unset =
                matches!(&value, Value::Null) || matches!(&value, Value::String(text) if text.is_empty());
            Ok(if is_unset { Vec::new() } else { vec![Missing::Kind("times such as 02:00-03:00".into())] })
        });
    }
    if !ranges.is_empty() {
        work.given.insert("ranges".into(), Value::Dictionary(ranges));
    }
    let pairs = || vec![Missing::Kind("a value whose dollar signs come in pairs".into())];
    for (name, expression) in &item.vars {
        note(work, &format!("vars.{name}"), scene, expression, |made, value| {
            if !is_variable(&value) {
                return Ok(pairs());
            }
            made.vars.insert(name.clone(), value);
            Ok(Vec::new())
        });
    }
    for (i, expression) in item.add_vars.iter().enumerate() {
        note(work, &format!("addVars[{i}]"), scene, expression, |made, value| match value {
            Value::Dictionary(entries) if is_variable(&Value::Dictionary(entries.clone())) => {
                made.vars.extend(entries);
                Ok(Vec::new())
            }
            Value::Dictionary(_) => Ok(pairs()),
            Value::Null => Ok(Vec::new()),
            _ => Ok(vec![Missing::Kind("a dictionary".into())]),
        });
    }
}
