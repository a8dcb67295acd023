//! The statements of a block, in order, to the fields of a manifest.
//!
//! A resource has its imports first, then its own values, then what `set` computes. Icinga runs the
//! statements in their order. So a value before an import, or behind a computed one, is only taken
//! if the order makes no difference, or goes to `set`, whose items are in order, too.

use super::attributes::{Sort, attribute};
use super::command;
use super::convert;
use super::facts::Facts;
use super::scope::{Form, Scope};
use super::value::{Printed, Strength, Unsaid, Value, condition, is_true, keys, literal, text_of, value};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::{Expression, Kind, SetOperator, Statement, StatementKind, source};
use crate::import::report::Reason;
use std::collections::BTreeSet;

/// Templates that Icinga imports by itself.
const BUILT_IN: [&str; 4] =
    ["plugin-check-command", "plugin-notification-command", "plugin-event-command", "legacy-timeperiod"];

/// One entry of `set`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SetItem {
    when: Option<String>,
    fields: Vec<(String, Node)>,
    vars: Vec<(String, Node)>,
    add_vars: Vec<String>,
}

/// A block while its statements are read.
pub(super) struct Draft<'a> {
    pub(super) scope: Scope<'a>,
    kind: IcingaType,
    pub(super) imports: Vec<String>,
    /// Paths that the templates' values are taken back of.
    pub(super) unset: Vec<String>,
    /// Fields, by their names in the manifest.
    pub(super) fields: Vec<(String, Node)>,
    pub(super) vars: Node,
    pub(super) set: Vec<SetItem>,
    pub(super) assign: Vec<String>,
    pub(super) ignore: Vec<String>,
    pub(super) key_var: Option<String>,
    pub(super) value_var: Option<String>,
    /// Zone that the block names itself.
    pub(super) zone: Option<String>,
    pub(super) remarks: Vec<(crate::import::language::Position, String)>,
    /// True after `vars += value` of the loop.
    entry_added: bool,
    /// Conditions around the statement.
    when: Vec<Printed>,
    /// Attributes that were set so far, `vars.<name>` for variables.
    touched: BTreeSet<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(scope: Scope<'a>, kind: IcingaType) -> Self {
        Self {
            scope,
            kind,
            imports: Vec::new(),
            unset: Vec::new(),
            fields: Vec::new(),
            vars: Node::Map(Vec::new()),
            set: Vec::new(),
            assign: Vec::new(),
            ignore: Vec::new(),
            key_var: None,
            value_var: None,
            zone: None,
            remarks: Vec::new(),
            entry_added: false,
            when: Vec::new(),
            touched: BTreeSet::new(),
        }
    }

    fn facts(&self) -> &'a Facts {
        self.scope.facts
    }

    /// Takes all statements of the block.
    pub(super) fn statements(&mut self, body: &[Statement]) -> Result<(), Unsaid> {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Unsaid> {
        let at = statement.at;
        match &statement.kind {
            StatementKind::Import(name) => self.import(name),
            StatementKind::Set(target, operator, given) => self.assignment(target, *operator, given),
            StatementKind::AssignWhere(expression) => self.rule(expression, true),
            StatementKind::IgnoreWhere(expression) => self.rule(expression, false),
            StatementKind::Variable(target, operator, given) => {
                self.variable(target, *operator, given.as_ref())
            }
            StatementKind::Expression(Expression { kind: Kind::If(branches, otherwise), .. }) => {
                self.branches(branches, otherwise.as_deref())
            }
            StatementKind::Expression(expression) => {
                Err(Unsaid::new(at, source(expression), Reason::Statement, "write assignments only"))
            }
            StatementKind::Block(_) | StatementKind::Rule(_) => Err(Unsaid::new(
                at,
                "a block inside of a block",
                Reason::Nested,
                "write it outside, as a rule or with the names of its objects",
            )),
            StatementKind::For(..) | StatementKind::While(..) => {
                Err(Unsaid::new(at, "a loop", Reason::Function, "write the values that it makes"))
            }
            StatementKind::Function(..) => {
                Err(Unsaid::new(at, "a function", Reason::Function, "write the values that it makes"))
            }
            _ => Err(Unsaid::new(
                at,
                "a statement other than an assignment",
                Reason::Statement,
                "write assignments only",
            )),
        }
    }

    fn variable(
        &mut self,
        target: &Expression,
        operator: SetOperator,
        given: Option<&Expression>,
    ) -> Result<(), Unsaid> {
        let wrong = || {
            Unsaid::new(
                target.at,
                source(target),
                Reason::Operator,
                "write the value where the variable is used",
            )
        };
        let Kind::Name(name) = &target.kind else { return Err(wrong()) };
        // A variable that a condition changes has two values.
        if operator != SetOperator::Set || !self.when.is_empty() {
            return Err(wrong());
        }
        let value = given.map_or(Ok(Value::Constant(Node::Null)), |given| value(given, &self.scope))?;
        self.scope.locals.push((name.clone(), value));
        Ok(())
    }

    fn rule(&mut self, expression: &Expression, is_assign: bool) -> Result<(), Unsaid> {
        if !self.when.is_empty() {
            return Err(Unsaid::new(
                expression.at,
                "a rule inside of `if`",
                Reason::Form,
                "put the condition into the rule",
            ));
        }
        let printed = condition(expression, &self.scope)?;
        let texts = alternatives(expression, printed, &self.scope)?;
        if is_assign {
            self.assign.extend(texts)
        } else {
            self.ignore.extend(texts)
        }
        Ok(())
    }

    fn branches(
        &mut self,
        branches: &[(Expression, Vec<Statement>)],
        otherwise: Option<&[Statement]>,
    ) -> Result<(), Unsaid> {
        let depth = self.when.len();
        let mut closed = false;
        for (expression, body) in branches {
            match value(expression, &self.scope)? {
                // What is known now needs no condition.
                Value::Constant(node) if is_true(&node) => {
                    self.statements(body)?;
                    closed = true;
                    break;
                }
                Value::Constant(_) => continue,
                other => {
                    let printed = other.print(expression.at)?;
                    if !self.scope.computes() {
                        return Err(Unsaid::new(
                            expression.at,
                            source(expression),
                            Reason::Computed,
                            "write one object for each case",
                        ));
                    }
                    let not = Printed {
                        text: format!("!{}", printed.inside(Strength::Not)),
                        strength: Strength::Not,
                    };
                    self.when.push(printed);
                    self.statements(body)?;
                    self.when.pop();
                    self.when.push(not);
                }
            }
        }
        if let (false, Some(body)) = (closed, otherwise) {
            self.statements(body)?;
        }
        self.when.truncate(depth);
        Ok(())
    }

    fn import(&mut self, name: &Expression) -> Result<(), Unsaid> {
        let wrong = |remedy: &str| Unsaid::new(name.at, source(name), Reason::Import, remedy);
        let Value::Constant(Node::Text(text)) = value(name, &self.scope)? else {
            return Err(wrong("write one rule for each template"));
        };
        if !self.when.is_empty() {
            return Err(wrong("write one rule for each template, with the condition in assignWhere"));
        }
        if BUILT_IN.contains(&text.as_str()) {
            self.remarks
                .push((name.at, format!("import {text:?} is left out, because Icinga imports it by itself")));
            return Ok(());
        }
        if let Some(clash) = self.overlap(&text) {
            return Err(Unsaid::new(
                name.at,
                format!("import {text:?} after {clash}"),
                Reason::ImportOrder,
                "move the import to the begin of the block, if that is what you mean",
            ));
        }
        self.imports.push(text);
        Ok(())
    }

    /// Returns the attribute that was set before an import which may set it, too.
    fn overlap(&self, template: &str) -> Option<String> {
        if self.touched.is_empty() {
            return None;
        }
        let Some(sets) = self.facts().set_by(self.kind, template) else {
            // A template of Icinga's library, or one that is not here.
            return self.touched.iter().next().cloned();
        };
        let all_vars = sets.contains("vars");
        self.touched
            .iter()
            .find(|name| {
                let is_var = name.starts_with("vars");
                sets.contains(*name)
                    || (is_var && all_vars)
                    || (*name == "vars" && sets.iter().any(|set| set.starts_with("vars.")))
            })
            .cloned()
    }

    fn assignment(
        &mut self,
        target: &Expression,
        operator: SetOperator,
        given: &Expression,
    ) -> Result<(), Unsaid> {
        // `x = condition ? a : b`
        if let Kind::Conditional(test, one, other) = &given.kind {
            return match value(test, &self.scope)? {
                Value::Constant(node) => {
                    self.assignment(target, operator, if is_true(&node) { one } else { other })
                }
                test_value => {
                    let printed = test_value.print(test.at)?;
                    let not = Printed {
                        text: format!("!{}", printed.inside(Strength::Not)),
                        strength: Strength::Not,
                    };
                    for (condition, given) in [(printed, one), (not, other)] {
                        self.when.push(condition);
                        self.assignment(target, operator, given)?;
                        self.when.pop();
                    }
                    Ok(())
                }
            };
        }
        if let Kind::Name(name) = &target.kind
            && self.scope.locals.iter().any(|(known, _)| known == name)
        {
            return self.variable(target, operator, Some(given));
        }
        let path = keys(target, &self.scope)?;
        let unknown = || {
            Unsaid::new(
                target.at,
                source(target),
                Reason::Attribute,
                "remove the attribute, or keep the object in Icinga's configuration",
            )
        };
        let [name, below @ ..] = path.as_slice() else { return Err(unknown()) };
        let (field, sort) = attribute(self.kind, name).ok_or_else(unknown)?;
        self.scope.in_command = matches!(sort, Sort::Command | Sort::Arguments | Sort::Environment);
        self.scope.in_filter = sort == Sort::Filter;
        let given_value = value(given, &self.scope);
        let in_command = std::mem::replace(&mut self.scope.in_command, false);
        self.scope.in_filter = false;
        let place = Place { target, given, name, below, field, sort, operator };
        if sort == Sort::Ignored {
            self.remarks.push((target.at, format!("{name} is left out, because Icinga reads it no more")));
            return Ok(());
        }
        let given_value = given_value?;
        if sort == Sort::Vars {
            return self.assign_vars(&place, given_value);
        }
        if in_command {
            return self.assign_command(&place, given_value);
        }
        self.assign_field(&place, given_value)
    }

    fn assign_vars(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
        let wrong_operator =
            || Unsaid::new(place.target.at, place.text(), Reason::Operator, "write the whole value with `=`");
        match (place.below, place.operator, &given) {
            // `vars += { a = 1 }` sets each entry.
            ([], SetOperator::Add, Value::Constant(Node::Map(entries))) => {
                for (key, node) in entries.clone() {
                    self.set_var(place, &[key], Value::Constant(node))?;
                }
                Ok(())
            }
            ([], SetOperator::Add, Value::Map(entries)) => {
                for (key, value) in entries.clone() {
                    self.set_var(place, &[key], value)?;
                }
                Ok(())
            }
            ([], SetOperator::Add, Value::Constant(Node::Null)) => Ok(()),
            ([], SetOperator::Add, Value::Expression(printed)) => self.add_vars(place, printed.text.clone()),
            ([], SetOperator::Set, Value::Constant(Node::Map(entries)))
                if self.imports.is_empty() && self.when.is_empty() && !self.has_defaults() =>
            {
                let entries = entries.clone();
                if self.scope.unsure.iter().any(|name| name.starts_with("vars")) {
                    return Err(wrong_operator());
                }
                self.vars = Node::Map(Vec::new());
                self.scope.own.set("vars", Node::Map(Vec::new()));
                for (key, node) in entries {
                    self.set_var(place, &[key], Value::Constant(node))?;
                }
                Ok(())
            }
            ([], SetOperator::Set, Value::Expression(printed))
                if self.imports.is_empty() && self.touched.is_empty() && !self.has_defaults() =>
            {
                self.add_vars(place, printed.text.clone())
            }
            ([], ..) => Err(wrong_operator()),
            (keys, SetOperator::Set, _) => self.set_var(place, keys, given),
            (keys, SetOperator::Add, _) => {
                // What the block itself has set so far is known.
                let old = keys.iter().try_fold(&self.vars, |node, key| node.get(key)).cloned();
                let is_sure = !self.scope.unsure.iter().any(|name| {
                    name == "vars" || keys.first().is_some_and(|key| *name == format!("vars.{key}"))
                });
                let of_template = !self.is_whole(keys);
                match (old, given) {
                    (_, Value::Constant(Node::Map(entries))) => {
                        for (key, node) in entries {
                            let path: Vec<String> = keys.iter().cloned().chain([key]).collect();
                            self.set_var(place, &path, Value::Constant(node))?;
                        }
                        Ok(())
                    }
                    (None, given) if !of_template => self.set_var(place, keys, given),
                    (Some(Node::List(old)), Value::Constant(Node::List(more)))
                        if is_sure && (!of_template || !old.is_empty()) =>
                    {
                        let sum = Node::List(old.into_iter().chain(more).collect());
                        self.set_var(place, keys, Value::Constant(sum))
                    }
                    _ => Err(Unsaid::new(
                        place.target.at,
                        place.text(),
                        Reason::Operator,
                        "write the whole value with `=`; it adds to the value of a template",
                    )),
                }
            }
            _ => Err(wrong_operator()),
        }
    }

    /// True if no template can have set this variable.
    fn is_whole(&self, keys: &[String]) -> bool {
        let Some(first) = keys.first() else { return false };
        if self.has_defaults() {
            return false;
        }
        self.imports.iter().all(|import| match self.facts().set_by(self.kind, import) {
            Some(sets) => !sets.contains("vars") && !sets.contains(&format!("vars.{first}")),
            // Templates of Icinga's library for hosts and services set no variables; commands do.
            None => false,
        })
    }

    fn has_defaults(&self) -> bool {
        self.scope.form != Form::Template && !self.facts().defaults(self.kind).is_empty()
    }

    fn add_vars(&mut self, place: &Place, text: String) -> Result<(), Unsaid> {
        self.must_compute(place)?;
        let is_entry = text == "value" && self.scope.for_each.is_some();
        let overridden = self.scope.unsure.iter().any(|name| name.starts_with("vars"))
            || self.key_var.is_some()
            || self.value_var.is_some();
        self.touched.insert("vars".into());
        self.unsure("vars");
        if is_entry && self.when.is_empty() {
            self.entry_added = true;
            // `forEach` adds it before everything that `set` computes.
            if !overridden {
                return Ok(());
            }
        }
        let item = self.item(|item| item.add_vars.is_empty());
        item.add_vars.push(text);
        Ok(())
    }

    fn must_compute(&self, place: &Place) -> Result<(), Unsaid> {
        if self.scope.computes() {
            return Ok(());
        }
        Err(Unsaid::new(place.given.at, source(place.given), Reason::Computed, "write the value itself"))
    }

    fn unsure(&mut self, name: &str) {
        if !self.scope.unsure.iter().any(|known| known == name) {
            self.scope.unsure.push(name.to_owned());
        }
    }

    fn set_var(&mut self, place: &Place, keys: &[String], given: Value) -> Result<(), Unsaid> {
        let Some(first) = keys.first().cloned() else { return Ok(()) };
        let root = format!("vars.{first}");
        self.touched.insert(root.clone());
        let is_late =
            !self.when.is_empty() || self.scope.unsure.iter().any(|name| *name == root || name == "vars");
        if let (false, Value::Constant(node)) = (is_late, &given) {
            // A dictionary replaces that of a template, where a resource's would be merged.
            if matches!(node, Node::Map(_)) && !self.is_whole(keys) {
                let path = var_path(keys);
                if !self.unset.contains(&path) && self.has_imports() {
                    self.unset.push(path);
                }
            }
            let node = node.clone();
            if !put(&mut self.vars, keys, node.clone()) {
                return Err(Unsaid::new(
                    place.target.at,
                    place.text(),
                    Reason::Value,
                    "set a dictionary before an entry of it",
                ));
            }
            if self.scope.own.get("vars").is_none() {
                self.scope.own.set("vars", Node::Map(Vec::new()));
            }
            if let Node::Map(entries) = &mut self.scope.own
                && let Some((_, own)) = entries.iter_mut().find(|(name, _)| name == "vars")
            {
                put(own, keys, node);
            }
            return Ok(());
        }
        self.must_compute(place)?;
        let printed = match &given {
            Value::Map(entries) => return self.set_entries(place, keys, entries.clone()),
            Value::Constant(Node::Map(entries)) if !entries.is_empty() => {
                let entries =
                    entries.iter().map(|(key, node)| (key.clone(), Value::Constant(node.clone()))).collect();
                return self.set_entries(place, keys, entries);
            }
            other => other.print(place.given.at)?.text,
        };
        let [name] = keys else {
            return Err(Unsaid::new(
                place.target.at,
                place.text(),
                Reason::Computed,
                "set a variable of its own, without keys below it, to the computed value",
            ));
        };
        let was_unsure = self.scope.unsure.iter().any(|known| *known == root);
        self.unsure(&root);
        if self.when.is_empty() && !was_unsure && is_variable_name(name) && self.scope.for_each.is_some() {
            let is_list = self.scope.for_each.is_some_and(|for_each| for_each.value.is_none());
            // Only these two come after the entry's own values.
            if (self.entry_added || is_list) && printed == "key" && self.key_var.is_none() {
                self.key_var = Some(name.clone());
                return Ok(());
            }
            if self.entry_added && printed == "value" && self.value_var.is_none() {
                self.value_var = Some(name.clone());
                return Ok(());
            }
        }
        let name = name.clone();
        let item =
            self.item(|item| item.add_vars.is_empty() && !item.vars.iter().any(|(known, _)| *known == name));
        item.vars.push((name, Node::Text(printed)));
        Ok(())
    }

    /// Sets a dictionary with computed values.
    fn set_entries(
        &mut self,
        place: &Place,
        keys: &[String],
        entries: Vec<(String, Value)>,
    ) -> Result<(), Unsaid> {
        let [name] = keys else {
            return Err(Unsaid::new(
                place.target.at,
                place.text(),
                Reason::Computed,
                "set a variable of its own to each computed value",
            ));
        };
        let texts = entries
            .iter()
            .map(|(key, value)| {
                Some(format!("{}: {}", literal(&Node::text(key))?, value.print(place.given.at).ok()?.text))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| {
                Unsaid::new(
                    place.given.at,
                    place.text(),
                    Reason::Form,
                    "set a variable of its own to each computed value",
                )
            })?;
        let root = format!("vars.{name}");
        self.unsure(&root);
        let name = name.clone();
        let item =
            self.item(|item| item.add_vars.is_empty() && !item.vars.iter().any(|(known, _)| *known == name));
        item.vars.push((name, Node::Text(format!("{{{}}}", texts.join(", ")))));
        Ok(())
    }

    pub(super) fn has_imports(&self) -> bool {
        !self.imports.is_empty() || self.has_defaults()
    }

    /// Returns the last item of `set` under the present conditions, if `fits` accepts it, else a
    /// new one.
    fn item(&mut self, fits: impl Fn(&SetItem) -> bool) -> &mut SetItem {
        let when = match self.when.as_slice() {
            [] => None,
            [one] => Some(one.text.clone()),
            several => Some(
                several.iter().map(|printed| printed.inside(Strength::And)).collect::<Vec<_>>().join(" && "),
            ),
        };
        let is_last = self.set.last().is_some_and(|item| item.when == when && fits(item));
        if !is_last {
            self.set.push(SetItem { when, ..SetItem::default() });
        }
        let last = self.set.len() - 1;
        &mut self.set[last]
    }

    fn assign_command(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
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

    pub(super) fn field(&self, field: &str) -> Option<&Node> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, node)| node)
    }

    fn put_field(&mut self, field: &str, node: Node) {
        match self.fields.iter_mut().find(|(name, _)| name == field) {
            Some((_, old)) => *old = node,
            None => self.fields.push((field.to_owned(), node)),
        }
    }

    fn assign_field(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
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
                let [key] = place.below else { return Err(wrong("write the whole value with `=`")) };
                if is_late || self.has_imports() && self.field(place.field).is_none() {
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
        match given {
            Value::Constant(node) if !is_late => self.constant(place, node),
            other => self.computed(place, other),
        }
    }

    /// Returns the value of `attribute += given`.
    fn sum(&mut self, place: &Place, given: Value, is_late: bool) -> Result<Value, Unsaid> {
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

    fn constant(&mut self, place: &Place, node: Node) -> Result<(), Unsaid> {
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

    fn computed(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
        self.must_compute(place)?;
        self.unsure(place.name);
        let at = place.given.at;
        let wrong = |remedy: &str| Unsaid::new(at, place.text(), Reason::Value, remedy);
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

    /// Returns `set` as it is written. Empty if nothing is computed.
    pub(super) fn set_nodes(&self) -> Vec<Node> {
        let node = |item: &SetItem| {
            let mut entries: Vec<(String, Node)> = Vec::new();
            entries.extend(item.when.iter().map(|when| ("when".to_owned(), Node::text(when))));
            entries.extend(item.fields.iter().cloned());
            if !item.vars.is_empty() {
                entries.push(("vars".into(), Node::Map(item.vars.clone())));
            }
            if !item.add_vars.is_empty() {
                entries.push(("addVars".into(), Node::texts(item.add_vars.clone())));
            }
            Node::Map(entries)
        };
        self.set.iter().map(node).collect()
    }

    /// True if the loop's value is added to `vars`, or has nothing to add.
    pub(super) fn adds_entry(&self) -> bool {
        self.entry_added || self.scope.for_each.is_none_or(|for_each| for_each.value.is_none())
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

/// A target and what it gets.
struct Place<'p> {
    target: &'p Expression,
    given: &'p Expression,
    name: &'p str,
    below: &'p [String],
    field: &'static str,
    sort: Sort,
    operator: SetOperator,
}

impl Place<'_> {
    fn text(&self) -> String {
        crate::text::clean(
            &format!("{} {} {}", source(self.target), self.operator.as_str(), source(self.given)),
            160,
        )
    }
}

/// Longest expression of a manifest, in characters.
const MAX_EXPRESSION: usize = 1000;

/// Returns a condition as alternatives that are short enough.
fn alternatives(expression: &Expression, printed: Printed, scope: &Scope) -> Result<Vec<String>, Unsaid> {
    let Kind::Chain(operator, operands) = &expression.kind else { return Ok(vec![printed.text]) };
    if operator.as_str() != "||" || (printed.text.chars().count() <= MAX_EXPRESSION && operands.len() < 50) {
        return Ok(vec![printed.text]);
    }
    let mut texts: Vec<(String, usize)> = Vec::new();
    for operand in operands {
        let text = condition(operand, scope)?.inside(Strength::Or);
        match texts.last_mut() {
            Some((last, count)) if last.len() + text.len() < MAX_EXPRESSION && *count < 50 => {
                last.push_str(" || ");
                last.push_str(&text);
                *count += 1;
            }
            _ => texts.push((text, 1)),
        }
    }
    Ok(texts.into_iter().map(|(text, _)| text).collect())
}

/// Sets a value below a dictionary, and makes the dictionaries above it. False if one of them is
/// another value.
fn put(node: &mut Node, keys: &[String], value: Node) -> bool {
    let [first, rest @ ..] = keys else { return false };
    if rest.is_empty() {
        node.set(first, value);
        return true;
    }
    if matches!(node.get(first), None | Some(Node::Null)) {
        node.set(first, Node::Map(Vec::new()));
    }
    let Node::Map(entries) = node else { return false };
    match entries.iter_mut().find(|(name, _)| name == first) {
        Some((_, inner @ Node::Map(_))) => put(inner, rest, value),
        _ => false,
    }
}

/// Returns `vars.a["b c"]`.
fn var_path(keys: &[String]) -> String {
    let mut path = String::from("vars");
    for key in keys {
        if is_variable_name(key) {
            path.push('.');
            path.push_str(key);
        } else {
            path.push_str(&format!("[{}]", literal(&Node::text(key)).unwrap_or_default()));
        }
    }
    path
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
}
