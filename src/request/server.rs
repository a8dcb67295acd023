//! The hub's API server, as the operator's client reaches it: for the remedy in a message.

use super::{Failure, WrongCertificate};
use std::sync::Arc;

/// Where the hub's API server is, and whom its client trusts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server {
    url: Arc<str>,
    authority: Arc<str>,
}

impl Server {
    /// Returns the server at `url`. `authority` names the certificate authority that the client
    /// trusts, and where it is configured.
    pub fn new(url: &str, authority: &str) -> Self {
        Self { url: url.trim_end_matches('/').into(), authority: authority.into() }
    }

    /// Returns a failure with what a person can do about it.
    pub fn explain(&self, failure: &Failure) -> String {
        let Self { url, authority } = self;
        let remedy = match failure {
            Failure::Refused { code: 401, .. } => {
                format!("renew the operator's credential: {url} does not accept it")
            }
            Failure::Refused { .. } => return failure.to_string(),
            _ => match WrongCertificate::of(&failure.to_string()) {
                Some(WrongCertificate::Authority) => format!(
                    "the operator trusts {authority}, which did not sign that certificate; give it the certificate authority of {url}"
                ),
                Some(WrongCertificate::Name) => {
                    format!(
                        "use a URL with a name from that certificate, not {url}, or set tls-server-name to one"
                    )
                }
                Some(WrongCertificate::Time) => {
                    format!("renew the server's certificate of {url}, or correct this machine's clock")
                }
                None => format!("check that {url} is the hub's API server and runs"),
            },
        };
        format!("{failure}; {remedy}")
    }
}
