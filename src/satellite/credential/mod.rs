//! A satellite's credential: read from a Secret of the hub, rebuilt from an allow-list before kube
//! sees it, and renewed where that is wanted. No message, no log and no `Debug` contains a part of
//! it.

mod expiry;
mod keys;
mod kubeconfig;
mod renewal;
mod schedule;
mod server;

#[cfg(test)]
mod tests;

pub use expiry::{Validity, warning};
pub use kubeconfig::{MAX_BYTES, REFUSED_CLUSTER, REFUSED_USER};
pub use renewal::{renew, store};
pub use schedule::{Schedule, lifetime};
pub use server::ServerPolicy;

use crate::api::Reason;
use crate::api::satellite_cluster::SecretKeyRef;
use crate::satellite::explain::Redaction;
use crate::satellite::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use std::collections::BTreeMap;

/// Largest accepted token, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;
/// Keys in which a kubeconfig is looked for, in this order.
const KUBECONFIG_KEYS: [&str; 2] = ["value", "kubeconfig"];
/// Name of the one cluster, user and context in what is rebuilt.
const NAME: &str = "satellite";

/// The address of a satellite's API server, and the operator's identity there. It contains only
/// what is allowed.
#[derive(Clone)]
pub struct Credential {
    server: Server,
    identity: Identity,
    /// The key of the Secret that a renewed token is written to.
    key: String,
    /// True if that key holds a kubeconfig.
    in_kubeconfig: bool,
}

/// The API server.
#[derive(Clone, PartialEq, Eq)]
struct Server {
    url: String,
    /// PEM. None to trust the authorities of this machine.
    authority: Option<Vec<u8>>,
    tls_name: Option<String>,
}

/// The operator's identity.
#[derive(Clone, PartialEq, Eq)]
enum Identity {
    Token(String),
    /// PEM, both.
    Certificate {
        certificate: Vec<u8>,
        key: Vec<u8>,
    },
}

/// Why there is no credential.
enum Fault {
    /// Something is missing and may appear later. The text continues after the name of the Secret.
    Missing(String),
    /// A field is refused or cannot be used.
    Refused(String),
}

/// Prints neither address nor identity.
impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

impl Credential {
    /// Reads the credential that a SatelliteCluster refers to: the kubeconfig in the key that it names; else the one in
    /// `value` or `kubeconfig`; else the separate keys `server`, `ca.crt`, and `token` or `tls.crt` with `tls.key`, and
    /// `tls-server-name` if it exists.
    ///
    /// # Errors
    /// [`Reason::CredentialMissing`] if something is missing, [`Reason::CredentialRefused`] if a
    /// person must change something. The message names the Secret, the key, the field and the
    /// remedy, and contains no value.
    pub fn from_secret(
        secret: &Secret,
        reference: &SecretKeyRef,
        policy: &ServerPolicy,
    ) -> Result<Self, Problem> {
        let name = &reference.name;
        Self::read(secret, reference, policy).map_err(|fault| match fault {
            Fault::Missing(what) => Problem::transient(
                Reason::CredentialMissing,
                format!("spec.kubeconfigSecretRef: Secret {name} {what}"),
            ),
            Fault::Refused(why) => {
                Problem::stalled(Reason::CredentialRefused, format!("Secret {name}: {why}"))
            }
        })
    }

    fn read(secret: &Secret, reference: &SecretKeyRef, policy: &ServerPolicy) -> Result<Self, Fault> {
        let none = BTreeMap::new();
        let data = secret.data.as_ref().unwrap_or(&none);
        let usual = || KUBECONFIG_KEYS.into_iter().find(|key| data.contains_key(*key));
        if let Some(key) = reference.key.as_deref().or_else(usual) {
            let Some(bytes) = data.get(key) else {
                return Err(Fault::Missing(format!("has no key {key}; add it, with a kubeconfig")));
            };
            let (server, identity) = kubeconfig::read(&bytes.0, policy)
                .map_err(|why| Fault::Refused(format!("key {key}: {why}")))?;
            return Ok(Self { server, identity, key: key.to_owned(), in_kubeconfig: true });
        }
        if !data.contains_key(keys::SERVER) {
            let kubeconfigs = KUBECONFIG_KEYS.join(" or ");
            return Err(Fault::Missing(format!(
                "has no key {kubeconfigs}, nor separate keys (server, ca.crt, and token or tls.crt with tls.key); add one of these"
            )));
        }
        let (server, identity) = keys::read(data, policy)?;
        Ok(Self { server, identity, key: keys::TOKEN.to_owned(), in_kubeconfig: false })
    }

