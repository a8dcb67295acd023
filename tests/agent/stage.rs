//! What the tests share: an include file, a client, a wait.

use crate::support::{GENEROUS, Icinga, NODE, eventually};
use groundlink::agent::icinga::api::{Api, NotYet, Password};
use groundlink::agent::icinga::candidate::Candidate;
use groundlink::agent::icinga::validator::Validator;
use std::net::{Ipv4Addr, SocketAddr};

pub const PASSWORD: &str = "p\u{e4}ss \"word\" }} \\";
pub const HOST: (&str, &str) = ("a.web.conf", "object Host \"web\" { check_command = \"dummy\" }\n");

pub fn api(icinga: &Icinga) -> Api {
    Api {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, icinga.port())),
        ca: icinga.path("lib/certs/ca.crt"),
        node_name: NODE.into(),
        password: Password::new(PASSWORD.into()),
    }
}

pub fn candidate(marker: &str, tree: &str, reloads_by_api: bool) -> String {
    Candidate { marker, tree, password: PASSWORD, reloads_by_api }.text()
}

pub fn validator(icinga: &Icinga) -> Validator {
    Validator::new(icinga.command(), icinga.path("validate"), icinga.path("trees"))
}

/// Waits until the daemon proves a marker.
pub async fn proved(api: &Api, marker: &str) {
    eventually(GENEROUS, "the marker is proved", async || {
        api.proves(marker).await.map_err(|error: NotYet| error.to_string())
    })
    .await;
}
