//! What a name means at a place.

use super::facts::Facts;
use super::value::{Printed, Unsaid, Value};
use crate::api::IcingaType;
use crate::api::objects::ApplyTo;
use crate::import::document::Node;
use crate::import::language::{Expression, ForEach, Kind, Word, source};
use crate::import::report::Reason;

/// How a block declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Object,
    Template,
    Rule(ApplyTo),
}

/// Icinga's own constants of directories, which commands may name.
const DIRECTORIES: [&str; 20] = [
    "PluginDir",
    "ManubulonPluginDir",
    "PluginContribDir",
    "ConfigDir",
    "SysconfDir",
    "DataDir",
    "LogDir",
    "CacheDir",
    "SpoolDir",
    "InitRunDir",
    "ZonesDir",
    "PrefixDir",
    "PkgDataDir",
    "IncludeConfDir",
    "LocalStateDir",
    "RunDir",
    "NodeName",
    "ZoneName",
    "Environment",
    "NscpPath",
];

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
    pub(super) facts: &'a Facts,
    /// Type of the block. None at top level.
    pub(super) kind: Option<IcingaType>,
    pub(super) form: Form,
    /// The loop of the rule.
    pub(super) for_each: Option<&'a ForEach>,
    /// Local variables, the newest last.
    pub(super) locals: Vec<(String, Value)>,
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
    pub(super) fn new(facts: &'a Facts, kind: Option<IcingaType>, form: Form) -> Self {
        Self {
            facts,
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

    /// True where a condition over constants may be decided now.
    pub(super) fn folds_conditions(&self) -> bool {
        true
    }

    /// Returns what a name means.
    ///
    /// # Errors
    /// If that is not known without running Icinga.
    pub(super) fn name(&self, name: &str, expression: &Expression) -> Result<Value, Unsaid> {
        if self.in_filter && FILTERS.contains(&name) {
            return Ok(Value::Constant(Node::text(name)));
        }
        if let Some((_, value)) = self.locals.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        if let Some(for_each) = self.for_each {
            if for_each.key == name {
                return Ok(Value::Expression(Printed::atom("key")));
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
        if self.in_command && DIRECTORIES.contains(&name) {
            return Ok(Value::Constant(Node::Text(format!("${name}$"))));
        }
        if matches!(name, "NodeName" | "ZoneName") && !self.facts.is_defined(name) {
            return match self.form {
                Form::Rule(_) | Form::Template => Ok(Value::Expression(Printed::atom(name))),
                Form::Object if self.is_group() => Ok(Value::Expression(Printed::atom(name))),
                Form::Object => Err(self.unknown(name, expression)),
            };
        }
        match self.facts.constant(name) {
            Some(node) => Ok(Value::Constant(node.clone())),
            None => Err(self.unknown(name, expression)),
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

    /// Returns an attribute of the block itself.
    ///
    /// # Errors
    /// If it has not set it.
    pub(super) fn own(&self, keys: &[String], expression: &Expression) -> Result<Value, Unsaid> {
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
        if self.unsure.contains(first) {
            return Err(unknown());
        }
        let mut node = self.own.get(first).ok_or_else(unknown)?;
        for key in rest {
            node = node.get(key).ok_or_else(unknown)?;
        }
        Ok(Value::Constant(node.clone()))
    }

    /// Reads `vars.a`, where the block itself has set it. None if the path begins with another
    /// name.
    ///
    /// # Errors
    /// If the block has not set it.
    pub(super) fn own_path(&self, expression: &Expression) -> Result<Option<Value>, Unsaid> {
        let mut keys = Vec::new();
        let mut inner = expression;
        loop {
            match &inner.kind {
                Kind::Member(next, name) => {
                    keys.push(name.clone());
                    inner = next;
                }
                Kind::Index(next, key) => {
                    let Ok(Value::Constant(Node::Text(text))) = super::value::value(key, self) else {
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
