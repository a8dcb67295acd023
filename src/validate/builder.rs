//! The builder with which each type's file makes a [`Declaration`]. It collects every problem with
//! the path of its field, so that a person can mend them all at once.

mod templates;
mod texts;

use super::constants::Constants;
use super::declaration::{Assignments, Declaration, ForEach, Form};
use super::expression::{self, Attribute, Comparison, Expression, Scope, Subject};
use super::facts;
use super::link::Link;
use super::name::{IcingaType, Name};
use super::needs::{Provided, Relay, Use};
use super::settings::Settings;
use super::value::Value;
use super::{unset, version};
use crate::api::IcingaVersion;
use crate::api::duration::parse_duration;
use crate::api::objects::ApplyTo;
use crate::api::text::{self, Duration, EndpointName, ObjectName};
use std::sync::Arc;

/// Most problems that one message lists.
const MAX_PROBLEMS: usize = 3;

/// Builds a [`Declaration`]. Each method checks one field and remembers what is wrong with it.
pub(super) struct Builder {
    declaration: Declaration,
    name_path: &'static str,
    version: IcingaVersion,
    constants: Arc<Constants>,
    problems: Vec<String>,
}

impl Builder {
    /// Returns a builder for an object or template; `name_path` is the field that the name was
    /// read from.
    pub fn new(
        kind: IcingaType,
        is_template: bool,
        name: &str,
        name_path: &'static str,
        settings: &Settings,
    ) -> Self {
        let mut builder = Self {
            declaration: Declaration {
                form: if is_template { Form::Template } else { Form::Object },
                kind,
                name: name.to_owned(),
                imports: Vec::new(),
                unset: Vec::new(),
                add_groups: Vec::new(),
                attributes: Vec::new(),
                for_each: None,
                set: Vec::new(),
                needs_set: Vec::new(),
                assign: Vec::new(),
                ignore: Vec::new(),
                zone: None,
                link: None,
                provides: Vec::new(),
                uses: Vec::new(),
                relays: Vec::new(),
            },
            name_path,
            version: settings.icinga_version,
            constants: settings.constants.clone(),
            problems: Vec::new(),
        };
        builder.check_name(name, name_path);
        builder
    }

    /// Makes an object a rule, if it has one. A template stays a template: that it has a rule is
    /// refused elsewhere.
    pub fn by_rule(&mut self, to: Option<ApplyTo>) {
        if let (Form::Object, Some(to)) = (self.declaration.form, to) {
            self.declaration.form = Form::Apply(to);
        }
    }

    /// Returns the declaration.
    ///
    /// # Errors
    /// If any field has a problem: the first of them, with the number of the others.
    pub fn finish(self) -> Result<Declaration, String> {
        if self.problems.is_empty() {
            return Ok(self.declaration);
        }
        let mut message =
            self.problems.iter().take(MAX_PROBLEMS).map(String::as_str).collect::<Vec<_>>().join(". ");
        match self.problems.len().saturating_sub(MAX_PROBLEMS) {
            0 => {}
            1 => message.push_str(". One more problem is not listed"),
            more => message.push_str(&format!(". {more} more problems are not listed")),
        }
        Err(message)
    }

    /// Returns the statement that is being built.
    pub fn form(&self) -> Form {
        self.declaration.form
    }

    /// Returns the type that is being declared.
    pub fn kind(&self) -> IcingaType {
        self.declaration.kind
    }

    /// Returns the name of the object as given.
    pub fn name(&self) -> String {
        self.declaration.name.clone()
    }

    /// Returns the path of a field of the member.
    pub fn path(&self, field: &str) -> String {
        format!("spec.{}.{field}", self.declaration.kind.member())
    }

    /// Remembers a problem with a field of the member: `<what is wrong>; <what to do>`.
    pub fn problem(&mut self, field: &str, text: &str) {
        let path = self.path(field);
        self.problem_at(&path, text);
    }

    /// Remembers a problem with the name of the object.
    pub fn problem_with_name(&mut self, text: &str) {
        let path = self.name_path;
        self.problem_at(path, text);
    }

