//! A checked declaration, and the builder with which each type's file makes one. The builder collects every problem with
//! the path of its field, so that a person can mend them all at once.

use super::expression::{self, Attribute, Comparison, Expression, Subject};
use super::facts;
use super::header::{Provided, Relay, Use};
use super::link::Link;
use super::name::{IcingaType, Name};
use super::value::{self, MAX_VARS_BYTES, Value};
use super::version;
use crate::api::IcingaVersion;
use crate::api::objects::ApplyTo;
use crate::api::text::{self, Duration, EndpointName, ObjectName, Vars};

/// What kind of statement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `object`
    Object,
    /// `template`
    Template,
    /// `apply`
    Apply(ApplyTo),
}

/// A checked declaration: rendering it cannot fail, and Icinga accepts the result if everything it uses is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// The statement.
    pub form: Form,
    /// The type.
    pub kind: IcingaType,
    /// Icinga's name, without the host of a service.
    pub name: String,
    /// Templates, in order.
    pub imports: Vec<String>,
    /// Attributes, in the order in which they are written.
    pub attributes: Vec<(&'static str, Value)>,
    /// `for (... in ...)`
    pub for_each: Option<ForEach>,
    /// `assign where`
    pub assign: Vec<Expression>,
    /// `ignore where`
    pub ignore: Vec<Expression>,
    /// The zone, which is an attribute too, for placement.
    pub zone: Option<String>,
    /// What depends on what, of a dependency.
    pub link: Option<Box<Link>>,
    /// What the published set gains.
    pub provides: Vec<Provided>,
    /// What must be in the published set.
    pub uses: Vec<Use>,
    /// What the published set gains if it has something else.
    pub relays: Vec<Relay>,
}

/// One object for each entry of a custom variable.
#[derive(Clone, Debug, PartialEq)]
pub struct ForEach {
    /// The custom variable.
    pub attribute: Attribute,
    /// Custom variable that gets the key.
    pub key_var: Option<String>,
    /// Custom variable that gets the value.
    pub value_var: Option<String>,
}

/// Builds a [`Declaration`]; each method checks one field and remembers what is wrong with it.
pub struct Builder {
    declaration: Declaration,
    member: &'static str,
    version: IcingaVersion,
    problems: Vec<String>,
}

impl Builder {
    /// A builder for `spec.<member>`.
    pub fn new(
        kind: IcingaType,
        form: Form,
        member: &'static str,
        name: &str,
        name_path: &str,
        version: IcingaVersion,
    ) -> Self {
        let mut builder = Self {
            declaration: Declaration {
                form,
                kind,
                name: name.to_owned(),
                imports: Vec::new(),
                attributes: Vec::new(),
                for_each: None,
                assign: Vec::new(),
                ignore: Vec::new(),
                zone: None,
                link: None,
                provides: Vec::new(),
                uses: Vec::new(),
                relays: Vec::new(),
            },
            member,
            version,
            problems: Vec::new(),
        };
        builder.check_name(name, name_path, ObjectName::MAX);
        builder
    }

    /// The declaration, or what is wrong with it: at most three problems, with the number of the others.
    pub fn finish(self) -> Result<Declaration, String> {
        if self.problems.is_empty() {
            return Ok(self.declaration);
        }
        let more = self.problems.len().saturating_sub(3);
        let mut message = self.problems.into_iter().take(3).collect::<Vec<_>>().join("; ");
        if more > 0 {
            message.push_str(&format!("; and {more} more"));
        }
        Err(message)
    }

    /// What is being declared.
    pub fn form(&self) -> Form {
        self.declaration.form
    }

    /// Its type.
    pub fn kind(&self) -> IcingaType {
        self.declaration.kind
    }

    /// Name of the object as given.
    pub fn name(&self) -> String {
        self.declaration.name.clone()
    }

    fn path(&self, field: &str) -> String {
        format!("spec.{}.{field}", self.member)
    }

