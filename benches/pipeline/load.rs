//! The clients that create and delete objects.

use crate::machine::uptime;
use crate::plan::patience;
use anyhow::{Context as _, bail};
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Concurrent creates in a burst.
pub const CREATORS: usize = 16;

/// The kind of object that a phase creates.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The smallest possible file, so that a large set fits into layout Single.
    Group,
    /// A typical host.
    Host,
    /// The same host, which is not checked: its load is that of the configuration alone.
    Unchecked,
}

impl Kind {
    fn spec(self, number: usize) -> Value {
        match self {
            Self::Group => json!({ "hostGroup": {} }),
            Self::Host => json!({ "host": {
                "checkCommand": "hostalive",
                "address": format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255),
                "displayName": format!("Web server {number} of the shop"),
                "notes": "Runs the front end. Owner: team web.",
                "vars": { "os": "Linux", "rack": format!("r{}", number % 97), "disks": ["/", "/var"] },
            } }),
            Self::Unchecked => {
                let mut spec = Self::Host.spec(number);
                spec["host"]["enableActiveChecks"] = false.into();
                spec
            }
        }
    }
}

/// Returns the attributes of [`Kind::Unchecked`] for Icinga's own API.
pub fn attributes(number: usize) -> Value {
    let spec = Kind::Unchecked.spec(number);
    let host = &spec["host"];
    json!({
        "check_command": host["checkCommand"],
        "address": host["address"],
        "display_name": host["displayName"],
        "notes": host["notes"],
        "vars": host["vars"],
        "enable_active_checks": host["enableActiveChecks"],
    })
}

/// Returns the name of the object with this number. All names, and so all files, have one length.
pub fn name(number: usize) -> String {
    format!("g{number:05}")
}

/// Returns the API path of a namespace's MonitoringObjects.
pub fn path(namespace: &str) -> String {
    format!("/apis/groundlink.dev/v1alpha1/namespaces/{namespace}/monitoringobjects")
}

/// Creates one object.
pub async fn create(client: &Client, namespace: &str, kind: Kind, number: usize) -> anyhow::Result<()> {
    let object = json!({
        "apiVersion": "groundlink.dev/v1alpha1",
        "kind": "MonitoringObject",
        "metadata": { "name": name(number) },
        "spec": kind.spec(number),
    });
    let request = Request::post(path(namespace))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(object.to_string().into_bytes())?;
    client.request_text(request).await.with_context(|| format!("create {namespace}/{}", name(number)))?;
    Ok(())
}

/// Creates objects as fast as the server accepts them.
pub async fn burst(
    client: &Client,
    namespace: &str,
    kind: Kind,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    stream::iter(numbers)
        .map(|number| create(client, namespace, kind, number))
        .buffer_unordered(CREATORS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Changes the notes of each host in this range.
pub async fn change_all(
    client: &Client,
    namespace: &str,
    numbers: std::ops::Range<usize>,
    text: &str,
) -> anyhow::Result<()> {
    stream::iter(numbers)
        .map(|number| change(client, namespace, number, text))
        .buffer_unordered(CREATORS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

/// Changes the notes of a host.
pub async fn change(client: &Client, namespace: &str, number: usize, text: &str) -> anyhow::Result<()> {
    let patch = json!({ "spec": { "host": { "notes": text } } });
    let request = Request::patch(format!("{}/{}", path(namespace), name(number)))
        .header(http::header::CONTENT_TYPE, "application/merge-patch+json")
        .body(patch.to_string().into_bytes())?;
    client.request_text(request).await.with_context(|| format!("change {namespace}/{}", name(number)))?;
    Ok(())
}

/// Deletes the objects in this range.
pub async fn delete_some(
    client: &Client,
    namespace: &str,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<()> {
    let delete = async |number| -> anyhow::Result<()> {
        let request = Request::delete(format!("{}/{}", path(namespace), name(number))).body(Vec::new())?;
        client.request_text(request).await.with_context(|| format!("delete {}", name(number)))?;
        Ok(())
    };
    stream::iter(numbers).map(delete).buffer_unordered(CREATORS).try_collect::<Vec<()>>().await?;
    Ok(())
}

#[derive(Deserialize)]
struct List {
    items: Vec<Value>,
}

/// Deletes every object of a namespace, and waits until the server has none.
pub async fn delete_all(client: &Client, namespace: &str, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience(count);
    loop {
        // A large collection takes longer than the request timeout; the next request deletes the
        // rest.
        let answer = client.request_text(Request::delete(path(namespace)).body(Vec::new())?).await;
        let first = Request::get(format!("{}?limit=1", path(namespace))).body(Vec::new())?;
        let list: List = client.request(first).await.context("list the remaining objects")?;
        if list.items.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("objects of {namespace} cannot be deleted: {:?}", answer.err());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Returns a unique text for the name of a namespace.
pub fn nonce() -> String {
    format!("{:x}", uptime().as_millis())
}
