//! The expected statement of a resource, computed from its JSON alone.

use super::condition;
use super::lexer::{Dialect, Token, tokens};
use super::rule::{Entries, Rule};
use super::statement::Statement;
use super::template::{below, filled, text};
use super::vocabulary::{ADDED, DURATIONS, MEMBERS, STATEMENTS, seconds, snake_case};
use serde_json::{Map, Value, json};

/// Compares a statement with the resource that it was rendered from.
///
/// # Errors
/// If they differ, with the first difference.
pub fn compare(namespace: &str, resource: &str, spec: &Value, statement: &Statement) -> Result<(), String> {
    let members: Vec<_> = MEMBERS.into_iter().filter(|(member, _)| !spec[*member].is_null()).collect();
    let [(member, kind)] = members[..] else { return Err("not one member".into()) };
    let fields = spec[member].as_object().ok_or("no fields")?;
    let is_template = spec["template"] == true;
    let apply = &spec[member]["apply"];
    let target = (!apply.is_null()).then(|| apply["to"].as_str().unwrap_or("Host"));
    let form = match target {
        _ if is_template => "template",
        Some(_) => "apply",
        None => "object",
    };
    let imports = texts(&spec[member]["imports"]);
    let is_importable = is_template || member.ends_with("Command");
    same("the form", &form, &statement.form.as_str())?;
    same("the type", &kind, &statement.kind.as_str())?;
    let for_each = &apply["forEach"];
    let mut name = spec["name"].as_str().unwrap_or(resource).to_owned();
    match for_each["prefix"].as_str() {
        Some(prefix) => name = prefix.to_owned(),
        None if for_each.is_null() => {}
        None => name.push(' '),
    }
    same("the name", &name, &statement.name)?;
    let owner = format!("{namespace}/{resource}");
    let rule = Rule { member, kind, fields: &spec[member], name: &name, owner: &owner };
    let rule = target.is_some().then_some(rule);
    let globals = rule.as_ref().map(Rule::globals).unwrap_or_default();
    same("dictionaries", &globals, &statement.globals.iter().map(String::as_str).collect())?;
    let entries = rule.as_ref().map_or_else(|| Ok(Entries::default()), Rule::entries)?;
    same("the entries", &entries.head, &statement.for_each)?;
    let (taken_back, back_to_default) = unset(&texts(&spec[member]["unset"]))?;
    same("conditions", &[taken_back, entries.given.clone()].concat(), &statement.conditions)?;
    same("the target", &target, &statement.target.as_deref())?;
    same("imports", &imports, &statement.imports.iter().map(String::as_str).collect())?;

    let mut wanted = [Map::new(), Map::new()];
    if let Some(zone) = spec["zone"].as_str() {
        wanted[0].insert("zone".into(), zone.into());
    }
    for (field, value) in fields.iter().filter(|(field, _)| !STATEMENTS.contains(&field.as_str())) {
        let adds = ADDED.contains(&field.as_str()) && (is_importable || !imports.is_empty());
        if let Some(value) = attribute(field, value)? {
            wanted[usize::from(adds)].insert(snake_case(field), value);
        }
    }
    let groups = &spec[member]["addGroups"];
    if groups.as_array().is_some_and(|groups| !groups.is_empty()) {
        wanted[1].insert("groups".into(), groups.clone());
    }
    // Fields that are taken back come first.
    let (back, own) =
        statement.assigned.split_at_checked(back_to_default.len()).ok_or("too few attributes")?;
    let back: Vec<_> = back.iter().map(|(attribute, _)| attribute.clone()).collect();
    same("fields that are taken back", &back_to_default, &back)?;
    let assigned: Map<_, _> = own.iter().cloned().collect();
    same("number of attributes", &assigned.len(), &own.len())?;
    same_values("=", &Value::from(wanted[0].clone()), &Value::from(assigned))?;
    same_values("+=", &Value::from(wanted[1].clone()), &Value::from(statement.added.clone()))?;

    let last = match &rule {
        Some(rule) => rule.check(&entries, statement)?,
        None => same("what is set", &(0, 0), &(statement.sets.len(), statement.entry.len())).map(|()| 0)?,
    };
    let ignore = &statement.ignore[..statement.ignore.len() - last];
    let (rules, subjects) = match target {
        Some("Host") => (apply, ["host"].as_slice()),
        Some(_) => (apply, ["host", "service"].as_slice()),
        None => (&spec[member], of_group(member)),
    };
    // A rule in a zone ignores hosts of other zones.
    let of_zone = usize::from(target.is_some() && spec["zone"].is_string());
    // A dependency ignores its own parent, and hosts without the parent service.
    let has = |field: &str| member == "dependency" && !spec[member][field].is_null();
    let of_parent = match (target, has("parentHostName"), has("parentServiceName")) {
        (Some("Host"), true, _) | (Some("Service"), true, true) => 1,
        (Some("Service"), false, true) => 2,
        _ => 0,
    };
    let assign = texts(&rules["assignWhere"]);
    let everywhere = usize::from(!for_each.is_null() && assign.is_empty());
    let by_entry = rule.as_ref().map(|rule| rule.by_entry(&entries)).transpose()?.flatten();
    let place = Place { subjects: rule.as_ref().map_or(subjects, Rule::subjects), by_entry };
    conditions("assign where", &place, &assign, &statement.assign, everywhere)?;
    conditions("ignore where", &place, &texts(&rules["ignoreWhere"]), ignore, of_zone + of_parent)
}