    /// A problem with a field of the member.
    pub fn problem(&mut self, field: &str, what: &str) {
        let path = if field.is_empty() { format!("spec.{}", self.member) } else { self.path(field) };
        let blank = if what.starts_with(':') { "" } else { " " };
        self.problems.push(format!("{path}{blank}{what}"));
    }

    fn check_name(&mut self, name: &str, path: &str, max: usize) {
        if name.is_empty() || name.chars().count() > max {
            self.problems
                .push(format!("{path} must have 1 to {max} characters, and has {}", name.chars().count()));
        } else if name.contains('!') || name.chars().any(|c| c.is_control()) {
            self.problems.push(format!("{path} must not contain an exclamation mark or a control character"));
        } else if name.trim() != name {
            self.problems.push(format!("{path} must not begin or end with a blank"));
        }
    }

    fn attribute(&mut self, attribute: &'static str, value: Value) {
        if let Some(first) = version::of_attribute(attribute) {
            if self.version < first {
                let problem = format!(
                    "is known to Icinga from version {} on, and the hub's is {}; leave it out, or update Icinga and the \
                     operator's setting icingaVersion",
                    first.as_str(),
                    self.version.as_str()
                );
                self.problem(&field_of(attribute), &problem);
            }
            self.require(Use::one(version::or_later(first)));
        }
        self.declaration.attributes.push((attribute, value));
    }

    /// A name that this object provides.
    pub fn provide(&mut self, name: Name, exclusive: bool) {
        self.declaration.provides.push(Provided { name, exclusive });
    }

    /// The object's own name, or the template's.
    pub fn provide_itself(&mut self) {
        let (kind, name) = (self.declaration.kind, self.name());
        let name = match self.form() {
            Form::Template => Name::template(kind, &name),
            _ => Name::object(kind, &name),
        };
        self.provide(name, true);
    }

    /// Something that an object must have: its own, or from a template that it imports, directly or through others. `what` is one
    /// of [`facts::required`].
    pub fn required(&mut self, what: &str, field: &str, is_set: bool, imports: &[ObjectName]) {
        let kind = self.declaration.kind;
        debug_assert!(facts::required(kind).contains(&what), "{kind} has no rule about {what}");
        let any_of = || -> Box<[Name]> {
            imports.iter().map(|import| facts::sets(what, kind, import.as_str())).collect()
        };
        match (self.form(), is_set) {
            (Form::Template, true) => self.provide(facts::sets(what, kind, &self.name()), true),
            (Form::Template, false) => self.relay(facts::sets(what, kind, &self.name()), [any_of()].into()),
            (_, true) => {}
            (_, false) if imports.is_empty() => {
                self.problem(field, "is required, here or in an imported template")
            }
            (_, false) => self.require(Use { any_of: any_of(), mutual: false }),
        }
    }

    /// A name that this template passes on, if it imports any.
    pub fn relay(&mut self, name: Name, given: Box<[Box<[Name]>]>) {
        if given.iter().any(|any_of| !any_of.is_empty()) {
            self.declaration.relays.push(Relay { name, given });
        }
    }

    /// The endpoint that does the work in place of the zone's own.
    pub fn command_endpoint(&mut self, endpoint: Option<&EndpointName>, zone: Option<&ObjectName>) {
        let Some(endpoint) = endpoint.map(EndpointName::as_str) else { return };
        self.reference("command_endpoint", "commandEndpoint", IcingaType::Endpoint, Some(endpoint));
        match zone {
            Some(zone) => {
                let of_zone = facts::runs_checks_of(endpoint, zone.as_str());
                let any_of = [of_zone, facts::declared_elsewhere(endpoint)].into();
                self.require(Use { any_of, mutual: false });
            }
            None => self.problem("commandEndpoint", "needs spec.zone: the zone whose endpoint it is"),
        }
    }

    /// Something that this object needs.
    pub fn require(&mut self, needed: Use) {
        if !self.declaration.uses.contains(&needed) {
            self.declaration.uses.push(needed);
        }
    }

