//! What all files together say, before a block is translated: constants, templates, zones.

use super::constants::Constants;
use super::scope::{Form, Scope};
use super::value::{Value, keys, value};
use crate::api::IcingaType;
use crate::import::document::Node;
use crate::import::language::{Expression, Kind, Statement, StatementKind, flat};
use crate::import::tree::{Content, Tree};
use crate::validate::facts::GLOBAL_ZONES;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Templates that Icinga imports by itself.
pub(super) const BUILT_IN: [&str; 4] =
    ["plugin-check-command", "plugin-notification-command", "plugin-event-command", "legacy-timeperiod"];
/// Most templates that a block imports, with those that they import.
const MAX_IMPORTED: usize = 1000;
/// Most templates on each other. The operator's time for a chain grows with its square.
pub(super) const MAX_CHAIN: usize = 100;

/// What is known of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    /// Templates that it imports. None for one whose name is computed.
    imports: Vec<Option<String>>,
    /// The same by their numbers. None for one that is not known.
    links: Vec<Option<usize>>,
    /// Attributes that it sets, by Icinga's names; variables as `vars.<name>`, and `vars` if it may
    /// set any.
    sets: BTreeSet<String>,
}

impl Template {
    /// True if it may set an attribute, or a variable by `vars.<name>`.
    pub(super) fn may_set(&self, name: &str) -> bool {
        let is_var = name.starts_with("vars");
        self.sets.contains(name)
            || (is_var && self.sets.contains("vars"))
            || (name == "vars"
                && self.sets.range("vars.".to_owned()..).next().is_some_and(|set| set.starts_with("vars.")))
    }
}

/// What the files say.
#[derive(Default)]
pub(in crate::import) struct Facts {
    pub(super) constants: Constants,
    /// Types of which a template is imported that is not in the files.
    imports_unknown: BTreeSet<IcingaType>,
    templates: Vec<Template>,
    /// Their numbers.
    numbers: BTreeMap<(IcingaType, String), usize>,
    /// How many of them set an attribute.
    setters: BTreeMap<(IcingaType, String), usize>,
    /// Templates that every object of the type imports by itself.
    defaults: BTreeMap<IcingaType, Vec<String>>,
    global_zones: BTreeSet<String>,
    /// Zones in which hosts are.
    zones_of_hosts: BTreeSet<Option<String>>,
    /// Endpoints that are declared as `NodeName`.
    own_endpoints: BTreeSet<String>,
    /// Objects and rules that import templates, until their templates are known.
    users: Vec<User>,
    /// Zones of the objects that a template is imported into, by the template's number.
    users_zones: BTreeMap<usize, BTreeSet<Option<String>>>,
}

/// An object or rule that imports templates.
struct User {
    kind: IcingaType,
    imports: Vec<Option<String>>,
    zone: Option<String>,
    is_rule: bool,
}