    /// Remembers a problem with any field.
    fn problem_at(&mut self, path: &str, text: &str) {
        debug_assert!(text.contains("; "), "{path}: {text:?} has no remedy");
        self.problems.push(format!("{path}: {text}"));
    }

    fn check_name(&mut self, name: &str, path: &str) {
        let (length, max) = (name.chars().count(), ObjectName::MAX);
        if length > max {
            let text = format!("has {length} characters, and at most {max} are allowed; shorten it");
            self.problem_at(path, &text);
        } else if name.is_empty() {
            self.problem_at(path, "is empty; set a name");
        } else if name.contains('!') || name.chars().any(|c| c.is_control()) {
            let text = "contains an exclamation mark or a control character; remove it";
            self.problem_at(path, text);
        } else if name.trim() != name {
            self.problem_at(path, "begins or ends with a blank; remove the blank");
        } else {
            self.no_macros(path, name);
        }
    }

    fn attribute(&mut self, attribute: &'static str, value: Value) {
        self.version(attribute);
        self.declaration.attributes.push((attribute, value));
    }

    /// Ensures that the hub's Icinga, and each that gets the object, knows an attribute.
    fn version(&mut self, attribute: &str) {
        if let Some(first) = version::of_attribute(attribute) {
            if self.version < first {
                let problem = format!(
                    "needs Icinga {}, and the hub's Icinga is {}; leave it out, or update Icinga and the operator's \
                     setting icingaVersion",
                    first.as_str(),
                    self.version.as_str()
                );
                self.problem(&unset::field_of(attribute), &problem);
            }
            self.require(Use::one(version::or_later(first)));
        }
    }

    /// Adds a name that this object provides.
    pub fn provide(&mut self, name: Name, exclusive: bool) {
        self.declaration.provides.push(Provided { name, exclusive });
    }

    /// Adds the object's own name, or the template's.
    pub fn provide_itself(&mut self) {
        let (kind, name) = (self.declaration.kind, self.name());
        let name = match self.form() {
            Form::Template => Name::template(kind, &name),
            _ => Name::object(kind, &name),
        };
        self.provide(name, true);
    }

    /// Ensures that an object has something that Icinga refuses it without: its own, or from a
    /// template that it imports, directly or through others. `what` is one of
    /// [`IcingaType::required`].
    pub fn required(&mut self, what: &str, field: &'static str, is_set: bool, imports: &[ObjectName]) {
        let kind = self.declaration.kind;
        debug_assert!(
            kind.required().contains(&what),
            "the table of types does not list {what:?} for {kind}"
        );
        let any_of = || -> Box<[Name]> {
            imports.iter().map(|import| facts::sets(what, kind, import.as_str())).collect()
        };
        let name = facts::sets(what, kind, &self.name());
        let of_set = facts::attributes_of(what);
        let is_by_set = !is_set && self.may_set(of_set);
        // A template that may notify somebody by itself would be overruled by a rule that makes no
        // object where its own `set` finds nobody, so its silence is a fact, too.
        let is_whom = what == "users or user groups";
        if self.form() == Form::Template && is_whom && !is_set {
            let fact = facts::sets_nobody(&self.name());
            match imports {
                [] => self.provide(fact, true),
                _ => {
                    let given = imports.iter().map(|import| [facts::sets_nobody(import.as_str())].into());
                    self.relay(fact, given.collect());
                }
            }
        }
        if is_by_set && (imports.is_empty() || is_whom) {
            for import in imports {
                self.require(Use::one(facts::sets_nobody(import.as_str())));
            }
            return self.declaration.needs_set.push(of_set);
        }
        match (self.form(), is_set) {
            // Other commands may import it.
            (Form::Object, true) if kind.is_code() => self.provide(name, true),
            (Form::Template, true) => self.provide(name, true),
            (Form::Template, false) => self.relay(name, [any_of()].into()),
            (_, true) => {}
            (_, false) if imports.is_empty() => {
                self.problem(field, "is required; set it, or import a template that sets it")
            }
            (_, false) => {
                if kind.is_code() {
                    self.relay(name, [any_of()].into());
                }
                self.require(Use::any(any_of()).by(field));
            }
        }
    }

