//! Baskets of Icinga Director. Each object becomes the block that Director would write, which is then
//! parsed and translated like any other. A property that is not known leaves the object out.

mod filter;
mod object;

use super::language;
use super::report::{BlockForm, LeftOut, Note, Origin, Reason, Subject};
use super::translate::Work;
use super::tree::{Content, SourceFile};
use crate::render::quoting;
use serde_json::Value;

/// Sections of a basket, and the types of their objects. Without a type: forms, data and jobs of
/// Director itself.
const SECTIONS: [(&str, &str); 27] = [
    ("HostTemplate", "Host"),
    ("Host", "Host"),
    ("HostGroup", "HostGroup"),
    ("ServiceTemplate", "Service"),
    ("Service", "Service"),
    ("ServiceGroup", "ServiceGroup"),
    ("ServiceSet", "ServiceSet"),
    ("Command", "CheckCommand"),
    ("CommandTemplate", "CheckCommand"),
    ("ExternalCommand", "CheckCommand"),
    ("TimePeriod", "TimePeriod"),
    ("UserTemplate", "User"),
    ("User", "User"),
    ("UserGroup", "UserGroup"),
    ("NotificationTemplate", "Notification"),
    ("Notification", "Notification"),
    ("Dependency", "Dependency"),
    ("ScheduledDowntime", "ScheduledDowntime"),
    ("Datafield", ""),
    ("DatafieldCategory", ""),
    ("DataList", ""),
    ("ImportSource", ""),
    ("SyncRule", ""),
    ("DirectorJob", ""),
    ("Basket", ""),
    ("IcingaTemplateChoiceHost", ""),
    ("IcingaTemplateChoiceService", ""),
];

/// Translates the objects of one file.
pub(super) fn translate(file: &SourceFile, json: &Value, work: &mut Work) {
    let Some(sections) = json.as_object() else {
        return leave(
            file,
            work,
            subject("", None),
            "the file",
            "export a basket: an object with sections such as HostTemplate",
        );
    };
    for (section, objects) in sections {
        let Some((_, icinga_type)) = SECTIONS.iter().find(|(known, _)| known == section) else {
            leave(
                file,
                work,
                subject(section, None),
                "a section that is not known",
                "export a basket, and remove this section",
            );
            continue;
        };
        let objects: Vec<&Value> = match objects {
            Value::Object(objects) => objects.values().collect(),
            Value::Array(objects) => objects.iter().collect(),
            _ => Vec::new(),
        };
        if icinga_type.is_empty() {
            let message =
                format!("{} entries are left out, because they are of Director itself", objects.len());
            let origin = Origin { file: file.path.clone(), at: None };
            work.imported.notes.push(Note { origin, subject: subject(section, None), message });
            continue;
        }
        for object in objects {
            one(file, icinga_type, object, work);
        }
    }
}

fn subject(object_type: &str, name: Option<&str>) -> Subject {
    let form = if name.is_some() { BlockForm::Object } else { BlockForm::Statement };
    Subject { form, object_type: object_type.to_owned(), name: name.map(str::to_owned) }
}

fn leave(file: &SourceFile, work: &mut Work, subject: Subject, construct: &str, remedy: &str) {
    let origin = Origin { file: file.path.clone(), at: None };
    work.imported.left_out.push(LeftOut {
        block: origin.clone(),
        span: None,
        subject,
        origin,
        construct: construct.to_owned(),
        reason: Reason::Director,
        remedy: remedy.to_owned(),
        dependents: Vec::new(),
    });
}

fn one(file: &SourceFile, icinga_type: &str, object: &Value, work: &mut Work) {
    let name = object["object_name"].as_str();
    if object["object_type"] == "external_object" {
        // It is declared in Icinga's own configuration.
        return;
    }
    let shown = subject(icinga_type, name);
    if object::is_true(&object["disabled"]) {
        let origin = Origin { file: file.path.clone(), at: None };
        let message = "is left out, because it is disabled in Director".to_owned();
        return work.imported.notes.push(Note { origin, subject: shown, message });
    }
    let written = match icinga_type {
        "ServiceSet" => object::service_set(object),
        _ => object::block(icinga_type, object).map(|text| vec![text]),
    };
    match written {
        Err(property) => {
            work.imported.blocks += 1;
            leave(
                file,
                work,
                shown,
                &property,
                "declare the object in Icinga's own language, and import that",
            );
        }
        Ok(texts) => {
            for text in texts {
                let Ok(parsed) = language::parse(&text) else {
                    work.imported.blocks += 1;
                    leave(
                        file,
                        work,
                        shown.clone(),
                        "a text that Icinga's language cannot have",
                        "correct the object",
                    );
                    continue;
                };
                let (left, notes, outside, pending) = (
                    work.imported.left_out.len(),
                    work.imported.notes.len(),
                    work.imported.outside.len(),
                    work.pending.len(),
                );
                let place = SourceFile {
                    path: file.path.clone(),
                    source: file.source.clone(),
                    zone: None,
                    included: None,
                    content: Content::Director(Value::Null),
                };
                work.file(&place, &parsed);
                // The lines are those of the written text, which nobody has.
                for entry in work
                    .imported
                    .left_out
                    .iter_mut()
                    .skip(left)
                    .chain(work.imported.outside.iter_mut().skip(outside))
                {
                    entry.block.at = None;
                    entry.origin.at = None;
                    entry.span = None;
                }
                work.imported.notes.iter_mut().skip(notes).for_each(|note| note.origin.at = None);
                work.pending.iter_mut().skip(pending).for_each(|block| {
                    block.origin.at = None;
                    block.span = None;
                });
            }
        }
    }
}

/// Writes JSON in Icinga's language. None for a number that it does not have.
fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => {
            let text = number.to_string();
            text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-').then_some(text)?
        }
        Value::String(text) => {
            let mut out = String::new();
            quoting::string(&mut out, text);
            out
        }
        Value::Array(items) => {
            format!("[ {} ]", items.iter().map(literal).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                Some(format!("{} = {}", literal(&key.as_str().into())?, literal(value)?))
            };
            format!("{{\n{}\n}}", entries.iter().map(entry).collect::<Option<Vec<_>>>()?.join("\n"))
        }
    })
}

#[cfg(test)]
mod tests;
