//! The requests to one satellite: each has a deadline, each write is asked for the lease first, each failure becomes a problem.

use super::super::problem::{Contact, Problem, Redaction};
use crate::api::Reason;
use crate::lease::Leadership;
use crate::metrics::WriteCounts;
use crate::snapshot::FIELD_MANAGER;
use crate::snapshot::pointer::Destination;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::PartialObjectMeta;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Time beyond the wait for an answer's beginning within which the whole answer must be there.
const BODY_TIME: Duration = Duration::from_secs(2);
/// Most ConfigMaps of one satellite that are followed: the most shards that a set has, those of the set before, and as much garbage.
const MOST: usize = 4096;
/// Longest time for a whole list.
const LIST_TIME: Duration = Duration::from_secs(60);
/// What is listed and watched, as messages have it.
pub const ALL: &str = "*";
/// How many objects one page of a list has. With the largest metadata that the API server admits a page is still small.
const PAGE: u32 = 250;

/// A way to one satellite's ConfigMaps. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    configmaps: Api<ConfigMap>,
    namespace: Arc<str>,
    deadline: Duration,
    claim: Leadership,
    written: Arc<WriteCounts>,
    redaction: Redaction,
}

/// A failed request.
#[derive(Debug)]
pub struct Failure {
    /// What it means.
    pub problem: Problem,
    /// HTTP status, if there was an answer.
    pub code: Option<u16>,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self { problem, code: None }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        failure.problem
    }
}

impl Requests {
    /// Requests through `client`; `request_timeout` is the longest wait for the beginning of an answer.
    /// `redaction` keeps the credential out of what is told of an answer.
    pub fn new(
        client: Client,
        target: &Destination,
        request_timeout: Duration,
        claim: Leadership,
        written: Arc<WriteCounts>,
        redaction: Redaction,
    ) -> Self {
        Self {
            configmaps: Api::namespaced(client, &target.namespace),
            namespace: target.namespace.as_str().into(),
            deadline: request_timeout + BODY_TIME,
            claim,
            written,
            redaction,
        }
    }

    /// The ConfigMaps, for the watch.
    pub fn configmaps(&self) -> &Api<ConfigMap> {
        &self.configmaps
    }

    /// `<namespace>/<name>`, as messages have it.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// What a failed request means.
    pub fn problem(&self, action: &str, name: &str, error: &kube::Error) -> Problem {
        Problem::of(action, &self.full_name(name), error, &self.redaction)
    }

