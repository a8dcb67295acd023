//! The expected parts of an apply rule: its entries, what `set` gives each object, and the
//! conditions that every rule has.

use super::condition::{fits, holds};
use super::lexer::{Dialect, Token, tokens};
use super::statement::Statement;
use super::template::{below, filled, text, word};
use super::vocabulary::snake_case;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a value of `apply.set` must be, so that Icinga takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// Text.
    Text,
    /// Text that is not empty.
    SomeText,
    /// Seconds, more than zero.
    Seconds,
    /// Seconds, or zero.
    SecondsOrZero,
    /// A number in a range.
    Number(i32, i32),
    /// True or false.
    Flag,
    /// The name of an object of this type.
    Name(&'static str),
    /// Names of objects; those that do not exist are left out.
    Names(&'static str),
    /// The same, and at least one.
    SomeNames(&'static str),
    /// The name of an endpoint near the object.
    Endpoint,
}

/// The fields that a rule of a member may set.
pub const SET: [(&str, &[(&str, Fit)]); 4] = [
    (
        "service",
        &[
            ("displayName", Fit::Text),
            ("checkCommand", Fit::Name("CheckCommand")),
            ("maxCheckAttempts", Fit::Number(1, 1000)),
            ("checkPeriod", Fit::Name("TimePeriod")),
            ("checkTimeout", Fit::Seconds),
            ("checkInterval", Fit::Seconds),
            ("retryInterval", Fit::Seconds),
            ("eventCommand", Fit::Name("EventCommand")),
            ("commandEndpoint", Fit::Endpoint),
            ("volatile", Fit::Flag),
            ("enableActiveChecks", Fit::Flag),
            ("enablePassiveChecks", Fit::Flag),
            ("enableEventHandler", Fit::Flag),
            ("enableNotifications", Fit::Flag),
            ("enableFlapping", Fit::Flag),
            ("enablePerfdata", Fit::Flag),
            ("flappingThresholdLow", Fit::Number(0, 100)),
            ("flappingThresholdHigh", Fit::Number(0, 100)),
            ("notes", Fit::Text),
            ("notesUrl", Fit::Text),
            ("actionUrl", Fit::Text),
            ("iconImage", Fit::Text),
            ("iconImageAlt", Fit::Text),
            ("groups", Fit::Names("ServiceGroup")),
            ("addGroups", Fit::Names("ServiceGroup")),
        ],
    ),
    (
        "notification",
        &[
            ("command", Fit::Name("NotificationCommand")),
            ("interval", Fit::SecondsOrZero),
            ("period", Fit::Name("TimePeriod")),
            ("users", Fit::SomeNames("User")),
            ("userGroups", Fit::SomeNames("UserGroup")),
            ("commandEndpoint", Fit::Endpoint),
        ],
    ),
    (
        "scheduledDowntime",
        &[("author", Fit::SomeText), ("comment", Fit::SomeText), ("duration", Fit::SecondsOrZero)],
    ),
    (
        "dependency",
        &[
            ("period", Fit::Name("TimePeriod")),
            ("ignoreSoftStates", Fit::Flag),
            ("disableChecks", Fit::Flag),
            ("disableNotifications", Fit::Flag),
        ],
    ),
];

/// Fields of which every object needs one. Where only `set` can give it, an object that would lack
/// it is not made.
const NEEDED: [(&str, &[&str]); 6] = [
    ("service", &["checkCommand"]),
    ("notification", &["command"]),
    ("notification", &["users", "userGroups"]),
    ("scheduledDowntime", &["author"]),
    ("scheduledDowntime", &["comment"]),
    ("scheduledDowntime", &["ranges"]),
];

/// A rule, as a resource writes it.
pub struct Rule<'a> {
    /// The member of the spec.
    pub member: &'a str,
    /// The Icinga type.
    pub kind: &'a str,
    /// `spec.<member>`.
    pub fields: &'a Value,
    /// The beginning of the names.
    pub name: &'a str,
    /// `<namespace>/<name>` of the resource.
    pub owner: &'a str,
}

/// The entries of a rule.
#[derive(Default)]
pub struct Entries {
    /// Tokens in `for (...)`.
    pub head: Vec<Token>,
    /// Tokens of the statements that copy an entry into its object.
    pub given: Vec<Token>,
    /// Tokens of the line that makes the value of an entry.
    value: Vec<Token>,
}

impl Rule<'_> {
    fn has_entry(&self) -> bool {
        !self.fields["apply"]["forEach"].is_null()
    }

    /// Returns the form of a condition that reads the value of an entry. None without entries.
    ///
    /// # Errors
    /// If the form cannot be read.
    pub fn by_entry(&self, entries: &Entries) -> Result<Option<Vec<Token>>, String> {
        let form = "((value) USE => EXPRESSION)((() USE => { ENTRY return value })())";
        self.has_entry().then(|| filled(form, &[("ENTRY", &entries.value)])).transpose()
    }

    /// Returns what expressions of the rule may read.
    pub fn subjects(&self) -> &'static [&'static str] {
        match (self.fields["apply"]["to"] == "Service", self.has_entry()) {
            (false, false) => &["host"],
            (true, false) => &["host", "service"],
            (false, true) => &["host", "key", "value"],
            (true, true) => &["host", "service", "key", "value"],
        }
    }

    fn items(&self) -> impl Iterator<Item = &Value> {
        self.fields["apply"]["set"].as_array().into_iter().flatten()
    }

    /// Returns the names of the dictionaries that the rule needs.
    pub fn globals(&self) -> Vec<&'static str> {
        let zones = self.items().any(|item| item["commandEndpoint"].is_string());
        ["groundlink_taken", "groundlink_zones"].into_iter().take(1 + usize::from(zones)).collect()
    }

    /// Returns the expected entries.
    ///
    /// # Errors
    /// If the resource has no path.
    pub fn entries(&self) -> Result<Entries, String> {
        let for_each = &self.fields["apply"]["forEach"];
        let Some(within) = for_each["in"].as_str() else { return Ok(Entries::default()) };
        let path = tokens(within, Dialect::Condition)?;
        let mut words = path.iter().filter_map(|token| match token {
            Token::Word(word) | Token::Text(word) => Some(word.as_str()),
            _ => None,
        });
        let mut subject = words.next().ok_or("no subject")?;
        let mut field = words.next();
        if subject == "service" && field == Some("host") {
            (subject, field) = ("host", words.next());
        }
        if field != Some("vars") {
            return Err(format!("{within:?} is no custom variable"));
        }
        let mut path = [word(subject), vec![Token::Symbol(".")], word("vars")].concat();
        let mut guards = Vec::new();
        for (i, key) in words.enumerate() {
            if i > 0 {
                let template =
                    if i > 1 { "&& typeof(PATH) == Dictionary" } else { "typeof(PATH) == Dictionary" };
                guards.extend(filled(template, &[("PATH", &path)])?);
            }
            below(&mut path, key);
        }
        let guarded = match guards.is_empty() {
            true => path.clone(),
            false => {
                let several = guards.iter().any(|token| token.is("&&"));
                let form =
                    if several { "(((GUARDS) || null) && PATH)" } else { "((GUARDS || null) && PATH)" };
                filled(form, &[("PATH", &path), ("GUARDS", &guards)])?
            }
        };
        let head = "key in (typeof(PATH) == Dictionary && Dictionary.prototype.keys.call(PATH) || typeof(PATH) == Array && PATH)\
                    .filter(entry => typeof(entry) == String || typeof(entry) == Number).map(entry => string(entry))\
                    .filter(entry => NAMED !match(\"*!*\", entry)).unique()";
        let named = match for_each["prefix"].as_str() {
            Some("") => filled("entry != \"\" &&", &[])?,
            _ => Vec::new(),
        };
        let merged =
            "if (typeof(PATH) == Dictionary && typeof(PATH[key]) == Dictionary) {\n vars += PATH[key]\n }";
        let mut given = filled(merged, &[("PATH", &path)])?;
        let value = "if (typeof(PATH) == Dictionary) {\n vars[NAME] = PATH[key]\n } else {\n vars[NAME] = key\n \
                     if (len(PATH) <= 500) {\n for (entry in PATH) {\n \
                     if (typeof(entry) == Number && string(entry) == key) {\n vars[NAME] = entry\n }\n }\n }\n }";
        let key = "if (typeof(PATH) == Dictionary) {\n vars[NAME] = key.replace(\"$\", \"$$\")\n } else {\n vars[NAME] = key\n }";
        for (field, template) in [("valueVar", value), ("keyVar", key)] {
            if let Some(name) = for_each[field].as_str() {
                given.extend(filled(template, &[("PATH", &path), ("NAME", &text(name))])?);
            }
        }
        let value = "var value = key; if (typeof(PATH) == Dictionary) { \
                     var value = Dictionary.prototype.get.call(PATH, key) }; \
                     if (typeof(PATH) == Array && len(PATH) <= 500) { for (entry in PATH) { \
                     if (typeof(entry) == Number && string(entry) == key) { var value = entry } } };";
        Ok(Entries {
            head: filled(head, &[("PATH", &guarded), ("NAMED", &named)])?,
            given,
            value: filled(value, &[("PATH", &guarded)])?,
        })
    }

    /// Checks the value of an entry, what `set` gives, and the last conditions of a rule. Returns
    /// the number of these.
    ///
    /// # Errors
    /// If something else was rendered, with the first difference.
    pub fn check(&self, entries: &Entries, statement: &Statement) -> Result<usize, String> {
        let has_value = self.items().next().is_some() && self.has_entry();
        let value = if has_value { entries.value.as_slice() } else { &[] };
        if statement.entry != value {
            return Err(format!("the value of an entry: {:?}", statement.entry));
        }
        let given = self.given()?;
        if given.len() != statement.sets.len() {
            return Err(format!("{} fields are set, {} were rendered", given.len(), statement.sets.len()));
        }
        for (given, found) in given.iter().zip(&statement.sets) {
            given.check(found, self.subjects())?;
        }
        let last = self.last(entries)?;
        let begin = statement.ignore.len().checked_sub(last.len()).ok_or("too few conditions")?;
        for (condition, found) in last.iter().zip(&statement.ignore[begin..]) {
            condition.check(found, self.subjects())?;
        }
        Ok(last.len())
    }

    /// Returns what `set` gives, in order.
    fn given(&self) -> Result<Vec<Expected>, String> {
        let mut out = Vec::new();
        for item in self.items() {
            for list in self.lists(item)? {
                let when = if item["when"].is_string() { "EXPRESSION" } else { "true" };
                let form = "try {\n if (WHEN) {\n for (set in LIST) {\n PLACE set\n }\n }\n } except {\n }";
                let form =
                    filled(form, &[("WHEN", &word(when)), ("LIST", &list.form), ("PLACE", &list.place)])?;
                let sources = item["when"].as_str().map(str::to_owned).into_iter().chain(list.sources);
                out.push(Expected { form, sources: sources.collect() });
            }
        }
        Ok(out)
    }

    /// Returns the list of the value of each assignment of an item: empty if the value does not
    /// fit.
    fn lists<'a>(&self, item: &'a Value) -> Result<Vec<List<'a>>, String> {
        let mut lists = Vec::new();
        let mut fields: Vec<_> = map(item).into_iter().collect();
        // Otherwise `groups` would drop what this adds.
        fields.sort_by_key(|(field, _)| *field == "addGroups");
        for (field, source) in fields {
            let fit = SET.iter().find(|(member, _)| *member == self.member);
            let fit = fit.and_then(|(_, fields)| fields.iter().find(|(name, _)| *name == field));
            let Some((_, fit)) = fit else { continue };
            let source = source.as_str().unwrap_or_default().to_owned();
            let (attribute, operator) = match field {
                "addGroups" => ("groups".to_owned(), "+="),
                field => (snake_case(field), "="),
            };
            let place = [word(&attribute), tokens(operator, Dialect::Icinga)?].concat();
            lists.push(List { field, place, form: fitting(*fit)?, sources: vec![source] });
        }
        if let times @ [_, ..] = &map(&item["ranges"]).into_iter().collect::<Vec<_>>()[..] {
            let mut entries = Vec::new();
            for (i, (day, _)) in times.iter().enumerate() {
                let entry = if i > 0 { ", [ DAY, EXPRESSION ]" } else { "[ DAY, EXPRESSION ]" };
                entries.extend(filled(entry, &[("DAY", &text(day))])?);
            }
            let form = filled(RANGES, &[("ENTRIES", &entries), ("TIMES", &text(TIMES))])?;
            let sources = times.iter().map(|(_, source)| source.as_str().unwrap_or_default().to_owned());
            let place = tokens("ranges =", Dialect::Icinga)?;
            lists.push(List { field: "ranges", place, form, sources: sources.collect() });
        }
        for (name, source) in map(&item["vars"]) {
            let place = filled("vars[NAME] =", &[("NAME", &text(name))])?;
            let source = source.as_str().unwrap_or_default().to_owned();
            lists.push(List { field: "vars", place, form: checked(VARIABLE)?, sources: vec![source] });
        }
        for source in item["addVars"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (place, form) = (tokens("vars +=", Dialect::Icinga)?, checked(VARIABLES)?);
            lists.push(List { field: "addVars", place, form, sources: vec![source.to_owned()] });
        }
        Ok(lists)
    }

    /// Returns the last conditions: an object that would lack something is not made, and none whose
    /// name another has. This must come last, because it notes the name.
    fn last(&self, entries: &Entries) -> Result<Vec<Expected>, String> {
        let mut out = Vec::new();
        let is_empty = |value: &Value| match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(map) => map.is_empty(),
            value => value.is_null(),
        };
        let has_imports = !is_empty(&self.fields["imports"]);
        for (_, fields) in NEEDED.into_iter().filter(|(member, _)| *member == self.member) {
            // A template's users would be enough, so there may be no template that names some.
            let is_given = fields.iter().any(|field| !is_empty(&self.fields[*field]))
                || has_imports && fields[0] != "users";
            if is_given || !self.items().any(|item| fields.iter().any(|field| !is_empty(&item[*field]))) {
                continue;
            }
            let (mut form, mut sources) = (tokens("!(false", Dialect::Icinga)?, Vec::new());
            for item in self.items() {
                for list in self.lists(item)?.into_iter().filter(|list| fields.contains(&list.field)) {
                    let when = if item["when"].is_string() { "EXPRESSION" } else { "true" };
                    let asked = "|| (() USE => { try { ENTRY if (WHEN) { return len(LIST) > 0 } } except { }; return false })()";
                    let entry = if self.has_entry() { entries.value.as_slice() } else { &[] };
                    form.extend(filled(
                        asked,
                        &[("ENTRY", entry), ("WHEN", &word(when)), ("LIST", &list.form)],
                    )?);
                    sources.extend(item["when"].as_str().map(str::to_owned).into_iter().chain(list.sources));
                }
            }
            form.push(Token::Symbol(")"));
            out.push(Expected { form, sources });
        }
        let service = if self.fields["apply"]["to"] == "Service" { "service.name + \"!\" +" } else { "" };
        let key = if self.has_entry() { "+ key" } else { "" };
        let noted = format!(
            "(() USE => {{ var n = host.name + \"!\" + {service} NAME {key}; \
             if (get_object(KIND, n) != null) {{ return true }}; n = PREFIX + n; \
             if (globals.groundlink_taken.contains(n)) {{ return globals.groundlink_taken.get(n) != OWNER }}; \
             globals.groundlink_taken.set(n, OWNER); return false }})()"
        );
        let prefix = text(&format!("{}!", self.kind));
        let form = filled(
            &noted,
            &[
                ("NAME", &text(self.name)),
                ("KIND", &word(self.kind)),
                ("PREFIX", &prefix),
                ("OWNER", &text(self.owner)),
            ],
        )?;
        out.push(Expected { form, sources: Vec::new() });
        Ok(out)
    }
}

