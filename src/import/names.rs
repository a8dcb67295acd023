//! Names of resources: those of Icinga, made safe for Kubernetes, and unique.

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Longest `metadata.name` that is made.
const MAX: usize = 160;

/// What a name is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The namespace.
    pub namespace: String,
    /// The parts of the name, for example host and service.
    pub parts: Vec<String>,
    /// Words that tell it from others of the name: the type, `template`.
    pub sort: String,
    /// What else makes it unique: the file, and its number in it.
    pub origin: String,
}

/// Returns names that Kubernetes accepts, each unique in its namespace. The same list gives the
/// same names.
pub fn choose(wanted: &[Wanted]) -> Vec<String> {
    let plain: Vec<String> = wanted.iter().map(|wanted| safe(&wanted.parts)).collect();
    let with_sort: Vec<String> =
        plain.iter().zip(wanted).map(|(name, wanted)| joined(name, &wanted.sort)).collect();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (wanted, name) in wanted.iter().zip(&plain) {
        *counts.entry((wanted.namespace.as_str(), name.as_str())).or_default() += 1;
    }
    let mut sorted: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (wanted, name) in wanted.iter().zip(&with_sort) {
        *sorted.entry((wanted.namespace.as_str(), name.as_str())).or_default() += 1;
    }
    let mut taken: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut names = Vec::with_capacity(wanted.len());
    for ((wanted, plain), with_sort) in wanted.iter().zip(&plain).zip(&with_sort) {
        let namespace = wanted.namespace.as_str();
        let is_alone = |counts: &BTreeMap<(&str, &str), usize>, name: &str| {
            counts.get(&(namespace, name)).is_none_or(|count| *count < 2)
        };
        let mut name = if !plain.is_empty() && is_alone(&counts, plain) {
            plain.clone()
        } else if !plain.is_empty()
            && is_alone(&sorted, with_sort)
            && !counts.contains_key(&(namespace, with_sort))
        {
            with_sort.clone()
        } else {
            joined(with_sort, &digest(&format!("{:?} {}", wanted.parts, wanted.origin)))
        };
        let mut round = 0;
        while taken.contains(&(namespace, name.clone())) {
            round += 1;
            name = joined(with_sort, &digest(&format!("{:?} {} {round}", wanted.parts, wanted.origin)));
        }
        taken.insert((namespace, name.clone()));
        names.push(name);
    }
    names
}

/// Returns a text as the name of a namespace. Empty if nothing of it can stay.
pub fn namespace(text: &str) -> String {
    let name = safe(&[text.replace('.', "-")]);
    name.get(..name.len().min(63)).unwrap_or_default().trim_end_matches('-').to_owned()
}

fn joined(name: &str, end: &str) -> String {
    let room = MAX.saturating_sub(end.len() + 1);
    let name = name.get(..name.len().min(room)).unwrap_or_default().trim_end_matches(['-', '.']);
    if name.is_empty() { end.to_owned() } else { format!("{name}-{end}") }
}

/// Returns lower-case letters, digits, hyphens and single dots, cut with a digest.
fn safe(parts: &[String]) -> String {
    let mut name = String::new();
    for part in parts {
        if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
        for c in part.chars() {
            match c {
                'a'..='z' | '0'..='9' => name.push(c),
                'A'..='Z' => name.push(c.to_ascii_lowercase()),
                'ä' | 'Ä' => name.push_str("ae"),
                'ö' | 'Ö' => name.push_str("oe"),
                'ü' | 'Ü' => name.push_str("ue"),
                'ß' => name.push_str("ss"),
                '.' if name.ends_with(|c: char| c.is_ascii_alphanumeric()) => name.push('.'),
                _ if name.ends_with(|c: char| c.is_ascii_alphanumeric()) => name.push('-'),
                _ => {}
            }
        }
        while name.ends_with(['-', '.']) {
            name.pop();
        }
    }
    if name.len() > MAX {
        let end = digest(&format!("{parts:?}"));
        return joined(&name, &end);
    }
    name
}

/// Returns eight hexadecimal digits.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, sort: &str, origin: &str) -> Wanted {
        Wanted { namespace: "a".into(), parts: vec![name.into()], sort: sort.into(), origin: origin.into() }
    }

    #[test]
    fn safe_and_unique() {
        let names = choose(&[
            wanted("web 01", "host", "1"),
            wanted("Linux", "host-template", "2"),
            wanted("linux", "host-group", "3"),
            wanted("größe/äöü", "service", "4"),
            wanted("///", "service", "5"),
            wanted("disk", "service-rule", "6"),
            wanted("disk", "service-rule", "7"),
            wanted("n1.example..net.", "host", "8"),
            wanted(&"x".repeat(300), "host", "9"),
        ]);
        assert_eq!(names[..4], ["web-01", "linux-host-template", "linux-host-group", "groesse-aeoeue"]);
        assert!(names[4].starts_with("service-") && names[4].len() == 16, "{}", names[4]);
        assert!(names[5].starts_with("disk-service-rule-") && names[5] != names[6]);
        assert_eq!(names[7], "n1.example.net");
        assert!(names[8].len() <= MAX);
        let unique: BTreeSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
