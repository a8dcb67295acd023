//! A record of all requests, in one total order with the observations of the other witnesses.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::{Method, StatusCode, header, request::Parts};
use hyper::body::Bytes;

use super::fault::Action;

/// The counter with which proxies and the volume watch number their observations.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    /// Takes the next number, starting with 1.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Returns the last number that was taken. Every later observation has a greater one.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// One request through a proxy, and its answer, if any.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The name of the API server.
    pub server: String,
    /// Taken when the request head arrived, before anything was sent upstream.
    pub seq_start: u64,
    /// When the request head arrived.
    pub started: Instant,
    /// Taken when the whole answer had arrived, before any of it was sent to the caller. So
    /// everything that the caller does because of it has a greater `seq_start`. For a watch: when
    /// its status line had arrived.
    pub seq_end: Option<u64>,
    /// The time of `seq_end`.
    pub answered: Option<Instant>,
    /// The request method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query, empty if there is none.
    pub query: String,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The body as the caller sent it.
    pub request_body: Bytes,
    /// The status of the answer. With [`Action::DropAfterApply`] the caller never gets it.
    pub status: Option<u16>,
    /// The status from the API server, set as soon as the proxy has it, even while it holds the
    /// answer. Not for watches.
    pub held_status: Option<u16>,
    /// The body of the answer; not for watches, and not above 4 MiB.
    pub response_body: Option<Bytes>,
    /// The fault that a rule picked for it.
    pub action: Option<Action>,
}

impl Exchange {
    /// True if it asks for a change.
    pub fn is_mutating(&self) -> bool {
        [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&self.method)
    }

    /// True if it is a watch.
    pub fn is_watch(&self) -> bool {
        is_watch(&self.query)
    }

    /// True if the caller got a 2xx answer.
    pub fn is_acknowledged(&self) -> bool {
        !matches!(self.action, Some(Action::DropAfterApply | Action::DropBefore)) && self.has_status_2xx()
    }

    /// True if the API server answered 2xx, whatever the caller got.
    pub fn is_applied(&self) -> bool {
        !matches!(self.action, Some(Action::Respond { .. })) && self.has_status_2xx()
    }

    /// Returns the request body as JSON. `Null` if it is not JSON.
    pub fn request_json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.request_body).unwrap_or_default()
    }

    /// Returns the answer as JSON. `Null` if it is not JSON.
    pub fn response_json(&self) -> serde_json::Value {
        self.response_body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    fn has_status_2xx(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// True if a query asks for a stream of events.
pub(super) fn is_watch(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1" | "watch"))
}

type Hook = Box<dyn Fn() + Send + Sync>;

/// All exchanges of the proxies that share it, ordered by `seq_start`. A clone is the same
/// recorder.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    sequence: Sequence,
    exchanges: Mutex<Vec<Exchange>>,
    before_request: Mutex<Vec<Hook>>,
}

impl Recorder {
    /// Makes a recorder that takes its numbers from `sequence`.
    pub fn new(sequence: &Sequence) -> Self {
        Self(Arc::new(Inner { sequence: sequence.clone(), ..Inner::default() }))
    }

    /// Returns the sequence.
    pub fn sequence(&self) -> &Sequence {
        &self.0.sequence
    }

    /// Calls `hook` for each request before its `seq_start` is taken. With `VolumeWatch::flush` as
    /// the hook, every file event that happened before a request has a lower number than the
    /// request.
    pub fn before_each_request(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.0.before_request.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
    }

    /// Returns all exchanges so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().clone()
    }

    /// Returns the exchanges that match.
    pub fn matching(&self, predicate: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        self.lock().iter().filter(|exchange| predicate(exchange)).cloned().collect()
    }

    /// Returns all exchanges with POST, PUT, PATCH and DELETE.
    pub fn mutating(&self) -> Vec<Exchange> {
        self.matching(Exchange::is_mutating)
    }

    /// Returns the number of exchanges that match.
    pub fn count(&self, predicate: impl Fn(&Exchange) -> bool) -> usize {
        self.lock().iter().filter(|exchange| predicate(exchange)).count()
    }

    /// Forgets everything, including exchanges that still wait for an answer.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Records a request head, and returns its `seq_start`.
    pub(super) fn begin(&self, server: &str, head: &Parts) -> u64 {
        for hook in self.0.before_request.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hook();
        }
        let user_agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let mut exchanges = self.lock();
        let seq_start = self.0.sequence.next();
        exchanges.push(Exchange {
            server: server.to_owned(),
            seq_start,
            started: Instant::now(),
            seq_end: None,
            answered: None,
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            user_agent: user_agent.map(str::to_owned),
            request_body: Bytes::new(),
            status: None,
            held_status: None,
            response_body: None,
            action: None,
        });
        seq_start
    }

    /// Adds details of the request that [`Self::begin`] numbered.
    pub(super) fn update(&self, seq_start: u64, change: impl FnOnce(&mut Exchange)) {
        let mut exchanges = self.lock();
        if let Ok(index) = exchanges.binary_search_by_key(&seq_start, |exchange| exchange.seq_start) {
            change(&mut exchanges[index]);
        }
    }

    /// Records the answer. Call it before any of the answer is sent to the caller.
    pub(super) fn end(&self, seq_start: u64, status: StatusCode, body: Option<Bytes>) {
        self.update(seq_start, |exchange| {
            exchange.seq_end = Some(self.0.sequence.next());
            exchange.answered = Some(Instant::now());
            exchange.status = Some(status.as_u16());
            exchange.response_body = body;
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.0.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter()).finish()
    }
}
