//! Makes a resource of any type from bytes, with special characters in every text field. Most
//! resources are valid. When the bytes are used up, everything is as small as possible. A change
//! here gives the files of the corpus another meaning: fuzz and minimise afterwards.

mod expression;

use super::rule::SET;
use super::vocabulary::{ACCEPTED_PIECES, PIECES};
use arbitrary::{Result, Unstructured};
use expression::{conditions, of_set, quoted, value_of_rule};
use serde_json::{Map, Value, json};

/// The kind of value of a field.
#[derive(Clone, Copy)]
enum Field {
    Text,
    Texts,
    Name,
    Names,
    Duration,
    Flag,
    Whole(i32, i32),
    Words(&'static [&'static str]),
    Vars,
    Ranges,
    Conditions(&'static [&'static str]),
    Times,
    Arguments,
    Environment,
}

use Field::{Conditions, Duration, Flag, Name, Names, Text, Texts, Vars, Whole, Words};

const STATES: Field = Words(&["OK", "Warning", "Critical", "Unknown", "Up", "Down"]);
const TYPES: Field = Words(&[
    "DowntimeStart",
    "DowntimeEnd",
    "DowntimeRemoved",
    "Custom",
    "Acknowledgement",
    "Problem",
    "Recovery",
    "FlappingStart",
    "FlappingEnd",
]);
const COMMON: [(&str, Field); 2] = [("imports", Names), ("vars", Vars)];
const CHECKABLE: [(&str, Field); 25] = [
    ("displayName", Text),
    ("notes", Text),
    ("notesUrl", Text),
    ("actionUrl", Text),
    ("iconImage", Text),
    ("iconImageAlt", Text),
    ("groups", Names),
    ("checkCommand", Name),
    ("checkPeriod", Name),
    ("eventCommand", Name),
    ("commandEndpoint", Name),
    ("checkTimeout", Duration),
    ("checkInterval", Duration),
    ("retryInterval", Duration),
    ("maxCheckAttempts", Whole(1, 1000)),
    ("flappingThresholdLow", Whole(0, 100)),
    ("flappingThresholdHigh", Whole(0, 100)),
    ("flappingIgnoreStates", STATES),
    ("volatile", Flag),
    ("enableActiveChecks", Flag),
    ("enablePassiveChecks", Flag),
    ("enableEventHandler", Flag),
    ("enableNotifications", Flag),
    ("enableFlapping", Flag),
    ("enablePerfdata", Flag),
];
const ADDRESSES: [(&str, Field); 2] = [("address", Text), ("address6", Text)];
const GROUP: [(&str, Field); 2] = [("displayName", Text), ("groups", Names)];
const OF_HOSTS: [(&str, Field); 2] =
    [("assignWhere", Conditions(&["host"])), ("ignoreWhere", Conditions(&["host"]))];
const OF_SERVICES: [(&str, Field); 2] =
    [("assignWhere", Conditions(&["host", "service"])), ("ignoreWhere", Conditions(&["host", "service"]))];
const OF_USERS: [(&str, Field); 2] =
    [("assignWhere", Conditions(&["user"])), ("ignoreWhere", Conditions(&["user"]))];
const NOTES: [(&str, Field); 3] = [("notes", Text), ("notesUrl", Text), ("actionUrl", Text)];
const USER: [(&str, Field); 8] = [
    ("displayName", Text),
    ("email", Text),
    ("pager", Text),
    ("groups", Names),
    ("period", Name),
    ("types", TYPES),
    ("states", STATES),
    ("enableNotifications", Flag),
];
const COMMAND: [(&str, Field); 4] =
    [("command", Texts), ("arguments", Field::Arguments), ("env", Field::Environment), ("timeout", Duration)];
