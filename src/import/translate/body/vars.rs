//! Custom variables.

use super::{Draft, Place};
use crate::import::document::Node;
use crate::import::language::SetOperator;
use crate::import::report::Reason;
use crate::import::translate::scope::Form;
use crate::import::translate::value::{Unsaid, Value, literal};

impl Draft<'_> {
    pub(super) fn assign_vars(&mut self, place: &Place, given: Value) -> Result<(), Unsaid> {
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
                if !self.has_imports() && self.when.is_empty() =>
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
                if !self.has_imports() && self.touched.is_empty() =>
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
                    // What the template has went with the null.
                    (Some(Node::Null), given @ Value::Constant(Node::Map(_))) if is_sure => {
                        self.set_var(place, keys, given)
                    }
                    // Nothing is added, but a variable without a value becomes an empty dictionary.
                    (None, Value::Constant(Node::Map(entries))) if entries.is_empty() && of_template => {
                        self.keep_dictionary(place, keys)
                    }
                    (None, given @ Value::Constant(Node::Map(_))) if is_sure && !of_template => {
                        self.set_var(place, keys, given)
                    }
                    (_, Value::Constant(Node::Map(entries))) => {
                        for (key, node) in entries {
                            let path: Vec<String> = keys.iter().cloned().chain([key]).collect();
                            self.set_var(place, &path, Value::Constant(node))?;
                        }
                        Ok(())
                    }
                    (None, given) if is_sure && !of_template => self.set_var(place, keys, given),
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

    /// Sets an empty dictionary, which leaves that of a template as it is.
    fn keep_dictionary(&mut self, place: &Place, keys: &[String]) -> Result<(), Unsaid> {
        let is_taken_back = |path: &String| var_path(keys).starts_with(path.as_str());
        let is_set = !self.unset.iter().any(is_taken_back)
            && self.when.is_empty()
            && put(&mut self.vars, keys, Node::Map(Vec::new()));
        if is_set {
            self.touched.extend(keys.first().map(|first| format!("vars.{first}")));
            return Ok(());
        }
        let remedy = "write the whole value with `=`; it adds to the value of a template";
        Err(Unsaid::new(place.target.at, place.text(), Reason::Operator, remedy))
    }

    /// True if no template can have set this variable.
    pub(super) fn is_whole(&self, keys: &[String]) -> bool {
        keys.first().is_some_and(|first| self.is_only_here(&format!("vars.{first}")))
    }

    /// True if no template can have set this attribute, or a variable by `vars.<name>`.
    pub(super) fn is_only_here(&self, name: &str) -> bool {
        if self.scope.form == Form::Template {
            let template = self.template_name.as_deref().unwrap_or_default();
            return !self.facts().is_set_elsewhere(self.kind, template, name);
        }
        let mut imports = self.defaults().iter().chain(&self.imports);
        imports.all(|import| match self.facts().imported(self.kind, import) {
            Some(imported) => !imported.iter().any(|template| template.may_set(name)),
            // Templates of Icinga's library for hosts and services set no variables; commands do.
            None => false,
        })
    }

    pub(super) fn add_vars(&mut self, place: &Place, text: String) -> Result<(), Unsaid> {
        self.must_compute(place)?;
        let is_entry =
            text == "value" && self.scope.for_each.is_some_and(|for_each| for_each.value.is_some());
        let overridden = self.scope.unsure.iter().any(|name| name.starts_with("vars"))
            || self.key_var.is_some()
            || self.value_var.is_some();
        self.touched.insert("vars".into());
        self.unsure("vars");
        self.wholes.clear();
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

    pub(super) fn set_var(&mut self, place: &Place, keys: &[String], given: Value) -> Result<(), Unsaid> {
        let Some(first) = keys.first().cloned() else { return Ok(()) };
        self.count(place.target.at)?;
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
            // A null that an entry replaces had taken the template's dictionary back.
            for length in 1..keys.len() {
                let above = keys.get(..length).unwrap_or_default();
                let old = above.iter().try_fold(&self.vars, |node, key| node.get(key));
                if old == Some(&Node::Null) && !self.is_whole(above) && self.has_imports() {
                    let path = var_path(above);
                    if !self.unset.contains(&path) {
                        self.unset.push(path);
                    }
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
        if keys.len() > 1 {
            return self.set_below(place, keys, given);
        }
        self.wholes.remove(&first);
        let printed = match &given {
            Value::Map(entries) => return self.set_entries(place, keys, entries.clone()),
            Value::Constant(Node::Map(entries)) if !entries.is_empty() => {
                let entries =
                    entries.iter().map(|(key, node)| (key.clone(), Value::Constant(node.clone()))).collect();
                return self.set_entries(place, keys, entries);
            }
            other => other.print(place.given.at)?.text,
        };
        let [name] = keys else { return Ok(()) };
        let was_unsure = self.scope.unsure.contains(&root);
        self.unsure(&root);
        if self.when.is_empty() && !was_unsure && is_variable_name(name) && self.scope.for_each.is_some() {
            let is_list = self.scope.for_each.is_some_and(|for_each| for_each.value.is_none());
            // Only these two come after the entry's own values.
            if self.entry_added && printed == "key" && self.key_var.is_none() {
                self.key_var = Some(name.clone());
                return Ok(());
            }
            if (self.entry_added || is_list) && printed == "value" && self.value_var.is_none() {
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

    /// Sets an entry below a variable that holds only what the block has set: `set` gives it the whole
    /// dictionary.
    fn set_below(&mut self, place: &Place, keys: &[String], given: Value) -> Result<(), Unsaid> {
        let wrong = || {
            let remedy = "set a variable of its own, without keys below it, to the computed value";
            Unsaid::new(place.target.at, place.text(), Reason::Computed, remedy)
        };
        let [name, below @ ..] = keys else { return Err(wrong()) };
        let root = format!("vars.{name}");
        let is_sure = !self.scope.unsure.iter().any(|unsure| *unsure == root || unsure == "vars");
        let mut whole = match (self.wholes.remove(name), self.vars.get(name)) {
            _ if !self.when.is_empty() => return Err(wrong()),
            (Some(whole), _) => whole,
            (None, None) if is_sure && self.is_whole(keys) => Value::Map(Vec::new()),
            (None, Some(Node::Map(entries))) if is_sure && self.is_whole(keys) => {
                Value::Constant(Node::Map(entries.clone()))
            }
            _ => return Err(wrong()),
        };
        if !put_value(&mut whole, below, given) {
            return Err(wrong());
        }
        let text = whole.print(place.given.at)?.text;
        self.wholes.insert(name.clone(), whole);
        if let Node::Map(entries) = &mut self.vars {
            entries.retain(|(known, _)| known != name);
        }
        self.unsure(&root);
        let mut items = self.set.iter_mut().rev().flat_map(|item| item.vars.iter_mut().rev());
        if let Some((_, old)) = items.find(|(known, _)| known == name) {
            *old = Node::Text(text);
            return Ok(());
        }
        let item = self.item(|item| item.add_vars.is_empty());
        item.vars.push((name.clone(), Node::Text(text)));
        Ok(())
    }

    /// Sets a dictionary with computed values.
    pub(super) fn set_entries(
        &mut self,
        place: &Place,
        keys: &[String],
        entries: Vec<(String, Value)>,
    ) -> Result<(), Unsaid> {
        let [name] = keys else { return Ok(()) };
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
        if self.when.is_empty() {
            self.wholes.insert(name.clone(), Value::Map(entries));
        }
        let name = name.clone();
        let item =
            self.item(|item| item.add_vars.is_empty() && !item.vars.iter().any(|(known, _)| *known == name));
        item.vars.push((name, Node::Text(format!("{{{}}}", texts.join(", ")))));
        Ok(())
    }
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

/// The same for a value that may be computed.
fn put_value(whole: &mut Value, keys: &[String], given: Value) -> bool {
    if let Value::Constant(node @ (Node::Map(_) | Node::Null)) = whole {
        let entries = match std::mem::replace(node, Node::Null) {
            Node::Map(entries) => entries,
            _ => Vec::new(),
        };
        *whole = Value::Map(entries.into_iter().map(|(key, node)| (key, Value::Constant(node))).collect());
    }
    let ([first, rest @ ..], Value::Map(entries)) = (keys, whole) else { return false };
    let at = entries.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
        entries.push((first.clone(), Value::Constant(Node::Null)));
        entries.len() - 1
    });
    let Some((_, inner)) = entries.get_mut(at) else { return false };
    if rest.is_empty() {
        *inner = given;
        return true;
    }
    put_value(inner, rest, given)
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
