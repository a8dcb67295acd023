//! The requests that an API server answered, by its own metric `apiserver_request_total`.

use anyhow::Context as _;
use http::Request;
use kube::Client;
use std::collections::BTreeMap;

/// Answered requests by `VERB resource/subresource`, since the server started.
#[derive(Clone, Debug, Default)]
pub struct Requests(BTreeMap<String, u64>);

impl Requests {
    /// Reads the metric from a server.
    pub async fn of(client: &Client) -> anyhow::Result<Self> {
        let request = Request::get("/metrics").body(Vec::new())?;
        let text = client.request_text(request).await.context("metrics of an API server")?;
        let mut counts = BTreeMap::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("apiserver_request_total{")) {
            let Some((labels, value)) = line.rsplit_once("} ") else { continue };
            let label = |name: &str| -> &str {
                let wanted = format!("{name}=\"");
                let found = labels.split(',').find_map(|label| label.strip_prefix(wanted.as_str()));
                found.map_or("", |value| value.trim_end_matches('"'))
            };
            let slash = if label("subresource").is_empty() { "" } else { "/" };
            let key = format!("{} {}{slash}{}", label("verb"), label("resource"), label("subresource"));
            *counts.entry(key).or_default() += value.parse::<f64>().unwrap_or_default() as u64;
        }
        Ok(Self(counts))
    }

    /// Returns the count of one kind of request, for example `PATCH monitoringobjects/status`.
    pub fn count(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Returns the requests for one resource since `before`, by verb.
    pub fn of_resource_since(&self, resource: &str, before: &Self) -> BTreeMap<String, u64> {
        let verbs = self.0.iter().filter_map(|(key, count)| {
            let (verb, what) = key.split_once(' ')?;
            Some((verb.to_owned(), count - before.count(key)))
                .filter(|(_, count)| what == resource && *count > 0)
        });
        verbs.collect()
    }

    /// Returns the requests since `before` that write anything but a Lease.
    pub fn writes_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let mutating = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
        let of_interest = |key: &str| {
            key.split_once(' ')
                .is_some_and(|(verb, resource)| mutating.contains(&verb) && resource != "leases")
        };
        let changed = self.0.iter().map(|(key, count)| (key.clone(), count - before.count(key)));
        changed.filter(|(key, count)| *count > 0 && of_interest(key)).collect()
    }
}

/// Returns the sum of a metric over all its labels, from the Prometheus text format.
pub fn sum(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let values = lines.filter(|rest| rest.starts_with(['{', ' '])).filter_map(|rest| rest.rsplit_once(' '));
    values.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}
