//! The statements of a block, in order, to the fields of a manifest.
//!
//! A resource has its imports first, then its own values, then what `set` computes. Icinga runs the
//! statements in their order. So a value before an import, or behind a computed one, is only taken
//! if the order makes no difference, or goes to `set`, whose items are in order, too.

mod alternatives;
mod fields;
mod needed;
mod vars;

use super::attributes::{Sort, attribute};
use super::facts::{BUILT_IN, Facts, MAX_CHAIN};
use super::scope::{Form, Scope};
use super::value::{Printed, Strength, Unsaid, Value, condition, is_true, keys, tested, value};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::{
    BinaryOperator, Expression, Kind, Position, SetOperator, Statement, StatementKind, source,
};
use crate::import::report::Reason;
use alternatives::alternatives;
use std::collections::{BTreeMap, BTreeSet};

/// One entry of `set`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct SetItem {
    when: Option<String>,
    fields: Vec<(String, Node)>,
    vars: Vec<(String, Node)>,
    add_vars: Vec<String>,
}

impl SetItem {
    fn sets_nothing(&self) -> bool {
        self.fields.is_empty() && self.vars.is_empty() && self.add_vars.is_empty()
    }
}

/// A block while its statements are read.
pub(super) struct Draft<'a> {
    pub(super) scope: Scope<'a>,
    facts: &'a Facts,
    kind: IcingaType,
    /// Name of the template that is read.
    pub(super) template_name: Option<String>,
    pub(super) imports: Vec<String>,
    /// Paths that the templates' values are taken back of.
    pub(super) unset: Vec<String>,
    /// Fields, by their names in the manifest.
    pub(super) fields: Vec<(String, Node)>,
    pub(super) vars: Node,
    pub(super) set: Vec<SetItem>,
    /// Dictionaries that `set` gives variables as a whole, by the variable.
    wholes: BTreeMap<String, Value>,
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
    /// Statements and variables so far.
    statements: usize,
    /// The name that a rule's objects have instead of the rule's; in a loop, what stands before the
    /// key.
    pub(super) name: Option<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(scope: Scope<'a>, facts: &'a Facts, kind: IcingaType) -> Self {
        Self {
            scope,
            facts,
            kind,
            template_name: None,
            imports: Vec::new(),
            unset: Vec::new(),
            fields: Vec::new(),
            vars: Node::Map(Vec::new()),
            set: Vec::new(),
            wholes: BTreeMap::new(),
            assign: Vec::new(),
            ignore: Vec::new(),
            key_var: None,
            value_var: None,
            zone: None,
            remarks: Vec::new(),
            entry_added: false,
            when: Vec::new(),
            touched: BTreeSet::new(),
            statements: 0,
            name: None,
        }
    }

    fn facts(&self) -> &'a Facts {
        self.facts
    }

    /// Takes all statements of the block.
    pub(super) fn statements(&mut self, body: &[Statement]) -> Result<(), Unsaid> {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    /// Counts a statement, or a variable of one.
    fn count(&mut self, at: Position) -> Result<(), Unsaid> {
        self.statements += 1;
        if self.statements <= MAX_STATEMENTS {
            return Ok(());
        }
        let what = format!("more than {MAX_STATEMENTS} statements and variables in one block");
        Err(Unsaid::new(at, what, Reason::Large, "put variables that belong together into a dictionary"))
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), Unsaid> {
        let at = statement.at;
        self.count(at)?;
        match &statement.kind {
            StatementKind::Import(name) => self.import(name),
            StatementKind::Inlined(_, body) => self.statements(body),
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
                "an include or another statement",
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
        self.scope.locals.push((name.clone(), Some(value)));
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
            match tested(value(expression, &self.scope)?) {
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
        // Icinga imports it by itself.
        if BUILT_IN.contains(&text.as_str()) {
            return Ok(());
        }
        if self.facts.is_long_chain(self.kind, &text) {
            let what = format!("import {text:?}, with more than {MAX_CHAIN} templates on each other");
            return Err(Unsaid::new(name.at, what, Reason::Large, "put several of them into one"));
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
        let Some(imported) = self.facts().imported(self.kind, template) else {
            // A template of Icinga's library, or one that is not here.
            return self.touched.iter().next().cloned();
        };
        let mut touched = self.touched.iter();
        touched.find(|name| imported.iter().any(|template| template.may_set(name))).cloned()
    }

    fn assignment(
        &mut self,
        target: &Expression,
        operator: SetOperator,
        given: &Expression,
    ) -> Result<(), Unsaid> {
        // `x = condition ? a : b`
        if let Kind::Conditional(test, one, other) = &given.kind {
            return match tested(value(test, &self.scope)?) {
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
        // What a rule makes has this name instead.
        let is_rule = matches!(self.scope.form, Form::Rule(_)) && self.when.is_empty();
        if name == "name" && below.is_empty() && is_rule && operator == SetOperator::Set {
            let new = name_of(given, &self.scope).ok_or_else(|| {
                let remedy = "write a text, and in a loop a text before its first variable";
                Unsaid::new(given.at, source(given), Reason::Name, remedy)
            })?;
            self.scope.name = Some(value(given, &self.scope)?);
            self.name = Some(new);
            return Ok(());
        }
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

    /// Returns the templates that Icinga imports into every object of the type.
    pub(super) fn defaults(&self) -> &'a [String] {
        if self.scope.form == Form::Template { &[] } else { self.facts().defaults(self.kind) }
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

    pub(super) fn has_imports(&self) -> bool {
        // Who imports a template may have imported others before it.
        self.scope.form == Form::Template || !self.imports.is_empty() || !self.defaults().is_empty()
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

/// Returns the text of a name; in a loop, the text before its first variable.
fn name_of(given: &Expression, scope: &Scope) -> Option<String> {
    let text = |expression: &Expression| match value(expression, scope) {
        Ok(Value::Constant(Node::Text(text))) => Some(text),
        _ => None,
    };
    let Some(for_each) = scope.for_each else { return text(given) };
    let is_key =
        |expression: &Expression| matches!(&expression.kind, Kind::Name(name) if *name == for_each.key);
    match &given.kind {
        _ if is_key(given) => Some(String::new()),
        Kind::Chain(BinaryOperator::Add, parts) => {
            let (_, before) = parts.split_last().filter(|(last, _)| is_key(last))?;
            before.iter().map(text).collect::<Option<Vec<_>>>().map(|texts| texts.concat())
        }
        _ => None,
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

/// Most statements of a block, and most variables. The time for a block grows with their square.
const MAX_STATEMENTS: usize = 8000;