impl Facts {
    /// Collects them.
    pub(in crate::import) fn of(tree: &Tree, defines: &BTreeMap<String, String>) -> Self {
        let mut facts = Self {
            constants: Constants::defined(defines),
            global_zones: GLOBAL_ZONES.into_iter().map(str::to_owned).collect(),
            ..Self::default()
        };
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                facts.constant_of(statement, defines);
            }
        }
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                facts.block_of(statement, file.zone.as_deref());
            }
        }
        facts.find_unknown(tree);
        facts.link();
        facts.find_users();
        facts
    }

    /// Finds the zones of the objects that each template is imported into.
    fn find_users(&mut self) {
        let zones = std::mem::take(&mut self.zones_of_hosts);
        self.zones_of_hosts = zones.into_iter().map(|zone| self.placed(zone)).collect();
        for user in std::mem::take(&mut self.users) {
            let zone = self.placed(user.zone);
            let zone = zone.filter(|zone| !user.is_rule || self.has_hosts_only_in(zone));
            let defaults = self.defaults(user.kind).iter().cloned().map(Some);
            let imports = user.imports.into_iter().chain(defaults);
            let mut open: Vec<usize> = imports.filter_map(|name| self.number(user.kind, &name?)).collect();
            let mut seen: BTreeSet<usize> = open.iter().copied().collect();
            while let Some(number) = open.pop() {
                self.users_zones.entry(number).or_default().insert(zone.clone());
                let links = self.templates.get(number).map(|template| template.links.as_slice());
                let new = links.unwrap_or_default().iter().flatten().filter(|link| seen.insert(**link));
                open.extend(new);
                if seen.len() > MAX_IMPORTED {
                    break;
                }
            }
        }
    }

    /// Returns the zone that an object of a directory has as a resource.
    fn placed(&self, zone: Option<String>) -> Option<String> {
        zone.filter(|zone| !self.is_global(zone))
    }

    /// True if no host is in another zone.
    pub(super) fn has_hosts_only_in(&self, zone: &str) -> bool {
        self.zones_of_hosts.iter().all(|other| other.as_deref() == Some(zone))
    }

    /// True if no object of another zone imports the template.
    pub(super) fn is_used_only_in(&self, zone: &str, kind: IcingaType, template: &str) -> bool {
        let number = self.number(kind, template);
        let zones = number.and_then(|number| self.users_zones.get(&number));
        zones.into_iter().flatten().all(|other| other.as_deref() == Some(zone))
    }

    /// True for an endpoint of the node itself.
    pub(super) fn is_own_endpoint(&self, name: &str) -> bool {
        self.own_endpoints.contains(name)
    }

    /// Finds the templates that each one imports.
    fn link(&mut self) {
        for ((kind, _), number) in &self.numbers {
            let Some(template) = self.templates.get_mut(*number) else { continue };
            let names = template.imports.iter().filter(|name| !is_built_in(name.as_deref()));
            let number = |name: &Option<String>| self.numbers.get(&(*kind, name.clone()?)).copied();
            template.links = names.map(number).collect();
            for name in &template.sets {
                *self.setters.entry((*kind, name.clone())).or_default() += 1;
            }
        }
    }

    /// Finds the types of which a template is imported that is not in the files.
    fn find_unknown(&mut self, tree: &Tree) {
        let mut unknown = BTreeSet::new();
        let scope = Scope::new(&self.constants, None, Form::Object);
        for file in &tree.files {
            let Content::Configuration(content) = &file.content else { continue };
            for statement in &content.statements {
                let (kind, body) = match &statement.kind {
                    StatementKind::Block(block) => match &block.object_type.kind {
                        Kind::Name(name) => (IcingaType::named(name), &block.body),
                        _ => continue,
                    },
                    StatementKind::Rule(rule) => (IcingaType::named(&rule.object_type), &rule.body),
                    _ => continue,
                };
                let Some(kind) = kind else { continue };
                let mut template = Template::default();
                collect(body, &scope, &mut template);
                let is_known = |name: &String| {
                    BUILT_IN.contains(&name.as_str()) || self.numbers.contains_key(&(kind, name.clone()))
                };
                if !template.imports.iter().all(|name| name.as_ref().is_some_and(is_known)) {
                    unknown.insert(kind);
                }
            }
        }
        self.imports_unknown = unknown;
    }

    /// True if a template other than this one may set an attribute, or a variable by `vars.<name>`.
    pub(super) fn is_set_elsewhere(&self, kind: IcingaType, template: &str, attribute: &str) -> bool {
        let own = self.number(kind, template).and_then(|number| self.templates.get(number));
        let is_set = |name: &str| {
            let all = self.setters.get(&(kind, name.to_owned())).copied().unwrap_or_default();
            all > usize::from(own.is_some_and(|own| own.sets.contains(name)))
        };
        let is_var = attribute.starts_with("vars.");
        self.imports_unknown.contains(&kind) || (is_var && is_set("vars")) || is_set(attribute)
    }

    fn number(&self, kind: IcingaType, name: &str) -> Option<usize> {
        self.numbers.get(&(kind, name.to_owned())).copied()
    }

    fn constant_of(&mut self, statement: &Statement, defines: &BTreeMap<String, String>) {
        let StatementKind::Constant(name, given) = &statement.kind else { return };
        let scope = Scope::new(&self.constants, None, Form::Object);
        // As in Icinga, the last declaration counts, also over the command line.
        match value(given, &scope) {
            Ok(Value::Constant(node)) => self.constants.set(name.clone(), node),
            _ if !defines.contains_key(name) => self.constants.remove(name),
            _ => {}
        }
    }

    fn block_of(&mut self, statement: &Statement, zone: Option<&str>) {
        if let StatementKind::Rule(rule) = &statement.kind
            && let Some(kind) = IcingaType::named(&rule.object_type)
        {
            self.user_of(kind, &rule.body, zone, true);
        }
        let StatementKind::Block(block) = &statement.kind else { return };
        let Kind::Name(type_name) = &block.object_type.kind else { return };
        let Some(kind) = IcingaType::named(type_name) else { return };
        let scope = Scope::new(&self.constants, None, Form::Object);
        let name = match block.name.as_ref().map(|name| value(name, &scope)) {
            Some(Ok(Value::Constant(Node::Text(name)))) => name,
            _ if block.is_template => return,
            _ => String::new(),
        };
        let is_own = |name: &Expression| matches!(&name.kind, Kind::Name(name) if name == "NodeName");
        if kind == IcingaType::Endpoint && block.name.as_ref().is_some_and(is_own) {
            self.own_endpoints.insert(name.clone());
        }
        let mut template = Template::default();
        collect(&block.body, &scope, &mut template);
        if !block.is_template && !kind.is_everywhere() {
            self.user_of(kind, &block.body, zone, false);
        }
        match kind {
            IcingaType::Zone if sets_true(&block.body, "global") => {
                self.global_zones.insert(name);
            }
            IcingaType::Host if !block.is_template => {
                self.zones_of_hosts.insert(zone.map(str::to_owned));
            }
            _ if block.is_template => {
                if block.is_default {
                    self.defaults.entry(kind).or_default().push(name.clone());
                }
                let number = *self.numbers.entry((kind, name)).or_insert(self.templates.len());
                match self.templates.get_mut(number) {
                    Some(old) => *old = template,
                    None => self.templates.push(template),
                }
            }
            _ if kind.is_code() => {
                // Commands are imported like templates.
                if let Entry::Vacant(entry) = self.numbers.entry((kind, name)) {
                    entry.insert(self.templates.len());
                    self.templates.push(template);
                }
            }
            _ => {}
        }
    }

    fn user_of(&mut self, kind: IcingaType, body: &[Statement], zone: Option<&str>, is_rule: bool) {
        let scope = Scope::new(&self.constants, None, Form::Object);
        let name = |statement: &Statement| match &statement.kind {
            StatementKind::Import(name) => Some(match value(name, &scope) {
                Ok(Value::Constant(Node::Text(name))) => Some(name),
                _ => None,
            }),
            _ => None,
        };
        let imports = flat(body).filter_map(name).collect();
        self.users.push(User { kind, imports, zone: zone.map(str::to_owned), is_rule });
    }

    pub(super) fn is_global(&self, zone: &str) -> bool {
        self.global_zones.contains(zone)
    }

    pub(super) fn defaults(&self, kind: IcingaType) -> &[String] {
        self.defaults.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// True if more than [`MAX_CHAIN`] templates import each other, the first of them this one.
    pub(super) fn is_long_chain(&self, kind: IcingaType, name: &str) -> bool {
        let mut level: Vec<usize> = self.number(kind, name).into_iter().collect();
        let mut seen: BTreeSet<usize> = level.iter().copied().collect();
        for _ in 0..MAX_CHAIN {
            let links = level.iter().filter_map(|number| self.templates.get(*number));
            let links = links.flat_map(|template| template.links.iter().flatten().copied());
            level = links.filter(|link| seen.insert(*link)).collect();
            if level.is_empty() {
                return false;
            }
            if seen.len() > MAX_IMPORTED {
                break;
            }
        }
        true
    }

    /// Returns a template with all that it imports. None if one of them is unknown, or there are
    /// too many to ask.
    pub(super) fn imported(&self, kind: IcingaType, name: &str) -> Option<Vec<&Template>> {
        if is_built_in(Some(name)) {
            return Some(Vec::new());
        }
        let mut open = vec![self.number(kind, name)?];
        let mut seen: BTreeSet<usize> = open.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(number) = open.pop() {
            let template = self.templates.get(number)?;
            found.push(template);
            for link in &template.links {
                let link = (*link)?;
                if seen.insert(link) {
                    open.push(link);
                }
            }
            if seen.len() > MAX_IMPORTED {
                return None;
            }
        }
        Some(found)
    }
}

