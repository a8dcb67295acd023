//! Sends a status write: a JSON patch that first tests uid and generation, so that a late answer for an old spec, or for a
//! resource that was deleted and created again, fails instead of lying; and, of a status that is not this operator's yet, whose it is.

use super::write::{Answer, Error, Write};
use crate::api::MonitoringObject;
use crate::api::marks::OPERATOR_MANAGER;
use crate::request::{Failure, ask};
use crate::text::clean;
use http::{Method, Request};
use kube::Client;
use kube::core::PartialObjectMeta;
use serde_json::json;
use std::time::Duration;

/// Longest wait for one answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// Writes statuses.
#[derive(Clone)]
pub struct Writer {
    client: Client,
}

impl Writer {
    /// Returns a writer. The client must not retry by itself.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes the whole status of the resource, if it still has the write's uid and generation. Gives up after 10 s.
    pub async fn send(&self, write: Write) -> Answer {
        match self.patch(&write).await {
            Ok(resource_version) => write.accepted(resource_version),
            Err(error) => write.failed(error),
        }
    }

    async fn patch(&self, write: &Write) -> Result<u64, Error> {
        let mut patch = vec![
            json!({ "op": "test", "path": "/metadata/uid", "value": write.uid().to_string() }),
            json!({ "op": "test", "path": "/metadata/generation", "value": write.generation() }),
        ];
        if let Some(operator) = write.claimed() {
            // null also matches a field that is not there.
            patch.push(json!({ "op": "test", "path": "/status/operator", "value": operator }));
        }
        patch.push(json!({ "op": "add", "path": "/status", "value": write.status() }));
        let path = format!(
            "/apis/groundlink.dev/v1alpha1/namespaces/{}/monitoringobjects/{}/status?fieldManager={OPERATOR_MANAGER}",
            write.key().namespace(),
            write.key().name()
        );
        // The answer is asked for as metadata: the whole object would only be parsed and dropped.
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .header(http::header::ACCEPT, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
            .body(serde_json::Value::from(patch).to_string().into_bytes())
            .map_err(|error| Error::Refused(error.to_string()))?;
        let call = async {
            // A refusal is classified by more than its code, so it is no failure here.
            match self.client.request::<PartialObjectMeta<MonitoringObject>>(request).await {
                Err(kube::Error::Api(status)) => Ok(Err(classify(&status))),
                Err(error) => Err(error),
                Ok(object) => Ok(Ok(object.metadata.resource_version)),
            }
        };
        match ask(TIMEOUT, call).await {
            Ok(Ok(version)) => Ok(version.and_then(|version| version.parse().ok()).unwrap_or_default()),
            Ok(Err(refusal)) => Err(refusal),
            Err(failure @ (Failure::Deadline(_) | Failure::Transport(_) | Failure::Refused { .. })) => {
                Err(Error::Unknown(failure.to_string()))
            }
        }
    }
}

fn classify(answer: &kube::core::Status) -> Error {
    let causes = answer.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    let message = clean(&answer.message, 300);
    match answer.code {
        404 => Error::Gone,
        // A failed `test` has no causes; a violated schema has.
        422 if !causes => Error::Stale,
        400 | 401 | 403 | 413 | 422 => Error::Refused(message),
        code => Error::Unknown(format!("{code}: {message}")),
    }
}
