//! What `set` gives an object that a rule makes. A model of its own, which knows the expressions
//! of the cases: text, numbers, durations, paths, `.replace()`, `+` and `==`.

use crate::vocabulary::{DURATIONS, seconds, snake_case};
use serde_json::{Map, Value, json};

/// Where a rule makes an object.
pub struct Place<'a> {
    pub host: &'a str,
    pub vars: &'a Value,
    pub service: Option<&'a str>,
    /// Key and value of the entry of `forEach`.
    pub entry: Option<(&'a str, &'a Value)>,
    /// True if an object of a type and name exists.
    pub exists: &'a dyn Fn(&str, &str) -> bool,
    /// True for an endpoint of the host's zone or of a direct child zone.
    pub is_near: &'a dyn Fn(&str) -> bool,
}

impl Place<'_> {
    /// Sets what the items say, in order.
    pub fn set(&self, items: &Value, to: &mut Map<String, Value>) {
        let none = Map::new();
        for item in items.as_array().unwrap() {
            if item["when"].as_str().is_some_and(|when| !is_true(&self.value(when))) {
                continue;
            }
            let map = |field: &str| item[field].as_object().unwrap_or(&none).iter();
            let special = ["when", "vars", "addVars", "ranges", "addGroups"];
            for (field, source) in item.as_object().unwrap() {
                if special.contains(&field.as_str()) {
                    continue;
                }
                if let Some(value) = self.value(source.as_str().unwrap()).and_then(|v| self.fitting(field, v))
                {
                    to.insert(snake_case(field), value);
                }
            }
            if let Some(source) = item["addGroups"].as_str()
                && let Some(Value::Array(more)) = self.value(source).and_then(|v| self.fitting("groups", v))
            {
                to.entry("groups").or_insert(json!([])).as_array_mut().unwrap().extend(more);
            }
            let ranges: Map<_, _> = map("ranges")
                .filter_map(|(day, source)| Some((day.clone(), self.value(source.as_str()?)?)))
                .filter(|(_, times)| times.as_str().is_some_and(are_times))
                .collect();
            if !ranges.is_empty() {
                to.insert("ranges".into(), ranges.into());
            }
            let vars = to.entry("vars").or_insert(json!({})).as_object_mut().unwrap();
            let values = map("vars");
            vars.extend(
                values.filter_map(|(name, source)| Some((name.clone(), self.value(source.as_str()?)?))),
            );
            for source in item["addVars"].as_array().into_iter().flatten() {
                if let Some(Value::Object(more)) = self.value(source.as_str().unwrap()) {
                    vars.extend(more);
                }
            }
            if vars.is_empty() {
                to.remove("vars");
            }
        }
    }

    /// The value of an expression; None if Icinga fails on it.
    fn value(&self, source: &str) -> Option<Value> {
        if let Some((left, right)) = source.split_once(" == ") {
            return Some(json!(self.value(left)? == self.value(right)?));
        }
        if let Some((left, right)) = source.rsplit_once(" + ") {
            return match (self.value(left)?, self.value(right)?) {
                (Value::Array(left), Value::Array(right)) => Some([left, right].concat().into()),
                (Value::Number(left), Value::Number(right)) => Some(json!(left.as_f64()? + right.as_f64()?)),
                (left, right) => Some(json!(text(&left)? + &text(&right)?)),
            };
        }
        if source.starts_with('"') || ["true", "false"].contains(&source) {
            return Some(serde_json::from_str(source).unwrap());
        }
        if source.starts_with(|c: char| c.is_ascii_digit()) {
            return Some(
                seconds(source).map_or_else(|_| serde_json::from_str(source).unwrap(), |n| json!(n)),
            );
        }
        // `path.replace("a", "b")`, without parentheses in the texts.
        if let Some((path, call)) = source.rsplit_once(".replace(") {
            let texts: (String, String) =
                serde_json::from_str(&format!("[{}]", call.strip_suffix(')').unwrap())).unwrap();
            return Some(json!(self.value(path)?.as_str()?.replace(&texts.0, &texts.1)));
        }
        let mut keys = source.split('.');
        let first = keys.next().unwrap();
        let start = match (first, self.entry) {
            ("key", Some((key, _))) => json!(key),
            ("value", Some((_, value))) => value.clone(),
            ("host", _) => json!({ "name": self.host, "vars": self.vars }),
            ("service", _) => json!({ "name": self.service.unwrap() }),
            _ => panic!("the model does not know {source:?}"),
        };
        Some(keys.fold(start, |value, key| value[key].clone()))
    }

    /// The value that a field takes, if it takes one.
    fn fitting(&self, field: &str, value: Value) -> Option<Value> {
        let number = |least: f64, most: f64| {
            let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
            (least..=most).contains(&number).then(|| json!(number))
        };
        let name = |kind: &str| (self.exists)(kind, value.as_str()?).then(|| value.clone());
        let names = |kind: &str| {
            let mut found: Vec<&Value> = Vec::new();
            for name in value.as_array()? {
                if name.as_str().is_some_and(|name| (self.exists)(kind, name)) && !found.contains(&name) {
                    found.push(name);
                }
            }
            Some(json!(found))
        };
        let some =
            |value: &Value| !["", "[]"].contains(&text(value).unwrap_or_else(|| value.to_string()).as_str());
        match field {
            "displayName" | "notes" | "notesUrl" | "actionUrl" | "iconImage" | "iconImageAlt" => {
                text(&value).filter(|_| !value.is_null()).map(Value::from)
            }
            "author" | "comment" => text(&value).map(Value::from).filter(some),
            "maxCheckAttempts" => number(1.0, 1000.0),
            "flappingThresholdLow" | "flappingThresholdHigh" => number(0.0, 100.0),
            "interval" | "duration" => number(0.0, 1e9),
            _ if DURATIONS.contains(&field) => number(f64::MIN_POSITIVE, 1e9),
            "volatile" | "ignoreSoftStates" => truth(&value),
            _ if field.starts_with("enable") || field.starts_with("disable") => truth(&value),
            "checkCommand" => name("CheckCommand"),
            "eventCommand" => name("EventCommand"),
            "command" => name("NotificationCommand"),
            "checkPeriod" | "period" => name("TimePeriod"),
            "groups" => names("ServiceGroup"),
            "users" => names("User").filter(some),
            "userGroups" => names("UserGroup").filter(some),
            "commandEndpoint" => name("Endpoint").filter(|name| (self.is_near)(name.as_str().unwrap())),
            _ => panic!("the model does not know the field {field:?}"),
        }
    }
}

fn truth(value: &Value) -> Option<Value> {
    value.as_bool().or_else(|| value.as_f64().map(|number| number != 0.0)).map(Value::from)
}

fn is_true(value: &Option<Value>) -> bool {
    value.as_ref().is_some_and(|value| ![json!(null), json!(false), json!(0), json!("")].contains(value))
}

/// Text as it joins other text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

fn are_times(times: &str) -> bool {
    let is_time = |time: &str| {
        time.split_once(':').is_some_and(|(hour, minute)| {
            hour.parse().is_ok_and(|hour: u8| hour <= 24)
                && minute.parse().is_ok_and(|minute: u8| minute < 60)
        })
    };
    times.split(',').all(|range| range.split_once('-').is_some_and(|(from, to)| is_time(from) && is_time(to)))
}
