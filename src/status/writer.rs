//! The write itself: a JSON patch that first tests uid and generation, so that a late answer for an old spec, or for a
//! resource that was deleted and made again, fails instead of lying.

use super::compose::Recorded;
use crate::api::{MonitoringObject, MonitoringObjectStatus};
use crate::identity::{ObjectKey, Uid};
use crate::publish::Published;
use crate::render::Rendered;
use crate::text::clean;
use http::{Method, Request};
use kube::Client;
use kube::core::PartialObjectMeta;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Longest wait for one answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A content whose `Ready=True` the API server acknowledged, for exactly its digest and generation. Made by
/// [`Writer::write`] from a [`Published`] and the server's answer, or by [`recover`] from what volume and server both say
/// after a restart. A snapshot is built from these alone.
///
/// ```compile_fail
/// // Nobody can claim an acknowledgement.
/// use groundlink::{render::Rendered, status::Acknowledged};
/// fn forge(content: std::sync::Arc<Rendered>) -> Acknowledged {
///     Acknowledged { content }
/// }
/// ```
/// ```compile_fail
/// // Rendered is not enough: a snapshot takes what was acknowledged.
/// fn skip(rendered: groundlink::render::Rendered, catalog: &mut groundlink::snapshot::Catalog) {
///     catalog.offer(rendered);
/// }
/// ```
#[derive(Debug)]
pub struct Acknowledged {
    content: Arc<Rendered>,
}

impl Acknowledged {
    /// What was acknowledged.
    pub fn content(&self) -> &Arc<Rendered> {
        &self.content
    }

    /// Gives the content to the catalog.
    pub fn into_content(self) -> Arc<Rendered> {
        self.content
    }
}

/// What volume and API server say together after a restart: the file that was found has the digest that the acknowledged
/// status names, so it was published and acknowledged before. (The status was read in the consistent LIST of the start.)
pub fn recover(on_disk: &Arc<Rendered>, recorded: &Recorded) -> Option<Acknowledged> {
    (recorded.published == Some(on_disk.digest())).then(|| Acknowledged { content: on_disk.clone() })
}

/// The API server's answer to a write.
#[derive(Debug)]
pub struct Receipt {
    /// The status as recorded.
    pub recorded: Recorded,
    /// `metadata.resourceVersion` of the answer.
    pub resource_version: u64,
    /// What was acknowledged with it.
    pub acknowledged: Option<Acknowledged>,
}

/// Why a status was not written, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resource has another uid or generation by now; the watch brings it.
    #[error("the object changed meanwhile")]
    Stale,
    /// The resource does not exist.
    #[error("the object is gone")]
    Gone,
    /// The server refuses the write; asking again soon does not help.
    #[error("the API server refuses the status: {0}")]
    Refused(String),
    /// No answer, or one that says to try again: the write may have been applied.
    #[error("writing the status failed: {0}")]
    Unknown(String),
}

/// Writes statuses.
#[derive(Clone)]
pub struct Writer {
    client: Client,
}

impl Writer {
    /// A writer; the client must not retry by itself.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Writes the whole status of the resource, if it still has this uid and generation. The acknowledgement of `published`
    /// exists only if this answers well, and the status said Ready for its generation and digest.
    ///
    /// # Errors
    /// [`Error`], together with the publication, which is not lost. Gives up after 10 s.
    pub async fn write(
        &self,
        key: &ObjectKey,
        uid: &Uid,
        generation: i64,
        status: &MonitoringObjectStatus,
        published: Option<Published>,
    ) -> Result<Receipt, (Error, Option<Published>)> {
        match self.patch(key, uid, generation, status).await {
            Ok(resource_version) => {
                let recorded = Recorded::of(status);
                // A publication is acknowledged by a Ready of its own generation and digest, and by nothing else.
                let acknowledged = published
                    .filter(|p| {
                        recorded.ready
                            && p.generation() == recorded.generation
                            && p.uid() == uid
                            && recorded.published == Some(p.content().digest())
                    })
                    .map(|p| Acknowledged { content: p.content().clone() });
                Ok(Receipt { recorded, resource_version, acknowledged })
            }
            Err(error) => Err((error, published)),
        }
    }

    async fn patch(
        &self,
        key: &ObjectKey,
        uid: &Uid,
        generation: i64,
        status: &MonitoringObjectStatus,
    ) -> Result<u64, Error> {
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": uid.to_string() },
            { "op": "test", "path": "/metadata/generation", "value": generation },
            { "op": "add", "path": "/status", "value": status },
        ]);
        let path = format!(
            "/apis/groundlink.dev/v1alpha1/namespaces/{}/monitoringobjects/{}/status?fieldManager=groundlink",
            key.namespace(),
            key.name()
        );
        // The answer is asked for as metadata: the whole object would only be parsed and dropped.
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(path)
            .header(http::header::CONTENT_TYPE, "application/json-patch+json")
            .header(http::header::ACCEPT, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
            .body(patch.to_string().into_bytes())
            .map_err(|error| Error::Refused(error.to_string()))?;
        let answer = self.client.request::<PartialObjectMeta<MonitoringObject>>(request);
        match tokio::time::timeout(TIMEOUT, answer).await {
            Err(_) => Err(Error::Unknown(format!("no answer within {} s", TIMEOUT.as_secs()))),
            Ok(Ok(object)) => Ok(object
                .metadata
                .resource_version
                .and_then(|version| version.parse().ok())
                .unwrap_or_default()),
            Ok(Err(kube::Error::Api(answer))) => Err(classify(&answer)),
            Ok(Err(error)) => Err(Error::Unknown(clean(&error.to_string(), 300))),
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
