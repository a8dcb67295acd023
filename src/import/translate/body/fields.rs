//! Fields other than custom variables.

use super::{Draft, Place};
use crate::api::objects::ApplyTo;
use crate::import::document::Node;
use crate::import::language::SetOperator;
use crate::import::report::Reason;
use crate::import::translate::attributes::Sort;
use crate::import::translate::scope::Form;
use crate::import::translate::value::{Printed, Strength, Unsaid, Value, literal, text_of};
use crate::import::translate::{command, convert};

/// Most arguments or variables of the environment. The time for them grows with their square.
const MAX_ARGUMENTS: usize = 1000;

impl Draft<'_> {
    pub(super) fn assign_command(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
        let wrong = |remedy: &str| Unsaid::new(place.given.at, place.text(), Reason::Value, remedy);
        if !self.when.is_empty() {
            return Err(wrong("write one command for each case"));
        }
        let Value::Constant(node) = given else { return Err(wrong("write the value itself")) };
        self.touched.insert(place.name.to_owned());
        if place.sort == Sort::Command {
            if !place.below.is_empty() || place.operator != SetOperator::Set {
                return Err(wrong("write the whole list with `=`"));
            }
            let (words, remark) = command::words(&node).map_err(wrong)?;
            if let Some(remark) = remark {
                self.remarks.push((place.target.at, remark.to_owned()));
            }
            self.put_field(place.field, words);
            return Ok(());
        }
        let old = self.field(place.field).cloned();
        let mut entries = old.clone().unwrap_or(Node::Map(Vec::new()));
        match (place.below, place.operator, &node) {
            ([], _, Node::Map(new)) if new.len() > MAX_ARGUMENTS => {
                return Err(wrong("write at most 1000 entries"));
            }
            ([], SetOperator::Set | SetOperator::Add, Node::Map(new)) => {
                if place.operator == SetOperator::Set {
                    entries = Node::Map(Vec::new());
                    // `=` replaces the arguments of a template, where a resource's would be added.
                    if self.has_imports() && !self.unset.iter().any(|path| path == place.field) {
                        self.unset.push(place.field.to_owned());
                    }
                }
                for (key, node) in new {
                    entries.set(key, command::entry(place.sort, node).map_err(wrong)?);
                }
            }
            ([key], SetOperator::Set, node) => {
                entries.set(key, command::entry(place.sort, node).map_err(wrong)?)
            }
            ([key, part], SetOperator::Set, node)
                if place.sort == Sort::Arguments
                    && old.as_ref().is_some_and(|old| old.get(key).is_some()) =>
            {
                let mut argument = match entries.get(key) {
                    Some(Node::Map(parts)) => Node::Map(parts.clone()),
                    Some(other) => Node::Map(vec![("value".into(), other.clone())]),
                    None => Node::Map(Vec::new()),
                };
                let Node::Map(parts) =
                    command::entry(place.sort, &Node::Map(vec![(part.clone(), node.clone())]))
                        .map_err(wrong)?
                else {
                    return Err(wrong("write the whole argument with `=`"));
                };
                parts.into_iter().for_each(|(name, value)| argument.set(&name, value));
                entries.set(key, argument);
            }
            _ => return Err(wrong("write the whole value with `=`")),
        }
        self.put_field(place.field, entries);
        Ok(())
    }

    pub(super) fn assign_field(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
        let wrong = |remedy: &str| Unsaid::new(place.given.at, place.text(), Reason::Value, remedy);
        let name = place.name;
        self.touched.insert(name.to_owned());
        let is_late = !self.when.is_empty() || self.scope.unsure.iter().any(|unsure| unsure == name);
        let given = match (place.sort, given) {
            (Sort::Zone, Value::Constant(Node::Text(zone)))
                if !is_late && place.operator == SetOperator::Set =>
            {
                self.zone = Some(zone);
                return Ok(());
            }
            (Sort::Zone, _) => {
                return Err(Unsaid::new(
                    place.given.at,
                    place.text(),
                    Reason::Computed,
                    "write the zone itself, one block for each zone",
                ));
            }
            // `ranges.monday = "..."`
            (Sort::Ranges | Sort::Times, given) if !place.below.is_empty() => {
                if place.operator != SetOperator::Set {
                    return Err(wrong("write the whole value with `=`"));
                }
                let [key] = place.below else { return Err(wrong("write the whole value with `=`")) };
                let is_known = self.scope.own.get(name).is_some() || self.is_only_here(name);
                if is_late || !is_known {
                    return Err(wrong("write the whole value with `=`"));
                }
                let Value::Constant(node) = given else {
                    return Err(wrong("write the whole value with `=`"));
                };
                let mut entries = self.scope.own.get(name).cloned().unwrap_or(Node::Map(Vec::new()));
                entries.set(key, node);
                Value::Constant(entries)
            }
            (_, _) if !place.below.is_empty() => return Err(wrong("write the whole value with `=`")),
            (_, given) => given,
        };
        let given = if place.operator == SetOperator::Set || !place.below.is_empty() {
            given
        } else {
            self.sum(place, given, is_late)?
        };
        let Some(given) = given_or_added(given) else { return Ok(()) };
        // A service depends on its own host without saying so.
        let is_own_host = matches!(&given, Value::Expression(printed) if printed.text == "host.name");
        if place.field == "parentHostName"
            && is_own_host
            && !is_late
            && self.imports.is_empty()
            && self.scope.form == Form::Rule(ApplyTo::Service)
        {
            return Ok(());
        }
        match given {
            Value::Constant(node) if !is_late => self.constant(place, node),
            other => self.computed(place, other),
        }
    }

    /// Returns the value of `attribute += given`.
    pub(super) fn sum(&mut self, place: &Place, given: Value, is_late: bool) -> Result<Value, Unsaid> {
        let wrong = |remedy: &str| Unsaid::new(place.target.at, place.text(), Reason::Operator, remedy);
        if place.operator != SetOperator::Add {
            return Err(wrong("write the whole value with `=`"));
        }
        let is_list = matches!(place.sort, Sort::Names | Sort::Groups | Sort::Filter);
        let is_map = matches!(place.sort, Sort::Ranges | Sort::Times);
        let old = self.scope.own.get(place.name).cloned();
        match (old, given) {
            (Some(Node::List(old)), Value::Constant(Node::List(more))) if is_list && !is_late => {
                Ok(Value::Constant(Node::List(old.into_iter().chain(more).collect())))
            }
            (Some(Node::Map(old)), Value::Constant(Node::Map(more))) if is_map && !is_late => {
                let mut sum = Node::Map(old);
                more.into_iter().for_each(|(key, node)| sum.set(&key, node));
                Ok(Value::Constant(sum))
            }
            (None, given @ Value::Constant(Node::List(_) | Node::Map(_)))
                if !is_late && !self.has_imports() =>
            {
                Ok(given)
            }
            (None, Value::Constant(Node::List(more))) if !is_late && place.sort == Sort::Groups => {
                let groups = convert::field(Sort::Names, &Node::List(more)).map_err(wrong)?;
                if let (Some(Node::List(old)), Some(Node::List(more))) =
                    (self.field("addGroups").cloned(), groups.clone())
                {
                    self.put_field("addGroups", Node::List(old.into_iter().chain(more).collect()));
                } else if let Some(groups) = groups {
                    self.put_field("addGroups", groups);
                }
                Ok(Value::Constant(Node::Map(vec![("added".into(), Node::Null)])))
            }
            (old, given) if place.sort == Sort::Groups && self.scope.computes() => {
                // Computed groups are the known ones and the new ones.
                let known = match old {
                    Some(old) if !is_late => Value::Constant(old),
                    None if !is_late && !self.has_imports() => Value::Constant(Node::List(Vec::new())),
                    _ => {
                        self.must_compute(place)?;
                        let text = given.print(place.given.at)?.text;
                        let item = self.item(|item| !item.fields.iter().any(|(name, _)| name == "addGroups"));
                        item.fields.push(("addGroups".into(), Node::Text(text)));
                        self.unsure(place.name);
                        return Ok(Value::Constant(Node::Map(vec![("added".into(), Node::Null)])));
                    }
                };
                let known = known.print(place.given.at)?;
                let given = given.print(place.given.at)?;
                let text = if known.text == "[]" {
                    given.text
                } else {
                    format!("{} + {}", known.text, given.inside(Strength::Not))
                };
                Ok(Value::Expression(Printed { text, strength: Strength::Add }))
            }
            _ => Err(wrong("write the whole value with `=`; it adds to the value of a template")),
        }
    }

    pub(super) fn constant(&mut self, place: &Place, node: Node) -> Result<(), Unsaid> {
        let wrong = |remedy: &str| Unsaid::new(place.given.at, place.text(), Reason::Value, remedy);
        let is_empty_list =
            matches!(&node, Node::List(items) if items.is_empty()) && place.sort != Sort::Filter;
        let is_empty_map = matches!(&node, Node::Map(entries) if entries.is_empty());
        let field = if node == Node::Null || is_empty_list {
            None
        } else {
            convert::field(place.sort, &node).map_err(wrong)?
        };
        // A list of ranges replaces that of a template, as every field does.
        match field {
            Some(field) if !is_empty_map => self.put_field(place.field, field),
            _ => {
                self.fields.retain(|(name, _)| name != place.field);
                if place.sort == Sort::Groups {
                    self.fields.retain(|(name, _)| name != "addGroups");
                }
                if self.has_imports() && !self.unset.iter().any(|path| path == place.field) {
                    self.unset.push(place.field.to_owned());
                }
            }
        }
        self.scope.own.set(place.name, node);
        Ok(())
    }

    pub(super) fn computed(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
        self.must_compute(place)?;
        self.unsure(place.name);
        let at = place.given.at;
        let wrong = |remedy: &str| Unsaid::new(at, place.text(), Reason::Value, remedy);
        if place.field == "parentHostName" {
            let remedy = "write a dependency with parentHostName and childHostName for each host, or a rule for each parent";
            return Err(Unsaid::new(at, place.text(), Reason::Computed, remedy));
        }
        let node = match (place.sort, given) {
            (Sort::Duration, Value::Constant(node)) => {
                match convert::field(Sort::Duration, &node).map_err(wrong)? {
                    Some(duration) => duration,
                    None => return Err(wrong("write a duration")),
                }
            }
            (Sort::Ranges, Value::Map(entries)) => {
                let entries =
                    entries.into_iter().map(|(day, value)| Ok((day, Node::Text(value.print(at)?.text))));
                Node::Map(entries.collect::<Result<_, Unsaid>>()?)
            }
            (Sort::Ranges | Sort::Times, Value::Constant(Node::Map(entries))) => {
                let texts = entries.iter().map(|(day, node)| Some((day.clone(), Node::Text(literal(node)?))));
                Node::Map(texts.collect::<Option<_>>().ok_or_else(|| wrong("write the value itself"))?)
            }
            (Sort::Whole, Value::Constant(node)) if text_of(&node).is_some() => {
                match convert::field(Sort::Whole, &node).map_err(wrong)? {
                    Some(Node::Number(value)) => Node::Text(value.to_string()),
                    _ => return Err(wrong("write a whole number")),
                }
            }
            (_, given) => Node::Text(given.print(at)?.text),
        };
        let field = place.field.to_owned();
        let item = self.item(|item| !item.fields.iter().any(|(name, _)| *name == field));
        item.fields.push((field, node));
        Ok(())
    }
}

/// Returns None for what [`Draft::sum`] has done itself.
fn given_or_added(value: Value) -> Option<Value> {
    match &value {
        Value::Constant(Node::Map(entries)) if matches!(entries.as_slice(), [(key, Node::Null)] if key == "added") => {
            None
        }
        _ => Some(value),
    }
}
