//! Custom variables that look like secrets. Only their names are ever shown.

use crate::import::document::Node;

/// Parts of names.
const WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "community",
    "api_key",
    "apikey",
    "private_key",
    "privkey",
    "auth_pair",
    "authpass",
    "privpass",
];

/// Returns the paths of variables, arguments and environment that look like secrets. A value that is
/// only a macro holds none.
pub(in crate::import) fn secrets(member: &Node) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["vars", "env", "arguments"] {
        if let Some(node) = member.get(part) {
            walk(node, part, &mut found);
        }
    }
    found
}

fn walk(node: &Node, path: &str, found: &mut Vec<String>) {
    match node {
        Node::Map(entries) => {
            for (key, value) in entries {
                let path = format!("{path}.{}", crate::text::clean(key, 60));
                let lower = key.to_ascii_lowercase();
                let is_named = WORDS.iter().any(|word| lower.contains(word))
                    || lower == "pass"
                    || lower.ends_with("_pass");
                match value {
                    Node::Text(text) if is_named && !text.is_empty() && !is_macro(text) => found.push(path),
                    Node::Number(_) if is_named => found.push(path),
                    Node::Map(_) | Node::List(_) => walk(value, &path, found),
                    _ => {}
                }
            }
        }
        Node::List(items) => {
            items.iter().enumerate().for_each(|(i, item)| walk(item, &format!("{path}[{i}]"), found))
        }
        _ => {}
    }
}

fn is_macro(text: &str) -> bool {
    text.len() > 2 && text.starts_with('$') && text.ends_with('$') && text.matches('$').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_only() {
        let vars = Node::Map(vec![
            ("snmp_community".into(), Node::text("public")),
            ("mysql".into(), Node::Map(vec![("mysql_password".into(), Node::text("x"))])),
            ("http_auth_pair".into(), Node::text("$host.vars.pair$")),
            ("pass".into(), Node::text("y")),
            ("passive".into(), Node::text("z")),
            ("list".into(), Node::List(vec![Node::Map(vec![("api_key".into(), Node::text("k"))])])),
        ]);
        let member = Node::Map(vec![("vars".into(), vars)]);
        assert_eq!(
            secrets(&member),
            ["vars.snmp_community", "vars.mysql.mysql_password", "vars.pass", "vars.list[0].api_key"]
        );
    }
}
