use super::attached;
use super::builder::Builder;
use super::declaration::Declaration;
use super::period::downtime_day_problem;
use super::time_period::ranges;
use super::value::Value;
use crate::api::duration::parse_duration;
use crate::api::objects::ScheduledDowntimeSpec;
use crate::api::text::{Duration, Line, ObjectName};

pub(super) fn declare(
    mut builder: Builder,
    spec: &ScheduledDowntimeSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    attached::declare(&mut builder, &spec.attached, zone);
    let imports = &spec.attached.imports;
    for (attribute, what, text) in
        [("author", "an author", &spec.author), ("comment", "a comment", &spec.comment)]
    {
        builder.text(attribute, attribute, text.as_ref().map(Line::as_str), Line::MAX);
        // It would take the place of a template's, and Icinga refuses it.
        if text.as_ref().is_some_and(|text| text.as_str().is_empty()) {
            builder.problem(attribute, "is empty, and Icinga refuses that; write a text");
        }
        builder.required(what, attribute, text.is_some(), imports);
    }
    ranges(&mut builder, &spec.ranges, downtime_day_problem);
    builder.required("ranges", "ranges", !spec.ranges.is_empty(), imports);
    builder.boolean("fixed", spec.fixed);
    let lasts = spec.duration.as_ref().map(Duration::as_str).map(parse_duration);
    if spec.fixed == Some(false) && !matches!(lasts, Some(Ok(seconds)) if seconds > 0.0) {
        builder.problem("duration", "is required where fixed is false; set more than zero");
    }
    builder.duration("duration", "duration", spec.duration.as_ref(), false);
    if let Some(options) = spec.child_options {
        builder.value("child_options", Value::String(options.as_str().to_owned()));
    }
    builder.vars(&spec.vars);
    builder.finish()
}