const NOTIFICATION: [(&str, Field); 9] = [
    ("command", Name),
    ("interval", Duration),
    ("period", Name),
    ("users", Names),
    ("userGroups", Names),
    ("times", Field::Times),
    ("types", TYPES),
    ("states", STATES),
    ("commandEndpoint", Name),
];
const PERIOD: [(&str, Field); 5] = [
    ("displayName", Text),
    ("ranges", Field::Ranges),
    ("preferIncludes", Flag),
    ("includes", Names),
    ("excludes", Names),
];
const DOWNTIME: [(&str, Field); 5] =
    [("author", Text), ("comment", Text), ("ranges", Field::Ranges), ("fixed", Flag), ("duration", Duration)];
const DEPENDENCY: [(&str, Field); 6] = [
    ("period", Name),
    ("states", STATES),
    ("ignoreSoftStates", Flag),
    ("disableChecks", Flag),
    ("disableNotifications", Flag),
    ("parentServiceName", Name),
];
const ZONE: [(&str, Field); 3] = [("parent", Name), ("endpoints", Names), ("global", Flag)];
const ENDPOINT: [(&str, Field); 3] = [("host", Text), ("port", Whole(1, 65535)), ("logDuration", Duration)];

/// Member of the spec, its required fields, and tables of its optional fields.
type Member = (&'static str, Value, Vec<&'static [(&'static str, Field)]>);

fn members() -> Vec<Member> {
    let check = json!({ "checkCommand": "dummy" });
    let command = json!({ "command": ["/bin/true"] });
    let notification = json!({ "command": "mail", "users": ["me"] });
    let downtime = json!({ "author": "me", "comment": "x", "ranges": { "monday": "00:00-24:00" } });
    vec![
        ("host", check.clone(), vec![&CHECKABLE, &ADDRESSES, &COMMON]),
        ("service", check, vec![&CHECKABLE, &COMMON]),
        ("hostGroup", json!({}), vec![&GROUP, &OF_HOSTS, &NOTES, &COMMON]),
        ("serviceGroup", json!({}), vec![&GROUP, &OF_SERVICES, &NOTES, &COMMON]),
        ("user", json!({}), vec![&USER, &COMMON]),
        ("userGroup", json!({}), vec![&GROUP, &OF_USERS, &COMMON]),
        ("checkCommand", command.clone(), vec![&COMMAND, &COMMON]),
        ("eventCommand", command.clone(), vec![&COMMAND, &COMMON]),
        ("notificationCommand", command, vec![&COMMAND, &COMMON]),
        ("notification", notification, vec![&NOTIFICATION, &COMMON]),
        ("timePeriod", json!({}), vec![&PERIOD, &COMMON]),
        ("scheduledDowntime", downtime, vec![&DOWNTIME, &COMMON]),
        ("dependency", json!({ "parentHostName": "a" }), vec![&DEPENDENCY, &COMMON]),
        ("zoneObject", json!({}), vec![&ZONE]),
        ("endpoint", json!({}), vec![&ENDPOINT]),
    ]
}

/// Makes a resource.
///
/// # Errors
/// Never: missing bytes count as zero.
pub fn resource(u: &mut Unstructured<'_>) -> Result<Value> {
    let mut members = members();
    let (member, mut object, tables) = members.swap_remove(u.choose_index(members.len())?);
    let mut spec = Map::new();
    let is_template = u.ratio(1, 6)?;
    if is_template {
        spec.insert("template".into(), true.into());
    }
    for (member, field) in tables.into_iter().flatten() {
        if u.ratio(1, 5)? {
            object[*member] = value_of(u, *field)?;
        }
    }
    if ["service", "notification", "scheduledDowntime", "dependency"].contains(&member)
        && (!is_template || u.ratio(1, 9)?)
    {
        place(u, member, &mut object)?;
    }
    if member == "scheduledDowntime" && u.arbitrary()? {
        let options = ["DowntimeNoChildren", "DowntimeTriggeredChildren", "DowntimeNonTriggeredChildren"];
        object["childOptions"] = (*u.choose(&options)?).into();
    }
    if u.ratio(1, 4)? {
        spec.insert("zone".into(), name(u)?.into());
    }
    if u.arbitrary()? {
        spec.insert("name".into(), name(u)?.into());
    }
    let namespace = if u.ratio(1, 15)? { text(u)? } else { "groundlink".into() };
    let resource = if u.ratio(1, 15)? { text(u)? } else { "x-1.y".into() };
    // Drawn last, so that older files of the corpus keep their meaning.
    if member == "dependency" && u.arbitrary()? {
        object["redundancyGroup"] = text(u)?.into();
    }
    unset(u, member, is_template, &mut object)?;
    constants(u, member, &mut object)?;
    rule(u, member, &mut object)?;
    spec.insert(member.into(), object);
    Ok(json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "MonitoringObject",
        "metadata": { "namespace": namespace, "name": resource },
        "spec": spec,
    }))
}

/// Takes back what templates set, and adds to their groups.
fn unset(u: &mut Unstructured<'_>, member: &str, is_template: bool, object: &mut Value) -> Result<()> {
    if ["zoneObject", "endpoint"].contains(&member) || u.is_empty() {
        return Ok(());
    }
    if (is_template || object["imports"].is_array()) && u.arbitrary()? {
        object["unset"] = (0..=u.int_in_range(0..=2)?)
            .map(|_| {
                Ok(Value::from(match u.int_in_range(0..=4)? {
                    0 => {
                        (*u.choose(&["vars", "displayName", "groups", "states", "period", "checkPeriod"])?)
                            .to_owned()
                    }
                    1 => "vars.a.b_1".to_owned(),
                    2 => format!("arguments[{}]", quoted(u)?),
                    3 => text(u)?,
                    _ => format!("vars[{}].c[{}]", quoted(u)?, quoted(u)?),
                }))
            })
            .collect::<Result<_>>()?;
    }
    if ["host", "service", "hostGroup", "serviceGroup", "user", "userGroup"].contains(&member)
        && u.arbitrary()?
    {
        if let Some(object) = object.as_object_mut() {
            object.remove("groups");
        }
        object["addGroups"] = list(u, 3, name)?;
    }
    Ok(())
}

/// Names constants in a command.
fn constants(u: &mut Unstructured<'_>, member: &str, object: &mut Value) -> Result<()> {
    if member.ends_with("Command") && !u.is_empty() && u.arbitrary()? {
        let of_constants = ["$PluginDir$/a", "$PluginDir$$NodeName$b", "a$x$$ConfigDir$", "$$PluginDir$$"];
        object["command"] = list(u, 3, |u| Ok((*u.choose(&of_constants)?).to_owned()))?;
    }
    Ok(())
}

/// Sets fields of a rule's objects, and their names.
fn rule(u: &mut Unstructured<'_>, member: &str, object: &mut Value) -> Result<()> {
    if !object["apply"].is_object() || u.is_empty() {
        return Ok(());
    }
    let has_entry = object["apply"]["forEach"].is_object();
    if has_entry && u.arbitrary()? {
        object["apply"]["forEach"]["prefix"] = if u.arbitrary()? { text(u)? } else { name(u)? }.into();
    }
    let subjects: &[_] = match (object["apply"]["to"] == "Service", has_entry) {
        (false, false) => &["host"],
        (true, false) => &["host", "service"],
        (false, true) => &["host", "key", "value"],
        (true, true) => &["host", "service", "key", "value"],
    };
    if u.ratio(1, 4)? {
        let condition = value_of_rule(u, subjects, 0)?;
        object["apply"]["ignoreWhere"] = json!([condition]);
    }
    let mut set = Vec::new();
    for _ in 0..u.int_in_range(0..=2)? {
        let mut item = Map::new();
        if u.ratio(1, 3)? {
            item.insert("when".into(), value_of_rule(u, subjects, 0)?.into());
        }
        for (field, fit) in SET.iter().filter(|(of, _)| *of == member).flat_map(|(_, fields)| *fields) {
            if u.ratio(1, 6)? {
                item.insert((*field).into(), of_set(u, *fit, subjects)?.into());
                // Then objects that would lack it are not made.
                if let (true, Some(object)) = (u.arbitrary()?, object.as_object_mut()) {
                    object.remove(*field);
                }
            }
        }
        if u.ratio(1, 3)? {
            item.insert(
                "vars".into(),
                map(u, |u| {
                    let name =
                        if u.ratio(1, 9)? { text(u)? } else { (*u.choose(&["a", "b_1", "_"])?).to_owned() };
                    Ok((name, value_of_rule(u, subjects, 0)?.into()))
                })?,
            );
        }
        if u.ratio(1, 3)? {
            item.insert("addVars".into(), list(u, 2, |u| value_of_rule(u, subjects, 0))?);
        }
        if member == "scheduledDowntime" && u.arbitrary()? {
            item.insert(
                "ranges".into(),
                map(u, |u| {
                    let day = if u.ratio(1, 9)? {
                        text(u)?
                    } else {
                        (*u.choose(&["monday", "2026-12-24"])?).to_owned()
                    };
                    Ok((day, value_of_rule(u, subjects, 0)?.into()))
                })?,
            );
            if let (true, Some(object)) = (u.arbitrary()?, object.as_object_mut()) {
                object.remove("ranges");
            }
        }
        set.push(item);
    }
    if !set.is_empty() {
        object["apply"]["set"] = json!(set);
    }
    Ok(())
}

/// Attaches an object to one host or service, or by a rule to many.
fn place(u: &mut Unstructured<'_>, member: &str, object: &mut Value) -> Result<()> {
    let of_services = member != "service" && u.arbitrary()?;
    if u.arbitrary()? {
        let subjects: &[_] = if of_services { &["host", "service"] } else { &["host"] };
        let mut apply = Map::new();
        if member != "service" {
            apply.insert("to".into(), if of_services { "Service" } else { "Host" }.into());
        }
        if u.ratio(1, 4)? {
            let paths = [
                "host.vars.disks",
                "host.vars[\"a b\"].c",
                "service.vars.x",
                "host.name",
                "host.vars.a.b[\"$\"].d",
            ];
            apply.insert(
                "forEach".into(),
                json!({ "in": u.choose(&paths)?, "keyVar": "key", "valueVar": "value" }),
            );
        }
        let of_entry: &[_] =
            if of_services { &["host", "service", "key", "value"] } else { &["host", "key", "value"] };
        let subjects = if apply.contains_key("forEach") { of_entry } else { subjects };
        if !apply.contains_key("forEach") || u.arbitrary()? {
            apply.insert("assignWhere".into(), conditions(u, subjects)?);
        }
        if u.arbitrary()? {
            apply.insert("ignoreWhere".into(), conditions(u, subjects)?);
        }
        object["apply"] = apply.into();
    } else {
        let [host, service] = match member {
            "dependency" => ["childHostName", "childServiceName"],
            _ => ["hostName", "serviceName"],
        };
        object[host] = name(u)?.into();
        if of_services {
            object[service] = name(u)?.into();
        }
    }
    Ok(())
}

fn value_of(u: &mut Unstructured<'_>, field: Field) -> Result<Value> {
    Ok(match field {
        Text => text(u)?.into(),
        Texts => list(u, 4, text)?,
        Name => name(u)?.into(),
        Names => list(u, 4, name)?,
        Duration => duration(u)?.into(),
        Flag => u.arbitrary::<bool>()?.into(),
        Whole(min, max) => u.int_in_range(min - 1..=max + 1)?.into(),
        Words(words) => list(u, 3, |u| u.choose(words).map(|word| (*word).to_owned()))?,
        Vars => dictionary(u, 0)?,
        Conditions(subjects) => conditions(u, subjects)?,
        Field::Ranges => map(u, |u| {
            let days = ["monday", "day -1", "monday 2 may", "2026-12-24 - 2026-12-26", "day 1 - 15 / 5"];
            let times = ["00:00-24:00", "09:00-12:00,13:00-17:00", "22:00-06:00"];
            let day = if u.ratio(1, 9)? { text(u)? } else { (*u.choose(&days)?).to_owned() };
            let time = if u.ratio(1, 9)? { text(u)? } else { (*u.choose(&times)?).to_owned() };
            Ok((day, time.into()))
        })?,
        Field::Times => map(u, |u| Ok(((*u.choose(&["begin", "end"])?).to_owned(), duration(u)?.into())))?,
        Field::Environment => map(u, |u| Ok((text(u)?, text(u)?.into())))?,
        Field::Arguments => map(u, |u| {
            let fields = [
                ("value", Text),
                ("description", Text),
                ("required", Flag),
                ("skipKey", Flag),
                ("repeatKey", Flag),
                ("setIf", Text),
                ("order", Whole(-1000, 1000)),
                ("separator", Text),
                ("key", Text),
            ];
            let mut argument = Map::new();
            for (key, field) in fields {
                if u.ratio(1, 4)? {
                    argument.insert(key.into(), value_of(u, field)?);
                }
            }
            // Without a draw, so that the files of the corpus keep their meaning.
            let short = (argument.len() == 1).then(|| argument.remove("value")).flatten();
            Ok((text(u)?, short.unwrap_or_else(|| argument.into())))
        })?,
    })
}

fn list<'a>(
    u: &mut Unstructured<'a>,
    max: usize,
    mut item: impl FnMut(&mut Unstructured<'a>) -> Result<String>,
) -> Result<Value> {
    (0..u.int_in_range(0..=max)?).map(|_| item(u).map(Value::from)).collect()
}

fn map<'a>(
    u: &mut Unstructured<'a>,
    mut entry: impl FnMut(&mut Unstructured<'a>) -> Result<(String, Value)>,
) -> Result<Value> {
    (0..u.int_in_range(0..=3)?).map(|_| entry(u)).collect()
}

fn duration(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    for _ in 0..=u.int_in_range(0..=2)? {
        let unit = u.choose(&["s", "ms", "m", "h", "d", "d999999999", ""])?;
        out.push_str(&format!("{}{unit}", u.int_in_range(1..=1_000_000_000_u32)?));
    }
    Ok(out)
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut out = String::new();
    for _ in 0..u.int_in_range(0..=7)? {
        match u.int_in_range(0..=9)? {
            0..=5 => out.push_str(u.choose(&PIECES[..ACCEPTED_PIECES])?),
            6..=7 => out.push(char::from(u.int_in_range(b' '..=b'#')?)),
            8 => out.push(u.arbitrary()?),
            _ if u.ratio(1, 20)? => out.push_str(&"long ".repeat(u.int_in_range(1..=1000)?)),
            _ => out.push_str(u.choose(&PIECES)?),
        }
    }
    Ok(out)
}

fn name(u: &mut Unstructured<'_>) -> Result<String> {
    let text = text(u)?;
    if u.ratio(1, 20)? {
        return Ok(text);
    }
    let cleaned = text.replace(|c: char| c == '!' || c.is_control(), "");
    let short: String = cleaned.trim().chars().take(60).collect();
    Ok(format!("{}.", short.trim()))
}

fn value(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    Ok(match u.int_in_range(0..=if depth > 8 { 6 } else { 8 })? {
        0 => Value::Null,
        1 => u.arbitrary::<bool>()?.into(),
        2 => u.arbitrary::<i16>()?.into(),
        3 => u.arbitrary::<i64>()?.into(),
        4 => u.arbitrary::<f64>()?.into(),
        5 => (f64::from(u.arbitrary::<i32>()?) * 10_f64.powi(u.int_in_range(-330..=5)?)).into(),
        6 => text(u)?.into(),
        7 => (0..u.int_in_range(0..=4)?).map(|_| value(u, depth + 1)).collect::<Result<_>>()?,
        _ => dictionary(u, depth + 1)?,
    })
}

fn dictionary(u: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    map(u, |u| Ok((text(u)?, value(u, depth + 1)?)))
}
