use super::declaration::{Builder, Declaration, Form};
use super::name::{IcingaType, Name};
use crate::api::objects::HostGroupSpec;
use crate::api::text::{Line, ObjectName, Text};

pub(super) fn declare(
    mut builder: Builder,
    spec: &HostGroupSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    let name = builder.name();
    if builder.form() == Form::Template {
        builder.provide(Name::template(IcingaType::HostGroup, &name), true);
        if !spec.assign_where.is_empty() || !spec.ignore_where.is_empty() {
            builder.problem("assignWhere", "must not be set on a template");
        }
    } else {
        builder.provide(Name::object(IcingaType::HostGroup, &name), true);
    }
    builder.imports(&spec.imports);
    builder.zone(zone);
    builder.text("display_name", "displayName", spec.display_name.as_ref().map(Line::as_str), Line::MAX);
    builder.references(
        "groups",
        "groups",
        IcingaType::HostGroup,
        spec.groups.iter().map(ObjectName::as_str),
        64,
    );
    builder.text("notes", "notes", spec.notes.as_ref().map(Text::as_str), Text::MAX);
    builder.macro_text("notes_url", "notesUrl", spec.notes_url.as_ref().map(Line::as_str), Line::MAX);
    builder.macro_text("action_url", "actionUrl", spec.action_url.as_ref().map(Line::as_str), Line::MAX);
    builder.vars(&spec.vars);
    builder.rules("", &spec.assign_where, &spec.ignore_where);
    builder.finish()
}