/// Returns the subjects for conditions of a group.
fn of_group(member: &str) -> &'static [&'static str] {
    match member {
        "hostGroup" => &["host"],
        "serviceGroup" => &["host", "service"],
        "userGroup" => &["user"],
        _ => &[],
    }
}

/// Returns the tokens of the statements that take back entries, and the attributes of the fields
/// that are taken back.
fn unset(paths: &[&str]) -> Result<(Vec<Token>, Vec<String>), String> {
    let (mut statements, mut fields) = (Vec::new(), Vec::new());
    for path in paths {
        let path = tokens(path, Dialect::Condition)?;
        let mut words = path.iter().filter(|token| matches!(token, Token::Word(_) | Token::Text(_)));
        let Some(Token::Word(field)) = words.next() else { return Err(format!("{path:?}")) };
        let keys: Vec<_> = words
            .filter_map(|token| match token {
                Token::Word(key) | Token::Text(key) => Some(key.clone()),
                _ => None,
            })
            .collect();
        let Some((last, parents)) = keys.split_last() else {
            fields.push(snake_case(field));
            continue;
        };
        let mut place = vec![Token::Word(field.clone())];
        let (mut guards, mut copies) = (Vec::new(), Vec::new());
        for key in parents.iter().map(Some).chain([None]) {
            guards.extend(filled("typeof(PATH) == Dictionary &&", &[("PATH", &place)])?);
            copies.extend(filled("PATH += {\n }\n", &[("PATH", &place)])?);
            if let Some(key) = key {
                below(&mut place, key);
            }
        }
        guards.pop();
        statements.extend(filled("if (GUARDS) {\n", &[("GUARDS", &guards)])?);
        statements.extend(copies);
        let removal = "Dictionary.prototype.remove.call(PATH, NAME)\n }";
        statements.extend(filled(removal, &[("PATH", &place), ("NAME", &text(last))])?);
    }
    Ok((statements, fields))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Returns the attribute for a field. None if it is empty.
fn attribute(field: &str, value: &Value) -> Result<Option<Value>, String> {
    Ok(Some(match (field, value) {
        (_, Value::Array(items)) if items.is_empty() => return Ok(None),
        (_, Value::Object(map)) if map.is_empty() => return Ok(None),
        (field, Value::String(text)) if DURATIONS.contains(&field) => json!(seconds(text)?),
        ("port", port) => Value::from(port.to_string()),
        ("times", Value::Object(times)) => {
            let mut out = Map::new();
            for (key, text) in times {
                out.insert(key.clone(), json!(seconds(text.as_str().unwrap_or_default())?));
            }
            out.into()
        }
        ("arguments", Value::Object(arguments)) => {
            let fields = |argument: &Value| match argument {
                Value::Object(fields) => {
                    let fields = fields.iter().map(|(key, value)| (snake_case(key), value.clone()));
                    fields.collect::<Map<_, _>>().into()
                }
                text => text.clone(),
            };
            arguments.iter().map(|(key, argument)| (key.clone(), fields(argument))).collect()
        }
        (_, value) => value.clone(),
    }))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, found: &T) -> Result<(), String> {
    if wanted == found {
        Ok(())
    } else {
        Err(format!("{what}: {wanted:?} was declared, {found:?} was rendered"))
    }
}

fn same_values(path: &str, wanted: &Value, found: &Value) -> Result<(), String> {
    match (wanted, found) {
        (Value::Number(a), Value::Number(b)) => same(path, &a.as_f64(), &b.as_f64()),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .try_for_each(|(i, (a, b))| same_values(&format!("{path} [{i}]"), a, b)),
        (Value::Object(a), Value::Object(b))
            if a.len() == b.len() && a.keys().all(|key| b.contains_key(key)) =>
        {
            a.iter().try_for_each(|(key, a)| same_values(&format!("{path} {key:?}"), a, &b[key]))
        }
        _ => same(path, wanted, found),
    }
}

/// What conditions may read.
struct Place<'a> {
    subjects: &'a [&'a str],
    /// The form of a condition that reads the value of an entry. None without entries.
    by_entry: Option<Vec<Token>>,
}

/// Checks that each condition is one allowed expression, and has every string and number of its
/// source.
fn conditions(
    what: &str,
    place: &Place,
    sources: &[&str],
    found: &[Vec<Token>],
    more: usize,
) -> Result<(), String> {
    same(&format!("number of {what}"), &(sources.len() + more), &found.len())?;
    for (i, found) in found.iter().enumerate() {
        let wrong = |why: String| format!("{what} {i}: {why}, in {found:?}");
        let source = sources.get(i).copied().unwrap_or_default();
        let words = tokens(source, Dialect::Condition)?;
        let mut found = found.as_slice();
        // A key below something may have the same name as the value of the entry.
        let is_value = |(i, token): (usize, &Token)| {
            *token == Token::Word("value".into()) && (i == 0 || words[i - 1] != Token::Symbol("."))
        };
        match &place.by_entry {
            Some(form) if words.iter().enumerate().any(is_value) => {
                let inner = condition::fits(found, form, place.subjects).map_err(wrong)?;
                found = inner.first().copied().ok_or_else(|| wrong("no condition".into()))?;
            }
            _ => condition::check(found, place.subjects).map_err(wrong)?,
        }
        condition::holds(source, found).map_err(wrong)?;
    }
    Ok(())
}
