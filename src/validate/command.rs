use super::builder::Builder;
use super::declaration::Declaration;
use super::value::Value;
use crate::api::duration::parse_duration;
use crate::api::objects::{CommandArgument, CommandSpec};
use crate::api::text::{Line, ObjectName, Text};
use crate::text::quoted;
use std::collections::BTreeMap;

pub(super) fn declare(
    mut builder: Builder,
    spec: &CommandSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    builder.required("a command", "command", !spec.command.is_empty(), &spec.imports);
    builder.count("command", spec.command.len(), 64);
    let words: Vec<_> = spec
        .command
        .iter()
        .enumerate()
        .filter_map(|(i, word)| builder.checked(&format!("command[{i}]"), word.as_str(), Line::MAX, true))
        .collect();
    if !words.is_empty() {
        builder.value("command", Value::Array(words));
    }
    builder.count("arguments", spec.arguments.len(), 128);
    let mut arguments = BTreeMap::new();
    for (key, argument) in &spec.arguments {
        let path = format!("arguments[{}]", quoted(key));
        if builder.checked(&path, key, Line::MAX, false).is_some() {
            arguments.insert(key.clone(), self::argument(&mut builder, &path, argument));
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
            && let Some(value) = builder.checked(&path, text.as_str(), Line::MAX, true)
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

fn argument(builder: &mut Builder, path: &str, argument: &CommandArgument) -> Value {
    let mut out = BTreeMap::new();
    let mut text = |key: &str, field: &str, text: Option<&str>, max: usize, macros: bool| {
        if let Some(value) =
            text.and_then(|text| builder.checked(&format!("{path}.{field}"), text, max, macros))
        {
            out.insert(key.to_owned(), value);
        }
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
