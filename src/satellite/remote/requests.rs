//! The requests to one satellite. Each has a deadline, each write needs the lease, and each
//! failure is explained.

use super::super::core::requests::Failed;
use super::super::explain::Redaction;
use super::super::problem::Problem;
use crate::api::Reason;
use crate::lease::Leadership;
use crate::metrics::WriteCounts;
use crate::request::answer;
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

/// Time for the rest of an answer after its beginning.
const BODY_TIME: Duration = Duration::from_secs(2);
/// Most ConfigMaps of one satellite that are followed: the most shards that a set has, those of
/// the previous set, and as much garbage.
const MOST: usize = 4096;
/// Longest time for a whole list.
const LIST_TIME: Duration = Duration::from_secs(60);
/// The name in messages of a list or a watch.
pub const ALL: &str = "*";
/// Objects in one page of a list. With the largest metadata that the API server admits a page is
/// still small.
const PAGE: u32 = 250;

/// Sends requests for one satellite's ConfigMaps. Cheap to clone.
#[derive(Clone)]
pub struct Requests {
    configmaps: Api<ConfigMap>,
    namespace: Arc<str>,
    deadline: Duration,
    leadership: Leadership,
    written: Arc<WriteCounts>,
    redaction: Redaction,
}

impl Requests {
    /// Sends through `client`. `request_timeout` is the longest wait for the beginning of an
    /// answer; `redaction` keeps the credential out of messages.
    pub fn new(
        client: Client,
        target: &Destination,
        request_timeout: Duration,
        leadership: Leadership,
        written: Arc<WriteCounts>,
        redaction: Redaction,
    ) -> Self {
        Self {
            configmaps: Api::namespaced(client, &target.namespace),
            namespace: target.namespace.as_str().into(),
            deadline: request_timeout + BODY_TIME,
            leadership,
            written,
            redaction,
        }
    }

    /// The ConfigMaps, for the watch.
    pub fn configmaps(&self) -> &Api<ConfigMap> {
        &self.configmaps
    }

    /// The client, the namespace, the deadline of one answer and the redaction of messages, for
    /// requests about other kinds.
    pub fn parts(&self) -> (Client, Arc<str>, Duration, Redaction) {
        let client = self.configmaps.clone().into_client();
        (client, self.namespace.clone(), self.deadline, self.redaction.clone())
    }

    /// Returns `<namespace>/<name>`, for messages.
    pub fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// Explains a failed request.
    pub fn problem(&self, action: &str, name: &str, error: &kube::Error) -> Problem {
        Problem::of(action, &self.full_name(name), error, &self.redaction)
    }

    /// Sends a request and waits for its answer until the deadline.
    ///
    /// # Errors
    /// If it fails, or its deadline passes.
    pub async fn bounded<T>(
        &self,
        action: &str,
        name: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Failed> {
        match answer(self.deadline, call).await {
            Err(late) => {
                let name = self.full_name(name);
                let message = format!("cannot {action} ConfigMap {name}: {late}");
                Err(Problem::silent(Reason::Unreachable, message).into())
            }
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let code = if let kube::Error::Api(status) = &error { Some(status.code) } else { None };
                Err(Failed { problem: self.problem(action, name, &error), code })
            }
        }
    }

    /// Reads a ConfigMap. None if there is none.
    ///
    /// # Errors
    /// If the request fails.
    pub async fn get(&self, name: &str) -> Result<Option<ConfigMap>, Failed> {
        self.bounded("read", name, self.configmaps.get_opt(name)).await
    }

    /// Lists the metadata of the ConfigMaps that the selector chooses, and returns the
    /// resourceVersion of the list.
    ///
    /// # Errors
    /// If a request fails, or the list does not end or has more than [`MOST`] objects.
    pub async fn list(&self, selector: &str) -> Result<(Vec<PartialObjectMeta<ConfigMap>>, String), Failed> {
        tokio::time::timeout(LIST_TIME, self.pages(selector)).await.unwrap_or_else(|_| {
            let namespace = &self.namespace;
            let message = format!("a list of the ConfigMaps of {namespace} did not end within {LIST_TIME:?}");
            Err(Problem::silent(Reason::Unreachable, message).into())
        })
    }

    /// Lists the first page of the ConfigMaps that the selector chooses.
    ///
    /// # Errors
    /// If the request fails.
    pub async fn page(&self, selector: &str) -> Result<Vec<PartialObjectMeta<ConfigMap>>, Failed> {
        let parameters = ListParams::default().labels(selector).limit(PAGE);
        let page = self.bounded("list", ALL, self.configmaps.list_metadata(&parameters)).await?;
        Ok(page.items)
    }

