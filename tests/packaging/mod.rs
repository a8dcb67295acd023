//! The chart and what comes with it, as its users meet it: installed on a real API server with each
//! set of values, tested by `helm test`, scraped by a real Prometheus, judged by the engines of
//! Argo CD, Flux and Helm.

mod gitops;
mod helm_test;
mod observed;
mod prometheus;
mod values;
mod waiters;

use serde_json::Value;

/// Returns the path of something in the repository.
fn repository(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the repository.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Parses manifests.
fn documents(text: &str) -> Vec<Value> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}