    /// Reads a credential from the text of a kubeconfig.
    ///
    /// # Errors
    /// If a field is refused or missing. The message names it and the remedy, and contains no
    /// value.
    pub fn from_kubeconfig(text: &str, policy: &ServerPolicy) -> Result<Self, String> {
        let (server, identity) = kubeconfig::read(text.as_bytes(), policy)?;
        Ok(Self { server, identity, key: KUBECONFIG_KEYS[0].to_owned(), in_kubeconfig: true })
    }

    /// Returns a kubeconfig for kube, made from what is allowed and nothing else.
    pub fn kubeconfig(&self) -> Kubeconfig {
        let encode = |data: &[u8]| STANDARD.encode(data);
        let cluster = Cluster {
            server: Some(self.server.url.clone()),
            certificate_authority_data: self.server.authority.as_deref().map(encode),
            tls_server_name: self.server.tls_name.clone(),
            ..Cluster::default()
        };
        let user = match &self.identity {
            Identity::Token(token) => AuthInfo { token: Some(token.as_str().into()), ..AuthInfo::default() },
            Identity::Certificate { certificate, key } => AuthInfo {
                client_certificate_data: Some(encode(certificate)),
                client_key_data: Some(encode(key).into()),
                ..AuthInfo::default()
            },
        };
        let context = Context { cluster: NAME.into(), user: Some(NAME.into()), ..Context::default() };
        Kubeconfig {
            api_version: Some("v1".into()),
            kind: Some("Config".into()),
            clusters: vec![NamedCluster {
                name: NAME.into(),
                cluster: Some(cluster),
                ..NamedCluster::default()
            }],
            auth_infos: vec![NamedAuthInfo {
                name: NAME.into(),
                auth_info: Some(user),
                ..NamedAuthInfo::default()
            }],
            contexts: vec![NamedContext {
                name: NAME.into(),
                context: Some(context),
                ..NamedContext::default()
            }],
            current_context: Some(NAME.into()),
            ..Kubeconfig::default()
        }
    }

    /// Returns its validity. None for an opaque token, and for a credential without an end.
    pub fn validity(&self) -> Option<Validity> {
        expiry::of(&self.identity)
    }

    /// Returns when it ends, in Unix seconds: `exp` of the token, or `notAfter` of the client
    /// certificate. None as in [`Self::validity`].
    pub fn expiry(&self) -> Option<i64> {
        self.validity().map(|validity| validity.expires)
    }

    /// Returns the redaction that keeps it out of messages.
    pub fn redaction(&self) -> Redaction {
        match &self.identity {
            Identity::Token(token) => Redaction::new(Some(token)),
            Identity::Certificate { .. } => Redaction::default(),
        }
    }

    /// True for a token, which can be renewed; false for a client certificate.
    pub fn is_token(&self) -> bool {
        matches!(self.identity, Identity::Token(_))
    }

    /// True if server, trust and identity are the same, so that a connection made with the other
    /// one can stay.
    pub fn same_as(&self, other: &Self) -> bool {
        self.server == other.server && self.identity == other.identity
    }

    /// True if both lead to the same API server.
    pub fn same_server(&self, other: &Self) -> bool {
        self.server.url == other.server.url
    }

    /// Returns the same credential with another token.
    fn with_token(&self, token: String) -> Self {
        Self { identity: Identity::Token(token), ..self.clone() }
    }
}

/// Checks a token, which goes into a header: visible ASCII, of a length that every server accepts.
fn check_token(token: &str) -> Result<(), String> {
    if token.len() > MAX_TOKEN {
        return Err(format!("has {} bytes; at most {MAX_TOKEN} are allowed", token.len()));
    }
    match token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(()),
        false => {
            Err("holds a character that no token has (a blank, a line break, or one beyond ASCII)".into())
        }
    }
}

/// Checks that this is PEM with at least one certificate.
fn certificates(data: &[u8]) -> Result<(), String> {
    match pem::parse_many(data) {
        Ok(blocks) if blocks.iter().any(|block| block.tag() == "CERTIFICATE") => Ok(()),
        _ => Err("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)".into()),
    }
}

/// Checks that this is PEM with a private key that needs no password.
fn check_key(data: &[u8]) -> Result<(), String> {
    let is_key = |block: &pem::Pem| {
        block.tag().ends_with("PRIVATE KEY")
            && !block.tag().contains("ENCRYPTED")
            && block.headers().get("DEK-Info").is_none()
    };
    match pem::parse_many(data) {
        Ok(blocks) if blocks.iter().any(is_key) => Ok(()),
        _ => {
            Err("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----), or one with a password"
                .into())
        }
    }
}
