//! `icinga2.vars`: the constants of a configuration, a stream of netstrings of JSON.

use crate::agent::icinga::netstrings::Netstrings;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
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
    parse(io::BufReader::new(std::fs::File::open(path)?), wanted)
}

fn parse(source: impl io::BufRead, wanted: &[&str]) -> io::Result<BTreeMap<String, String>> {
    let mut constants = BTreeMap::new();
    let mut stream = Netstrings::new(source, MOST_BYTES);
    while let Some(json) = stream.next()? {
        let constant: Constant<'_> = serde_json::from_slice(&json)?;
        if let (true, serde_json::Value::String(value)) = (wanted.contains(&&*constant.name), constant.value)
        {
            constants.insert(constant.name.into_owned(), value);
        }
    }
    Ok(constants)
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
        let read = parse(file.as_bytes(), &["NodeName", "Maximum"]).unwrap();
        assert_eq!(read, BTreeMap::from([("NodeName".into(), "n".into())]));
        assert_eq!(parse(&b""[..], &[]).unwrap(), BTreeMap::new());
        assert!(parse(&b"2:no,"[..], &[]).is_err());
    }

    #[test]
    fn a_large_file_is_refused() {
        let file = format!("{}:", MOST_BYTES);
        assert!(parse(file.as_bytes(), &[]).unwrap_err().to_string().contains("too large"));
    }
}
