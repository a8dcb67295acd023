//! Faults that a proxy causes for the requests that a rule picks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use hyper::body::Bytes;
use serde_json::json;

/// A fault for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Answers without asking the API server.
    Respond {
        /// The HTTP status.
        status: u16,
        /// The body, sent as `application/json`.
        body: Bytes,
    },
    /// Passes the request on, waits for the whole answer, and closes the connection without sending
    /// it.
    DropAfterApply,
    /// Passes the request on, and holds the answer until [`super::Proxy::release`]. If the caller
    /// gives up first, the exchange has no answer although the request was applied.
    HoldAnswer,
    /// Closes the connection; the API server sees nothing.
    DropBefore,
    /// Waits, then passes the request on.
    Delay(Duration),
    /// Holds the request until [`super::Proxy::release`], or until the caller gives up.
    Hang,
    /// Passes the request on with another body.
    RewriteRequestBody(Bytes),
}

impl Action {
    /// Answers with a Kubernetes `Status`, like an API server that refuses.
    pub fn refuse(status: u16, reason: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": status, "reason": reason, "message": format!("refused by the test proxy: {reason}"),
        });
        Self::Respond { status, body: Bytes::from(body.to_string()) }
    }
}

type Matcher = Arc<dyn Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync>;

/// A rule that picks the fault for each request, if any.
#[derive(Clone)]
pub struct Fault {
    matcher: Matcher,
    hits: Arc<AtomicU64>,
    limit: u64,
}

impl Fault {
    /// Makes a rule from a function. `None` passes the request on.
    pub fn new(matcher: impl Fn(&Parts, &Bytes) -> Option<Action> + Send + Sync + 'static) -> Self {
        Self { matcher: Arc::new(matcher), hits: Arc::default(), limit: u64::MAX }
    }

    /// Makes a rule that applies `action` to every request for which `predicate` holds.
    pub fn on(action: Action, predicate: impl Fn(&Parts, &Bytes) -> bool + Send + Sync + 'static) -> Self {
        Self::new(move |head, body| predicate(head, body).then(|| action.clone()))
    }

    /// Limits the rule to `limit` requests.
    pub fn times(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    /// Returns the number of requests that it has picked. Clones share the count.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }

    fn decide(&self, head: &Parts, body: &Bytes) -> Option<Action> {
        let action = (self.hits() < self.limit).then(|| (self.matcher)(head, body)).flatten()?;
        let free = |hits| (hits < self.limit).then_some(hits + 1);
        self.hits.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free).ok().map(|_| action)
    }
}

/// The current rule of a proxy.
#[derive(Default)]
pub(super) struct Rule(Mutex<Option<Fault>>);

impl Rule {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(super) fn decide(&self, head: &Parts, body: &Bytes) -> Option<Action> {
        let rule = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rule.and_then(|fault| fault.decide(head, body))
    }
}
