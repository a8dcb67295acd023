//! `icinga2.vars`: the constants of a configuration, a stream of netstrings of JSON.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

/// Largest file that is read, in bytes. A usual one has 1 KiB.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Deserialize)]
struct Constant<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    value: serde_json::Value,
}

/// Returns those of the wanted constants that are texts.
///
/// # Errors
/// If the file cannot be read, is too large, or is no stream of netstrings of JSON.
pub(super) fn read(path: &Path, wanted: &[&str]) -> io::Result<BTreeMap<String, String>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("is larger than {MOST_BYTES} bytes")));
    }
    parse(&bytes, wanted).ok_or_else(|| io::Error::other("cannot be read as a stream of netstrings"))
}

fn parse(mut rest: &[u8], wanted: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut constants = BTreeMap::new();
    while !rest.is_empty() {
        let colon = rest.iter().take(20).position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let body = &rest[colon + 1..];
        let json = body.get(..length)?;
        if body.get(length) != Some(&b',') {
            return None;
        }
        rest = &body[length + 1..];
        let constant: Constant<'_> = serde_json::from_slice(json).ok()?;
        if let (true, serde_json::Value::String(value)) = (wanted.contains(&&*constant.name), constant.value)
        {
            constants.insert(constant.name.into_owned(), value);
        }
    }
    Some(constants)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_texts_are_read_and_a_broken_file_is_none() {
        let constants = [
            r#"{"name":"NodeName","value":"n"}"#,
            r#"{"name":"TicketSalt","value":"hunter2"}"#,
            r#"{"name":"Maximum","value":512.0}"#,
        ];
        let file: String = constants.iter().map(|json| format!("{}:{json},", json.len())).collect();
        let file = file.as_bytes();
        let read = parse(file, &["NodeName", "Maximum"]).unwrap();
        assert_eq!(read, BTreeMap::from([("NodeName".into(), "n".into())]));
        assert_eq!(parse(b"", &[]), Some(BTreeMap::new()));
        for end in 1..file.len() {
            let is_boundary = file[..end].ends_with(b"},");
            assert_eq!(parse(&file[..end], &[]).is_some(), is_boundary, "{end}");
        }
        assert_eq!(parse(b"99999999999999999999:", &[]), None);
    }

    #[test]
    fn a_large_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("icinga2.vars");
        std::fs::File::create(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        assert!(super::read(&path, &[]).unwrap_err().to_string().contains("larger"));
    }
}
