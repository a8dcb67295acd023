use super::*;
use serde_json::json;

fn values(text: &str) -> Vec<Result<Value, String>> {
    let one =
        |document: Document| document.content.map_err(|fault| format!("{}: {}", fault.line, fault.message));
    documents(text).into_iter().map(one).collect()
}

fn value(text: &str) -> Value {
    values(text).swap_remove(0).unwrap_or_else(|why| panic!("{text}: {why}"))
}

fn refusal(text: &str) -> String {
    values(text).swap_remove(0).err().unwrap_or_else(|| panic!("{text:?} is read"))
}

#[test]
fn documents_are_those_of_kubectl() {
    let read = values("---\n# nothing\n---\na: 1\n--- # two\na: 0755\n---\n");
    assert_eq!(read, [Ok(json!({ "a": 1 })), Ok(json!({ "a": 493 }))]);
    let lines: Vec<_> = documents("a: 1\n---\n\nb: 2\n").into_iter().map(|one| one.line).collect();
    assert_eq!(lines, [1, 3]);
}

#[test]
fn a_broken_document_hides_no_other() {
    let read = values("a: 1\n---\na: [1\n---\na: 3\n");
    assert!(read[0].is_ok() && read[2].is_ok());
    let why = read[1].clone().unwrap_err();
    assert!(why.starts_with(['3', '4']), "{why}");
}

#[test]
fn anchors_and_merges_are_resolved_with_a_bound() {
    assert_eq!(value("a: &x {b: 1}\nc: *x\n"), json!({ "a": { "b": 1 }, "c": { "b": 1 } }));
    let merged = value("a: &x {b: 1, c: 2}\nd: &y {c: 9, e: 5}\nf:\n  <<: [*x, *y]\n  b: 3\n");
    assert_eq!(merged["f"], json!({ "b": 3, "c": 2, "e": 5 }));
    assert!(refusal("a: &x {b: 1}\nf:\n  b: 3\n  <<: *x\n").contains("put it first"));
    assert!(refusal("a: &x [*x]\n").contains("alias") || !refusal("a: &x [*x]\n").is_empty());
    let line = |n: usize| {
        format!(
            "a{n}: &a{n} [{}]\n",
            vec![if n == 0 { "x".into() } else { format!("*a{}", n - 1) }; 10].join(", ")
        )
    };
    assert!(refusal(&(0..12).map(line).collect::<String>()).contains("budget"));
    // Few values of much text.
    let long = format!("a: &x {}\nb: [{}]\n", "x".repeat(50_000), vec!["*x"; 100].join(", "));
    assert!(refusal(&long).contains("budget"));
    assert!(refusal(&"[".repeat(5_000)).len() < 500);
}

