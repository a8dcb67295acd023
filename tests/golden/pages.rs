//! `docs/reference`: one page a type, made from the CRD and from `examples/reference`. `make
//! reference` writes it.

mod table;

use crate::case::first_difference;
use crate::example::Example;
use crate::vocabulary::{seconds, snake_case};
use crate::{icinga, schema};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use table::{Row, table};

/// The head of a page, so that nobody changes it by hand.
fn head(title: &str) -> String {
    format!(
        "# {title}\n\n<!-- Made by `make reference` from the CRD and `examples/reference`. Change those. -->\n\n"
    )
}

/// The rules between fields, in the API server's words.
fn rules(schema: &Value) -> String {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    let rules: String = rules.map(|rule| format!("- {}\n", rule["message"].as_str().unwrap())).collect();
    if rules.is_empty() {
        rules
    } else {
        format!("\nThe API server also refuses a resource that breaks one of these rules:\n\n{rules}")
    }
}

fn page(example: &Example, schema: &Value) -> String {
    let member = &example.member;
    let description = schema["description"].as_str().unwrap();
    let manifest: Vec<_> = example.shown.iter().map(|(text, _)| text.as_str()).collect();
    let rendered: String = example.rendered().into_iter().map(|rendered| rendered.text).collect();
    format!(
        "{}{description}\n\n\
         The [first page](README.md) lists the fields of every type, and explains the words of the table.\n\n\
         ## Example\n\n```yaml\n{}```\n\n\
         [`examples/reference/{member}.yaml`](../../examples/reference/{member}.yaml) also declares the objects that this \
         one names, so it can be applied as it is. Icinga gets:\n\n\
         ```icinga2\n{rendered}```\n\n\
         ## Fields of `spec.{member}`\n\n{}{}",
        head(member),
        manifest.join("---\n"),
        table(&Row::of(&format!("spec.{member}"), schema)),
        rules(schema),
    )
}

fn first_page(spec: &Value, types: &BTreeMap<&str, String>) -> String {
    let mut common = spec.clone();
    let members: Vec<_> = schema::members(spec).collect();
    for (member, _) in &members {
        common["properties"].as_object_mut().unwrap().remove(*member);
    }
    let rows = members.iter().map(|(member, schema)| {
        let what = schema["description"].as_str().unwrap().replace('\n', " ");
        format!("| [`{member}`]({member}.md) | `{}` | {what} |\n", types[member])
    });
    format!(
        "{}The spec of a `MonitoringObject` has exactly one of these members, which decides what it declares. Each page has \
         an example, the configuration that Icinga gets, and every field. `kubectl explain mo.spec.host` prints the same \
         fields. [Objects](../objects.md) explains what else is refused, and why.\n\n\
         | member | Icinga type | what it is |\n|---|---|---|\n{}\n\
         ## Fields of every type\n\n{}{}\n\
         ## How to read the tables\n\n\
         A field that is left out is not rendered. Icinga's own default then holds; the table names it, or there is none. \
         Limits are checked when a resource is applied.\n\n{}\n\
         The pages show the configuration without the head of each file: two comments, which name the resource, and the names \
         that the file provides and needs; and for a rule, the dictionary in which rules note the names that they have made. The \
         last `ignore where` of a rule reads it, so that several rules may have one name.\n",
        head("Reference"),
        rows.collect::<String>(),
        table(&Row::of("spec", &common)),
        rules(spec),
        table::words(),
    )
}

#[test]
fn pages_are_what_the_crd_and_the_examples_say() {
    let spec = schema::spec();
    let examples = Example::all();
    let types = examples.iter().map(|example| (&*example.member, example.rendered().remove(0).icinga_type));
    let mut pages = BTreeMap::from([("README.md".to_owned(), first_page(&spec, &types.collect()))]);
    for example in &examples {
        let schema = &spec["properties"][&example.member];
        pages.insert(format!("{}.md", example.member), page(example, schema));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let stored: BTreeMap<String, String> = std::fs::read_dir(&root)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    if std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::create_dir_all(&root).unwrap();
        stored.keys().filter(|name| !pages.contains_key(*name)).for_each(|name| {
            std::fs::remove_file(root.join(name)).unwrap();
        });
        pages.iter().for_each(|(name, text)| std::fs::write(root.join(name), text).unwrap());
        return;
    }
    let mut wrong = Vec::new();
    for name in pages.keys().chain(stored.keys().filter(|name| !pages.contains_key(*name))) {
        let [old, new] = [&stored, &pages].map(|pages| pages.get(name));
        if old != new {
            let [old, new] = [old, new].map(|text| text.map_or("", String::as_str));
            let (old, new) = first_difference(old, new);
            wrong.push(format!("docs/reference/{name}\n  stored: {old}\n  now:    {new}"));
        }
    }
    assert!(wrong.is_empty(), "run `make reference`, and read what changed:\n{}", wrong.join("\n"));
}

#[test]
fn defaults_that_are_told_are_icingas() {
    let spec = schema::spec();
    let (examples, mut compared) = (Example::all(), 0);
    for icinga in icinga::generations() {
        for example in &examples {
            let icinga_type = example.rendered().remove(0).icinga_type;
            let rows = Row::of(&example.member, &spec["properties"][&example.member]);
            for row in rows.iter().filter(|row| !row.path.contains('.')) {
                let path = format!("spec.{}.{}", example.member, row.path);
                let read = |text: &str| match row.sort.as_str() {
                    "boolean" => text.parse::<bool>().ok().map(Value::from),
                    "whole number" => text.parse::<f64>().ok().map(Value::from),
                    "duration" if text.ends_with(|c: char| c.is_ascii_lowercase()) && !text.contains(' ') => {
                        Some(json!(seconds(text).unwrap()))
                    }
                    "word" => Some(json!(text)),
                    _ => None,
                };
                if !["boolean", "whole number", "duration", "word"].contains(&row.sort.as_str()) {
                    continue;
                }
                let Some(told) = row.default() else {
                    assert!(row.description.contains("equired"), "{path} tells no default");
                    continue;
                };
                let real = &icinga.reference[&icinga_type][&snake_case(&row.path)];
                // Icinga keeps a port as text.
                let real = match real.as_str().and_then(|text| text.parse::<f64>().ok()) {
                    Some(number) => json!(number),
                    None => real.clone(),
                };
                let same = match (read(&told), real.as_f64()) {
                    (None, _) => real.is_null(),
                    (Some(told), Some(real)) => told.as_f64() == Some(real),
                    (Some(told), None) => told == real,
                };
                assert!(same, "{path} tells {told:?}, and icinga2 {:?} has {real}", icinga.generation);
                compared += 1;
            }
        }
    }
    assert!(compared > 40 || icinga::generations().is_empty(), "only {compared} defaults were compared");
}
