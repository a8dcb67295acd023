//! Wrong input, by mistake or by an attacker. It is refused with the field and the remedy, or
//! published harmlessly. The previous good file stays byte for byte, and no other object is
//! affected.

use crate::GROUNDLINK;
use crate::support::{GENEROUS, Installation, OPERATOR, assert_closed, condition_of, eventually, host};
use groundlink::api::{ConditionStatus, ConditionType, Reason};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SATELLITES: [&str; 2] = ["sat-a", "sat-b"];
const WEB: &str = "team-a.web.conf";

/// A hub with two satellites, the good object `team-a/web`, and another object to change meanwhile.
struct Setting {
    installation: Installation,
    _operator: crate::support::Operator,
    good: String,
    changes: usize,
}

impl Setting {
    async fn start() -> Self {
        let installation = Installation::start(&SATELLITES).await;
        let operator = installation.operator(GROUNDLINK).await;
        installation.namespace("team-a").await;
        installation.namespace("team-b").await;
        installation.replace("team-a", "web", host("good")).await;
        installation.synced("team-a", "web").await;
        let good = installation.files()[WEB].clone();
        Self { installation, _operator: operator, good, changes: 0 }
    }

    /// Changes another object, and checks that it is delivered everywhere.
    async fn another_object_is_delivered(&mut self) {
        self.changes += 1;
        let notes = format!("change {}", self.changes);
        self.installation.put("team-b", "other", host(&notes)).await;
        self.installation.synced("team-b", "other").await;
        for satellite in SATELLITES {
            let held = self.installation.equal(satellite, GENEROUS).await;
            assert!(held["team-b.other.conf"].contains(&notes));
            assert_closed(&held);
        }
    }