#[test]
fn what_kubectl_would_lose_or_change_is_refused() {
    for (text, words) in [
        ("a: 1\nb: 2\na: 3\n", "3: \"a\": is given twice"),
        ("{\"a\": 1,\n \"a\": 2}", "2: \"a\": is given twice"),
        ("a: {kind: b, kind: c}\n", "one of them; remove one"),
        (
            "kind: a\nspec: b\nkind: a\n",
            "3: \"kind\": is given twice, and kubectl drops one of them; put --- between",
        ),
        ("on: 1\n", "on: is read as true"),
        ("0755: 1\n", "0755: is read as 493"),
        ("1.0: 1\n", "1.0: is read as 1"),
        ("? [a]\n: b\n", "whose name is not text"),
        ("a: !!binary aGk=\n", "!!binary"),
        ("a: !!int \"5\"\n", "!!int"),
        ("a: .nan\n", "JSON does not have"),
        ("%YAML 1.2\n---\na: 1\n", ""),
        ("a: 1\n--- {b: 2}\n", ""),
        ("a: \"x\u{85}y\"\n", "U+0085"),
        ("a: \u{1}\n", "U+0001"),
        ("a: \"\\/x\"\n", "escape"),
        ("a: &x.y b\n", "anchor"),
        ("a: [b:, c]\n", "colon"),
        ("a: [:b]\n", "colon"),
        ("a: &b{c: d}\n", ""),
        ("a: |\n  \tb\n", "tab"),
        ("a: |\n  b\n\t\n", ""),
        ("a: [b? c]\n", "question mark"),
        ("a: {b\n  c: d}\n", "1: has an entry whose name goes on over several lines"),
        ("a: {\"b\n  c\": d}\n", "over several lines"),
        ("a: [b? , c]\n", "question mark"),
        ("a: 1\n...\nb: 2\n", ""),
    ] {
        let why = refusal(text);
        assert!(why.contains(words), "{text:?}: {why}");
    }
    assert_eq!(value("80: x\ntrue: y\n"), json!({ "80": "x", "true": true }));
    assert_eq!(
        value("a: [b?, c?d]\nb: e? f\nc: \"\\\\/\"\n"),
        json!({ "a": ["b?", "c?d"], "b": "e? f", "c": "\\/" })
    );
    assert_eq!(value("a: |\n  b\n  \tc\n"), json!({ "a": "b\n\tc\n" }));
    assert_eq!(value("a: !!str 5\n"), json!({ "a": "5" }));
    assert_eq!(value("{\"a\": \"\\u0001\"}"), json!({ "a": "\u{1}" }));
}

#[test]
fn tabs_are_blanks_only_between_what_stands_on_a_line() {
    for (text, line) in [
        ("a:\n\tb: c\n", 2),
        ("a:\n  -\tb\n", 2),
        ("a:\n  - \tb\n", 2),
        ("a:\n  - - \tb\n", 2),
        ("a:\n  ? b\n  : \tc\n", 3),
        ("a: b\n\t# c\n", 2),
        ("a: b\n\t\nc: d\n", 2),
        ("a: b\n    \tc\n", 2),
        ("a: [b,\n\tc]\n", 2),
        ("a: \"\tb\"\nc: |\n  d\ne:\n\tf: g\n", 5),
    ] {
        let why = refusal(text);
        assert!(
            why.starts_with(&format!("{line}: has a tab in its indentation; write blanks")),
            "{text:?}: {why}"
        );
    }
    for (text, read) in [
        ("a:\tb\t# c\n", json!({ "a": "b" })),
        ("a: b\t\nc: [d\t,\te]\t\n", json!({ "a": "b", "c": ["d", "e"] })),
        ("a: \"b\n  \tc\"\n", json!({ "a": "b c" })),
        ("a: |\n  \u{e9}\n  \tb\nc: '\t'\n", json!({ "a": "\u{e9}\n\tb\n", "c": "\t" })),
        ("a: b # c\n# \td\n", json!({ "a": "b" })),
    ] {
        assert_eq!(value(text), read, "{text:?}");
    }
}

#[test]
fn each_fault_of_yaml_has_a_remedy() {
    for (text, remedy) in [
        ("a: b: c\n", "a text with a colon and a blank in quotes"),
        ("a: %b\n", "write the text in quotes"),
        ("a: @b\n", "write the text in quotes"),
        ("a: *\n", "write the text in quotes"),
        ("a: \"b\nc: d\n", "close the quotes"),
        ("a:\n    b: c\n   d: e\n", "indent the line as those beside it"),
        ("a: [b\nc: d\n", "close the bracket"),
        ("a: {{ .Values.b }}\n", "helm template"),
    ] {
        let why = refusal(text);
        assert!(why.contains(remedy), "{text:?}: {why}");
    }
}

#[test]
fn a_stream_of_json_is_read() {
    assert_eq!(values("{\"a\": 3.0}\n{\"b\": 1}"), [Ok(json!({ "a": 3.0 })), Ok(json!({ "b": 1 }))]);
    assert_eq!(values("{a: no}\n"), [Ok(json!({ "a": false }))]);
}
