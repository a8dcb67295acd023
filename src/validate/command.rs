use super::builder::Builder;
use super::declaration::Declaration;
use super::name::IcingaType;
use super::value::Value;
use crate::api::duration::parse_duration;
use crate::api::objects::{Argument, CommandArgument, CommandSpec};
use crate::api::text::{Line, ObjectName, Text};
use crate::text::quoted;
use serde::Deserialize as _;
use std::collections::BTreeMap;

/// Check commands that are code of Icinga: what imports one never runs a program. (Asked of the
/// template library of 2.13.6, 2.14.6 and 2.16.5; the last two are of some builds only.)
const BUILT_IN: [&str; 12] = [
    "cluster",
    "cluster-zone",
    "dummy",
    "exception",
    "icinga",
    "ifw-api",
    "passive",
    "random",
    "running_kernel",
    "sleep",
    "ido",
    "icingadb",
];

pub(super) fn declare(
    mut builder: Builder,
    spec: &CommandSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    for (i, import) in spec.imports.iter().enumerate() {
        if builder.kind() == IcingaType::CheckCommand && BUILT_IN.contains(&import.as_str()) {
            let text = "is code of Icinga and runs no program, and so would this command; name it in checkCommand, and \
                        set its custom variables on the host or service";
            builder.problem(&format!("imports[{i}]"), text);
        }
    }
    builder.zone(zone);
    builder.required("a command", "command", !spec.command.is_empty(), &spec.imports);
    builder.count("command", spec.command.len(), 64);
    let words: Vec<_> = spec
        .command
        .iter()
        .enumerate()
        .filter_map(|(i, word)| builder.command_text(&format!("command[{i}]"), word.as_str(), Line::MAX))
        .collect();
    if !words.is_empty() {
        builder.value("command", Value::Array(words));
    }
    builder.count("arguments", spec.arguments.len(), 128);
    let mut arguments = BTreeMap::new();
    for (key, argument) in &spec.arguments {
        let path = format!("arguments[{}]", quoted(key));
        if builder.checked(&path, key, Line::MAX, false).is_some() {
            arguments.extend(self::argument(&mut builder, &path, argument).map(|value| (key.clone(), value)));
        }
    }
    if !arguments.is_empty() {
        builder.value("arguments", Value::Dictionary(arguments));
    }
    builder.count("env", spec.env.len(), 64);
    let mut env = BTreeMap::new();
    for (key, text) in &spec.env {
        let path = format!("env[{}]", quoted(key));
        if key.is_empty() || key.contains('=') {
            builder.problem(&path, "is no name of an environment variable; use one without =, and not empty");
        } else if builder.checked(&path, key, Line::MAX, false).is_some()
            && let Some(value) = builder.command_text(&path, text.as_str(), Line::MAX)
        {
            env.insert(key.clone(), value);
        }
    }
    if !env.is_empty() {
        builder.value("env", Value::Dictionary(env));
    }
    // Icinga keeps it in a 32-bit whole number.
    if spec.timeout.as_ref().is_some_and(|timeout| {
        parse_duration(timeout.as_str())
            .is_ok_and(|seconds| seconds.fract() != 0.0 || seconds > f64::from(i32::MAX))
    }) {
        builder.problem("timeout", "is no number of whole seconds, or more than 68 years; set whole seconds");
    }
    builder.duration("timeout", "timeout", spec.timeout.as_ref(), true);
    builder.vars(&spec.vars);
    builder.finish()
}

/// Checks an argument. None if there is a problem, which is remembered.
fn argument(builder: &mut Builder, path: &str, argument: &Argument) -> Option<Value> {
    match argument {
        Argument::Text(text) => builder.command_text(path, text, Text::MAX),
        Argument::Fields(argument) => Some(fields(builder, path, argument)),
        Argument::Other(serde_json::Value::Object(map)) => {
            // Each field by itself, so that the message has its path.
            for (field, value) in map {
                let alone = serde_json::json!({ field.clone(): value });
                if let Err(error) = CommandArgument::deserialize(alone) {
                    let path = format!("{path}.{field}");
                    match (field.as_str(), value) {
                        ("value", value) => other(builder, &path, value),
                        _ => builder.problem(&path, &remedy(&error.to_string())),
                    }
                }
            }
            None
        }
        Argument::Other(value) => {
            other(builder, path, value);
            None
        }
    }
}

/// What the reader says of a field that it cannot take, with what to do.
fn remedy(error: &str) -> String {
    match error.split_once(", expected one of ") {
        Some((_, known)) => format!("is no field of an argument; write one of {}", known.replace('`', "")),
        None => format!("{error}; correct it, or remove it"),
    }
}

/// Refuses what is no text.
fn other(builder: &mut Builder, path: &str, value: &serde_json::Value) {
    let text = match value {
        serde_json::Value::Array(_) => {
            "is a list, which Icinga does not take here; put the list into a custom variable, for example vars: {my_list: \
             [a, b]}, and write $my_list$"
                .to_owned()
        }
        serde_json::Value::Null => "is null; write a text, or {} to pass the name alone".to_owned(),
        serde_json::Value::Object(_) => "is a dictionary; write a text".to_owned(),
        value => format!("is {value}, which is no text; write it in quotes: \"{value}\""),
    };
    builder.problem(path, &text);
}

fn fields(builder: &mut Builder, path: &str, argument: &CommandArgument) -> Value {
    let mut out = BTreeMap::new();
    let mut text = |key: &str, field: &str, text: Option<&str>, max: usize, macros: bool| {
        let Some(text) = text else { return };
        let field = format!("{path}.{field}");
        let value = match macros {
            true => builder.command_text(&field, text, max),
            false => builder.checked(&field, text, max, false),
        };
        out.extend(value.map(|value| (key.to_owned(), value)));
    };
    text("value", "value", argument.value.as_ref().map(Text::as_str), Text::MAX, true);
    text("description", "description", argument.description.as_ref().map(Line::as_str), Line::MAX, false);
    text("set_if", "setIf", argument.set_if.as_ref().map(Line::as_str), Line::MAX, true);
    text("separator", "separator", argument.separator.as_ref().map(Line::as_str), Line::MAX, false);
    text("key", "key", argument.key.as_ref().map(Line::as_str), Line::MAX, false);
    let flags = [
        ("required", argument.required),
        ("skip_key", argument.skip_key),
        ("repeat_key", argument.repeat_key),
    ];
    for (key, flag) in flags {
        if let Some(flag) = flag {
            out.insert(key.to_owned(), Value::Boolean(flag));
        }
    }
    if let Some(order) = argument.order {
        out.insert("order".to_owned(), Value::Number(f64::from(order)));
    }
    Value::Dictionary(out)
}
