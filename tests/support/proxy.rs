//! A reverse proxy between a client and one API server. It records every request, and causes
//! faults.
//!
//! It runs on a thread and a runtime of its own, so a test that blocks its runtime does not block
//! it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::{Client, Config};
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::api_server::ApiServer;
use super::fault::{Action, Fault, Rule};
use super::recorder::{Recorder, is_watch};
use super::streams::{Answer, Editor, Streams};

/// Longer bodies are passed on, but not recorded.
const KEPT_BODY: usize = 4 << 20;

/// Headers of a single connection, which must not be passed on. `Accept-Encoding` is dropped too,
/// so that recorded answers are not compressed.
const NOT_FORWARDED: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::ACCEPT_ENCODING,
    HeaderName::from_static("keep-alive"),
];

/// The proxy. It presents the API server's own certificate, unless [`Proxy::present`] says another, so a kubeconfig of that server works
/// with [`Proxy::url`]. Dropping it closes every connection.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server: String,
    recorder: Recorder,
    rule: Rule,
    paused: watch::Sender<bool>,
    released: watch::Sender<u64>,
    cut: watch::Sender<u64>,
    connections: AtomicUsize,
    streams: Arc<Streams>,
    acceptor: watch::Sender<TlsAcceptor>,
}

impl Proxy {
    /// Starts a proxy in front of `server` on a free loopback port.
    pub fn start(server: &ApiServer, recorder: &Recorder) -> Self {
        let (certificate, key) = server.cert_and_key();
        let acceptor = watch::Sender::new(tls_acceptor(&certificate, &key));
        let mut config = Config::new(server.url().parse().expect("a valid URL"));
        let chain = certificates(&certificate).into_iter().map(|der| der.to_vec()).collect();
        config.root_cert = Some(chain);
        config.default_retry = false;
        (config.read_timeout, config.write_timeout) = (None, None);
        let shared = Arc::new(Shared {
            server: server.name().to_owned(),
            recorder: recorder.clone(),
            rule: Rule::default(),
            paused: watch::Sender::new(false),
            released: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            streams: Arc::default(),
            acceptor,
        });
        // Bound here, so that connections wait in the backlog until the thread accepts them.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a loopback port");
        listener.set_nonblocking(true).expect("a non-blocking listener");
        let address = listener.local_addr().expect("the address of the listener");
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let for_thread = shared.clone();
        let run = move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a registered listener");
                let upstream = Client::try_from(config).expect("a client of the API server");
                tokio::select! {
                    () = accept_loop(&for_thread, &listener, &upstream) => {}
                    _ = stopped => {}
                }
            });
            // Ends all connections without waiting for them.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name(format!("proxy-{}", server.name())).spawn(run);
        Self { shared, address, stop: Some(stop), thread: Some(thread.expect("a thread")) }
    }

    /// Returns `https://127.0.0.1:PORT`, for a kubeconfig.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the recorder that it writes to.
    pub fn recorder(&self) -> &Recorder {
        &self.shared.recorder
    }

    /// Replaces the rule; `None` removes it. Held requests stay held until [`Self::release`].
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.shared.rule.set(fault);
    }

    /// Releases every request that [`Action::Hang`] or [`Action::HoldAnswer`] holds at this moment.
    pub fn release(&self) {
        self.shared.released.send_modify(|count| *count += 1);
    }

    /// Records requests from now on, but makes them wait. A request is dropped once the proxy
    /// notices that its caller has given up (see [`Self::open_connections`]).
    pub fn pause_all(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Passes waiting and new requests on.
    pub fn resume_all(&self) {
        self.shared.paused.send_replace(false);
    }

    /// Presents this certificate chain to every connection from now on, and closes those that are open.
    pub fn present(&self, (certificate, key): &(String, String)) {
        self.shared.acceptor.send_replace(tls_acceptor(certificate, key));
        self.cut_connections();
    }

    /// Closes every connection, and so every watch. New ones are accepted.
    pub fn cut_connections(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// Passes every event of every watch to `editor`, of streams that are open already, too.
    /// `None` ends that.
    pub fn edit_events(&self, editor: Option<Editor>) {
        self.shared.streams.edit(editor);
    }

    /// The next events, this many on all watches together, end in the middle, and their connections with them.
    pub fn break_events(&self, count: u64) {
        self.shared.streams.break_off(count);
    }

    /// Returns how many events are still to break off.
    pub fn events_to_break(&self) -> u64 {
        self.shared.streams.to_break()
    }

    /// Nothing more comes out of the watches that are open now, not even their end. Their
    /// connections stay open.
    pub fn silence_watches(&self) {
        self.shared.streams.silence();
    }

    /// Returns the number of open connections.
    pub fn open_connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the thread of the proxy of {} panicked", self.shared.server);
        }
    }
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates in PEM")
}

