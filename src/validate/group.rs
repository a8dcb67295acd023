use super::builder::Builder;
use super::declaration::{Declaration, Form};
use super::expression::{Scope, Subject};
use super::name::IcingaType;
use crate::api::objects::{ApplyTo, GroupSpec, UserGroupSpec};
use crate::api::text::{Line, ObjectName, Text};

/// Declares a group of hosts or services.
pub(super) fn declare(
    mut builder: Builder,
    spec: &GroupSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    let target = if builder.kind() == IcingaType::HostGroup { ApplyTo::Host } else { ApplyTo::Service };
    common(&mut builder, &spec.group, zone, Subject::of_rule(target));
    builder.text("notes", "notes", spec.notes.as_ref().map(Text::as_str), Text::MAX);
    builder.macro_text("notes_url", "notesUrl", spec.notes_url.as_ref().map(Line::as_str), Line::MAX);
    builder.macro_text("action_url", "actionUrl", spec.action_url.as_ref().map(Line::as_str), Line::MAX);
    builder.finish()
}

/// Declares a group of users.
pub(super) fn declare_users(
    mut builder: Builder,
    spec: &UserGroupSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    common(&mut builder, spec, zone, &[Subject::User]);
    builder.finish()
}

fn common(builder: &mut Builder, spec: &UserGroupSpec, zone: Option<&ObjectName>, subjects: &[Subject]) {
    let kind = builder.kind();
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    builder.text("display_name", "displayName", spec.display_name.as_ref().map(Line::as_str), Line::MAX);
    builder.groups(kind, &spec.groups, &spec.add_groups);
    builder.vars(&spec.vars);
    if builder.form() == Form::Template {
        for (field, rules) in [("assignWhere", &spec.assign_where), ("ignoreWhere", &spec.ignore_where)] {
            if !rules.is_empty() {
                builder.problem(field, "is set on a template, which has no members; remove it");
            }
        }
    }
    if spec.assign_where.is_empty() && !spec.ignore_where.is_empty() {
        builder.problem("ignoreWhere", "is set without assignWhere; set both, or remove it");
    }
    builder.rules("", Scope { subjects, has_entry: false }, &spec.assign_where, &spec.ignore_where);
}
