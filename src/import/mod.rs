//! Icinga 2's configuration, and baskets of Icinga Director, to manifests. Nothing is evaluated: what
//! cannot be said without running code is left out and listed.

mod director;
pub mod document;
pub mod language;
pub mod names;
mod pending;
pub mod remaining;
pub mod report;
mod translate;
pub mod tree;
pub mod yaml;

pub use pending::Options;
pub use report::Imported;

use report::{BlockForm, LeftOut, Origin, Reason, Secret, Subject};
use translate::{Facts, Work, secrets};
use tree::{Content, Tree};

/// Translates a tree.
pub fn import(tree: &Tree, options: &Options) -> Imported {
    let facts = Facts::of(tree, &options.defines);
    let mut work = Work::new(&facts);
    for unreadable in &tree.unreadable {
        work.imported.left_out.push(LeftOut {
            block: Origin { file: unreadable.path.clone(), at: None },
            span: None,
            subject: Subject { form: BlockForm::Statement, object_type: String::new(), name: None },
            origin: Origin { file: unreadable.path.clone(), at: unreadable.at },
            construct: unreadable.message.clone(),
            reason: Reason::Unreadable,
            remedy: "correct it and import again".into(),
            dependents: Vec::new(),
        });
    }
    for ignored in &tree.ignored {
        let remedy = match &ignored.zone {
            Some(zone) => format!(
                "declare object Zone {} in what you import, or remove the directory",
                crate::text::quoted(zone)
            ),
            None => "move it to the directory of a zone, or remove it".into(),
        };
        let origin = Origin { file: ignored.path.clone(), at: None };
        work.imported.left_out.push(LeftOut {
            block: origin.clone(),
            span: None,
            subject: Subject { form: BlockForm::Statement, object_type: String::new(), name: None },
            origin,
            construct: String::new(),
            reason: Reason::UnknownZone,
            remedy,
            dependents: Vec::new(),
        });
    }
    for file in &tree.files {
        work.imported.sources.insert(file.source.clone());
        match &file.content {
            Content::Configuration(content) => work.file(file, content),
            Content::Director(json) => director::translate(file, json, &mut work),
        }
    }
    let Work { mut imported, pending, .. } = work;
    for block in &pending {
        imported.secrets.extend(secrets(&block.member).into_iter().map(|variable| Secret {
            origin: block.origin.clone(),
            subject: block.subject.clone(),
            variable,
        }));
    }
    imported.manifests = pending::manifests(pending, options);
    imported
}
