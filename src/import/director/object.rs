//! One object of Director as a block of Icinga's language.

use super::filter::condition;
use super::literal;
use serde_json::Value;

/// Properties of Director itself, and those that the head of a block or other code has taken.
const OWN: [&str; 26] = [
    "object_name",
    "object_type",
    "fields",
    "uuid",
    "id",
    "disabled",
    "template_choice",
    "api_key",
    "methods_execute",
    "is_string",
    "imports",
    "assign_filter",
    "apply_to",
    "apply_for",
    "update_method",
    "use_var_overrides",
    "services",
    "accept_config",
    "master_should_connect",
    "service_set",
    "originalId",
    "guid",
    "template_choice_id",
    "basket_choices",
    "external",
    "timeout_unit",
];

/// Properties with another name in Icinga.
const RENAMED: [(&str, &str); 10] = [
    ("notification_interval", "interval"),
    ("times_begin", "times.begin"),
    ("times_end", "times.end"),
    ("is_global", "global"),
    ("parent_host", "parent_host_name"),
    ("parent_service", "parent_service_name"),
    ("child_host", "child_host_name"),
    ("child_service", "child_service_name"),
    ("host", "host_name"),
    ("service", "service_name"),
];

/// Writes a block.
///
/// # Errors
/// If a property cannot be written: the property.
pub(super) fn block(icinga_type: &str, object: &Value) -> Result<String, String> {
    let field = |name: &str| object[name].as_str().filter(|text| !text.is_empty());
    let icinga_type = match field("methods_execute") {
        Some("PluginNotification") => "NotificationCommand",
        Some("PluginEvent") => "EventCommand",
        None | Some("PluginCheck") => icinga_type,
        Some(other) => return Err(format!("methods_execute {other:?}")),
    };
    let name = literal(&object["object_name"]).filter(|name| name.len() > 2).ok_or("object_name")?;
    let mut body: Vec<String> = Vec::new();
    let mut has_target = false;
    let head = match field("object_type") {
        Some("template") => format!("template {icinga_type} {name}"),
        Some("apply") => {
            let target = match field("apply_to") {
                Some("service") => " to Service",
                Some("host") => " to Host",
                _ if icinga_type == "Service" => "",
                _ => return Err("apply_to".into()),
            };
            let each = match field("apply_for") {
                Some(path) if path.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c)) => {
                    format!(" for (config in {path})")
                }
                Some(_) => return Err("apply_for".into()),
                None => String::new(),
            };
            has_target = !each.is_empty();
            format!("apply {icinga_type} {name}{each}{target}")
        }
        _ => format!("object {icinga_type} {name}"),
    };
    if !is_list(&object["imports"]) {
        return Err("imports".into());
    }
    for import in object["imports"].as_array().into_iter().flatten() {
        body.push(format!("import {}", literal(import).ok_or("imports")?));
    }
    if let Some(filter) = field("assign_filter") {
        body.push(format!("assign where {}", condition(filter).ok_or("assign_filter")?));
        has_target = true;
    }
    if head.starts_with("apply") && !has_target {
        return Err("no assign_filter".into());
    }
    for (property, value) in object.as_object().into_iter().flatten() {
        let is_nothing = value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty);
        if OWN.contains(&property.as_str())
            || is_nothing
            || value.as_object().is_some_and(serde_json::Map::is_empty)
        {
            continue;
        }
        if has_config_macro(value) {
            return Err(format!("{property} with $config...$"));
        }
        body.push(property_text(property, value, icinga_type, object)?);
    }
    body.retain(|line| !line.is_empty());
    Ok(format!("{head} {{\n{}\n}}\n", body.join("\n")))
}

/// Director writes these as code.
fn has_config_macro(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("$config"),
        Value::Array(items) => items.iter().any(has_config_macro),
        Value::Object(entries) => entries.values().any(has_config_macro),
        _ => false,
    }
}

fn property_text(property: &str, value: &Value, icinga_type: &str, object: &Value) -> Result<String, String> {
    let wrong = || property.to_owned();
    let written = || literal(value).ok_or_else(wrong);
    let is_command = icinga_type.ends_with("Command");
    match property {
        "vars" => {
            let entries = value.as_object().ok_or_else(wrong)?;
            let entry = |(key, value): (&String, &Value)| {
                Some(format!("vars[{}] = {}", literal(&key.as_str().into())?, literal(value)?))
            };
            Ok(entries.iter().map(entry).collect::<Option<Vec<_>>>().ok_or_else(wrong)?.join("\n"))
        }
        "command" if is_command => command(value.as_str().ok_or_else(wrong)?, object),
        "arguments" if is_command => arguments(value),
        "has_agent" => {
            if is_true(value) {
                Err("has_agent".into())
            } else {
                Ok(String::new())
            }
        }
        "use_agent" => {
            Ok(if is_true(value) { "command_endpoint = host_name" } else { "command_endpoint = null" }.into())
        }
        "check_interval"
        | "retry_interval"
        | "check_timeout"
        | "timeout"
        | "notification_interval"
        | "times_begin"
        | "times_end"
        | "duration"
        | "log_duration"
        | "max_check_attempts"
        | "flapping_threshold_low"
        | "flapping_threshold_high" => {
            Ok(format!("{} = {}", renamed(property), number(value).ok_or_else(wrong)?))
        }
        "groups" | "users" | "user_groups" | "types" | "states" | "includes" | "excludes" | "ranges" => {
            Ok(format!("{property} = {}", written()?))
        }
        _ if is_boolean(property) => Ok(format!("{} = {}", renamed(property), is_true(value))),
        _ if value.is_string() || value.is_number() => Ok(format!("{} = {}", renamed(property), written()?)),
        _ => Err(wrong()),
    }
}

