//! What a name means at a place.

use super::constants::Constants;
use super::value::{Names, Printed, Unsaid, Value, value};
use crate::api::IcingaType;
use crate::api::objects::ApplyTo;
use crate::import::document::Node;
use crate::import::language::{Expression, ForEach, Kind, Word, source};
use crate::import::report::Reason;
use crate::validate::constants::ICINGA_CONSTANTS;

/// How a block declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    Template,
    Rule(ApplyTo),
}

/// Words of Icinga that are names of states and types in filters.
const FILTERS: [&str; 15] = [
    "OK",
    "Warning",
    "Critical",
    "Unknown",
    "Up",
    "Down",
    "DowntimeStart",
    "DowntimeEnd",
    "DowntimeRemoved",
    "Custom",
    "Acknowledgement",
    "Problem",
    "Recovery",
    "FlappingStart",
    "FlappingEnd",
];

/// The place of an expression.
pub(super) struct Scope<'a> {
    pub(super) constants: &'a Constants,
    /// Type of the block. None at top level.
    pub(super) kind: Option<IcingaType>,
    pub(super) form: Form,
    /// The loop of the rule.
    pub(super) for_each: Option<&'a ForEach>,
    /// Local variables, the newest last. None for a value that is not known.
    pub(super) locals: Vec<(String, Option<Value>)>,
    /// The name of the block, if Icinga's `name` has it.
    pub(super) name: Option<Value>,
    /// Attributes that the block has set, by Icinga's names, and its variables under `vars`.
    pub(super) own: Node,
    /// Attributes that a condition or an expression has set, so that `own` is not all of them.
    pub(super) unsure: Vec<String>,
    /// True where `$PluginDir$` is expanded.
    pub(super) in_command: bool,
    /// True for the value of a filter.
    pub(super) in_filter: bool,
}

impl<'a> Scope<'a> {
    pub(super) fn new(constants: &'a Constants, kind: Option<IcingaType>, form: Form) -> Self {
        Self {
            constants,
            kind,
            form,
            for_each: None,
            locals: Vec::new(),
            name: None,
            own: Node::Map(Vec::new()),
            unsure: Vec::new(),
            in_command: false,
            in_filter: false,
        }
    }

    fn unknown(&self, name: &str, expression: &Expression) -> Unsaid {
        let remedy = match name {
            "host" | "service" | "user" => "only rules, and templates of services, notifications, dependencies and downtimes, read other objects; write the value itself".into(),
            _ => format!("give the file that declares it, or --define {name}=VALUE"),
        };
        Unsaid::new(expression.at, source(expression), Reason::UnknownName, remedy)
    }

    fn is_group(&self) -> bool {
        matches!(self.kind, Some(IcingaType::HostGroup | IcingaType::ServiceGroup | IcingaType::UserGroup))
    }

    /// Returns the objects that an expression may read here.
    fn subjects(&self) -> &'static [&'static str] {
        match (self.kind, self.form) {
            (Some(IcingaType::HostGroup), _) => &["host"],
            (Some(IcingaType::ServiceGroup), _) => &["host", "service"],
            (Some(IcingaType::UserGroup), _) => &["user"],
            (_, Form::Rule(ApplyTo::Host)) => &["host"],
            (_, Form::Rule(ApplyTo::Service)) => &["host", "service"],
            (Some(kind), Form::Template) if kind.is_attached() => &["host", "service"],
            _ => &[],
        }
    }

    /// True if the block can have computed values.
    pub(super) fn computes(&self) -> bool {
        match self.form {
            Form::Rule(_) => true,
            Form::Template => self.kind.is_some_and(IcingaType::is_attached),
            Form::Object => false,
        }
    }

    fn own_attribute(&self, name: &str) -> Option<Value> {
        if self.unsure.iter().any(|unsure| unsure == name) {
            return None;
        }
        let is_attribute = self.kind.is_some_and(|kind| super::attributes::attribute(kind, name).is_some());
        self.own
            .get(name)
            .filter(|_| is_attribute && name != "vars")
            .map(|node| Value::Constant(node.clone()))
    }
}