pub(super) fn tls_acceptor(certificate: &str, key: &str) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key in PEM");
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(certificates(certificate), key)
        .expect("a certificate with its key");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn accept_loop(shared: &Arc<Shared>, listener: &TcpListener, upstream: &Client) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (shared, upstream) = (shared.clone(), upstream.clone());
                let acceptor = shared.acceptor.borrow().clone();
                let mut cut = shared.cut.subscribe();
                connections.spawn(async move {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    tokio::select! {
                        () = serve(&shared, stream, &acceptor, &upstream) => {}
                        _ = cut.changed() => {}
                    }
                    shared.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection. Errors are not reported, because the caller sees them as faults.
async fn serve(shared: &Arc<Shared>, stream: TcpStream, acceptor: &TlsAcceptor, upstream: &Client) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| forward(shared, upstream, request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Forwards one request. An error closes the caller's connection without an answer.
async fn forward(
    shared: &Shared,
    upstream: &Client,
    request: Request<Incoming>,
) -> io::Result<Response<Answer>> {
    let (mut head, body) = request.into_parts();
    let recorder = &shared.recorder;
    let seq = recorder.begin(&shared.server, &head);
    let mut body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    recorder.update(seq, |exchange| exchange.request_body = body.clone());

    // Subscribe before the rule counts its hit: a test that sees the hit may release at once.
    let mut released = shared.released.subscribe();
    let action = shared.rule.decide(&head, &body);
    recorder.update(seq, |exchange| exchange.action.clone_from(&action));
    match &action {
        Some(Action::DropBefore) => return Err(io::Error::other("dropped before it was sent")),
        Some(Action::Respond { status, body }) => {
            let status = StatusCode::from_u16(*status).expect("a valid status");
            recorder.end(seq, status, Some(body.clone()));
            let mut response = Response::new(Body::from(body.clone()).boxed_unsync());
            *response.status_mut() = status;
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            return Ok(response);
        }
        Some(Action::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Action::Hang) => released.changed().await.map_err(io::Error::other)?,
        Some(Action::RewriteRequestBody(other)) => body = other.clone(),
        Some(Action::DropAfterApply | Action::HoldAnswer) | None => {}
    }
    shared.paused.subscribe().wait_for(|paused| !paused).await.map_err(io::Error::other)?;

    let streams = is_watch(head.uri.query().unwrap_or_default());
    let path = head.uri.path().to_owned();
    remove_hop_headers(&mut head.headers);
    let response =
        upstream.send(Request::from_parts(head, Body::from(body))).await.map_err(io::Error::other)?;
    let (mut head, body) = response.into_parts();
    remove_hop_headers(&mut head.headers);
    let body = if streams {
        recorder.end(seq, head.status, None);
        shared.streams.pass(&path, body)
    } else {
        let bytes = body.collect().await.map_err(io::Error::other)?.to_bytes();
        recorder.update(seq, |exchange| exchange.held_status = Some(head.status.as_u16()));
        if action == Some(Action::HoldAnswer) {
            released.changed().await.map_err(io::Error::other)?;
        }
        recorder.end(seq, head.status, Some(bytes.clone()).filter(|bytes| bytes.len() <= KEPT_BODY));
        Body::from(Bytes::clone(&bytes)).boxed_unsync()
    };
    if action == Some(Action::DropAfterApply) {
        return Err(io::Error::other("dropped after it was applied"));
    }
    Ok(Response::from_parts(head, body))
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    for name in NOT_FORWARDED {
        headers.remove(name);
    }
}