/// A form with its expressions, as a resource writes them.
struct Expected {
    form: Vec<Token>,
    sources: Vec<String>,
}

impl Expected {
    fn check(&self, found: &[Token], subjects: &[&str]) -> Result<(), String> {
        let wrong = |why: String| format!("{why}, in {found:?}");
        let expressions = fits(found, &self.form, subjects).map_err(wrong)?;
        if expressions.len() != self.sources.len() {
            return Err(wrong(format!("not {} expressions", self.sources.len())));
        }
        for (source, expression) in self.sources.iter().zip(expressions) {
            holds(source, expression).map_err(wrong)?;
        }
        Ok(())
    }
}

/// The list of one value.
struct List<'a> {
    field: &'a str,
    place: Vec<Token>,
    form: Vec<Token>,
    sources: Vec<String>,
}

fn map(value: &Value) -> BTreeMap<&str, &Value> {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect()
}

/// Returns the form of a function of `v`, called with the value.
fn checked(body: &str) -> Result<Vec<Token>, String> {
    tokens(&format!("((v) => {{ {body}; return [ ] }})(VALUE)"), Dialect::Icinga)
}

/// Returns the form of a list of the value, if it fits.
fn fitting(fit: Fit) -> Result<Vec<Token>, String> {
    const TEXT: &str = "if (typeof(v) == Number) { v = string(v) }; if (typeof(v) == String";
    let number = |range: &str| {
        format!(
            "if (typeof(v) == String) {{ v = number(v) }}; \
             if (typeof(v) == Number && {range}) {{ return [ v ] }}"
        )
    };
    let known = |kind: &str| {
        format!("v.filter((n) => typeof(n) == String && n != \"\" && get_object({kind}, n) != null).unique()")
    };
    checked(&match fit {
        Fit::Text => format!("{TEXT}) {{ return [ v ] }}"),
        Fit::SomeText => format!("{TEXT} && v != \"\") {{ return [ v ] }}"),
        // More than thirty years would overflow some counters.
        Fit::Seconds => number("v > 0 && v <= 1000000000"),
        Fit::SecondsOrZero => number("v >= 0 && v <= 1000000000"),
        Fit::Number(min, max) => number(&format!("v >= {min} && v <= {max}")),
        Fit::Flag => "if (typeof(v) == Boolean || typeof(v) == Number) { return [ v != 0 ] }".to_owned(),
        Fit::Name(kind) => format!(
            "if (typeof(v) == String && v != \"\" && get_object({kind}, v) != null) {{ return [ v ] }}"
        ),
        Fit::Names(kind) => format!("if (typeof(v) == Array) {{ return [ {} ] }}", known(kind)),
        Fit::SomeNames(kind) => {
            format!("if (typeof(v) == Array) {{ v = {}; if (len(v) > 0) {{ return [ v ] }} }}", known(kind))
        }
        Fit::Endpoint => return tokens(ENDPOINT, Dialect::Icinga),
    })
}