    /// Makes `team-a/web` bad. Checks the refusal, and that the good file stays everywhere.
    async fn refuses(&mut self, what: &str, spec: Value, reason: Reason, words: &[&str]) {
        self.installation.replace("team-a", "web", spec).await;
        let message = self.installation.refused("team-a", "web", reason).await;
        for word in words {
            assert!(message.contains(word), "{what}: {word:?} is not in {message:?}");
        }
        assert!(message.contains("what was published before is kept"), "{what}: {message:?}");
        // What is missing may come for a while.
        let object =
            self.installation.condition("team-a", "web", ConditionType::Stalled, ConditionStatus::True).await;
        let stalled = condition_of(&object, ConditionType::Stalled).unwrap();
        assert_eq!((stalled.0, stalled.1), (ConditionStatus::True, reason), "{what}");
        let reconciling = condition_of(&object, ConditionType::Reconciling).unwrap();
        assert_eq!(reconciling.0, ConditionStatus::False, "{what}: a person must act");
        self.another_object_is_delivered().await;
        assert_eq!(self.installation.files()[WEB], self.good, "{what}: the good file was touched");
        for satellite in SATELLITES {
            assert_eq!(self.installation.equal(satellite, GENEROUS).await[WEB], self.good, "{what}");
        }
        println!("{what}: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unresolved_references_and_taken_names_are_refused() {
    let mut setting = Setting::start().await;

    // A missing reference: the message has the name, the good file stays, and the change is
    // published once the name appears.
    let grouped =
        json!({ "host": { "checkCommand": "hostalive", "notes": "good", "groups": ["late-group"] } });
    let words = ["HostGroup \"late-group\"", "create what is missing, or correct the name"];
    setting.refuses("unknown group", grouped.clone(), Reason::UnresolvedReference, &words).await;
    setting.installation.put("team-b", "late-group", json!({ "hostGroup": {} })).await;
    setting.installation.synced("team-a", "web").await;
    for satellite in SATELLITES {
        let held = setting.installation.equal(satellite, GENEROUS).await;
        assert!(held[WEB].contains("late-group") && held.contains_key("team-b.late-group.conf"));
    }
    // A deleted object takes its dependant with it, in one write per satellite. Both come back
    // together.
    setting.installation.recorder.clear();
    setting.installation.delete("team-b", "late-group").await;
    let message = setting.installation.refused("team-a", "web", Reason::UnresolvedReference).await;
    assert!(message.contains("HostGroup \"late-group\""), "{message}");
    for satellite in SATELLITES {
        let held = setting.installation.equal(satellite, GENEROUS).await;
        assert_eq!(held.keys().collect::<Vec<_>>(), ["team-b.other.conf"]);
        let writes = setting.installation.satellite_writes();
        let of_satellite: Vec<_> = writes.iter().filter(|e| e.server == satellite).collect();
        for write in &of_satellite {
            let data: BTreeMap<String, String> =
                serde_json::from_value(write.request_json()["data"].clone()).unwrap_or_default();
            assert_closed(&data);
        }
        assert_eq!(of_satellite.len(), 1, "both must leave in the same write");
    }
    setting.another_object_is_delivered().await;
    setting.installation.put("team-b", "late-group", json!({ "hostGroup": {} })).await;
    setting.installation.synced("team-a", "web").await;
    setting.installation.replace("team-a", "web", host("good")).await;
    setting.installation.synced("team-a", "web").await;
    assert_eq!(
        setting.installation.files()[WEB],
        setting.good,
        "the same declaration must give the same bytes"
    );

    // The same Icinga name twice: the older resource wins. The other's message names it, and that
    // one takes over when the older is deleted.
    let named =
        |notes: &str| json!({ "name": "srv", "host": { "checkCommand": "hostalive", "notes": notes } });
    let older = setting.installation.put("team-a", "older", named("older")).await;
    setting.installation.synced("team-a", "older").await;
    let created = older.metadata.creation_timestamp.unwrap().0.as_second();
    eventually(GENEROUS, "creation times differ", async || {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        if now > created as u64 { Ok(()) } else { Err(format!("{now} {created}")) }
    })
    .await;
    setting.installation.put("team-b", "younger", named("younger")).await;
    let message = setting.installation.refused("team-b", "younger", Reason::NameConflict).await;
    assert!(
        ["team-a/older, which is older", "\"srv\"", "Host"].iter().all(|word| message.contains(word)),
        "{message}"
    );
    setting.another_object_is_delivered().await;
    assert!(!setting.installation.files().contains_key("team-b.younger.conf"));
    setting.installation.delete("team-a", "older").await;
    setting.installation.synced("team-b", "younger").await;
    for satellite in SATELLITES {
        let held = setting.installation.equal(satellite, GENEROUS).await;
        assert!(!held.contains_key("team-a.older.conf") && held["team-b.younger.conf"].contains("younger"));
    }
    for write in setting.installation.satellite_writes() {
        let text = String::from_utf8_lossy(&write.request_body).into_owned();
        assert!(text.matches("object Host \\\"srv\\\"").count() <= 1, "two hosts of one name in one set");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_are_refused_and_hostile_text_stays_text() {
    let mut setting = Setting::start().await;

    // Refused by the API server itself, with the message of the schema.
    let both = json!({ "host": { "checkCommand": "hostalive" }, "hostGroup": {} });
    let error = setting.installation.try_put("team-a", "two", both).await.unwrap_err().to_string();
    assert!(error.contains("exactly one of host, service, hostGroup"), "{error}");
    let long = json!({ "host": { "checkCommand": "hostalive", "notes": "x".repeat(1 << 20) } });
    let error = setting.installation.try_put("team-a", "web", long).await.unwrap_err().to_string();
    assert!(
        error.contains("spec.host.notes") && error.contains("4096"),
        "{}",
        &error[..error.len().min(500)]
    );

    // Commands are code, so only privileged namespaces may declare them.
    let command = json!({ "checkCommand": { "command": ["/bin/true"] } });
    setting.installation.put("team-a", "run", command.clone()).await;
    let message = setting.installation.refused("team-a", "run", Reason::NotAllowed).await;
    assert!(message.contains("spec.checkCommand") && message.contains(OPERATOR), "{message}");
    assert!(message.contains("privileged namespaces"), "{message}");
    setting.another_object_is_delivered().await;
    assert!(!setting.installation.files().contains_key("team-a.run.conf"));
    setting.installation.put(OPERATOR, "run", command).await;
    setting.installation.synced(OPERATOR, "run").await;

    // Control characters wherever text is allowed. The first of them cuts a string in Icinga.
    for (code, text) in
        [("U+0000", "a\0b"), ("U+0001", "\u{1}"), ("U+001B", "x\u{1b}[31m"), ("U+007F", "\u{7f}")]
    {
        setting.refuses(code, host(text), Reason::Invalid, &["spec.host.notes", code]).await;
    }
    let nested = json!({ "host": { "checkCommand": "hostalive", "vars": { "a": [{ "b": "x\0" }] } } });
    setting
        .refuses("NUL in vars", nested, Reason::Invalid, &[r#"spec.host.vars["a"][0]["b"]"#, "U+0000"])
        .await;
    let key = json!({ "host": { "checkCommand": "hostalive", "vars": { "k\0": 1 } } });
    setting.refuses("NUL in a key", key, Reason::Invalid, &["spec.host.vars", "U+0000"]).await;
    let line = json!({ "host": { "checkCommand": "hostalive", "displayName": "x\0", "address": "\u{7}" } });
    let words = ["spec.host.displayName", "spec.host.address", "U+0000", "U+0007"];
    setting.refuses("two fields at once", line, Reason::Invalid, &words).await;
    let large = json!({ "host": { "checkCommand": "hostalive", "vars": { "big": "x".repeat(1 << 20) } } });
    setting.refuses("1 MiB in vars", large, Reason::Invalid, &["spec.host.vars", "65536"]).await;
    let macros = json!({ "host": { "checkCommand": "hostalive", "vars": { "price": "5$" } } });
    setting.refuses("an open macro", macros, Reason::Invalid, &["spec.host.vars", "$$"]).await;
    let number = json!({ "host": { "checkCommand": "hostalive", "vars": { "n": 1e300 } } });
    setting.refuses("a number", number, Reason::Invalid, &["spec.host.vars"]).await;

    // Text that would be configuration if it were not quoted: it is published, and stays text.
    let hostile = [
        "\"",
        "\\",
        "\\\"",
        "a\"\nobject Host \"evil\" {\n",
        "a\r\n}",
        "{{{",
        "}}}",
        "{{{ }}} object Host",
        "*/",
        "/*",
        "//",
        "#",
        "\" // ",
        "\u{2028}object Host \"evil\" {}\u{2029}",
        "\u{202e}bidi",
        "\u{feff}",
        "\ttab\u{8}\u{c}",
        "\"; include \"/etc/passwd",
        "\\u0022",
        "\\x41 \\101",
        "ends with \\",
        "$$",
        "%",
        "'",
        "`id`",
        "\u{85}",
    ];
    for (index, text) in hostile.iter().enumerate() {
        // Names admit the same text without control characters.
        let name: String = text.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        let name = format!("<{name}>");
        let spec = json!({ "name": name, "host": {
            "checkCommand": "hostalive", "notes": text, "vars": { (*text): [text] }, "displayName": text,
        } });
        let object = format!("hostile-{index}");
        setting.installation.replace("team-a", &object, spec).await;
        setting.installation.synced("team-a", &object).await;
        let file = setting.installation.files()[&format!("team-a.{object}.conf")].clone();
        let tokens = tokens(&file);
        let statement = [Token::Word("object".into()), Token::Word("Host".into()), Token::Text(name.clone())];
        assert_eq!(top_level(&tokens), statement, "{text:?}: {file}");
        assert_eq!(attribute(&tokens, "notes"), Some(*text), "{file}");
        assert_eq!(attribute(&tokens, "display_name"), Some(*text), "{file}");
        assert_eq!(tokens.iter().filter(|t| **t == Token::Text((*text).into())).count(), 4, "{file}");
    }
    for satellite in SATELLITES {
        let held = setting.installation.equal(satellite, GENEROUS).await;
        assert_eq!(held[WEB], setting.good);
        assert_eq!(held.keys().filter(|key| key.contains("hostile-")).count(), hostile.len());
    }
    // The bad object becomes good again.
    setting.installation.replace("team-a", "web", host("good again")).await;
    setting.installation.synced("team-a", "web").await;
    setting.another_object_is_delivered().await;
}

/// A token of a file, as Icinga's lexer reads it. Independent of the operator's quoting.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn tokens(source: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") || c == '#' {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(body) = rest.strip_prefix("/*") {
            rest = &body[body.find("*/").expect("the comment ends") + 2..];
        } else if let Some(body) = rest.strip_prefix("{{{") {
            let end = body.find("}}}").expect("the heredoc ends");
            out.push(Token::Text(body[..end].to_owned()));
            rest = &body[end + 3..];
        } else if c == '"' {
            let (text, tail) = string(&rest[1..]);
            out.push(Token::Text(text));
            rest = tail;
        } else if c.is_ascii_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            out.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            if !c.is_ascii_whitespace() {
                out.push(Token::Sign(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn string(source: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (text, &source[at + 1..]),
            '\n' => panic!("a line break in a string: {source:?}"),
            '\\' => text.push(match chars.next().expect("something is escaped").1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                c @ ('\\' | '"') => c,
                other => panic!("Icinga has no escape {other:?}: {source:?}"),
            }),
            c => text.push(c),
        }
    }
    panic!("a string does not end: {source:?}");
}

/// Returns the tokens outside all braces, without the braces.
fn top_level(tokens: &[Token]) -> Vec<Token> {
    let mut depth = 0;
    let mut out = Vec::new();
    for token in tokens {
        match token {
            Token::Sign('{' | '[' | '(') => depth += 1,
            Token::Sign('}' | ']' | ')') => depth -= 1,
            token if depth == 0 => out.push(token.clone()),
            _ => {}
        }
    }
    assert_eq!(depth, 0, "braces do not match");
    out
}

fn attribute<'a>(tokens: &'a [Token], name: &str) -> Option<&'a str> {
    tokens.windows(3).find_map(|window| match window {
        [Token::Word(word), Token::Sign('='), Token::Text(text)] if word == name => Some(text.as_str()),
        _ => None,
    })
}
