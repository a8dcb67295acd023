//! Icinga 2 without Groundlink: a master and a satellite that sync by Icinga's own cluster
//! protocol. Objects are made at run time by the master's REST API, as Icinga's users do.

use super::icinga::Icinga;
use super::icinga_api::{Refused, Requests};
use super::installation::GENEROUS;
use super::wait::eventually;
use super::wire::Wire;
use http::Method;
use serde_json::{Value, json};
use std::fmt::Write as _;

const MASTER: &str = "master";
/// Endpoint and zone of the satellite.
const SATELLITE: &str = "sat-a";

/// A master and a satellite. The master connects to the satellite, through a wire.
pub struct Stock {
    pub master: Icinga,
    pub satellite: Icinga,
    pub wire: Wire,
}

impl Stock {
    /// Prepares both daemons, with one CA, which the master has.
    pub async fn prepare(generation: &'static str) -> Self {
        let (master, satellite) = (Icinga::bare(generation), Icinga::bare(generation));
        let wire = Wire::to(satellite.port()).await;
        master.found_ca();
        for (icinga, node, reaches) in [(&master, MASTER, Some(wire.port())), (&satellite, SATELLITE, None)] {
            icinga.certify(node, &master);
            icinga.configure(&configuration(icinga, node, reaches));
            icinga.admit_the_test();
        }
        Self { master, satellite, wire }
    }

    /// Starts both daemons, and waits until the master has synced the satellite.
    pub async fn start(&mut self) {
        self.satellite.start().await;
        self.master.start().await;
        self.connected().await;
    }

    /// Waits until [`Self::is_connected`].
    pub async fn connected(&self) {
        eventually(GENEROUS, "the master is connected to the satellite", async || {
            if self.is_connected().await? { Ok(()) } else { Err("it is not, or still sends".into()) }
        })
        .await;
    }

    /// Returns true if the master is connected to the satellite, and has sent all that it sends to
    /// one that connects.
    ///
    /// # Errors
    /// If the master does not answer.
    pub async fn is_connected(&self) -> Result<bool, String> {
        let path = format!("/v1/objects/endpoints/{SATELLITE}?attrs=connected&attrs=syncing");
        let found = self.master.ask(&path).await?;
        let attributes = &found["results"][0]["attrs"];
        Ok(attributes["connected"] == true && attributes["syncing"] == false)
    }

    /// Returns a user of the master's API.
    pub fn user(&self) -> User {
        User(self.master.requests())
    }
}

/// A user of the master's API, who makes hosts of the satellite's zone.
#[derive(Clone)]
pub struct User(Requests);

impl User {
    /// Creates a host. `attributes` are Icinga's.
    ///
    /// # Errors
    /// If the master refuses it or does not answer.
    pub async fn create(&self, name: &str, mut attributes: Value) -> Result<(), Refused> {
        attributes["zone"] = SATELLITE.into();
        self.send(Method::PUT, name, "", &json!({ "attrs": attributes })).await
    }

    /// Changes a host.
    ///
    /// # Errors
    /// If the master refuses that or does not answer.
    pub async fn change(&self, name: &str, attributes: Value) -> Result<(), Refused> {
        self.send(Method::POST, name, "", &json!({ "attrs": attributes })).await
    }

    /// Deletes a host.
    ///
    /// # Errors
    /// If the master refuses that or does not answer.
    pub async fn delete(&self, name: &str) -> Result<(), Refused> {
        self.send(Method::DELETE, name, "?cascade=1", &json!({})).await
    }

    async fn send(&self, method: Method, name: &str, query: &str, body: &Value) -> Result<(), Refused> {
        self.0.send(method, &format!("/v1/objects/hosts/{name}{query}"), body).await.map(drop)
    }
}

/// Returns the configuration of a node. `reaches` is the port at which it reaches the satellite.
fn configuration(icinga: &Icinga, node: &str, reaches: Option<u16>) -> String {
    let mut text = format!(
        "const PluginDir = \"/nonexistent\"\nconst NodeName = \"{node}\"\nconst ZoneName = NodeName\n\
         include <itl>\ninclude <plugins>\n\
         object Endpoint \"{MASTER}\" {{ }}\n\
         object Zone \"{MASTER}\" {{ endpoints = [ \"{MASTER}\" ] }}\n\
         object Zone \"{SATELLITE}\" {{ endpoints = [ \"{SATELLITE}\" ]; parent = \"{MASTER}\" }}\n\
         object ApiListener \"api\" {{\n bind_host = \"127.0.0.1\"\n bind_port = {}\n \
         accept_config = true\n accept_commands = true\n}}\n\
         object CheckerComponent \"checker\" {{ }}\n",
        icinga.port()
    );
    let reached = reaches.map(|port| format!("host = \"127.0.0.1\"; port = \"{port}\"")).unwrap_or_default();
    let written = writeln!(text, "object Endpoint \"{SATELLITE}\" {{ {reached} }}");
    written.expect("a string takes every text");
    text
}
