//! Constants as the values of fields.

use super::attributes::Sort;
use crate::import::document::{Node, whole};
use std::collections::HashSet;

/// Returns a constant as the value of a field. `Ok(None)` for an empty text, which is the default of
/// every text. `Err` says which values the field takes.
pub(super) fn field(sort: Sort, node: &Node) -> Result<Option<Node>, &'static str> {
    match sort {
        Sort::Text => match node {
            Node::Text(text) if text.is_empty() => Ok(None),
            Node::Text(text) => Ok(Some(Node::text(text))),
            Node::Number(value) => {
                Ok(Some(Node::Text(whole(*value).map_or(value.to_string(), |value| value.to_string()))))
            }
            _ => Err("write a text"),
        },
        Sort::Name => match node {
            Node::Text(text) if text.is_empty() => Ok(None),
            Node::Text(text) => Ok(Some(Node::text(text))),
            _ => Err("write a name in double quotes"),
        },
        Sort::Names | Sort::Groups => names(node).map(Some),
        Sort::Duration => duration(node).map(Some),
        Sort::Whole => match node {
            Node::Number(value) => whole(*value).map(|_| Some(node.clone())).ok_or("write a whole number"),
            Node::Text(text) => match text.trim().parse::<i64>() {
                Ok(value) => Ok(Some(Node::Number(value as f64))),
                Err(_) => Err("write a whole number"),
            },
            _ => Err("write a whole number"),
        },
        Sort::Boolean => match node {
            Node::Boolean(value) => Ok(Some(Node::Boolean(*value))),
            Node::Number(value) => Ok(Some(Node::Boolean(*value != 0.0))),
            _ => Err("write true or false"),
        },
        Sort::Filter => match names(node)? {
            Node::List(items) if items.is_empty() => Err(
                "an empty list stands for never; write enable_notifications = false, or leave the object out",
            ),
            list => Ok(Some(list)),
        },
        Sort::Ranges => match node {
            Node::Map(entries) if entries.iter().all(|(_, value)| matches!(value, Node::Text(_))) => {
                Ok(Some(node.clone()))
            }
            _ => Err("write texts such as \"09:00-17:00\" by day"),
        },
        Sort::Times => match node {
            Node::Map(entries) if entries.iter().all(|(key, _)| key == "begin" || key == "end") => {
                let times = entries.iter().map(|(key, value)| Ok((key.clone(), duration(value)?)));
                Ok(Some(Node::Map(times.collect::<Result<_, &'static str>>()?)))
            }
            _ => Err("write begin and end only"),
        },
        Sort::ChildOptions => match node {
            Node::Text(text) => Ok(Some(Node::text(text))),
            Node::Number(value) => {
                let options =
                    ["DowntimeNoChildren", "DowntimeTriggeredChildren", "DowntimeNonTriggeredChildren"];
                let option = whole(*value)
                    .and_then(|value| usize::try_from(value).ok())
                    .and_then(|at| options.get(at));
                option
                    .map(|option| Some(Node::text(*option)))
                    .ok_or("write DowntimeNoChildren or another option")
            }
            _ => Err("write DowntimeNoChildren or another option"),
        },
        _ => Err("write the value in another way"),
    }
}

fn names(node: &Node) -> Result<Node, &'static str> {
    let Node::List(items) = node else { return Err("write a list of names") };
    let mut names: Vec<Node> = Vec::new();
    let mut seen = HashSet::new();
    for item in items {
        match item {
            Node::Text(name) if !seen.insert(name) => {}
            Node::Text(_) => names.push(item.clone()),
            _ => return Err("write a list of names"),
        }
    }
    Ok(Node::List(names))
}

/// Returns seconds as `1h30m`.
fn duration(node: &Node) -> Result<Node, &'static str> {
    let wrong = "write a duration such as 5m, not below zero and not finer than a millisecond";
    let seconds = match node {
        Node::Number(value) => *value,
        Node::Text(text) => text.trim().parse().map_err(|_| wrong)?,
        _ => return Err(wrong),
    };
    let milliseconds = seconds * 1000.0;
    let is_whole = (milliseconds - milliseconds.round()).abs() < 1e-6;
    if !(0.0..=1e14).contains(&milliseconds) || !is_whole {
        return Err(wrong);
    }
    let mut rest = milliseconds.round() as u64;
    if rest == 0 {
        return Ok(Node::text("0s"));
    }
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
    }
    // People write 90s, not 1m30s.
    let seconds = milliseconds.round() as u64;
    if seconds.is_multiple_of(1000) && seconds < 300_000 && !seconds.is_multiple_of(60_000) {
        text = format!("{}s", seconds / 1000);
    }
    Ok(Node::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0.0, "0s"),
            (0.5, "500ms"),
            (90.0, "90s"),
            (300.0, "5m"),
            (5400.0, "1h30m"),
            (86400.0, "1d"),
            (86400.0 * 365.0, "365d"),
            (60.0, "1m"),
            (3661.0, "1h1m1s"),
            (0.1 + 0.2, "300ms"),
        ] {
            assert_eq!(field(Sort::Duration, &Node::Number(seconds)), Ok(Some(Node::text(text))));
        }
        assert_eq!(field(Sort::Duration, &Node::text("300")), Ok(Some(Node::text("5m"))));
        for wrong in
            [Node::Number(-1.0), Node::Number(0.0001), Node::text("5m"), Node::Null, Node::Number(f64::NAN)]
        {
            assert!(field(Sort::Duration, &wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn other_values() {
        assert_eq!(field(Sort::Whole, &Node::text("3")), Ok(Some(Node::Number(3.0))));
        assert!(field(Sort::Whole, &Node::Number(2.7)).is_err());
        assert_eq!(field(Sort::Boolean, &Node::Number(1.0)), Ok(Some(Node::Boolean(true))));
        assert!(field(Sort::Boolean, &Node::text("false")).is_err());
        assert!(field(Sort::Filter, &Node::List(vec![])).is_err());
        assert_eq!(field(Sort::Text, &Node::text("")), Ok(None));
        assert_eq!(
            field(Sort::ChildOptions, &Node::Number(1.0)),
            Ok(Some(Node::text("DowntimeTriggeredChildren")))
        );
        let times = Node::Map(vec![("begin".into(), Node::Number(600.0))]);
        assert_eq!(
            field(Sort::Times, &times),
            Ok(Some(Node::Map(vec![("begin".into(), Node::text("10m"))])))
        );
    }
}