fn renamed(property: &str) -> &str {
    RENAMED.iter().find(|(known, _)| *known == property).map_or(property, |(_, name)| name)
}

fn is_boolean(property: &str) -> bool {
    let names = [
        "volatile",
        "fixed",
        "is_global",
        "prefer_includes",
        "ignore_soft_states",
        "disable_checks",
        "disable_notifications",
    ];
    property.starts_with("enable_") || names.contains(&property)
}

/// True for a list, and for what Director writes in place of an empty one.
fn is_list(value: &Value) -> bool {
    value.is_array() || value.is_null() || value == ""
}

pub(super) fn is_true(value: &Value) -> bool {
    matches!(value, Value::Bool(true)) || value == "y" || value == 1
}

/// Writes `300`, `"300"` or `"5m"`.
fn number(value: &Value) -> Option<String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text.get(digits..)?;
    (digits > 0 && matches!(unit, "" | "ms" | "s" | "m" | "h" | "d")).then_some(text)
}

/// Writes a command line as Director does: in words, below PluginDir if it is not absolute.
fn command(line: &str, object: &Value) -> Result<String, String> {
    if is_true(&object["is_string"]) {
        return Err("command as a text for a shell (is_string)".into());
    }
    let (prefix, line) = match line.split_once(" + ") {
        Some((name, rest)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            (format!("{name} + "), rest.to_owned())
        }
        _ if line.starts_with('/') || line.get(1..2) == Some(":") => (String::new(), line.to_owned()),
        _ => ("PluginDir + ".to_owned(), format!("/{line}")),
    };
    let words = line
        .split_whitespace()
        .map(|word| literal(&word.into()))
        .collect::<Option<Vec<_>>>()
        .ok_or("command")?;
    Ok(format!("command = [ {prefix}{} ]", words.join(", ")))
}

fn arguments(value: &Value) -> Result<String, String> {
    let mut lines = Vec::new();
    // Director writes an empty dictionary as an empty list.
    let is_nothing = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !is_nothing && !value.is_object() {
        return Err("arguments".into());
    }
    for (name, argument) in value.as_object().into_iter().flatten() {
        let wrong = || format!("arguments[{name:?}]");
        let key = literal(&name.as_str().into()).ok_or_else(wrong)?;
        let Some(parts) = argument.as_object() else {
            lines.push(format!("arguments[{key}] = {}", literal(argument).ok_or_else(wrong)?));
            continue;
        };
        let mut entries = Vec::new();
        for (part, value) in parts {
            if value.is_null() || part.ends_with("_format") {
                // `expression` and `json` are code, or another value.
                if value.as_str().is_some_and(|format| format != "string") {
                    return Err(wrong());
                }
                continue;
            }
            match part.as_str() {
                "value" | "set_if" | "description" | "separator"
                    if value.is_string() || value.is_number() =>
                {
                    entries.push(format!("{part} = {}", literal(value).ok_or_else(wrong)?));
                }
                "order" => {
                    let order: i64 =
                        value.as_i64().or_else(|| value.as_str()?.parse().ok()).ok_or_else(wrong)?;
                    entries.push(format!("order = {order}"));
                }
                "required" | "skip_key" | "repeat_key" => {
                    entries.push(format!("{part} = {}", is_true(value)))
                }
                "argument_name" => {}
                _ => return Err(wrong()),
            }
        }
        lines.push(format!("arguments[{key}] = {{\n{}\n}}", entries.join("\n")));
    }
    Ok(lines.join("\n"))
}

/// Writes the services of a set, each as a rule with the filter of the set.
///
/// # Errors
/// If the set or a service cannot be written: the property.
pub(super) fn service_set(set: &Value) -> Result<Vec<String>, String> {
    let services: Vec<&Value> = match &set["services"] {
        Value::Object(services) => services.values().collect(),
        Value::Array(services) => services.iter().collect(),
        _ => Vec::new(),
    };
    // Such a set makes the services of another one.
    if services.is_empty() {
        return Err("services: there are none".into());
    }
    if set["imports"].as_array().is_some_and(|imports| !imports.is_empty()) || set["imports"].is_string() {
        return Err("imports".into());
    }
    let filter = match (set["assign_filter"].as_str(), set["host"].as_str()) {
        (Some(filter), _) => filter.to_owned(),
        (None, Some(host)) => format!("host.name=%22{}%22", host.replace('%', "%25").replace('"', "%5C%22")),
        (None, None) => {
            return Err("a service set without assign_filter, which makes nothing by itself".into());
        }
    };
    let mut blocks = Vec::new();
    for service in services {
        let mut service = service.clone();
        if is_true(&service["disabled"]) {
            return Err("a disabled service, which makes nothing".into());
        }
        let Some(entries) = service.as_object_mut() else { return Err("services".into()) };
        entries.insert("object_type".into(), "apply".into());
        entries.insert("assign_filter".into(), filter.clone().into());
        if let Some(vars) = set["vars"].as_object().filter(|vars| !vars.is_empty()) {
            let own = entries.entry("vars").or_insert_with(|| Value::Object(serde_json::Map::new()));
            let Some(own) = own.as_object_mut() else { return Err("vars".into()) };
            for (key, value) in vars {
                // Director lets the set go before its services.
                own.insert(key.clone(), value.clone());
            }
        }
        blocks.push(block("Service", &service)?);
    }
    Ok(blocks)
}