    /// Adds a name that this template passes on from the templates that it imports.
    pub fn relay(&mut self, name: Name, given: Box<[Box<[Name]>]>) {
        if given.iter().any(|any_of| !any_of.is_empty()) {
            self.declaration.relays.push(Relay { name, given });
        }
    }

    /// Adds the endpoint that does the work in place of the zone's own.
    pub fn command_endpoint(&mut self, endpoint: Option<&EndpointName>, zone: Option<&ObjectName>) {
        let Some(endpoint) = endpoint.map(EndpointName::as_str) else { return };
        self.reference("command_endpoint", "commandEndpoint", IcingaType::Endpoint, Some(endpoint));
        match zone {
            Some(zone) => {
                let of_zone = facts::runs_checks_of(endpoint, zone.as_str());
                let any_of = [of_zone, facts::declared_elsewhere(endpoint)].into();
                self.require(Use::any(any_of).by("commandEndpoint"));
            }
            None => self.problem(
                "commandEndpoint",
                "has no zone to be an endpoint of; set spec.zone to the endpoint's zone or its parent",
            ),
        }
    }

    /// Adds something that this object needs.
    pub fn require(&mut self, needed: Use) {
        let needed = Use { kind: Some(self.declaration.kind), ..needed };
        if !self.declaration.uses.contains(&needed) {
            self.declaration.uses.push(needed);
        }
    }

    /// Adds the zone of the object.
    pub fn zone(&mut self, zone: Option<&ObjectName>) {
        let Some(zone) = zone.map(ObjectName::as_str) else { return };
        self.check_name(zone, "spec.zone");
        if facts::GLOBAL_ZONES.contains(&zone) {
            let text = format!("is a global zone of Icinga; {}", facts::INSTEAD_OF_GLOBAL);
            self.problem_at("spec.zone", &text);
        }
        self.declaration.zone = Some(zone.to_owned());
        self.require(Use::one(Name::object(IcingaType::Zone, zone)).by("spec.zone"));
        // A global zone would be no place: no satellite has it, and only its own objects could
        // name the object.
        self.require(Use::one(facts::not_global(zone)).by("spec.zone"));
        self.attribute("zone", Value::String(zone.to_owned()));
    }

    /// Refuses more than `max` entries.
    pub fn count(&mut self, field: &str, count: usize, max: usize) {
        if count > max {
            self.problem(field, &format!("has {count} entries, and at most {max} are allowed; remove some"));
        }
    }