    async fn pages(&self, selector: &str) -> Result<(Vec<PartialObjectMeta<ConfigMap>>, String), Failed> {
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

    /// Refuses a list with more ConfigMaps than the operator can have made.
    ///
    /// # Errors
    /// If there are more than [`MOST`].
    pub fn check_count(&self, count: usize) -> Result<(), Failed> {
        if count <= MOST {
            return Ok(());
        }
        let message = format!(
            "there are more than {MOST} ConfigMaps with our labels in namespace {}; let the operator delete there (the Role), or delete \
             those with the label groundlink.dev/part=shard that the pointer does not name",
            self.namespace
        );
        Err(Problem::stalled(Reason::TooLarge, message).answered().into())
    }

    /// Asks for the right to write, before every write.
    fn may_write(&self) -> Result<(), Failed> {
        if self.leadership.is_current() {
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

    /// Creates a ConfigMap, and returns what the server stored.
    ///
    /// # Errors
    /// If the request fails: with 409 if one of this name exists.
    pub async fn create(&self, name: &str, object: &ConfigMap) -> Result<ConfigMap, Failed> {
        self.may_write()?;
        let stored = self.bounded("create", name, self.configmaps.create(&Self::post(), object)).await?;
        self.wrote(object);
        Ok(stored)
    }

    /// Replaces a ConfigMap, and returns what the server stored. `object` carries the UID and the
    /// resourceVersion that were read, so a late write fails.
    ///
    /// # Errors
    /// If the request fails: with 409 if it changed since, with 404 if it was deleted.
    pub async fn replace(&self, name: &str, object: &ConfigMap) -> Result<ConfigMap, Failed> {
        self.may_write()?;
        let parameters = Self::post();
        let call = self.configmaps.replace(name, &parameters, object);
        let stored = self.bounded("replace", name, call).await?;
        self.wrote(object);
        Ok(stored)
    }

    /// Changes the metadata of a ConfigMap. `metadata` carries the resourceVersion that was read.
    ///
    /// # Errors
    /// If the request fails: with 409 if it changed since, with 404 if it was deleted.
    pub async fn patch_metadata(&self, name: &str, metadata: serde_json::Value) -> Result<(), Failed> {
        self.may_write()?;
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let call = self.configmaps.patch_metadata(name, &parameters, &patch);
        self.bounded("patch", name, call).await?;
        self.written.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Deletes a ConfigMap if it is still the one that was read.
    ///
    /// # Errors
    /// If the request fails: with 409 if it changed since, with 404 if it was deleted.
    pub async fn delete(
        &self,
        name: &str,
        uid: Option<String>,
        version: Option<String>,
    ) -> Result<(), Failed> {
        self.may_write()?;
        let parameters = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: version }),
            ..DeleteParams::default()
        };
        self.bounded("delete", name, self.configmaps.delete(name, &parameters)).await?;
        self.written.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use kube::client::Body;
    use std::convert::Infallible;
    use std::sync::Mutex;
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

    /// The method and the body of each request.
    type Seen = Arc<Mutex<Vec<(String, String)>>>;

    /// Takes every request, and answers with an empty ConfigMap.
    fn obedient(requests: Seen) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let requests = requests.clone();
            async move {
                let method = request.method().to_string();
                let body = request.into_body().collect_bytes().await.unwrap();
                requests.lock().unwrap().push((method, String::from_utf8(body.to_vec()).unwrap()));
                let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x" } });
                let answer = Response::builder().status(200).body(Body::from(body.to_string().into_bytes()));
                Ok::<_, Infallible>(answer.unwrap())
            }
        });
        Client::new(service, "default")
    }

    fn with(leadership: Leadership) -> (Requests, Seen) {
        let seen = Seen::default();
        let target = Destination { namespace: "icinga".into(), ..Destination::default() };
        let (time, client) = (Duration::from_secs(5), obedient(seen.clone()));
        (Requests::new(client, &target, time, leadership, Arc::default(), Redaction::default()), seen)
    }

    #[tokio::test]
    async fn no_write_is_sent_without_the_lease() {
        for (leadership, sent) in
            [(Leadership::default(), 0), (Leadership::lasting(Duration::from_secs(60)), 4)]
        {
            let (requests, seen) = with(leadership);
            let object = ConfigMap::default();
            let results = [
                requests.create("x", &object).await.is_ok(),
                requests.replace("x", &object).await.is_ok(),
                requests.patch_metadata("x", json!({})).await.is_ok(),
                requests.delete("x", None, None).await.is_ok(),
            ];
            assert_eq!(results, [sent > 0; 4]);
            assert_eq!(seen.lock().unwrap().len(), sent, "{:?}", seen.lock().unwrap());
        }
    }

    #[tokio::test]
    async fn a_deletion_names_the_uid_and_the_version_that_were_read() {
        let (requests, seen) = with(Leadership::lasting(Duration::from_secs(60)));
        requests.delete("x", Some("uid-7".into()), Some("42".into())).await.unwrap();
        let seen = seen.lock().unwrap();
        let body: serde_json::Value = serde_json::from_str(&seen[0].1).unwrap();
        assert_eq!(seen[0].0, "DELETE");
        assert_eq!(body["preconditions"], json!({ "uid": "uid-7", "resourceVersion": "42" }));
    }
}
