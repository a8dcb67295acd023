//! The fields of a schema as rows of a table, for people.

use serde_json::Value;

/// Patterns of the CRD, the words that the pages have for what matches them, and what the words
/// mean.
const TEXTS: [(&str, &str, &str, &str); 7] = [
    (
        r"^[^!\x00-\x1f\x7f]+$",
        "name",
        "names",
        "name of an Icinga object: no `!`, no control characters, no blank at either end",
    ),
    (
        r"^[^!\x00-\x1f\x7f]*$",
        "prefix",
        "prefixes",
        "the beginning of a name: no `!`, no control characters; a blank at its end counts",
    ),
    (
        r"^([0-9]{1,9}(ms|s|m|h|d)){1,5}$",
        "duration",
        "durations",
        "one to five whole numbers, each with its unit, `ms`, `s`, `m`, `h` or `d`: `90s`, `5m`, `1h30m`",
    ),
    (
        r"^[0-9:, -]+$",
        "times",
        "times",
        "times of a day, for example `09:00-12:00,13:00-17:00`; see [days and times](../language.md#days-and-times)",
    ),
    (
        r"^(host|service)\.vars[.\[]",
        "variable",
        "variables",
        "a custom variable of a host or service, `host.vars.disks` or `host.vars[\"disks\"]`",
    ),
    (
        r"^[a-z][A-Za-z0-9]*",
        "path",
        "paths",
        "a field, `checkPeriod`, or an entry below one, `vars.disks` or `vars.disks[\"/\"]`",
    ),
    (r"^[A-Za-z_][A-Za-z0-9_]*$", "key", "keys", "letters, digits and `_`, not with a digit first"),
];
/// Fields whose texts are conditions.
const CONDITIONS: [&str; 3] = ["assignWhere", "ignoreWhere", "when"];

/// Words of the tables that do not explain themselves.
pub fn words() -> String {
    let texts = TEXTS.map(|(_, word, _, meaning)| (word, meaning));
    let others = [
        (
            "condition",
            "a condition over hosts, services or users; see [expressions](../language.md#expressions)",
        ),
        (
            "expression",
            "computes a value for each object of a rule, so a text in it has its own quotes: `'\"Disk \" + key'`; see \
             [expressions](../language.md#expressions)",
        ),
        (
            "text",
            "any characters but control characters; line breaks and tabs are allowed. See [macros](../language.md#macros)",
        ),
        ("word", "one of the words that the limits list, with the same capitals"),
        (
            "map",
            "entries by key. In the names of fields, `<key>` stands for each key of a map, and `[]` for each entry of a list",
        ),
        ("JSON", "any JSON: text, numbers, booleans, lists, maps"),
    ];
    let lines = texts.into_iter().chain(others).map(|(word, meaning)| format!("- **{word}**: {meaning}.\n"));
    lines.collect()
}

/// A field, with those below it named by their path.
pub struct Row {
    pub path: String,
    pub sort: String,
    limits: Vec<String>,
    pub description: String,
}

impl Row {
    /// `at` is the path of the schema, for what is to be said about it.
    pub fn of(at: &str, schema: &Value) -> Vec<Self> {
        let mut rows = Vec::new();
        walk(at, schema, "", &mut rows);
        assert!(!rows.is_empty(), "{schema}");
        rows
    }

    /// What `description` says after `Default:`, without the marks of code.
    pub fn default(&self) -> Option<String> {
        let (_, told) = self.description.split_once("Default: ")?;
        Some(told.trim_end_matches('.').split(". ").next()?.replace('`', ""))
    }
}

pub fn table(rows: &[Row]) -> String {
    let cell = |text: &str| text.replace('|', r"\|");
    let lines = rows.iter().map(|row| {
        let limits = row.limits.join("; ");
        format!("| `{}` | {} | {} | {} |\n", row.path, row.sort, cell(&limits), cell(&row.description))
    });
    "| field | type | limits | what it is |\n|---|---|---|---|\n".to_owned() + &lines.collect::<String>()
}

fn walk(at: &str, schema: &Value, prefix: &str, rows: &mut Vec<Row>) {
    let required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|n| n == name));
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let (path, at) = (format!("{prefix}{name}"), format!("{at}.{name}"));
        let sort = Sort::of(&at, below);
        let description = below["description"].as_str().unwrap_or_else(|| panic!("{at} has no description"));
        let description = without_limit(&at, &description.replace('\n', " "), sort.told.as_deref());
        let limits = required(name).then(|| "required".to_owned()).into_iter().chain(sort.limits).collect();
        rows.push(Row { path: path.clone(), sort: sort.one, limits, description });
        walk(&at, below, &format!("{path}."), rows);
        walk(&format!("{at}[]"), &below["items"], &format!("{path}[]."), rows);
        walk(&at, &below["additionalProperties"], &format!("{path}.<key>."), rows);
    }
}

