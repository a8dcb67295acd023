use super::builder::Builder;
use super::declaration::Declaration;
use super::name::IcingaType;
use super::period;
use super::value::Value;
use crate::api::objects::{Ranges, TimePeriodSpec};
use crate::api::text::{Line, ObjectName};
use crate::text::quoted;

pub(super) fn declare(
    mut builder: Builder,
    spec: &TimePeriodSpec,
    zone: Option<&ObjectName>,
) -> Result<Declaration, String> {
    builder.provide_itself();
    builder.imports(&spec.imports);
    builder.unset(&spec.unset);
    builder.zone(zone);
    builder.text("display_name", "displayName", spec.display_name.as_ref().map(Line::as_str), Line::MAX);
    ranges(&mut builder, &spec.ranges, period::day_problem);
    builder.boolean("prefer_includes", spec.prefer_includes);
    for (field, names) in [("includes", &spec.includes), ("excludes", &spec.excludes)] {
        builder.references(field, field, IcingaType::TimePeriod, names.iter().map(ObjectName::as_str), 64);
    }
    builder.vars(&spec.vars);
    builder.finish()
}

/// Declares times by day; `day_problem` returns what is wrong with a day. Icinga reads them with a
/// grammar of its own when the period is used. A mistake there makes an object that never matches,
/// or a configuration that Icinga refuses.
pub(super) fn ranges(builder: &mut Builder, ranges: &Ranges, day_problem: fn(&str) -> Option<String>) {
    builder.count("ranges", ranges.len(), 128);
    let mut out = std::collections::BTreeMap::new();
    for (day, times) in ranges {
        let field = format!("ranges[{}]", quoted(day));
        if !builder.no_macros(&builder.path(&field), times.as_str()) {
            continue;
        }
        let problem = day_problem(day).or_else(|| period::times_problem(times.as_str()));
        match problem {
            Some(problem) => builder.problem(&field, &problem),
            None => drop(out.insert(day.clone(), Value::String(times.as_str().to_owned()))),
        }
    }
    if !out.is_empty() {
        builder.value("ranges", Value::Dictionary(out));
    }
}
