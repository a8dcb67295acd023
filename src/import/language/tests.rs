use super::syntax::{BinaryOperator, Kind, StatementKind};
use super::*;

fn refused(source: &str) -> Problem {
    parse(source).expect_err(source)
}

fn expression(source: &str) -> Expression {
    let file = parse(&format!("x = {source}")).unwrap_or_else(|problem| panic!("{source}: {problem:?}"));
    match file.statements.into_iter().next().map(|statement| statement.kind) {
        Some(StatementKind::Set(_, _, value)) => value,
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn accepts_every_statement() {
    for source in [
        "object Host \"a\" { }",
        "object Host \"a\" ignore_on_error {\n}\n",
        "object Host name + \"-x\" use(name) { import \"t\", address = \"1\"; vars.a[\"b\"] += { c = 1 } }",
        "template Host \"t\" default { }",
        "apply Service \"s\" { assign where true\nignore where !host.vars.x }",
        "apply Service for (k => v in host.vars.d) { vars += v }",
        "apply Service \"p \" for (var k in host.vars.d) use(a = 1, b) { }",
        "apply Notification \"n\" to Service use (x) ignore_on_error { assign where { return true } }",
        "include \"a.conf\"\ninclude <itl>\ninclude_recursive \"a\"\ninclude_recursive \"a\", \"*.cfg\"\ninclude_zones \"etc\", \"z\"",
        "library \"db_ido_mysql\"",
        "const A = 5m\nvar a\nvar b = 1\nvar c += 2",
        "namespace N { x = 1 }\nusing N",
        "for (a in [ 1, 2 ]) { if (a == 1) { break } else if (a == 2) { continue } else { debugger } }",
        "for (k => v in {}) { log(k) }",
        "while (true) { break }",
        "function f(a, b) use(c) { return a + b }\nreturn",
        "try { throw \"x\" } except { }",
        "globals.f = function() { }\nf()\n{{ f() }}()",
        "x = [\n 1,\n 2,\n]\ny = (1 +\n 2)\n@in = 3",
        "x = a ? b : c ? d : e\ny = (a, b) use(c) => a + b\nz = k => { k }\nw = () => 1",
        "x = {{{ raw \" \\ }}\n}}}",
        "// a\n# b\n/* c\n * d */ x = 1 /**/",
        "a.b[\"c\"].d() ? 1 : 2\nx = *a + &b - ~c",
        "x = \"\\\\ \\\" \\n \\t \\r \\b \\f \\101\"",
        "\u{feff}x = 1\r\ny = 2\r\n",
        "assign where true",
    ] {
        parse(source).unwrap_or_else(|problem| panic!("{source}: {problem:?}"));
    }
}

#[test]
fn refuses_what_icinga_refuses() {
    for (source, at, word) in [
        ("a = { b = { c = 1 }}", "1:19", "}}"),
        ("object Host \"x\"\n{ }", "1:16", "end of the line"),
        ("a = \"b\nc\"", "1:5", "not closed"),
        ("a = \"\\x\"", "1:5", "escape"),
        ("a = \"\\0012\"", "1:5", "escape"),
        ("a = [ 1\n, 2 ]", "2:1", "`]`"),
        ("a = 1 b = 2", "1:7", "new line"),
        ("a = 1 &&\n2", "1:9", "end of the line"),
        ("a = b == c == d", "1:12", "comparison"),
        ("a = { b = 1", "1:12", "end of the file"),
        ("a = )", "1:5", "closes nothing"),
        ("object Host \"x\" default { }", "1:25", "template"),
        ("if (a) { }\nelse { }", "2:1", "statement"),
        ("/* a", "1:1", "not closed"),
        ("{{{ a", "1:1", "not closed"),
        ("const a.b = 1", "1:8", "`=`"),
        ("x = {{ 1 }", "1:10", "`}`"),
        ("a = 5 % ?", "1:9", "value"),
        ("a = ü", "1:5", "unexpected"),
    ] {
        let problem = refused(source);
        assert_eq!(
            (problem.at.to_string().as_str(), problem.message.contains(word)),
            (at, true),
            "{source}: {problem:?}"
        );
    }
}

#[test]
fn binds_as_icinga_does() {
    for (source, printed) in [
        ("a || b && c == d in e < f + g * h", "a || (b && (c == (d in (e < (f + (g * h))))))"),
        ("!a.b && -c * d", "!a.b && (-c * d)"),
        ("a - b - c", "(a - b) - c"),
        ("a + b + c", "a + b + c"),
        ("a || b ? c : d", "(a || b) ? c : d"),
        ("!in_", "!in_"),
        ("a !in b", "a !in b"),
        ("a <b> c", "a"),
    ] {
        if source == "a <b> c" || source == "!in_" {
            // Surprising, and the same in Icinga: `<b>` is the path of an include, `!in` an operator.
            refused(&format!("x = {source}"));
            continue;
        }
        assert_eq!(print::source(&expression(source)), printed, "{source}");
    }
    assert!(matches!(expression("a + b").kind, Kind::Chain(BinaryOperator::Add, _)));
    assert!(matches!(expression("90s").kind, Kind::Number(value, true) if value == 90.0));
    assert!(matches!(expression("1.5h").kind, Kind::Number(value, true) if value == 5400.0));
}

#[test]
fn comments_are_kept() {
    let file = parse("/* one\n * two\n */\n// three\nx = 1 # four\n").unwrap();
    let comments: Vec<_> = file.comments.iter().map(|c| (c.line, c.lines.join("|"), c.trailing)).collect();
    assert_eq!(
        comments,
        [(1, "one|two".into(), false), (4, "three".into(), false), (5, "four".into(), true)]
    );
}

#[test]
fn every_file_of_the_library_is_accepted() {
    let mut open = vec![std::path::PathBuf::from("/usr/share/icinga2/include")];
    let mut count = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            parse(&text).unwrap_or_else(|problem| panic!("{}: {problem:?}", path.display()));
            count += 1;
        }
    }
    // Without an installed Icinga there is nothing to read.
    assert!(count > 20 || !std::path::Path::new("/usr/share/icinga2/include").exists(), "{count}");
}

