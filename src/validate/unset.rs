//! `unset`: what templates set, and an object takes back. A field gets Icinga's own default again,
//! a custom variable is removed.

use super::declaration::Unset;
use super::name::IcingaType;
use super::value::{MAX_DEPTH, Value};

/// What a field is without a template. (Asked of 2.13.6, 2.14.6 and 2.16.5: `null` is not always
/// the default, and some attributes refuse it.)
#[derive(Clone, Copy)]
enum Standard {
    Null,
    NoEntries,
    No,
    Yes,
    Number(f64),
    Word(&'static str),
}

use Standard::{No, NoEntries, Null, Number, Word, Yes};

type Fields = &'static [(&'static str, Standard)];

const CHECKABLE: Fields = &[
    ("display_name", Null),
    ("groups", NoEntries),
    ("max_check_attempts", Number(3.0)),
    ("check_period", Null),
    ("check_timeout", Null),
    ("check_interval", Number(300.0)),
    ("retry_interval", Number(60.0)),
    ("event_command", Null),
    ("command_endpoint", Null),
    ("volatile", No),
    ("enable_active_checks", Yes),
    ("enable_passive_checks", Yes),
    ("enable_event_handler", Yes),
    ("enable_notifications", Yes),
    ("enable_flapping", No),
    ("enable_perfdata", Yes),
    ("flapping_threshold_low", Number(25.0)),
    ("flapping_threshold_high", Number(30.0)),
    ("flapping_ignore_states", Null),
    ("notes", Null),
    ("notes_url", Null),
    ("action_url", Null),
    ("icon_image", Null),
    ("icon_image_alt", Null),
];
const ADDRESSES: Fields = &[("address", Null), ("address6", Null)];
const GROUP: Fields = &[("display_name", Null), ("groups", Null)];
const NOTES: Fields = &[("notes", Null), ("notes_url", Null), ("action_url", Null)];
const USER: Fields = &[
    ("display_name", Null),
    ("email", Null),
    ("pager", Null),
    ("groups", NoEntries),
    ("period", Null),
    ("types", Null),
    ("states", Null),
    ("enable_notifications", Yes),
];
const COMMAND: Fields = &[("arguments", Null), ("env", Null), ("timeout", Number(60.0))];
const NOTIFICATION: Fields = &[
    ("interval", Number(1800.0)),
    ("period", Null),
    ("users", Null),
    ("user_groups", Null),
    ("times", Null),
    ("types", Null),
    ("states", Null),
    ("command_endpoint", Null),
];
const PERIOD: Fields = &[
    ("display_name", Null),
    ("ranges", Null),
    ("prefer_includes", Yes),
    ("includes", NoEntries),
    ("excludes", NoEntries),
];
const DOWNTIME: Fields = &[("fixed", Yes), ("child_options", Word("DowntimeNoChildren"))];
const DEPENDENCY: Fields = &[
    ("redundancy_group", Null),
    ("period", Null),
    ("states", Null),
    ("ignore_soft_states", Yes),
    ("disable_checks", No),
    ("disable_notifications", Yes),
];
const VARS: Fields = &[("vars", Null)];

fn fields(kind: IcingaType) -> impl Iterator<Item = &'static (&'static str, Standard)> {
    let tables: &[Fields] = match kind {
        IcingaType::Host => &[CHECKABLE, ADDRESSES, VARS],
        IcingaType::Service => &[CHECKABLE, VARS],
        IcingaType::HostGroup | IcingaType::ServiceGroup => &[GROUP, NOTES, VARS],
        IcingaType::UserGroup => &[GROUP, VARS],
        IcingaType::User => &[USER, VARS],
        IcingaType::CheckCommand | IcingaType::EventCommand | IcingaType::NotificationCommand => {
            &[COMMAND, VARS]
        }
        IcingaType::Notification => &[NOTIFICATION, VARS],
        IcingaType::TimePeriod => &[PERIOD, VARS],
        IcingaType::ScheduledDowntime => &[DOWNTIME, VARS],
        IcingaType::Dependency => &[DEPENDENCY, VARS],
        IcingaType::Zone | IcingaType::Endpoint => &[],
    };
    tables.iter().flat_map(|table| table.iter())
}

/// Dictionaries of which single entries can be taken back.
const WITH_ENTRIES: [&str; 3] = ["vars", "arguments", "env"];