    /// The zone of the object.
    pub fn zone(&mut self, zone: Option<&ObjectName>) {
        let Some(zone) = zone.map(ObjectName::as_str) else { return };
        self.check_name(zone, "spec.zone", ObjectName::MAX);
        self.declaration.zone = Some(zone.to_owned());
        self.require(Use::one(Name::object(IcingaType::Zone, zone)));
        self.attribute("zone", Value::String(zone.to_owned()));
    }

    /// Templates to import.
    pub fn imports(&mut self, imports: &[ObjectName]) {
        self.count("imports", imports.len(), 16);
        for (i, import) in imports.iter().enumerate() {
            let path = self.path(&format!("imports[{i}]"));
            self.check_name(import.as_str(), &path, ObjectName::MAX);
            self.require(Use::one(Name::template(self.declaration.kind, import.as_str())));
            self.declaration.imports.push(import.as_str().to_owned());
        }
    }

    /// Refuses more than `max` entries.
    pub fn count(&mut self, field: &str, count: usize, max: usize) {
        if count > max {
            self.problem(field, &format!("has {count} entries; at most {max} are allowed"));
        }
    }

    /// Plain text: arrives byte for byte.
    pub fn text(&mut self, attribute: &'static str, field: &str, text: Option<&str>, max: usize) {
        if let Some(value) = text.and_then(|text| self.checked(field, text, max, false)) {
            self.attribute(attribute, value);
        }
    }

    /// Text in which Icinga or its web interface expands `$name$`.
    pub fn macro_text(&mut self, attribute: &'static str, field: &str, text: Option<&str>, max: usize) {
        if let Some(value) = text.and_then(|text| self.checked(field, text, max, true)) {
            self.attribute(attribute, value);
        }
    }

    /// A checked string value, or nothing and a problem.
    pub fn checked(&mut self, field: &str, text: &str, max: usize, macros: bool) -> Option<Value> {
        let length = text.chars().count();
        let problem = if length > max {
            Some(format!("has {length} characters; at most {max} are allowed"))
        } else {
            value::text_problem(text).or_else(|| macros.then(|| value::macro_problem(text)).flatten())
        };
        match problem {
            Some(problem) => {
                self.problem(field, &problem);
                None
            }
            None => Some(Value::String(text.to_owned())),
        }
    }

    /// A boolean.
    pub fn boolean(&mut self, attribute: &'static str, value: Option<bool>) {
        if let Some(value) = value {
            self.attribute(attribute, Value::Boolean(value));
        }
    }

    /// A whole number within a range.
    pub fn integer(&mut self, attribute: &'static str, field: &str, value: Option<i32>, min: i32, max: i32) {
        match value {
            Some(value) if value < min || value > max => {
                self.problem(field, &format!("must be between {min} and {max}, and is {value}"));
            }
            Some(value) => self.attribute(attribute, Value::Number(f64::from(value))),
            None => {}
        }
    }

    /// A duration; `positive` refuses zero.
    pub fn duration(
        &mut self,
        attribute: &'static str,
        field: &str,
        value: Option<&Duration>,
        positive: bool,
    ) {
        match value.map(|text| value::parse_duration(text.as_str())) {
            Some(Ok(seconds)) if positive && seconds <= 0.0 => self.problem(field, "must be more than zero"),
            Some(Ok(seconds)) => self.attribute(attribute, Value::Number(seconds)),
            Some(Err(problem)) => self.problem(field, &format!(": {problem}")),
            None => {}
        }
    }

    /// A reference to one object.
    pub fn reference(&mut self, attribute: &'static str, field: &str, kind: IcingaType, name: Option<&str>) {
        let Some(name) = name else { return };
        let path = self.path(field);
        self.check_name(name, &path, ObjectName::MAX);
        self.require(Use::one(Name::object(kind, name)));
        self.attribute(attribute, Value::String(name.to_owned()));
    }