impl Names for Scope<'_> {
    fn spend(&self, weight: usize) -> bool {
        self.constants.spend(weight)
    }

    fn name(&self, name: &str, expression: &Expression) -> Result<Value, Unsaid> {
        if self.in_filter && FILTERS.contains(&name) {
            return Ok(Value::Constant(Node::text(name)));
        }
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return value.clone().ok_or_else(|| {
                let remedy = "write the value itself; what the variable holds is not known here";
                Unsaid::new(expression.at, source(expression), Reason::UnknownName, remedy)
            });
        }
        if let Some(for_each) = self.for_each {
            if for_each.key == name {
                // The entry of a list may be a number, and a key is text.
                let word = if for_each.value.is_none() { "value" } else { "key" };
                return Ok(Value::Expression(Printed::atom(word)));
            }
            if for_each.value.as_deref() == Some(name) {
                return Ok(Value::Expression(Printed::atom("value")));
            }
        }
        if self.subjects().contains(&name) {
            return Ok(Value::Expression(Printed::atom(name)));
        }
        // A single object has no host to ask, but `host_name` and `name` are what it says.
        if let Some(value) = self.own_attribute(name) {
            return Ok(value);
        }
        if name == "name"
            && let Some(value) = &self.name
        {
            return Ok(value.clone());
        }
        if self.in_command && ICINGA_CONSTANTS.contains(&name) {
            return Ok(Value::Constant(Node::Text(format!("${name}$"))));
        }
        // In a rule, `host_name` is that of the host for which the object is made.
        if name == "host_name" && self.computes() {
            return Ok(Value::Expression(Printed::atom("host.name")));
        }
        // Each node has its own, which a rule is to ask there.
        if matches!(name, "NodeName" | "ZoneName") && (self.computes() || self.is_group()) {
            return Ok(Value::Expression(Printed::atom(name)));
        }
        match self.constants.get(name) {
            Some(node) => Ok(Value::Constant(node.clone())),
            None => Err(self.unknown(name, expression)),
        }
    }

    fn own(&self, keys: &[String], expression: &Expression) -> Result<Value, Unsaid> {
        if let ([name], Some(value)) = (keys, &self.name)
            && name == "name"
        {
            return Ok(value.clone());
        }
        let unknown = || {
            Unsaid::new(
                expression.at,
                source(expression),
                Reason::Computed,
                "write the value itself; a template or an import may set the one that is read",
            )
        };
        let [first, rest @ ..] = keys else { return Err(unknown()) };
        // Of variables, only the one that is read must be sure.
        let variable = rest.first().map_or_else(|| "vars.".to_owned(), |key| format!("vars.{key}"));
        let is_read = |unsure: &String| match rest {
            [] => unsure.starts_with(&variable),
            _ => *unsure == variable,
        };
        if self.unsure.iter().any(|unsure| unsure == first || (first == "vars" && is_read(unsure))) {
            return Err(unknown());
        }
        let mut node = self.own.get(first).ok_or_else(unknown)?;
        for key in rest {
            node = node.get(key).ok_or_else(unknown)?;
        }
        Ok(Value::Constant(node.clone()))
    }

    fn own_path(&self, expression: &Expression) -> Result<Option<Value>, Unsaid> {
        let mut keys = Vec::new();
        let mut inner = expression;
        loop {
            match &inner.kind {
                Kind::Member(next, name) => {
                    keys.push(name.clone());
                    inner = next;
                }
                Kind::Index(next, key) => {
                    let Ok(Value::Constant(Node::Text(text))) = value(key, self) else {
                        return Ok(None);
                    };
                    keys.push(text);
                    inner = next;
                }
                Kind::Name(name) if name == "vars" && self.kind.is_some() => {
                    keys.push(name.clone());
                    break;
                }
                Kind::Word(Word::This) if !keys.is_empty() => break,
                _ => return Ok(None),
            }
        }
        keys.reverse();
        self.own(&keys, expression).map(Some)
    }
}
