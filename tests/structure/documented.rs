//! What a user meets in the cluster stands in the documents: every reason and every metric, with meaning and remedy.

use super::{LIBRARY, relative, text_of};
use std::collections::{BTreeMap, BTreeSet};

/// The reasons that this version writes. The CRDs admit any word.
fn reasons() -> BTreeSet<&'static str> {
    groundlink::api::Reason::ALL.iter().map(|reason| reason.as_str()).collect()
}

/// The sections of a page by their third-level headings.
fn sections(page: &str) -> BTreeMap<&str, &str> {
    let sections =
        page.split("\n### ").skip(1).map(|section| section.split("\n## ").next().unwrap_or(section));
    sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(title, text)| (title.trim(), text))
        .collect()
}

/// Says what to do, or that nothing is: a line that starts with `Do:` or `Nothing to do`.
fn has_remedy(section: &str) -> bool {
    section.lines().any(|line| line.starts_with("Do:") || line.starts_with("Nothing to do"))
}

/// The alerts of the chart.
fn alerts() -> BTreeSet<String> {
    let files =
        ["alerts.yaml", "objectives.yaml"].map(|file| text_of(&format!("charts/groundlink/files/{file}")));
    let names =
        files.iter().flat_map(|text| text.lines()).filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Says what Groundlink does by itself, and which alert fires, in a line of its own each. The alert is one of the chart.
fn has_the_rest(section: &str, alerts: &BTreeSet<String>) -> bool {
    let alert = section.lines().find_map(|line| line.strip_prefix("Alert: "));
    let is_known = alert.is_some_and(|text| {
        text == "none." || alerts.iter().any(|name| text.starts_with(&format!("[{name}]")))
    });
    is_known && section.lines().any(|line| line.starts_with("By itself: "))
}

/// Says something before the remedy: what the reason means.
fn has_meaning(section: &str) -> bool {
    section.lines().take_while(|line| !has_remedy(line)).map(str::len).sum::<usize>() > 20
}

#[test]
fn every_reason_has_its_meaning_and_its_remedy() {
    let page = text_of("docs/reasons.md");
    let sections = sections(&page);
    let mut wrong = Vec::new();
    let (known, alerts) = (reasons(), alerts());
    assert!(alerts.len() > 7, "{alerts:?}");
    for reason in &known {
        match sections.get(reason) {
            None => wrong.push(format!("no heading `### {reason}`")),
            Some(text) if !has_meaning(text) => wrong.push(format!("{reason} has no meaning")),
            Some(text) if !has_remedy(text) => {
                wrong.push(format!("{reason} has no line that starts with `Do:` or `Nothing to do`"));
            }
            Some(text) if !has_the_rest(text, &alerts) => {
                wrong.push(format!(
                    "{reason} lacks a line `By itself: ...`, or a line `Alert: ...` with `none.` or an alert"
                ));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        sections.keys().filter(|title| !known.contains(**title)).map(|t| format!("{t} is no reason")),
    );
    assert!(wrong.is_empty(), "docs/reasons.md: {wrong:#?}");
}

/// What the line `Do:` of a section says, without links, as the status page shows it.
fn remedy(section: &str) -> Option<String> {
    let (_, text) = section.split_once("\nDo: ")?;
    let text = text.split("\n\n").next()?.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.split(" See [").next()?;
    let mut plain = String::new();
    for (part, piece) in text.split("](").enumerate() {
        let piece = if part == 0 { piece } else { piece.split_once(')')?.1 };
        plain.push_str(&piece.replace('[', ""));
    }
    let mut signs = plain.chars();
    signs.next().map(|first| first.to_uppercase().chain(signs).collect())
}

#[test]
fn the_status_page_shows_the_remedies_of_the_page() {
    let page = text_of("docs/reasons.md");
    let sections = sections(&page);
    let mut count = 0;
    for reason in groundlink::api::Reason::ALL {
        let section = format!("\n{}", sections[reason.as_str()]);
        let (wanted, shown) = (remedy(&section), groundlink::page::remedy(*reason));
        assert_eq!(shown, wanted.as_deref(), "src/page/remedy.rs, {}", reason.as_str());
        count += usize::from(shown.is_some());
    }
    assert!(count > 20, "{count}");
}

#[test]
fn a_reason_without_meaning_or_remedy_is_found() {
    let page =
        "\n### One\n\nIt means that something is so.\n\nDo: mend it.\n\n## More\n\n### Two\n\nDo: mend it.\n";
    let sections = sections(page);
    assert_eq!(sections.keys().copied().collect::<Vec<_>>(), ["One", "Two"]);
    assert!(has_meaning(sections["One"]) && has_remedy(sections["One"]));
    assert!(!has_meaning(sections["Two"]) && has_remedy(sections["Two"]));
    assert!(!has_remedy("It is done in 20 seconds.\n"));
    let alerts = BTreeSet::from(["A".to_owned()]);
    assert!(has_the_rest("By itself: it waits.\nAlert: [A](a.md) at times.\n", &alerts));
    assert!(has_the_rest("By itself: it waits.\nAlert: none.\n", &alerts));
    assert!(!has_the_rest("By itself: it waits.\nAlert: [B](b.md).\n", &alerts));
    assert!(!has_the_rest("Alert: none.\n", &alerts));
}

/// The metrics that `src/metrics` registers, without the `_total` of a counter. (`/metrics` prints a metric with labels only
/// once it has a value.)
fn registered() -> BTreeSet<String> {
    let modules =
        LIBRARY.modules.iter().filter(|(name, _)| name.first().is_some_and(|first| first == "metrics"));
    let texts: Vec<_> = modules.map(|(_, node)| text_of(relative(&node.file))).collect();
    let calls = texts.iter().flat_map(|text| text.split("register(").skip(1));
    let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split_once('"'));
    names.map(|(name, _)| format!("groundlink_{name}")).collect()
}

/// The metrics that `src/agent/metrics.rs` registers, without the `_total` of a counter.
fn registered_by_the_agent() -> BTreeSet<String> {
    let text = text_of("src/agent/metrics.rs");
    let names = |call: &'static str, unit: &'static str| {
        let calls = text.split(call).skip(1);
        let names = calls.filter_map(|call| call.trim_start().strip_prefix('"')?.split_once('"'));
        names.map(move |(name, _)| format!("groundlink_agent_{name}{unit}")).collect::<Vec<_>>()
    };
    // With the version of the program, which `src/metrics` registers under this prefix.
    assert!(text.contains("register_build(r)"));
    // Every unit there is seconds.
    assert_eq!(text.matches("register_with_unit(").count(), text.matches("Unit::Seconds").count());
    let own = names(".register(", "").into_iter().chain(names(".register_with_unit(", "_seconds"));
    own.chain(["groundlink_agent_build_info".to_owned()]).collect()
}

/// The metrics that a new process prints, as `/metrics` has them.
fn printed() -> BTreeSet<String> {
    let text = groundlink::metrics::Metrics::default().encode();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    // OpenMetrics: the samples of a counter have this ending, its type line has not.
    types
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect()
}

/// The rows of metrics in a page, each with its cells.
fn rows(page: &str) -> BTreeMap<&str, Vec<&str>> {
    let rows =
        page.lines().filter(|line| line.starts_with("| `groundlink_") || line.starts_with("| `process_"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>())
        .map(|cells| (cells[0].trim_matches('`'), cells))
        .collect()
}

#[test]
fn every_metric_has_its_meaning_and_its_remedy() {
    let page = text_of("docs/metrics.md");
    let (mut registered, printed, rows) = (registered(), printed(), rows(&page));
    assert!(registered.len() > 20 && printed.len() > 5, "{registered:?} {printed:?}");
    let of_the_agent = registered_by_the_agent();
    assert!(of_the_agent.len() > 8, "{of_the_agent:?}");
    registered.extend(of_the_agent);
    registered.extend(printed.iter().filter(|name| name.starts_with("process_")).cloned());
    let is_one = |row: &str, name: &str| row == name || row.strip_suffix("_total") == Some(name);
    let mut wrong: Vec<_> = registered
        .iter()
        .filter(|name| !rows.keys().any(|row| is_one(row, name)))
        .chain(printed.iter().filter(|name| !rows.contains_key(name.as_str())))
        .map(|name| format!("no row for {name}"))
        .collect();
    for (name, cells) in rows {
        if !registered.iter().any(|metric| is_one(name, metric)) {
            wrong.push(format!("{name} is no metric"));
        }
        if cells.len() < 5 || cells.iter().any(|cell| cell.is_empty()) {
            wrong.push(format!("the row of {name} lacks type, labels, meaning or remedy"));
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md: {wrong:#?}");
}