fn is_built_in(name: Option<&str>) -> bool {
    name.is_some_and(|name| BUILT_IN.contains(&name))
}

fn sets_true(body: &[Statement], name: &str) -> bool {
    flat(body).any(|statement| match &statement.kind {
        StatementKind::Set(target, _, value) => {
            matches!(&target.kind, Kind::Name(found) if found == name)
                && matches!(value.kind, Kind::Boolean(true))
        }
        _ => false,
    })
}

/// Collects what statements import and set, on every way through them.
fn collect(body: &[Statement], scope: &Scope, template: &mut Template) {
    for statement in body {
        match &statement.kind {
            StatementKind::Import(name) => template.imports.push(match value(name, scope) {
                Ok(Value::Constant(Node::Text(name))) => Some(name),
                _ => None,
            }),
            StatementKind::Set(target, _, given) => note_target(target, given, scope, template),
            StatementKind::For(_, body) | StatementKind::While(_, body) | StatementKind::Inlined(_, body) => {
                collect(body, scope, template);
            }
            StatementKind::Expression(Expression { kind: Kind::If(branches, otherwise), .. }) => {
                branches.iter().for_each(|(_, body)| collect(body, scope, template));
                otherwise.iter().for_each(|body| collect(body, scope, template));
            }
            _ => {}
        }
    }
}

fn note_target(target: &Expression, given: &Expression, scope: &Scope, template: &mut Template) {
    let Ok(path) = keys(target, scope) else {
        template.sets.insert("vars".into());
        return;
    };
    match path.as_slice() {
        [first] if first == "vars" => match value(given, scope) {
            Ok(Value::Constant(Node::Map(entries))) => {
                template.sets.extend(entries.iter().map(|(key, _)| format!("vars.{key}")));
            }
            _ => {
                template.sets.insert("vars".into());
            }
        },
        [first, key, ..] if first == "vars" => {
            template.sets.insert(format!("vars.{key}"));
        }
        [first, ..] => {
            template.sets.insert(first.clone());
        }
        [] => {}
    }
}
