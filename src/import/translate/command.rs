//! Commands, their arguments and their environment.

use super::attributes::Sort;
use super::value::text_of;
use crate::import::document::Node;

/// Characters that a shell reads as something else, or that split words.
const SHELL: [char; 24] = [
    ' ', '\t', '\n', '|', '&', ';', '<', '>', '(', ')', '`', '\\', '"', '\'', '*', '?', '[', ']', '#', '~',
    '=', '%', '{', '}',
];

type Words = (Node, Option<&'static str>);

/// Returns the list of a command, and a remark if it was a text.
///
/// # Errors
/// If it is no list of texts, or needs a shell: what to do.
pub(super) fn words(node: &Node) -> Result<Words, &'static str> {
    match node {
        Node::List(items) => {
            let words = items.iter().map(text_of).collect::<Option<Vec<_>>>();
            words.map(|words| (Node::texts(words), None)).ok_or("write a list of texts")
        }
        // Icinga gives a text to a shell, which runs a plain path as it is.
        Node::Text(text)
            if !text.is_empty()
                && !text.contains(SHELL)
                && !text.replace("$PluginDir$", "").contains('$') =>
        {
            Ok((
                Node::texts([text.as_str()]),
                Some("command is a text, which Icinga gives to a shell; it became a list of one word"),
            ))
        }
        Node::Text(_) => Err(
            "Icinga gives a text to a shell, and resources have lists; write command = [ \"/bin/sh\", \"-c\", \"...\" ] or the words of the program",
        ),
        _ => Err("write a list of texts"),
    }
}

/// Returns an argument or a variable of the environment.
///
/// # Errors
/// If it has another form: what to do.
pub(super) fn entry(sort: Sort, node: &Node) -> Result<Node, &'static str> {
    if sort == Sort::Environment {
        return text_of(node).map(Node::Text).ok_or("write a text");
    }
    match node {
        // Icinga passes the name alone for an empty value.
        Node::Text(text) if text.is_empty() => Ok(Node::Map(Vec::new())),
        Node::Text(_) | Node::Number(_) => text_of(node).map(Node::Text).ok_or("write a text"),
        Node::Map(parts) => {
            let is_empty =
                |name: &str, node: &Node| matches!(name, "value" | "description") && *node == Node::text("");
            let parts = parts.iter().filter(|(name, node)| !is_empty(name, node));
            parts.map(|(name, node)| part(name, node)).collect::<Result<_, _>>().map(Node::Map)
        }
        _ => Err("write a text, or a dictionary with value and others"),
    }
}

fn part(name: &str, node: &Node) -> Result<(String, Node), &'static str> {
    let text = || text_of(node).map(Node::Text).ok_or("write a text");
    let boolean = || match node {
        Node::Boolean(value) => Ok(Node::Boolean(*value)),
        Node::Number(value) => Ok(Node::Boolean(*value != 0.0)),
        _ => Err("write true or false"),
    };
    let (name, node) = match name {
        "value" => ("value", text()?),
        "description" => ("description", text()?),
        "key" => ("key", text()?),
        "separator" => ("separator", text()?),
        "required" => ("required", boolean()?),
        "skip_key" => ("skipKey", boolean()?),
        "repeat_key" => ("repeatKey", boolean()?),
        "order" => match node {
            Node::Number(_) => ("order", node.clone()),
            _ => return Err("write a number"),
        },
        "set_if" => match node {
            Node::Boolean(value) => ("setIf", Node::text(if *value { "true" } else { "false" })),
            _ => ("setIf", text()?),
        },
        _ => {
            return Err(
                "use value, description, key, separator, required, skip_key, repeat_key, order and set_if",
            );
        }
    };
    Ok((name.to_owned(), node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_needs_a_shell_is_refused() {
        assert!(
            words(&Node::text("/bin/a"))
                .is_ok_and(|(node, remark)| node == Node::texts(["/bin/a"]) && remark.is_some())
        );
        for text in ["/bin/a -v", "a|b", "$x$", "", "a;b", "A=b"] {
            assert!(words(&Node::text(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn arguments() {
        let map = |name: &str, node: Node| Node::Map(vec![(name.into(), node)]);
        assert_eq!(entry(Sort::Arguments, &Node::Number(5.0)), Ok(Node::text("5")));
        assert_eq!(
            entry(Sort::Arguments, &map("set_if", Node::Boolean(true))),
            Ok(map("setIf", Node::text("true")))
        );
        assert_eq!(
            entry(Sort::Arguments, &map("required", Node::Number(1.0))),
            Ok(map("required", Node::Boolean(true)))
        );
        for empty in [Node::text(""), map("value", Node::text(""))] {
            assert_eq!(entry(Sort::Arguments, &empty), Ok(Node::Map(Vec::new())));
        }
        assert!(entry(Sort::Arguments, &map("valeu", Node::text("x"))).is_err());
        assert!(entry(Sort::Arguments, &Node::texts(["a"])).is_err());
    }
}