    /// A name that is not a reference by itself.
    pub fn named(&mut self, attribute: &'static str, field: &str, name: &str) {
        let path = self.path(field);
        self.check_name(name, &path, ObjectName::MAX);
        self.attribute(attribute, Value::String(name.to_owned()));
    }

    /// Words of a closed list, each once.
    pub fn words(&mut self, attribute: &'static str, field: &str, words: impl Iterator<Item = &'static str>) {
        let words: Vec<_> = words.collect();
        if let Some(i) = (1..words.len()).find(|i| words[..*i].contains(&words[*i])) {
            self.problem(&format!("{field}[{i}]"), "is there twice");
        }
        if !words.is_empty() {
            self.attribute(attribute, Value::strings(words));
        }
    }

    /// References to several objects of one type.
    pub fn references<'a>(
        &mut self,
        attribute: &'static str,
        field: &str,
        kind: IcingaType,
        names: impl ExactSizeIterator<Item = &'a str> + Clone,
        max: usize,
    ) {
        self.count(field, names.len(), max);
        for (i, name) in names.clone().enumerate() {
            let path = self.path(&format!("{field}[{i}]"));
            self.check_name(name, &path, ObjectName::MAX);
            self.require(Use::one(Name::object(kind, name)));
        }
        if names.len() > 0 {
            self.attribute(attribute, Value::strings(names));
        }
    }

    /// Custom variables: macros balanced at every depth, bounded in size and depth.
    pub fn vars(&mut self, vars: &Vars) {
        if vars.is_empty() {
            return;
        }
        let (path, mut bytes) = (self.path("vars"), 0);
        let json = serde_json::Value::Object(vars.0.clone().into_iter().collect());
        match value::from_json(&json, &path, 0, &mut bytes) {
            Ok(_) if bytes > MAX_VARS_BYTES => {
                self.problem("vars", &format!("holds {bytes} bytes; at most {MAX_VARS_BYTES} are allowed"));
            }
            Ok(value) => self.attribute("vars", value),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// A value made by the type's own file.
    pub fn value(&mut self, attribute: &'static str, value: Value) {
        self.attribute(attribute, value);
    }

    /// What depends on what.
    pub fn link(&mut self, link: Link) {
        self.provide(facts::dependency(), false);
        self.declaration.link = Some(Box::new(link));
    }

    /// One object for each entry of a custom variable.
    pub fn for_each(&mut self, for_each: ForEach) {
        self.declaration.for_each = Some(for_each);
    }

    /// A condition of this program's own: it exists where that is true.
    pub fn assign(&mut self, condition: Expression) {
        self.declaration.assign.push(condition);
    }

    /// A condition of this program's own: it does not exist where that is true.
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

    /// `assign where` and `ignore where`.
    pub fn rules(
        &mut self,
        prefix: &str,
        subjects: &[Subject],
        assign: &[text::Expression],
        ignore: &[text::Expression],
    ) {
        for (field, sources) in [("assignWhere", assign), ("ignoreWhere", ignore)] {
            self.count(&format!("{prefix}{field}"), sources.len(), 16);
            for (i, source) in sources.iter().enumerate() {
                let length = source.as_str().chars().count();
                let parsed = if length > text::Expression::MAX {
                    Err(format!("has {length} characters; at most {} are allowed", text::Expression::MAX))
                } else {
                    expression::parse(source.as_str(), subjects)
                };
                match parsed {
                    Ok(expression) if field == "assignWhere" => self.declaration.assign.push(expression),
                    Ok(expression) => self.declaration.ignore.push(expression),
                    Err(problem) => self.problem(&format!("{prefix}{field}[{i}]"), &format!(": {problem}")),
                }
            }
        }
    }
}

/// The field that is rendered to an attribute.
fn field_of(attribute: &str) -> String {
    let mut words = attribute.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |field, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        field + &head.to_ascii_uppercase() + tail
    })
}
