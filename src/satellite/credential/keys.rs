//! The parts of a kubeconfig as separate keys of a Secret: those of Secrets of type
//! `kubernetes.io/service-account-token` and `kubernetes.io/tls`, and the address.

use super::server::ServerPolicy;
use super::{Fault, Identity, Server, certificates, check_key, check_token};
use k8s_openapi::ByteString;
use std::collections::BTreeMap;

/// Largest accepted value of one key, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The key whose presence means that the Secret has separate keys.
pub(super) const SERVER: &str = "server";
/// The key that a renewed token is written to.
pub(super) const TOKEN: &str = "token";

type Data = BTreeMap<String, ByteString>;

/// Reads the separate keys. Other keys are ignored.
///
/// # Errors
/// If a key is refused or missing. The message names it and contains no value.
pub(super) fn read(data: &Data, policy: &ServerPolicy) -> Result<(Server, Identity), Fault> {
    let url = text(data, SERVER)?.ok_or_else(|| missing(SERVER))?;
    policy.check(&url).map_err(|why| refused(SERVER, &why))?;
    let authority = bytes(data, "ca.crt")?.ok_or_else(|| missing("ca.crt"))?;
    certificates(authority).map_err(|why| refused("ca.crt", &why))?;
    let tls_name = text(data, "tls-server-name")?;
    if let Some(name) = &tls_name {
        super::server::check_tls_name(name).map_err(|why| refused("tls-server-name", &why))?;
    }
    let server = Server { url, authority: Some(authority.to_vec()), tls_name };
    Ok((server, identity(data)?))
}

fn identity(data: &Data) -> Result<Identity, Fault> {
    if let Some(token) = text(data, TOKEN)? {
        check_token(&token).map_err(|why| refused(TOKEN, &why))?;
        return Ok(Identity::Token(token));
    }
    match (bytes(data, "tls.crt")?, bytes(data, "tls.key")?) {
        (Some(certificate), Some(key)) => {
            certificates(certificate).map_err(|why| refused("tls.crt", &why))?;
            check_key(key).map_err(|why| refused("tls.key", &why))?;
            Ok(Identity::Certificate { certificate: certificate.to_vec(), key: key.to_vec() })
        }
        (Some(_), None) => Err(missing("tls.key")),
        (None, Some(_)) => Err(missing("tls.crt")),
        (None, None) => {
            Err(Fault::Missing("has no key token, and no keys tls.crt and tls.key; add one of these".into()))
        }
    }
}

fn bytes<'a>(data: &'a Data, key: &str) -> Result<Option<&'a [u8]>, Fault> {
    let Some(value) = data.get(key) else { return Ok(None) };
    if value.0.len() > MAX_BYTES {
        return Err(refused(key, &format!("has {} bytes; at most {MAX_BYTES} are allowed", value.0.len())));
    }
    Ok(Some(&value.0))
}

/// Returns a text without the line break at its end, which most ways to make a Secret leave there.
fn text(data: &Data, key: &str) -> Result<Option<String>, Fault> {
    let Some(value) = bytes(data, key)? else { return Ok(None) };
    let text = std::str::from_utf8(value).map_err(|_| refused(key, "is not UTF-8"))?.trim();
    if text.is_empty() {
        return Err(refused(key, "is empty"));
    }
    Ok(Some(text.to_owned()))
}

fn missing(key: &str) -> Fault {
    Fault::Missing(format!("has no key {key}; add it (beside it are separate keys, and no kubeconfig)"))
}

fn refused(key: &str, why: &str) -> Fault {
    Fault::Refused(format!("key {key} {why}"))
}
