//! Requests to the API of an Icinga 2 daemon, as the user whom `Icinga::admit_the_test` admits.

use http::{Method, Request};
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::Value;
use std::fmt;

/// Password of the test as a user of the API.
pub(super) const PASSWORD: &str = "of-the-test";

/// A client of the API of one daemon.
#[derive(Clone)]
pub(super) struct Requests(Client);

/// A request that was refused or not answered: the HTTP status (0 if there was no answer), and the
/// reason.
#[derive(Clone, Debug)]
pub struct Refused {
    pub status: u16,
    reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Requests {
    /// Makes a client of the daemon at a port of this machine.
    pub(super) fn to(port: u16) -> Self {
        let mut config = Config::new(format!("https://127.0.0.1:{port}").parse().expect("a URL"));
        config.accept_invalid_certs = true;
        config.default_retry = false;
        config.auth_info = AuthInfo {
            username: Some("test".into()),
            password: Some(PASSWORD.to_owned().into()),
            ..AuthInfo::default()
        };
        Self(Client::try_from(config).expect("a client"))
    }

    /// Sends a request. `body` is null for none.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, Refused> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("accept", "application/json");
        let request = request.body(body).expect("a request");
        let answer = self.0.request_text(request).await.map_err(|error| {
            let status = if let kube::Error::Api(status) = &error { status.code } else { 0 };
            Refused { status, reason: error.to_string() }
        })?;
        serde_json::from_str(&answer).map_err(|error| Refused { status: 0, reason: error.to_string() })
    }
}
