//! One `object`, `template` or `apply`.

use super::body::Draft;
use super::facts::Facts;
use super::scope::{Form, Scope};
use super::value::{Printed, Strength, Unsaid, Value, value};
use crate::api::IcingaType;
use crate::api::objects::ApplyTo;
use crate::import::document::Node;
use crate::import::language::{Block, Expression, Kind, Position, Rule, StatementKind, flat, source};
use crate::import::report::{BlockForm, Reason, Subject};
use crate::import::tree::SourceFile;

/// A block that can be said, or one that belongs elsewhere.
pub(super) enum Translated {
    Block(Box<Said>),
    /// It stays in Icinga's own configuration.
    Outside(Unsaid),
}

/// The parts of a manifest.
pub(super) struct Said {
    pub(super) icinga_type: IcingaType,
    pub(super) name: Option<String>,
    pub(super) parts: Vec<String>,
    pub(super) zone: Option<String>,
    pub(super) is_template: bool,
    pub(super) member: Node,
    pub(super) remarks: Vec<(Position, String)>,
}

type Outcome = (Subject, Result<Translated, Unsaid>);

pub(super) fn subject_of_object(block: &Block, scope: &Scope) -> Subject {
    Subject {
        form: if block.is_template { BlockForm::Template } else { BlockForm::Object },
        object_type: source(&block.object_type),
        name: block.name.as_ref().and_then(|name| constant_text(name, scope)),
    }
}

pub(super) fn subject_of_rule(rule: &Rule, scope: &Scope) -> Subject {
    Subject {
        form: BlockForm::Rule,
        object_type: rule.object_type.clone(),
        name: rule.name.as_ref().and_then(|name| constant_text(name, scope)),
    }
}

fn constant_text(expression: &Expression, scope: &Scope) -> Option<String> {
    match value(expression, scope) {
        Ok(Value::Constant(node)) => super::value::text_of(&node),
        _ => None,
    }
}

/// Translates `object` or `template`.
pub(super) fn object(block: &Block, file: &SourceFile, facts: &Facts, outer: &Scope) -> Outcome {
    let subject = subject_of_object(block, outer);
    let mut full = subject.clone();
    let result = said_object(block, file, facts, outer, &mut full);
    (full, result)
}