/// Reads a path such as `checkPeriod` or `vars.disks["/"]`.
///
/// # Errors
/// If the type has no such field, or the path is none: what is wrong, and what to do.
pub(super) fn parse(path: &str, kind: IcingaType) -> Result<Unset, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = path.find(|c| !is_name(c)).unwrap_or(path.len());
    let (field, rest) = path.split_at(end);
    let keys = keys(rest)?;
    let found = fields(kind).find(|(attribute, _)| field_of(attribute) == field);
    let Some((attribute, standard)) = found else {
        if let Some((attribute, _)) = fields(kind).find(|(attribute, _)| *attribute == field) {
            return Err(format!("{field:?} is Icinga's name of the field; write {:?}", field_of(attribute)));
        }
        let known: Vec<_> = fields(kind).map(|(attribute, _)| field_of(attribute)).collect();
        return Err(format!(
            "{field:?} cannot be taken back; set the value that it should have, or take back one of {}",
            known.join(", ")
        ));
    };
    if keys.is_empty() {
        return Ok(Unset::Attribute(attribute, standard.value()));
    }
    if !WITH_ENTRIES.contains(attribute) || (keys.len() > 1 && *attribute != "vars") {
        return Err(format!("{field} has no such entry; take back all of it with {field:?}"));
    }
    Ok(Unset::Entry(attribute, keys))
}

impl Standard {
    fn value(self) -> Value {
        match self {
            Null => Value::Null,
            NoEntries => Value::Array(Vec::new()),
            No => Value::Boolean(false),
            Yes => Value::Boolean(true),
            Number(number) => Value::Number(number),
            Word(word) => Value::String(word.to_owned()),
        }
    }
}

/// Reads `.a["b"]`.
fn keys(mut rest: &str) -> Result<Vec<String>, String> {
    const FORM: &str = "is no path; write a field, or an entry such as vars.disks or vars.disks[\"/var\"]";
    let mut keys = Vec::new();
    while !rest.is_empty() {
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let key = &name[..end];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if key.is_empty() || !key.chars().all(is_name) {
                return Err(FORM.into());
            }
            keys.push(key.to_owned());
            rest = &name[end..];
        } else if let Some(text) = rest.strip_prefix("[\"") {
            let mut key = String::new();
            let mut characters = text.char_indices();
            let end = loop {
                match characters.next() {
                    Some((at, '"')) => break at,
                    Some((_, '\\')) => match characters.next() {
                        Some((_, c @ ('"' | '\\'))) => key.push(c),
                        _ => return Err("has an escape that is none; write only \\\" and \\\\".into()),
                    },
                    Some((_, c)) => key.push(c),
                    None => return Err(FORM.into()),
                }
            };
            if let Some(problem) = super::value::text_problem(&key) {
                return Err(problem);
            }
            keys.push(key);
            rest = text[end + 1..].strip_prefix(']').ok_or(FORM)?;
        } else {
            return Err(FORM.into());
        }
    }
    if keys.len() > MAX_DEPTH {
        return Err(format!("is more than {MAX_DEPTH} levels deep; take back a dictionary above it"));
    }
    Ok(keys)
}

/// Returns the field that is rendered to an attribute.
pub(super) fn field_of(attribute: &str) -> String {
    let mut words = attribute.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |field, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        field + &head.to_ascii_uppercase() + tail
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let entry = |keys: &[&str]| Ok(Unset::Entry("vars", keys.iter().map(ToString::to_string).collect()));
        let host = |path| parse(path, IcingaType::Host);
        assert_eq!(host("checkPeriod"), Ok(Unset::Attribute("check_period", Value::Null)));
        assert_eq!(host("vars"), Ok(Unset::Attribute("vars", Value::Null)));
        assert_eq!(host("vars.disks"), entry(&["disks"]));
        assert_eq!(host(r#"vars.disks["/"].a_1["\"\\]"]"#), entry(&["disks", "/", "a_1", "\"\\]"]));
        assert!(parse("arguments[\"-H\"]", IcingaType::CheckCommand).is_ok());
        for refused in [
            "",
            "check_period",
            "checkCommand",
            "hostName",
            "vars.",
            "vars..a",
            "vars.a b",
            "vars[a]",
            "vars[\"a\"",
            "vars[\"a\\n\"]",
            "vars.a[\"b\"]c",
            "checkPeriod.a",
            "vars.a.b.c.d.e.f.g.h.i",
            "vars[\"\u{1}\"]",
            "arguments",
        ] {
            let why = host(refused).expect_err(refused);
            assert!(why.contains("; "), "{refused}: {why}");
        }
        assert!(parse("arguments[\"-H\"].value", IcingaType::CheckCommand).is_err());
        assert!(parse("ranges", IcingaType::ScheduledDowntime).is_err());
    }
}