/// `kubectl explain` shows descriptions alone, so they end with the limit of a list, map or
/// number. The page has a column for it.
fn without_limit(path: &str, description: &str, told: Option<&str>) -> String {
    let Some(told) = told else { return description.to_owned() };
    let rest = description.strip_suffix(told).unwrap_or_else(|| {
        panic!("the description of {path} must end with its limit, {told:?}, and is {description:?}")
    });
    rest.trim_end().to_owned()
}

/// What a field holds.
struct Sort {
    one: String,
    many: String,
    limits: Vec<String>,
    /// The limit as the description must say it.
    told: Option<String>,
}

impl Sort {
    fn of(path: &str, schema: &Value) -> Self {
        let number = |key: &str| schema[key].as_f64();
        let sort = |one: &str, many: &str, limits: Vec<String>| Self {
            one: one.to_owned(),
            many: many.to_owned(),
            limits,
            told: None,
        };
        let several = |one: String, least: Option<f64>, most: &str, further: Option<String>| {
            let most = number(most).unwrap_or_else(|| panic!("{path} has no limit"));
            let limit = least.map_or(format!("at most {most}"), |least| format!("{least} to {most}"));
            let told = least.map_or(format!("At most {most}."), |least| format!("{least} to {most}."));
            let limits = [format!("{limit} entries")].into_iter().chain(further).collect();
            Self { many: one.clone(), one, limits, told: Some(told) }
        };
        match schema["type"].as_str() {
            Some("boolean") => sort("boolean", "booleans", Vec::new()),
            Some("integer") => {
                let (Some(least), Some(most)) = (number("minimum"), number("maximum")) else {
                    panic!("{path} has no minimum or maximum");
                };
                let limit = format!("{least} to {most}");
                Self { told: Some(format!("{limit}.")), ..sort("whole number", "whole numbers", vec![limit]) }
            }
            Some("string") => match &schema["enum"] {
                Value::Array(words) => {
                    let words: Vec<_> =
                        words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
                    sort("word", "words", vec![format!("one of {}", words.join(", "))])
                }
                _ => {
                    let (one, many) = text(path, &schema["pattern"]);
                    let (least, most) = (number("minLength").unwrap_or(0.0), number("maxLength").unwrap());
                    let limit = format!("{least} to {most} characters");
                    sort(one, many, if one == "duration" { Vec::new() } else { vec![limit] })
                }
            },
            Some("array") => {
                let item = Self::of(path, &schema["items"]);
                let further = item.limits.iter().map(|limit| format!("each {limit}"));
                several(
                    format!("list of {}", item.many),
                    number("minItems"),
                    "maxItems",
                    further.reduce(|a, b| a + ", " + &b),
                )
            }
            Some("object") if schema["x-kubernetes-preserve-unknown-fields"] == true => {
                Self { told: None, ..several("map of JSON".into(), None, "maxProperties", None) }
            }
            Some("object") if schema["additionalProperties"].is_object() => {
                let value = Self::of(path, &schema["additionalProperties"]);
                let further = value.limits.iter().map(|limit| format!("each {limit}"));
                several(
                    format!("map of {}", value.many),
                    None,
                    "maxProperties",
                    further.reduce(|a, b| a + ", " + &b),
                )
            }
            Some("object") if schema["properties"].is_object() => sort("object", "objects", Vec::new()),
            None if schema["properties"].is_object() => {
                sort("text or object", "texts or objects", Vec::new())
            }
            other => panic!("{path} is of a type that the pages have no word for: {other:?}"),
        }
    }
}

fn text(path: &str, pattern: &Value) -> (&'static str, &'static str) {
    let name = path.rsplit('.').next().unwrap_or_default();
    match pattern.as_str() {
        Some(pattern) => TEXTS
            .iter()
            .find(|(known, ..)| *known == pattern)
            .map(|(_, one, many, _)| (*one, *many))
            .unwrap_or_else(|| {
                panic!("{path} has a pattern that the pages have no word for: {pattern}; add it to TEXTS")
            }),
        None if CONDITIONS.contains(&name) => ("condition", "conditions"),
        None if path.contains(".set[].") => ("expression", "expressions"),
        None => ("text", "texts"),
    }
}
