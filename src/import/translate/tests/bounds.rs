//! Short texts that would become large, or take long.

use super::{imported, reason};
use std::fmt::Write as _;

/// Returns constants of which each one doubles the one before.
fn doubling(first: &str) -> String {
    let mut text = format!("const A0 = {first}\n");
    for i in 1..60 {
        let _ = writeln!(text, "const A{i} = A{0} + A{0}", i - 1);
    }
    text
}

#[test]
fn values_that_double_themselves_end_with_their_place() {
    for first in ["\"eight by\"", "[ 1, 2 ]"] {
        let source = format!("{}object Host \"h\" {{\n  vars.x = A59\n}}", doubling(first));
        let left = imported(&source).left_out;
        assert_eq!(
            (left[0].reason.as_str(), left[0].remedy.as_str()),
            ("Large", "write a smaller value, or several")
        );
        let last = left.last().unwrap();
        assert_eq!((last.reason.as_str(), last.origin.to_string()), ("UnknownName", "a.conf:62:12".into()));
    }
    let nested = |open: &str, close: &str| {
        let mut text = String::from("const A0 = \"eight by\"\n");
        for i in 1..60 {
            let _ = writeln!(text, "const A{i} = {open}A{}{close}", i - 1);
        }
        imported(&text).left_out
    };
    for (open, close) in [("[ A0, A0, A0, ", "]"), ("{ a = A0, b = ", "}")] {
        assert!(nested(open, close).is_empty());
    }
    let mut text = String::from("const A0 = \"eight by\"\n");
    for i in 1..60 {
        let _ = writeln!(text, "const A{i} = {{ a = A{0}, b = [ A{0}, A{0} ] }}", i - 1);
    }
    assert_eq!(imported(&text).left_out[0].reason.as_str(), "Large");
}

#[test]
fn variables_of_a_block_that_double_themselves_end_with_their_place() {
    for (first, next) in [
        ("host.vars.a + host.name", "v + v"),
        ("{ a = host.name }", "{ a = v, b = v }"),
        ("[ host.name ]", "[ v, v ]"),
    ] {
        let mut source = format!("apply Service \"s\" {{\n  check_command = \"dummy\"\n  var v = {first}\n");
        for _ in 0..60 {
            let _ = writeln!(source, "  var v = {next}");
        }
        source.push_str("  vars.x = v\n  assign where true\n}");
        let (reason, _, place) = reason(&source);
        assert_eq!(reason, "Large", "{next}");
        assert!(place.starts_with("a.conf:"), "{place}");
    }
}

#[test]
fn one_large_constant_is_not_copied_without_end() {
    let mut source = format!("const A = \"{}\"\n", "x".repeat(1_000_000));
    for i in 0..400 {
        let _ = writeln!(source, "object Host \"h{i}\" {{ check_command = \"dummy\", notes = A }}");
    }
    let imported = imported(&source);
    assert!((50..400).contains(&imported.manifests.len()), "{}", imported.manifests.len());
    assert_eq!(imported.manifests.len() + imported.left_out.len(), 400);
    assert!(imported.left_out.iter().all(|left| left.reason.as_str() == "TooMany"));
    assert!(imported.left_out[0].remedy.contains("in parts"));
}

#[test]
fn a_long_chain_of_templates_ends_with_its_place() {
    let mut source = String::new();
    for i in 0..4000 {
        let _ = writeln!(source, "template Host \"t{i}\" {{");
        if i > 0 {
            let _ = writeln!(source, "  import \"t{}\"", i - 1);
        }
        let _ = writeln!(source, "  vars.d{i} = {{ a = 1 }}\n  vars.n{i} = 1\n}}");
    }
    let imported = imported(&source);
    assert_eq!((imported.manifests.len(), imported.left_out.len()), (101, 3899));
    let first = &imported.left_out[0];
    assert_eq!((first.reason.as_str(), first.remedy.as_str()), ("Large", "put several of them into one"));
    assert_eq!(first.subject.name.as_deref(), Some("t101"));
}

#[test]
fn a_block_and_a_file_are_bounded() {
    let mut source = String::from("object Host \"h\" {\n");
    for i in 0..5000 {
        let _ = writeln!(source, "  vars.v{i} = {i}");
    }
    let (why, construct, place) = reason(&format!("{source}}}"));
    assert_eq!((why.as_str(), place.as_str()), ("Large", "a.conf:4002:3"), "{construct}");
    let mut source = String::new();
    for i in 0..2002 {
        let _ = writeln!(source, "var v{i} = {i}");
    }
    let left = imported(&source).left_out;
    assert_eq!((left.len(), left[0].reason.as_str()), (2, "Large"));
    let mut source = String::from("for (i in range(9000)) {\n");
    for i in 0..100 {
        let _ = writeln!(source, "object Host \"h{i}-\" + i {{ check_command = \"dummy\" }}");
    }
    let imported = imported(&format!("{source}}}"));
    assert!(imported.manifests.len() <= 10_000 && !imported.left_out.is_empty());
}
