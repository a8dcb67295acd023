//! Writes YAML that people read: block style, quotes only where one of YAML's versions needs them.

use super::document::{Node, whole};

/// Returns a document without its `---`.
pub fn write(node: &Node) -> String {
    let mut out = String::new();
    match node {
        Node::Map(entries) if !entries.is_empty() => map(&mut out, entries, 0),
        Node::List(items) if !items.is_empty() => list(&mut out, items, 0),
        scalar => {
            value(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn map(out: &mut String, entries: &[(String, Node)], depth: usize) {
    for (i, (key, node)) in entries.iter().enumerate() {
        // The first entry of an item of a list stands behind its hyphen.
        if i > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str(&scalar(key));
        out.push(':');
        match node {
            Node::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                map(out, entries, depth + 1);
            }
            Node::List(items) if !items.is_empty() && is_short(items) => {
                out.push_str(" [");
                let items: Vec<String> = items.iter().map(flow).collect();
                out.push_str(&items.join(", "));
                out.push_str("]\n");
            }
            Node::List(items) if !items.is_empty() => {
                out.push('\n');
                list(out, items, depth);
            }
            node => {
                out.push(' ');
                value(out, node, depth + 1);
                out.push('\n');
            }
        }
    }
}

fn list(out: &mut String, items: &[Node], depth: usize) {
    for item in items {
        if !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str("- ");
        match item {
            Node::Map(entries) if !entries.is_empty() => map(out, entries, depth + 1),
            Node::List(items) if !items.is_empty() => list(out, items, depth + 1),
            node => {
                value(out, node, depth + 1);
                out.push('\n');
            }
        }
    }
}

/// True for a list of few short words, which one line shows best.
fn is_short(items: &[Node]) -> bool {
    let length = |item: &Node| match item {
        Node::Text(text) => flow_text(text).map(|text| text.len() + 2),
        Node::Boolean(_) | Node::Null => Some(7),
        Node::Number(_) => Some(9),
        _ => None,
    };
    items
        .iter()
        .map(length)
        .try_fold(0, |sum, length| length.map(|length| sum + length))
        .is_some_and(|sum| sum < 80)
}

fn flow(item: &Node) -> String {
    match item {
        Node::Text(text) => flow_text(text).unwrap_or_else(|| double_quoted(text)),
        other => {
            let mut out = String::new();
            value(&mut out, other, 0);
            out
        }
    }
}

/// Returns a text as it stands between the brackets of a list. None if it would not be read well.
fn flow_text(text: &str) -> Option<String> {
    let scalar = scalar(text);
    let is_plain = !scalar.starts_with(['"', '\'']);
    if is_plain && scalar.contains(['[', ']', '{', '}', ',']) {
        return None;
    }
    (!text.contains('"')).then_some(scalar)
}

fn value(out: &mut String, node: &Node, depth: usize) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Node::Number(value) => match whole(*value) {
            Some(value) => out.push_str(&value.to_string()),
            None => out.push_str(&value.to_string()),
        },
        Node::Text(text) if is_block(text) => block(out, text, depth),
        Node::Text(text) => out.push_str(&scalar(text)),
        Node::List(_) => out.push_str("[]"),
        Node::Map(_) => out.push_str("{}"),
    }
}

/// True for a text of several lines that a literal block holds byte for byte.
fn is_block(text: &str) -> bool {
    let lines_are_plain = text.split('\n').all(|line| {
        !line.ends_with(' ')
            && line.chars().all(|c| !c.is_control() && is_printable(c))
            && (line.is_empty() || !line.trim().is_empty())
    });
    let ends_once = !text.ends_with("\n\n") && text != "\n";
    text.contains('\n') && lines_are_plain && ends_once && !text.starts_with([' ', '\n'])
}

fn block(out: &mut String, text: &str, depth: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, depth);
            out.push_str(line);
        }
    }
}

/// Returns a text on one line: plain, in single quotes, or in double quotes.
pub fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().all(|c| !c.is_control() && is_printable(c)) {
        return if text.contains('"') || text.contains('\\') {
            format!("'{}'", text.replace('\'', "''"))
        } else {
            format!("\"{text}\"")
        };
    }
    double_quoted(text)
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || !is_printable(c) => {
                let code = u32::from(c);
                out.push_str(&if code > 0xffff {
                    format!("\\U{code:08X}")
                } else {
                    format!("\\u{code:04X}")
                });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// False for characters that readers of YAML refuse, or read as the end of a line.
fn is_printable(c: char) -> bool {
    !matches!(u32::from(c), 0x85 | 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff)
}

/// True if every reader of YAML 1.1 and 1.2 reads the unquoted text as itself.
fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let starts = first.is_ascii_alphanumeric()
        || matches!(first, '/' | '.' | '_' | '$' | '(' | '+' | '-' | '=' | '^' | ';' | '<')
        || (!first.is_ascii() && first.is_alphanumeric());
    if !starts || text.ends_with([' ', ':']) || text.contains(": ") || text.contains(" #") {
        return false;
    }
    if !text.chars().all(|c| !c.is_control() && is_printable(c)) {
        return false;
    }
    let words = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "undefined"];
    let lower = text.to_ascii_lowercase();
    if words.contains(&lower.as_str())
        || text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with("<<")
    {
        return false;
    }
    match first {
        '=' | '<' => text.len() > 1 && !text.starts_with("= "),
        '-' | '+' | '.' | '0'..='9' => is_no_number(text, first),
        _ => true,
    }
}

