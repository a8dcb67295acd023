//! Many objects at once, as fast as the hub's API server takes them.

use std::ops::Range;

use futures::{StreamExt, TryStreamExt, stream};
use http::{Request, header};
use kube::Client;
use serde_json::{Value, json};

/// Concurrent requests.
const HANDS: usize = 16;

fn path(namespace: &str) -> String {
    format!("/apis/groundlink.dev/v1alpha1/namespaces/{namespace}/monitoringobjects")
}

/// Returns the name of the object with this number.
pub fn bulk_name(number: usize) -> String {
    format!("o{number:05}")
}

/// Returns a host with about this many bytes of notes, which hardly compress.
pub fn bulk_host(number: usize, version: usize, bytes: usize) -> Value {
    let mut state = (number as u64) << 32 | version as u64 | 1 << 31;
    let mut notes = format!("number {number} version {version}; ");
    while notes.len() < bytes {
        // splitmix64: deterministic, but random enough to defeat compression.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        notes.push_str(&format!("{:016x}", z ^ (z >> 31)));
    }
    json!({ "host": { "checkCommand": "hostalive", "address": "192.0.2.1", "vars": { "notes": notes } } })
}

async fn all<F, R>(numbers: Range<usize>, call: F)
where
    F: Fn(usize) -> R,
    R: Future<Output = Result<(), kube::Error>>,
{
    let calls = stream::iter(numbers).map(&call).buffer_unordered(HANDS);
    calls.try_collect::<Vec<()>>().await.expect("the hub takes every object");
}

async fn send(client: &Client, request: http::request::Builder, body: Vec<u8>) -> Result<(), kube::Error> {
    let request = request.body(body).expect("a valid request");
    client.request_text(request).await.map(drop)
}

/// Creates the objects with these numbers.
pub async fn create_all(
    client: &Client,
    namespace: &str,
    numbers: Range<usize>,
    spec: impl Fn(usize) -> Value,
) {
    let spec = &spec;
    all(numbers, async |number| {
        let object = json!({
            "apiVersion": "groundlink.dev/v1alpha1", "kind": "MonitoringObject",
            "metadata": { "name": bulk_name(number) }, "spec": spec(number),
        });
        let request = Request::post(path(namespace)).header(header::CONTENT_TYPE, "application/json");
        send(client, request, object.to_string().into_bytes()).await
    })
    .await;
}

/// Changes the objects with these numbers.
pub async fn change_all(
    client: &Client,
    namespace: &str,
    numbers: Range<usize>,
    spec: impl Fn(usize) -> Value,
) {
    let spec = &spec;
    all(numbers, async |number| {
        let patch = json!({ "spec": spec(number) }).to_string().into_bytes();
        let request = Request::patch(format!("{}/{}", path(namespace), bulk_name(number)))
            .header(header::CONTENT_TYPE, "application/merge-patch+json");
        send(client, request, patch).await
    })
    .await;
}

/// Deletes the objects with these numbers.
pub async fn delete_all(client: &Client, namespace: &str, numbers: Range<usize>) {
    all(numbers, async |number| {
        send(client, Request::delete(format!("{}/{}", path(namespace), bulk_name(number))), Vec::new()).await
    })
    .await;
}