    /// Adds a boolean.
    pub fn boolean(&mut self, attribute: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.attribute(attribute, Value::Boolean(value));
        }
    }

    /// Adds a whole number within a range.
    pub fn integer(&mut self, attribute: &'static str, field: &str, value: Option<i32>, min: i32, max: i32) {
        match value {
            Some(value) if value < min || value > max => {
                self.problem(field, &format!("is {value}; set a number from {min} to {max}"));
            }
            Some(value) => self.attribute(attribute, Value::Number(f64::from(value))),
            None => {}
        }
    }

    /// Adds a duration; `positive` refuses zero.
    pub fn duration(
        &mut self,
        attribute: &'static str,
        field: &str,
        value: Option<&Duration>,
        positive: bool,
    ) {
        match value.map(|text| parse_duration(text.as_str())) {
            Some(Ok(seconds)) if positive && seconds <= 0.0 => {
                self.problem(field, "is zero; set a longer duration")
            }
            Some(Ok(seconds)) => self.attribute(attribute, Value::Number(seconds)),
            Some(Err(problem)) => self.problem(field, &problem),
            None => {}
        }
    }

    /// Adds a reference to one object.
    pub fn reference(
        &mut self,
        attribute: &'static str,
        field: &'static str,
        kind: IcingaType,
        name: Option<&str>,
    ) {
        let Some(name) = name else { return };
        let path = self.path(field);
        self.check_name(name, &path);
        self.require(Use::one(Name::object(kind, name)).by(field));
        self.attribute(attribute, Value::String(name.to_owned()));
    }

    /// Adds a name that is not a reference by itself.
    pub fn named(&mut self, attribute: &'static str, field: &str, name: &str) {
        let path = self.path(field);
        self.check_name(name, &path);
        self.attribute(attribute, Value::String(name.to_owned()));
    }

    /// Adds words of a closed list, each once.
    pub fn words(&mut self, attribute: &'static str, field: &str, words: impl Iterator<Item = &'static str>) {
        let words: Vec<_> = words.collect();
        if let Some(i) = (1..words.len()).find(|i| words[..*i].contains(&words[*i])) {
            self.problem(&format!("{field}[{i}]"), "repeats an earlier entry; remove it");
        }
        if !words.is_empty() {
            self.attribute(attribute, Value::strings(words));
        }
    }

    /// Adds references to several objects of one type.
    pub fn references<'a>(
        &mut self,
        attribute: &'static str,
        field: &'static str,
        kind: IcingaType,
        names: impl ExactSizeIterator<Item = &'a str> + Clone,
        max: usize,
    ) {
        self.count(field, names.len(), max);
        for (i, name) in names.clone().enumerate() {
            let path = self.path(&format!("{field}[{i}]"));
            self.check_name(name, &path);
            self.require(Use::one(Name::object(kind, name)).by(field));
        }
        if names.len() > 0 {
            self.attribute(attribute, Value::strings(names));
        }
    }

    /// Adds a value that the type's own file made.
    pub fn value(&mut self, attribute: &'static str, value: Value) {
        self.attribute(attribute, value);
    }

    /// Adds what depends on what.
    pub fn link(&mut self, link: Link) {
        self.provide(facts::dependency(), false);
        self.declaration.link = Some(Box::new(link));
    }

    /// Reads an expression. None if there is a problem, which is remembered.
    pub fn expression(&mut self, field: &str, source: &text::Expression, scope: Scope) -> Option<Expression> {
        let (length, max) = (source.as_str().chars().count(), text::Expression::MAX);
        let parsed = if length > max {
            Err(format!("has {length} characters, and at most {max} are allowed; shorten it"))
        } else {
            let parsed = expression::parse_in(source.as_str(), scope);
            parsed.map_err(|problem| format!("{problem}; change the expression there"))
        };
        parsed.map_err(|problem| self.problem(field, &problem)).ok()
    }

    /// Adds what objects of a rule get from expressions.
    pub fn set(&mut self, assignments: Assignments) {
        self.declaration.set.push(assignments);
    }

    /// True if `set` may give one of these attributes.
    pub fn may_set(&self, attributes: &[&str]) -> bool {
        self.declaration.set.iter().any(|item| attributes.iter().any(|attribute| item.gives(attribute)))
    }

    /// True if no problem was found yet.
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Makes one object for each entry of a custom variable.
    pub fn for_each(&mut self, for_each: ForEach) {
        self.declaration.for_each = Some(for_each);
    }

    /// Adds a condition of this program's own: the object exists where it is true.
    pub fn assign(&mut self, condition: Expression) {
        self.declaration.assign.push(condition);
    }

    /// Adds a condition of this program's own: the object does not exist where it is true.
    pub fn ignore(&mut self, condition: Expression) {
        self.declaration.ignore.push(condition);
    }

    /// Leaves out hosts of other zones.
    pub fn only_in_zone(&mut self, zone: &str) {
        let host_zone =
            Expression::Attribute(Attribute { subject: Subject::Host, field: "zone", keys: Vec::new() });
        let other = Expression::Compare(
            Comparison::NotEqual,
            Box::new(host_zone),
            Box::new(Expression::Text(zone.to_owned())),
        );
        self.ignore(other);
    }

    /// Adds `assign where` and `ignore where`; `prefix` is the path of the fields.
    pub fn rules(
        &mut self,
        prefix: &str,
        scope: Scope,
        assign: &[text::Expression],
        ignore: &[text::Expression],
    ) {
        for (field, sources) in [("assignWhere", assign), ("ignoreWhere", ignore)] {
            self.count(&format!("{prefix}{field}"), sources.len(), 16);
            for (i, source) in sources.iter().enumerate() {
                let parsed = self.expression(&format!("{prefix}{field}[{i}]"), source, scope);
                match (field, parsed) {
                    ("assignWhere", Some(expression)) => self.declaration.assign.push(expression),
                    (_, Some(expression)) => self.declaration.ignore.push(expression),
                    (_, None) => {}
                }
            }
        }
    }
}
