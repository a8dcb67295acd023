//! Blocks that can be said, and the resources that are made of them.

use super::document::Node;
use super::names::{self, Wanted};
use super::report::{BlockForm, Manifest, Origin, Span, Subject};
use crate::api::IcingaType;
use std::collections::BTreeMap;

/// Choices of the person who imports.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Namespace of the manifests.
    pub namespace: String,
    /// Use the zone of an object as its namespace.
    pub namespace_by_zone: bool,
    /// Namespace of commands.
    pub command_namespace: String,
    /// Constants, as `icinga2 --define` takes them.
    pub defines: BTreeMap<String, String>,
}

/// A block that was translated, before it has a name in Kubernetes.
pub(super) struct Pending {
    pub(super) origin: Origin,
    pub(super) subject: Subject,
    pub(super) icinga_type: IcingaType,
    /// Icinga's name. None if the resource's may be any.
    pub(super) name: Option<String>,
    /// What the resource's name is made from.
    pub(super) parts: Vec<String>,
    pub(super) zone: Option<String>,
    pub(super) is_template: bool,
    /// The content of the type's member.
    pub(super) member: Node,
    pub(super) comments: Vec<String>,
    /// Its text. None in JSON.
    pub(super) span: Option<Span>,
}

/// Gives every block a resource.
pub(super) fn manifests(pending: Vec<Pending>, options: &Options) -> Vec<Manifest> {
    let namespace = |block: &Pending| {
        if block.icinga_type.is_code() {
            return options.command_namespace.clone();
        }
        match &block.zone {
            Some(zone) if options.namespace_by_zone => Some(names::namespace(zone))
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| options.namespace.clone()),
            _ => options.namespace.clone(),
        }
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let wanted: Vec<Wanted> = pending
        .iter()
        .map(|block| {
            let number = counts.entry(block.origin.file.clone()).or_default();
            *number += 1;
            let member = block.icinga_type.member().trim_end_matches("Object");
            let mut sort: String = member
                .chars()
                .flat_map(
                    |c| if c.is_ascii_uppercase() { vec!['-', c.to_ascii_lowercase()] } else { vec![c] },
                )
                .collect();
            match block.subject.form {
                BlockForm::Template => sort.push_str("-template"),
                BlockForm::Rule => sort.push_str("-rule"),
                _ => {}
            }
            Wanted {
                namespace: namespace(block),
                parts: block.parts.clone(),
                sort,
                origin: format!("{} {number}", block.origin.file),
            }
        })
        .collect();
    let chosen = names::choose(&wanted);
    let made = pending.into_iter().zip(wanted).zip(chosen);
    made.map(|((block, wanted), name)| {
        let mut spec: Vec<(String, Node)> = Vec::new();
        if let Some(icinga) = &block.name
            && *icinga != name
        {
            spec.push(("name".into(), Node::text(icinga)));
        }
        spec.extend(block.zone.as_ref().map(|zone| ("zone".to_owned(), Node::text(zone))));
        if block.is_template {
            spec.push(("template".into(), Node::Boolean(true)));
        }
        spec.push((block.icinga_type.member().to_owned(), block.member));
        let document = Node::Map(vec![
            ("apiVersion".into(), Node::text("groundlink.dev/v1alpha1")),
            ("kind".into(), Node::text("MonitoringObject")),
            (
                "metadata".into(),
                Node::Map(vec![
                    ("name".into(), Node::text(name)),
                    ("namespace".into(), Node::text(wanted.namespace)),
                ]),
            ),
            ("spec".into(), Node::Map(spec)),
        ]);
        Manifest {
            origin: block.origin,
            subject: block.subject,
            icinga_type: block.icinga_type,
            document,
            comments: block.comments,
            span: block.span,
        }
    })
    .collect()
}