fn said_object(
    block: &Block,
    file: &SourceFile,
    facts: &Facts,
    outer: &Scope,
    subject: &mut Subject,
) -> Result<Translated, Unsaid> {
    let at = block.object_type.at;
    let Kind::Name(type_name) = &block.object_type.kind else {
        return Err(Unsaid::new(at, source(&block.object_type), Reason::Name, "write the type itself"));
    };
    let Some(kind) = IcingaType::named(type_name) else { return foreign(type_name, at) };
    let own_node = block.name.as_ref().is_some_and(
        |name| matches!(&name.kind, Kind::Name(name) if name == "NodeName" || name == "ZoneName"),
    );
    let own_zone = kind == IcingaType::Zone && lists_own_endpoint(block, facts, outer);
    if (own_node || own_zone) && kind.is_everywhere() {
        let remedy = "keep it there; it is proposed in externalObjects where resources name it";
        return Ok(Translated::Outside(Unsaid::new(at, source(&block.object_type), Reason::OwnNode, remedy)));
    }
    let name = match block.name.as_ref().map(|name| value(name, outer)).transpose()? {
        Some(Value::Constant(node)) => super::value::text_of(&node),
        _ => None,
    };
    let Some(name) = name else {
        return Err(Unsaid::new(at, "the name", Reason::Name, "write the name as text"));
    };
    let form = if block.is_template { Form::Template } else { Form::Object };
    let mut scope = Scope::new(&facts.constants, Some(kind), form);
    scope.locals = captured(&block.uses, outer)?;
    if form == Form::Object {
        scope.name = Some(Value::Constant(Node::text(&name)));
    }
    let mut draft = Draft::new(scope, facts, kind);
    draft.template_name = Some(name.clone()).filter(|_| block.is_template);
    draft.statements(&block.body)?;
    if block.ignores_errors {
        draft.remarks.push((
            at,
            "ignore_on_error is left out: a resource that Icinga cannot take is refused and says why".into(),
        ));
    }
    let text = |field: &str| match draft.field(field) {
        Some(Node::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let mut parts = Vec::new();
    if form == Form::Object && kind.is_attached() {
        let (host, service) = if kind == IcingaType::Dependency {
            ("childHostName", "childServiceName")
        } else {
            ("hostName", "serviceName")
        };
        parts.extend(text(host));
        parts.extend(text(service));
        let full: Vec<&str> = parts.iter().map(String::as_str).chain([name.as_str()]).collect();
        subject.name = Some(full.join("!"));
    }
    parts.push(name.clone());
    let mut zone = zone_of(&draft, file, kind, facts);
    // Objects inherit the zone of a resource's template, and in Icinga only one that it sets.
    if block.is_template
        && draft.zone.is_none()
        && let Some(of_directory) = &zone
        && !facts.is_used_only_in(of_directory, kind, &name)
    {
        let message = format!(
            "the template stands in zone {of_directory:?}, and its resource has no zone, because objects of other zones import it; every satellite gets it"
        );
        draft.remarks.push((at, message));
        zone = None;
    }
    let remarks = std::mem::take(&mut draft.remarks);
    Ok(Translated::Block(Box::new(Said {
        icinga_type: kind,
        name: Some(name),
        parts,
        zone,
        is_template: block.is_template,
        member: member(&draft, None),
        remarks,
    })))
}

/// True for a zone that lists the endpoint of the node itself.
fn lists_own_endpoint(block: &Block, facts: &Facts, outer: &Scope) -> bool {
    flat(&block.body).any(|statement| match &statement.kind {
        StatementKind::Set(target, _, given) => {
            let is_endpoints = matches!(&target.kind, Kind::Name(name) if name == "endpoints");
            let Kind::Array(items) = &given.kind else { return false };
            let is_own = |item: &Expression| match &item.kind {
                Kind::Name(name) if name == "NodeName" => true,
                _ => constant_text(item, outer).is_some_and(|name| facts.is_own_endpoint(&name)),
            };
            is_endpoints && items.iter().any(is_own)
        }
        _ => false,
    })
}

/// A type that Groundlink does not have.
fn foreign(type_name: &str, at: Position) -> Result<Translated, Unsaid> {
    match type_name {
        "Comment" | "Downtime" => Err(Unsaid::new(
            at,
            type_name,
            Reason::State,
            "use a ScheduledDowntime, or set it over Icinga's API",
        )),
        _ => {
            let unsaid = Unsaid::new(at, type_name, Reason::Type, "keep it there");
            // Only Icinga's own types; a misspelt one is a mistake.
            if type_name.chars().next().is_some_and(|c| c.is_ascii_uppercase()) {
                Ok(Translated::Outside(unsaid))
            } else {
                Err(unsaid)
            }
        }
    }
}

/// Translates `apply`.
pub(super) fn rule(rule: &Rule, file: &SourceFile, facts: &Facts, outer: &Scope) -> Outcome {
    let subject = subject_of_rule(rule, outer);
    let result = said_rule(rule, file, facts, outer);
    (subject, result)
}

fn said_rule(rule: &Rule, file: &SourceFile, facts: &Facts, outer: &Scope) -> Result<Translated, Unsaid> {
    let at = rule.body.first().map_or(Position::default(), |first| first.at);
    let kind = IcingaType::named(&rule.object_type).filter(|kind| kind.is_attached());
    let Some(kind) = kind else {
        return Err(Unsaid::new(
            at,
            &rule.object_type,
            Reason::Type,
            "apply makes services, notifications, dependencies and downtimes",
        ));
    };
    let to = match rule.target.as_deref() {
        Some("Service") => ApplyTo::Service,
        _ => ApplyTo::Host,
    };
    let prefix = match rule.name.as_ref().map(|name| value(name, outer)).transpose()? {
        Some(Value::Constant(node)) => super::value::text_of(&node),
        None => Some(String::new()),
        Some(_) => None,
    };
    let Some(prefix) = prefix else {
        return Err(Unsaid::new(at, "the name of the rule", Reason::Name, "write the name as text"));
    };
    let mut scope = Scope::new(&facts.constants, Some(kind), Form::Rule(to));
    scope.locals = captured(&rule.uses, outer)?;
    scope.for_each = rule.for_each.as_ref();
    scope.name = Some(match &rule.for_each {
        None => Value::Constant(Node::text(&prefix)),
        Some(_) if prefix.is_empty() => Value::Expression(Printed::atom("key")),
        Some(_) => {
            let text = super::value::literal(&Node::text(&prefix)).unwrap_or_default();
            Value::Expression(Printed { text: format!("{text} + key"), strength: Strength::Add })
        }
    });
    let within =
        rule.for_each.as_ref().map(|for_each| walked(&for_each.within, facts, kind, to)).transpose()?;
    let mut draft = Draft::new(scope, facts, kind);
    draft.statements(&rule.body)?;
    draft.complete_command(at);
    let prefix = draft.name.take().unwrap_or(prefix);
    if rule.ignores_errors {
        draft.remarks.push((
            at,
            "ignore_on_error is left out: a resource that Icinga cannot take is refused and says why".into(),
        ));
    }
    let mut apply: Vec<(String, Node)> = Vec::new();
    if kind != IcingaType::Service {
        apply.push(("to".into(), Node::text(if to == ApplyTo::Host { "Host" } else { "Service" })));
    }
    let (name, parts) = match within {
        None => (Some(prefix.clone()), vec![prefix.clone()]),
        Some(within) => {
            if !draft.adds_entry() {
                return Err(Unsaid::new(
                    at,
                    "a loop whose value is not added to vars",
                    Reason::EntryNotAdded,
                    "add `vars += ...` of the loop's value, if its variables do no harm",
                ));
            }
            let mut for_each = vec![("in".to_owned(), Node::text(&within))];
            for_each.extend(draft.key_var.iter().map(|name| ("keyVar".to_owned(), Node::text(name))));
            for_each.extend(draft.value_var.iter().map(|name| ("valueVar".to_owned(), Node::text(name))));
            let shown = prefix.trim_matches(|c: char| !c.is_alphanumeric());
            let last = within
                .rsplit(['.', '"'])
                .find(|part| part.chars().any(char::is_alphanumeric))
                .unwrap_or("each");
            let plain = prefix.strip_suffix(' ').filter(|name| !name.is_empty() && name.trim() == *name);
            let named = match plain {
                Some(name) => (Some(name.to_owned()), vec![name.to_owned()]),
                None => {
                    for_each.push(("prefix".into(), Node::text(&prefix)));
                    (None, vec![if shown.is_empty() { last.to_owned() } else { shown.to_owned() }])
                }
            };
            apply.push(("forEach".into(), Node::Map(for_each)));
            named
        }
    };
    if !draft.assign.is_empty() {
        apply.push(("assignWhere".into(), Node::texts(draft.assign.clone())));
    }
    if !draft.ignore.is_empty() {
        apply.push(("ignoreWhere".into(), Node::texts(draft.ignore.clone())));
    }
    let set = draft.set_nodes();
    if !set.is_empty() {
        apply.push(("set".into(), Node::List(set)));
    }
    let mut zone = zone_of(&draft, file, kind, facts);
    if draft.zone.is_none()
        && let Some(of_directory) = &zone
        && !facts.has_hosts_only_in(of_directory)
    {
        let message = format!(
            "the rule stands in zone {of_directory:?}, and its resource has no zone, because the rule also makes objects for hosts of other zones; every satellite gets it"
        );
        draft.remarks.push((at, message));
        zone = None;
    }
    if kind == IcingaType::Dependency && draft.field("parentServiceName").is_some() {
        let message = "where the rule matches the parent itself, its resource makes no dependency of the parent on itself; Icinga 2.13 made one, which later versions refuse";
        draft.remarks.push((at, message.into()));
    }
    let remarks = std::mem::take(&mut draft.remarks);
    Ok(Translated::Block(Box::new(Said {
        icinga_type: kind,
        name,
        parts,
        zone,
        is_template: false,
        member: member(&draft, Some(Node::Map(apply))),
        remarks,
    })))
}

/// Returns the variable that a loop walks through.
fn walked(within: &Expression, facts: &Facts, kind: IcingaType, to: ApplyTo) -> Result<String, Unsaid> {
    let scope = Scope::new(&facts.constants, Some(kind), Form::Rule(to));
    let wrong = || {
        Unsaid::new(
            within.at,
            source(within),
            Reason::Loop,
            "put the list into a variable of the hosts, and walk through that",
        )
    };
    match value(within, &scope)? {
        Value::Expression(printed)
            if printed.strength == Strength::Atom
                && (printed.text.starts_with("host.vars") || printed.text.starts_with("service.vars"))
                && !printed.text.ends_with("vars")
                && !printed.text.ends_with(')') =>
        {
            Ok(printed.text)
        }
        _ => Err(wrong()),
    }
}

/// Returns the variables of `use (...)`.
fn captured(
    uses: &[(String, Option<Expression>)],
    outer: &Scope,
) -> Result<Vec<(String, Option<Value>)>, Unsaid> {
    // A block sees only those variables of the file that it names.
    let mut locals = Vec::new();
    for (name, given) in uses {
        match given {
            Some(given) => locals.push((name.clone(), Some(value(given, outer)?))),
            None => {
                let found = outer.locals.iter().rev().find(|(known, _)| known == name);
                let weight = found.and_then(|(_, value)| value.as_ref()).map_or(0, Value::weight);
                if outer.constants.spend(weight) {
                    locals.extend(found.cloned());
                }
            }
        }
    }
    Ok(locals)
}

/// Returns the zone of the resource: of the block, else of its directory. A global zone is none.
fn zone_of(draft: &Draft, file: &SourceFile, kind: IcingaType, facts: &Facts) -> Option<String> {
    if kind.is_everywhere() {
        return None;
    }
    draft.zone.clone().or_else(|| file.zone.clone()).filter(|zone| !zone.is_empty() && !facts.is_global(zone))
}

/// Puts the fields into the order in which people write them.
fn member(draft: &Draft, apply: Option<Node>) -> Node {
    let mut entries: Vec<(String, Node)> = Vec::new();
    let imports: Vec<String> = draft.defaults().iter().chain(&draft.imports).cloned().collect();
    if !imports.is_empty() {
        entries.push(("imports".into(), Node::texts(imports)));
    }
    if !draft.unset.is_empty() {
        entries.push(("unset".into(), Node::texts(draft.unset.clone())));
    }
    entries.extend(draft.fields.iter().cloned());
    if !draft.vars.is_empty() {
        entries.push(("vars".into(), draft.vars.clone()));
    }
    match apply {
        Some(apply) => entries.push(("apply".into(), apply)),
        None => {
            if !draft.assign.is_empty() {
                entries.push(("assignWhere".into(), Node::texts(draft.assign.clone())));
            }
            if !draft.ignore.is_empty() {
                entries.push(("ignoreWhere".into(), Node::texts(draft.ignore.clone())));
            }
            let set = draft.set_nodes();
            if !set.is_empty() {
                entries.push(("set".into(), Node::List(set)));
            }
        }
    }
    Node::Map(entries)
}