/// True if a text that begins like a number is none in any version of YAML.
fn is_no_number(text: &str, first: char) -> bool {
    if first == '-' && matches!(text.chars().nth(1), None | Some(' ')) {
        return false;
    }
    // `.inf` and `.nan` are the only numbers without a digit.
    let is_word = !text.contains(|c: char| c.is_ascii_digit())
        && !["inf", "nan"].iter().any(|word| text.to_ascii_lowercase().ends_with(word));
    if is_word && first != '.' {
        return true;
    }
    let is_number_like = text.chars().all(|c| c.is_ascii_hexdigit() || "xXoO_.:+-tTzZ ~infINF".contains(c));
    if !is_number_like {
        return true;
    }
    let parts: Vec<&str> = text.split('.').collect();
    let is_digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = parts.len() == 4 && parts.iter().all(is_digits);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // `5d`; a day is the only unit that is also a digit.
    let is_days = digits > 0 && text.get(digits..) == Some("d");
    // Times of a day: no number has a colon and then a hyphen.
    let is_times = text.as_bytes().get(2) == Some(&b':') && text.as_bytes().get(5) == Some(&b'-');
    is_address || is_days || is_times
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::document::Node;

    #[test]
    fn quotes_where_a_reader_could_err() {
        for quoted in [
            "",
            " a",
            "a ",
            "no",
            "On",
            "y",
            "N",
            "true",
            "null",
            "~",
            "0755",
            "12:30",
            "1e3",
            "0x1f",
            "1_000",
            ".5",
            "-",
            "- a",
            "2026-12-24",
            "a: b",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "{a}",
            "[a]",
            ",a",
            "?a",
            "|",
            ">",
            "'a'",
            "\"a\"",
            "a:",
            "---",
            "<<",
            "=",
            ".inf",
            ".nan",
            "+1",
            "1.0",
            "12e03",
            "0o7",
            "190:20:30",
            "1.5e+3",
            "0b101",
        ] {
            assert!(scalar(quoted).starts_with(['"', '\'']), "{quoted:?} is {}", scalar(quoted));
        }
        for plain in [
            "a",
            "/usr/bin/x",
            "$address$",
            "-H",
            "-f",
            "-b",
            "--ssl",
            "192.0.2.1",
            "5m",
            "1d",
            "90s",
            "10%",
            "09:00-17:00",
            "web 01",
            "host.vars.os == \"Linux\"",
            "größe",
            "v1.2",
            "0.0.0.0/0",
            "3-axis",
            "$PluginDir$/check_x",
        ] {
            assert_eq!(scalar(plain), plain);
        }
        assert_eq!(scalar("match(\"a, b: c\", x)"), "'match(\"a, b: c\", x)'");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let texts = [
            "a\nb",
            "a\nb\n",
            "a\n\nb\n",
            "\na",
            "a\n\n",
            " a\nb",
            "a \nb",
            "\ta\nb",
            "a\n  b\n",
            "a\r\nb",
            "\u{7f}",
            "\u{85}x",
            "\u{2028}",
            "tab\there",
            "emoji 🙂",
            "it's",
            "say \"x\"",
            "back\\slash",
            "# a\nb",
            "- a\n- b\n",
            "\n",
            "'",
            "0755",
            "12:30:45",
            "a: b\nc: d\n",
            "%a\n",
            "...",
            "key: [a, b]",
        ];
        for text in texts {
            for node in [
                Node::Map(vec![("k".into(), Node::text(text)), (text.to_owned(), Node::Number(1.0))]),
                Node::List(vec![
                    Node::text(text),
                    Node::Map(vec![("a".into(), Node::text(text)), ("b".into(), Node::texts([text, "x"]))]),
                ]),
                Node::Map(vec![(
                    "l".into(),
                    Node::List(vec![Node::List(vec![Node::text(text)]), Node::Map(vec![])]),
                )]),
            ] {
                let yaml = write(&node);
                let read: serde_json::Value =
                    serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
                assert_eq!(read, node.to_json(), "{yaml}");
            }
        }
    }

    #[test]
    fn block_style() {
        let node = Node::Map(vec![
            ("name".into(), Node::text("a")),
            ("list".into(), Node::texts(["a", "b"])),
            (
                "maps".into(),
                Node::List(vec![Node::Map(vec![
                    ("a".into(), Node::Number(1.0)),
                    ("b".into(), Node::Map(vec![])),
                ])]),
            ),
            ("map".into(), Node::Map(vec![("/".into(), Node::Null), ("x".into(), Node::Number(0.5))])),
        ]);
        assert_eq!(
            write(&node),
            "name: a\nlist: [a, b]\nmaps:\n- a: 1\n  b: {}\nmap:\n  /: null\n  x: 0.5\n"
        );
    }
}
