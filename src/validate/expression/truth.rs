//! The truth of a condition where only names are known.

use super::tree::{Comparison, Expression, Subject};

/// Names that are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// `host.name`
    pub host: Option<&'a str>,
    /// `service.name`
    pub service: Option<&'a str>,
}

impl Expression {
    /// Returns whether the condition is true of everything with these names. None if that depends
    /// on more than names.
    pub fn truth(&self, known: Known) -> Option<bool> {
        match self {
            Self::And(left, right) => match (left.truth(known), right.truth(known)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Self::Or(left, right) => match (left.truth(known), right.truth(known)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Self::Not(inner) => inner.truth(known).map(|truth| !truth),
            Self::Compare(Comparison::Equal, left, right) => Some(left.text(known)? == right.text(known)?),
            Self::Compare(Comparison::NotEqual, left, right) => Some(left.text(known)? != right.text(known)?),
            Self::In(left, right) => {
                let Self::List(items) = right.as_ref() else { return None };
                let left = left.text(known)?;
                let same: Option<Vec<bool>> =
                    items.iter().map(|item| Some(item.text(known)? == left)).collect();
                same.map(|same| same.contains(&true))
            }
            Self::Match(pattern, operand, _) => matches(pattern, operand.text(known)?),
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    fn text<'a>(&'a self, known: Known<'a>) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Attribute(attribute) if attribute.field == "name" => match attribute.subject {
                Subject::Host => known.host,
                Subject::Service => known.service,
                Subject::User | Subject::Key | Subject::Value => None,
            },
            _ => None,
        }
    }
}

/// True if a pattern of `*` and `?` matches in some case of the letters, or has escapes.
pub fn may_match(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    pattern.contains('\\') || glob(pattern.as_bytes(), text.as_bytes())
}

/// Returns whether a pattern of `*` and `?` matches. None where that depends on how Icinga reads
/// escapes or compares letters.
fn matches(pattern: &str, text: &str) -> Option<bool> {
    if pattern.contains('\\') || !pattern.is_ascii() || !text.is_ascii() {
        return None;
    }
    let exact = glob(pattern.as_bytes(), text.as_bytes());
    let any_case = glob(pattern.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes());
    (exact == any_case).then_some(exact)
}

/// Returns whether a pattern of `*` and `?` matches, whatever the case of the letters. None where
/// that depends on how Icinga reads escapes or letters outside ASCII.
pub(crate) fn pattern_matches(pattern: &str, text: &str) -> Option<bool> {
    let is_known = !pattern.contains('\\') && pattern.is_ascii() && text.is_ascii();
    is_known.then(|| glob(pattern.to_ascii_lowercase().as_bytes(), text.to_ascii_lowercase().as_bytes()))
}

/// Takes time proportional to the product of the lengths, at most.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::expression::{Scope, parse, parse_in};

    #[test]
    fn what_names_alone_decide() {
        let known = Known { host: Some("core-1"), service: Some("ping") };
        for (source, truth) in [
            (r#"host.name == "core-1""#, Some(true)),
            (r#"host.name != "core-1""#, Some(false)),
            (r#""edge" == host.name"#, Some(false)),
            (r#"match("core-*", host.name)"#, Some(true)),
            (r#"match("*-1", host.name) && match("*r*-?", host.name)"#, Some(true)),
            (r#"match("web*", host.name)"#, Some(false)),
            (r#"match("core-*", host.name, MatchAny)"#, Some(true)),
            (r#"match("web*", host.name, MatchAll)"#, Some(false)),
            (r#"match("core-*", host.groups, MatchAny)"#, None),
            (r#"match("core-*", host.vars.roles)"#, None),
            (r#"!match("*", host.vars.roles)"#, None),
            (r#"host.name in ["edge", "core-1"]"#, Some(true)),
            (r#"host.name !in ["edge", "core-1"]"#, Some(false)),
            (r#"host.name in ["edge"]"#, Some(false)),
            (r#"host.name in ["edge", host.vars.a]"#, None),
            (r#"service.host.name == "core-1""#, Some(true)),
            (r#"host.name + "" == "core-1""#, None),
            (r#"match("CORE-*", host.name)"#, None),
            (r#"match("core\\*", host.name)"#, None),
            (r#"service.name == "ping" && host.vars.a"#, None),
            (r#"service.name != "ping" && host.vars.a"#, Some(false)),
            (r#"service.name == "ping" || host.vars.a"#, Some(true)),
            (r#"!(service.name == "ping" || host.vars.a)"#, Some(false)),
            (r#"host.display_name == "core-1""#, None),
            (r#"host.vars.a == "core-1""#, None),
            (r#"host.name == 1"#, None),
            ("true", Some(true)),
            ("host.vars.a", None),
        ] {
            let expression = parse(source, &[Subject::Host, Subject::Service]).expect(source);
            assert_eq!(expression.truth(known), truth, "{source}");
        }
        // One entry may be as the condition wants it, and another not.
        let scope = Scope { subjects: &[Subject::Host], has_entry: true };
        for (source, truth) in [
            (r#"key == "core-1""#, None),
            (r#"typeof(value) != Dictionary || host.name == "core-1""#, Some(true)),
            (r#"!value && host.name == "edge""#, Some(false)),
            ("get_object(Endpoint, host.name)", None),
            (r#"host.name.replace("-", "") == "core1""#, None),
        ] {
            let expression = parse_in(source, scope).expect(source);
            assert_eq!(expression.truth(known), truth, "{source}");
        }
        let expression = parse(r#"host.name == "core-1""#, &[Subject::Host]).expect("it is valid");
        assert_eq!(expression.truth(Known::default()), None);
    }
}