#[test]
fn depth_is_bounded() {
    for (open, close) in
        [("[", "]"), ("(", ")"), ("{ a = ", " }"), ("!", ""), ("{{ ", " }}"), ("a => ", ""), ("a ? b : ", "")]
    {
        let source = format!("x = {}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(refused(&source).message.contains("deep"), "{open}");
        let source = format!("x = {}1{}", open.repeat(20), close.repeat(20));
        assert!(parse(&source).is_ok(), "{open}");
    }
    for tail in [".a", "[1]", "()", " - 1", " * 1"] {
        assert!(refused(&format!("x = a{}", tail.repeat(100_000))).message.contains("operators"), "{tail}");
    }
    let dense = format!("x = [ {} ]", "1,".repeat(1_500_000));
    assert!(refused(&dense).message.contains("more than 3000000 words and signs"));
    // A chain is flat: a list of many hosts is not deep.
    assert!(parse(&format!("x = a{}", " || a".repeat(100_000))).is_ok());
    assert!(parse(&format!("x = if (a) {{ }}{}", " else if (a) { }".repeat(10_000))).is_ok());
}

#[test]
fn nothing_panics() {
    let seeds = [
        "object Host \"a\" {\n  import \"t\"\n  vars.x[\"y\"] = { \"z\" = [ 1, 5m, -2 ] } // c\n}\n",
        "apply Service \"p-\" for (k => v in host.vars.d) {\n if (v.a && !(k in [ 1 ])) { x = v.a ? \"b\" : null }\n vars += v\n assign where match(\"*\", host.name)\n}",
        "const X = {{{ a }}}\nfunction f(a) use(b) { return () => {{ a }} }\nfor (a in b) { try { } except { } }\ninclude <itl>",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound.max(1) as u64) as usize
    };
    let tokens = [
        "{", "}", "{{", "}}", "(", ")", "[", "]", "\"", "{{{", "}}}", "/*", "*/", "=>", "!in", "in", "if",
        "else", "for", "object", "apply", "use", "to", "\n", ";", ",", "\\", "\u{0}", "é", "<", ">", "@",
        ".", "5m", "?", ":", "function", "where",
    ];
    for round in 0..20_000 {
        let mut source: String = seeds[random(seeds.len())].to_owned();
        for _ in 0..=random(6) {
            let mut at = random(source.len() + 1);
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            match round % 3 {
                0 => source.insert_str(at, tokens[random(tokens.len())]),
                1 => source.truncate(at),
                _ => {
                    if at < source.len() {
                        source.remove(at);
                    }
                    source.push_str(tokens[random(tokens.len())]);
                }
            }
            if source.is_empty() {
                source.push('{');
            }
        }
        let _ = parse(&source);
        let bytes: Vec<u8> = (0..random(60)).map(|_| random(256) as u8).collect();
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }
}
