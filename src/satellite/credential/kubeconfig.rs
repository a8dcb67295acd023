//! Reads a kubeconfig by an allow-list.
//!
//! kube runs `exec` and `auth-provider` commands and reads any file that a kubeconfig names, so
//! the text of a Secret never reaches it. Allowed are one cluster, one user, one context; `server`
//! (https), `certificate-authority-data`, `tls-server-name`, and `token` or
//! `client-certificate-data` with `client-key-data`. Dangerous fields are refused, whatever their
//! value. Unknown fields are dropped. Refusals name the field, never its value.

use super::server::{ServerPolicy, check_tls_name};
use super::{Identity, Server, certificates, check_key, check_token};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

/// Largest accepted kubeconfig, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting; an `exec` entry, which is refused, would need 8.
const MAX_DEPTH: usize = 16;
/// Most aliases (`*name`). No tool writes any.
const MAX_ALIASES: usize = 16;
/// Most nodes that all aliases together may stand for.
const MAX_REPLAYED: usize = 4096;

/// Fields of a user that would run something, read a file, or act as someone else.
pub const REFUSED_USER: [&str; 11] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "client-certificate",
    "client-key",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
];
/// Fields of a cluster that would read a file, use a proxy, or trust anybody.
/// `insecure-skip-tls-verify: false` is allowed.
pub const REFUSED_CLUSTER: [&str; 3] = ["certificate-authority", "proxy-url", "insecure-skip-tls-verify"];

/// Reads a kubeconfig.
///
/// # Errors
/// If a field is refused or missing. The message names it and the remedy, and contains no value.
pub(super) fn read(bytes: &[u8], policy: &ServerPolicy) -> Result<(Server, Identity), String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("the kubeconfig has {} bytes; at most {MAX_BYTES} are allowed", bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the kubeconfig is not UTF-8".to_owned())?;
    let root = parse(text)?;
    let cluster = only(&root, "clusters", "cluster")?;
    let user = only(&root, "users", "user")?;
    let context = only(&root, "contexts", "context")?;
    refuse(cluster.1, &REFUSED_CLUSTER, "clusters[0].cluster")?;
    refuse(user.1, &REFUSED_USER, "users[0].user")?;
    if text_of(&root, "current-context", "")? != Some(context.0) {
        return Err("current-context does not name the kubeconfig's context".into());
    }
    let named = |field| text_of(context.1, field, "contexts[0].context.");
    if named("cluster")? != Some(cluster.0) || named("user")? != Some(user.0) {
        return Err("contexts[0].context does not name the kubeconfig's cluster and user".into());
    }
    Ok((server(cluster.1, policy)?, identity(user.1)?))
}

fn parse(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
    };
    // The parser's own message may quote the text, which holds credentials.
    serde_saphyr::from_str_with_options(text, options).map_err(|_| {
        format!(
            "the kubeconfig is not valid YAML of one document, without duplicate keys, at most {MAX_DEPTH} levels deep and with at \
             most {MAX_ALIASES} aliases"
        )
    })
}

fn refuse(part: &Value, fields: &[&str], name: &str) -> Result<(), String> {
    let harmless =
        |field: &str, value: &Value| field == "insecure-skip-tls-verify" && *value == Value::Bool(false);
    match fields.iter().find(|field| part.get(**field).is_some_and(|value| !harmless(field, value))) {
        None => Ok(()),
        Some(field) => Err(format!(
            "{name}.{field} is refused; remove it: only server, certificate-authority-data, tls-server-name, and token or \
             client-certificate-data with client-key-data are used"
        )),
    }
}

fn server(cluster: &Value, policy: &ServerPolicy) -> Result<Server, String> {
    let place = "clusters[0].cluster.";
    let url = text_of(cluster, "server", place)?.ok_or_else(|| format!("{place}server is missing"))?;
    policy.check(url).map_err(|why| format!("{place}server {why}"))?;
    let authority = data_of(cluster, "certificate-authority-data", place, certificates)?;
    let tls_name = text_of(cluster, "tls-server-name", place)?;
    if let Some(name) = tls_name {
        check_tls_name(name).map_err(|why| format!("{place}tls-server-name {why}"))?;
    }
    Ok(Server { url: url.to_owned(), authority, tls_name: tls_name.map(str::to_owned) })
}

/// A token wins over a certificate, which is then not used at all.
fn identity(user: &Value) -> Result<Identity, String> {
    let place = "users[0].user.";
    if let Some(token) = text_of(user, "token", place)?.filter(|token| !token.is_empty()) {
        check_token(token).map_err(|why| format!("{place}token {why}"))?;
        return Ok(Identity::Token(token.to_owned()));
    }
    let certificate = data_of(user, "client-certificate-data", place, certificates)?;
    let key = data_of(user, "client-key-data", place, check_key)?;
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Identity::Certificate { certificate, key }),
        _ => Err("users[0].user needs token, or client-certificate-data with client-key-data".into()),
    }
}

/// Returns a text. Refuses a value of another type instead of treating it as missing.
fn text_of<'a>(part: &'a Value, field: &str, place: &str) -> Result<Option<&'a str>, String> {
    match part.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{place}{field} is not text; quote it")),
    }
}

/// Returns the content of a base64 field.
fn data_of(
    part: &Value,
    field: &str,
    place: &str,
    check: fn(&[u8]) -> Result<(), String>,
) -> Result<Option<Vec<u8>>, String> {
    let Some(text) = text_of(part, field, place)?.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let data = STANDARD.decode(text).map_err(|_| format!("{place}{field} is not base64 in one line"))?;
    check(&data).map_err(|why| format!("{place}{field} {why}"))?;
    Ok(Some(data))
}

/// Name and body of the one entry of a list.
fn only<'a>(root: &'a Value, list: &str, body: &str) -> Result<(&'a str, &'a Value), String> {
    let entries = root.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [entry] = entries else {
        return Err(format!("the kubeconfig has {} {list}; exactly one is allowed", entries.len()));
    };
    let place = format!("{list}[0].");
    let name = text_of(entry, "name", &place)?.ok_or_else(|| format!("{place}name is missing"))?;
    let body_value = entry.get(body).filter(|value| value.is_object());
    Ok((name, body_value.ok_or_else(|| format!("{place}{body} is missing"))?))
}

#[cfg(test)]
mod tests;