/// An endpoint must be of the object's zone, or of a direct child zone.
const ENDPOINT: &str = "((v, z) => { \
    if (typeof(v) == String && v != \"\" && get_object(Endpoint, v) != null && z != \"\") { \
    if (!Dictionary.prototype.contains.call(globals.groundlink_zones, v)) { \
    for (o in get_objects(Zone)) { if (typeof(o.endpoints) == Array) { for (e in o.endpoints) { \
    Dictionary.prototype.set.call(globals.groundlink_zones, e, o.name) } } } }; \
    var own = Dictionary.prototype.get.call(globals.groundlink_zones, v); \
    if (own == z || typeof(own) == String && get_object(Zone, own).parent == z) { return [ v ] } }; \
    return [ ] })(VALUE, zone)";
/// Icinga refuses text with an odd number of dollar signs.
const VARIABLE: &str = "var fits = (t) => typeof(t) != String || len(t.split(\"$\")) % 2 == 1; \
    if (typeof(v) == Array && v.all(fits) || typeof(v) == Number || typeof(v) == Boolean || v == null || \
    typeof(v) == String && fits(v)) { return [ v ] }; \
    if (typeof(v) == Dictionary && Dictionary.prototype.values.call(v).all(fits)) { return [ { } + v ] }";
const VARIABLES: &str = "var fits = (t) => typeof(t) != String || len(t.split(\"$\")) % 2 == 1; \
    if (typeof(v) == Dictionary && Dictionary.prototype.values.call(v).all(fits)) { return [ v ] }";
/// Times of a day. A few forms that Icinga takes are left out, because it misreads them.
const TIMES: &str =
    "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?-(([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?|24:00(:00)?)$";
const RANGES: &str = "((l) => { var r = { }; for (e in l) { \
    if (typeof(e[1]) == String && e[1] != \"\" && len(e[1]) <= 1000 && e[1].split(\",\")\
    .all((t) => regex(TIMES, t) && !regex(\"^00:00(:00)?-00:00(:00)?$\", t))) { r[e[0]] = e[1] } }; \
    if (len(r) > 0) { return [ r ] }; return [ ] })([ ENTRIES ])";
