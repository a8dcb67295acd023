use super::declaration::{Builder, Declaration, Form, Target};
use super::expression::Subject;
use super::name::IcingaType;
use crate::api::objects::{GroupSpec, UserGroupSpec};
use crate::api::text::{Expression, Line, ObjectName, Text};

/// A group of hosts or services.
pub(super) fn declare(
    mut builder: Builder,
    spec: &GroupSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    let kind = builder.kind();
    let subjects =
        if kind == IcingaType::HostGroup { Target::Host.subjects() } else { Target::Service.subjects() };
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.zone(zone);
    builder.text("display_name", "displayName", spec.display_name.as_ref().map(Line::as_str), Line::MAX);
    builder.references("groups", "groups", kind, spec.groups.iter().map(ObjectName::as_str), 64);
    builder.text("notes", "notes", spec.notes.as_ref().map(Text::as_str), Text::MAX);
    builder.macro_text("notes_url", "notesUrl", spec.notes_url.as_ref().map(Line::as_str), Line::MAX);
    builder.macro_text("action_url", "actionUrl", spec.action_url.as_ref().map(Line::as_str), Line::MAX);
    builder.vars(&spec.vars);
    members(&mut builder, subjects, &spec.assign_where, &spec.ignore_where);
    builder.finish()
}

/// A group of users.
pub(super) fn declare_users(
    mut builder: Builder,
    spec: &UserGroupSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.zone(zone);
    builder.text("display_name", "displayName", spec.display_name.as_ref().map(Line::as_str), Line::MAX);
    let groups = spec.groups.iter().map(ObjectName::as_str);
    builder.references("groups", "groups", IcingaType::UserGroup, groups, 64);
    builder.vars(&spec.vars);
    members(&mut builder, &[Subject::User], &spec.assign_where, &spec.ignore_where);
    builder.finish()
}

fn members(builder: &mut Builder, subjects: &[Subject], assign: &[Expression], ignore: &[Expression]) {
    if builder.form() == Form::Template && !(assign.is_empty() && ignore.is_empty()) {
        builder.problem("assignWhere", "must not be set on a template");
    }
    builder.rules("", subjects, assign, ignore);
}
