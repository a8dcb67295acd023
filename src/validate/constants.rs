//! Macros and Icinga's constants in text: where they mean something, and where they would be
//! published as text that nobody reads as one.

use super::value::{Piece, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Constants of Icinga that commands may name as `$PluginDir$`. All are directories and names of a
/// node; none is a secret. (From Icinga's documentation; each was asked of 2.13.6, 2.14.6 and
/// 2.16.5.)
pub(crate) const ICINGA_CONSTANTS: [&str; 20] = [
    "PluginDir",
    "PluginContribDir",
    "ManubulonPluginDir",
    "NscpPath",
    "ConfigDir",
    "SysconfDir",
    "PrefixDir",
    "PkgDataDir",
    "IncludeConfDir",
    "ZonesDir",
    "DataDir",
    "CacheDir",
    "LogDir",
    "SpoolDir",
    "RunDir",
    "InitRunDir",
    "LocalStateDir",
    "NodeName",
    "ZoneName",
    "ApplicationVersion",
];

/// The constants that commands may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constants(BTreeSet<String>);

impl Constants {
    /// Returns Icinga's own constants and these.
    ///
    /// # Errors
    /// If a name is none of a constant; the message has it.
    pub(super) fn with(more: &[String]) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        for name in more.iter().filter(|name| !name.is_empty()) {
            let is_name = name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_name || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
                return Err(format!(
                    "constant {name:?} is no name of a constant; use at most 64 letters, digits and _, with a \
                     capital letter first, as Icinga's own constants have"
                ));
            }
            names.insert(name.clone());
        }
        Ok(Self(names))
    }

    fn contains(&self, name: &str) -> bool {
        ICINGA_CONSTANTS.contains(&name) || self.0.contains(name)
    }

    /// Returns text with the constants in it taken apart. It must hold pairs of dollar signs.
    pub(super) fn expand(&self, text: &str) -> Value {
        let mut pieces: Vec<Piece> = Vec::new();
        for (i, part) in text.split('$').enumerate() {
            if i % 2 == 1 && self.contains(part) {
                pieces.push(Piece::Constant(part.to_owned()));
                continue;
            }
            let part = if i % 2 == 1 { format!("${part}$") } else { part.to_owned() };
            match pieces.last_mut() {
                Some(Piece::Text(before)) => before.push_str(&part),
                _ if part.is_empty() => {}
                _ => pieces.push(Piece::Text(part)),
            }
        }
        match &pieces[..] {
            [] => Value::String(String::new()),
            [Piece::Text(text)] => Value::String(text.clone()),
            _ => Value::Joined(pieces),
        }
    }

    /// Returns what is wrong with text that names a constant where only macros are expanded, or
    /// that is an expression of Icinga's language.
    pub(super) fn problem(&self, text: &str) -> Option<String> {
        let named = text.split('$').skip(1).step_by(2).find(|name| self.contains(name));
        match named {
            Some(name) => Some(format!(
                "holds Icinga's constant ${name}$, which is a value of command, arguments and env of commands only; \
                 write it there, or write the text that it stands for"
            )),
            None => self.sum_problem(text),
        }
    }

    /// Returns what is wrong with text such as `PluginDir + "/check_x"`.
    pub(super) fn sum_problem(&self, text: &str) -> Option<String> {
        let (before, after) = text.split_once('+')?;
        let name = [before.trim(), after.trim()].into_iter().find(|part| self.contains(part))?;
        Some(format!(
            "is an expression of Icinga's language, and would be passed as text; write the constant as ${name}$, for \
             example ${name}$/check_x in a command"
        ))
    }
}

/// Returns the first macro in a text: `$host.name$`. Amounts such as `$5 or $6` are none.
pub(super) fn first_macro(text: &str) -> Option<&str> {
    text.split('$').skip(1).step_by(2).find(|name| is_macro(name)).filter(|_| text.matches('$').count() > 1)
}

fn is_macro(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-:".contains(c))
}

/// Returns the expression that gives what a person meant by macros in a text. None if a macro is
/// of something that expressions do not read.
pub(super) fn as_expression(text: &str) -> Option<String> {
    let known: BTreeMap<_, _> = [("address", "host.address"), ("address6", "host.address6")].into();
    let mut parts = Vec::new();
    for (i, part) in text.split('$').enumerate() {
        if i % 2 == 0 {
            if !part.is_empty() {
                parts.push(format!("{part:?}"));
            }
        } else if let Some(path) = known.get(part) {
            parts.push((*path).to_owned());
        } else if ["host.", "service."].iter().any(|subject| part.starts_with(subject)) && is_macro(part) {
            parts.push(part.to_owned());
        } else {
            return None;
        }
    }
    Some(parts.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_taken_apart_and_macros_stay() {
        let constants = Constants::with(&["My_Dir".to_owned()]).expect("it is a name");
        let text = |text: &str| Piece::Text(text.to_owned());
        let constant = |name: &str| Piece::Constant(name.to_owned());
        for (source, pieces) in [
            ("$PluginDir$/check_x", vec![constant("PluginDir"), text("/check_x")]),
            (
                "a$$b$My_Dir$$PluginDir$$x$",
                vec![text("a$$b"), constant("My_Dir"), constant("PluginDir"), text("$x$")],
            ),
            ("$$PluginDir$$", vec![]),
            ("$plugindir$", vec![]),
        ] {
            let wanted =
                if pieces.is_empty() { Value::String(source.to_owned()) } else { Value::Joined(pieces) };
            assert_eq!(constants.expand(source), wanted, "{source}");
        }
        assert_eq!(constants.expand("$PluginDir$"), Value::Joined(vec![constant("PluginDir")]));
        for name in ["x", "A b", "A-b", "TicketSalt\"", "1A"] {
            assert!(Constants::with(&[name.to_owned()]).is_err(), "{name}");
        }
    }

    #[test]
    fn what_only_looks_like_text() {
        let constants = Constants::default();
        for text in ["PluginDir + \"/check_x\"", "\"/x\" + PluginDir", "PluginDir+x"] {
            assert!(constants.sum_problem(text).is_some_and(|why| why.contains("$PluginDir$")), "{text}");
        }
        for text in ["PluginDir", "a + b", "1 + 1", "+", "C++"] {
            assert_eq!(constants.sum_problem(text), None, "{text}");
        }
        assert_eq!(first_macro("a $host.name$"), Some("host.name"));
        assert_eq!(first_macro("$$ $5 or $6, 5$"), None);
        assert_eq!(as_expression("a-$host.name$").as_deref(), Some("\"a-\" + host.name"));
        assert_eq!(as_expression("$x$"), None);
    }
}