    /// A request within its deadline.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn bounded<T>(
        &self,
        action: &str,
        name: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.deadline, call).await {
            Err(_) => {
                let name = self.full_name(name);
                let message =
                    format!("cannot {action} ConfigMap {name}: no answer within {:?}", self.deadline);
                Err(Problem::silent(Reason::Unreachable, message).into())
            }
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
                Err(Failure { problem: self.problem(action, name, &error), code })
            }
        }
    }

    /// Reads a ConfigMap; nothing if there is none.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn get(&self, name: &str) -> Result<Option<ConfigMap>, Failure> {
        self.bounded("read", name, self.configmaps.get_opt(name)).await
    }

    /// Lists the metadata of what is ours, and the resourceVersion of the list.
    ///
    /// # Errors
    /// What went wrong; also a list that does not end, or has more than [`MOST`] objects.
    pub async fn list(&self, selector: &str) -> Result<(Vec<PartialObjectMeta<ConfigMap>>, String), Failure> {
        tokio::time::timeout(LIST_TIME, self.pages(selector)).await.unwrap_or_else(|_| {
            let namespace = &self.namespace;
            let message = format!("a list of the ConfigMaps of {namespace} did not end within {LIST_TIME:?}");
            Err(Problem::silent(Reason::Unreachable, message).into())
        })
    }

    /// The first page of what is ours.
    ///
    /// # Errors
    /// What went wrong.
    pub async fn page(&self, selector: &str) -> Result<Vec<PartialObjectMeta<ConfigMap>>, Failure> {
        let parameters = ListParams::default().labels(selector).limit(PAGE);
        let page = self.bounded("list", ALL, self.configmaps.list_metadata(&parameters)).await?;
        Ok(page.items)
    }

    async fn pages(&self, selector: &str) -> Result<(Vec<PartialObjectMeta<ConfigMap>>, String), Failure> {
        let mut parameters = ListParams::default().labels(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.bounded("list", ALL, self.configmaps.list_metadata(&parameters)).await?;
            all.extend(page.items);
            self.check_count(all.len())?;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok((all, page.metadata.resource_version.unwrap_or_default())),
            }
        }
    }

    /// # Errors
    /// There are more ConfigMaps than can be ours.
    pub fn check_count(&self, count: usize) -> Result<(), Failure> {
        if count <= MOST {
            return Ok(());
        }
        let message = format!(
            "there are more than {MOST} ConfigMaps with our labels in namespace {}; let the operator delete there (the Role), or delete \
             those with the label groundlink.dev/part=shard that the pointer does not name",
            self.namespace
        );
        let problem = Problem::stalled(Reason::TooLarge, message);
        Err(Problem { contact: Contact::Answered, ..problem }.into())
    }

    /// Asked before every write.
    fn may_write(&self) -> Result<(), Failure> {
        if self.claim.is_current() {
            return Ok(());
        }
        Err(Problem::transient(Reason::Pending, "this process is not the leader any more").into())
    }

    fn wrote(&self, object: &ConfigMap) {
        self.written.requests.fetch_add(1, Ordering::Relaxed);
        let texts = object.data.iter().flatten().map(|(key, text)| key.len() + text.len());
        let archives = object.binary_data.iter().flatten().map(|(key, bytes)| key.len() + bytes.0.len());
        let bytes: usize = texts.chain(archives).sum();
        self.written.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn post() -> PostParams {
        PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() }
    }

    /// Creates a ConfigMap. The answer is what the server stored.
    ///
    /// # Errors
    /// What went wrong; code 409 if there is one of this name.
    pub async fn create(&self, name: &str, object: &ConfigMap) -> Result<ConfigMap, Failure> {
        self.may_write()?;
        let stored = self.bounded("create", name, self.configmaps.create(&Self::post(), object)).await?;
        self.wrote(object);
        Ok(stored)
    }

    /// Replaces a ConfigMap; `object` carries the uid and the resourceVersion that were read, so a late write loses.
    ///
    /// # Errors
    /// What went wrong; code 409 if it changed since, also if it was deleted.
    pub async fn replace(&self, name: &str, object: &ConfigMap) -> Result<ConfigMap, Failure> {
        self.may_write()?;
        match self.bounded("replace", name, self.configmaps.replace(name, &Self::post(), object)).await {
            Err(Failure { code: Some(404), problem }) => Err(Failure { code: Some(409), problem }),
            Ok(stored) => {
                self.wrote(object);
                Ok(stored)
            }
            other => other,
        }
    }

    /// Changes the metadata of a ConfigMap; `metadata` carries the resourceVersion that was read.
    ///
    /// # Errors
    /// What went wrong; code 409 if it changed since, 404 if it is gone.
    pub async fn patch_metadata(&self, name: &str, metadata: serde_json::Value) -> Result<(), Failure> {
        self.may_write()?;
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let call = self.configmaps.patch_metadata(name, &parameters, &patch);
        self.bounded("patch", name, call).await?;
        self.written.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes a ConfigMap if it is still the one that was read. One that is gone already is no failure.
    ///
    /// # Errors
    /// What went wrong; code 409 if it changed since.
    pub async fn delete(
        &self,
        name: &str,
        uid: Option<String>,
        version: Option<String>,
    ) -> Result<(), Failure> {
        self.may_write()?;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: version }),
            ..DeleteParams::default()
        };
        match self.bounded("delete", name, self.configmaps.delete(name, &parameters)).await {
            Ok(_) => {
                self.written.requests.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(Failure { code: Some(404), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use std::convert::Infallible;
    use std::sync::atomic::AtomicUsize;

    /// Answers every list with a full page and a promise of more.
    fn endless(pages: Arc<AtomicUsize>) -> Client {
        let service = tower::service_fn(move |_: Request<Body>| {
            let page = pages.fetch_add(1, Ordering::SeqCst);
            let item = |number: u32| json!({ "metadata": { "name": format!("groundlink-{page}-{number}"), "uid": "u", "resourceVersion": "1" } });
            let items: Vec<_> = (0..PAGE).map(item).collect();
            let list = json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                "metadata": { "resourceVersion": "1", "continue": "more" }, "items": items,
            });
            let answer = Response::builder().status(200).body(Body::from(list.to_string().into_bytes()));
            async move { Ok::<_, Infallible>(answer.unwrap()) }
        });
        Client::new(service, "default")
    }

    #[tokio::test]
    async fn a_list_that_does_not_end_is_given_up() {
        let pages = Arc::new(AtomicUsize::new(0));
        let target =
            Destination { namespace: "icinga".into(), name: "groundlink".into(), ..Destination::default() };
        let requests = Requests::new(
            endless(pages.clone()),
            &target,
            Duration::from_secs(5),
            Leadership::default(),
            Arc::default(),
            Redaction::default(),
        );
        let failure = requests.list("a=b").await.unwrap_err();
        assert_eq!(failure.problem.reason, Reason::TooLarge, "{failure:?}");
        assert!(failure.problem.message.contains("namespace icinga; let the operator delete"), "{failure:?}");
        assert_eq!(pages.load(Ordering::SeqCst), MOST / PAGE as usize + 1);
    }
}
