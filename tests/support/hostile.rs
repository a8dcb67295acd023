//! Hostile servers in place of a satellite's API server. Each misbehaves in its own manner, and
//! counts the requests that it gets.
//!
//! Like the proxy, each runs on a thread and a runtime of its own and presents the certificate of a
//! real API server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::proxy::tls_acceptor;

/// How long a flapping server is up, and how long it is down.
const UP: Duration = Duration::from_secs(1);
const DOWN: Duration = Duration::from_secs(5);
/// Bytes of a body that no client should read to its end.
const HUGE: u64 = 1 << 30;
/// Control characters for the message of a refusal.
const DIRT: &str = "\u{7}\u{1b}[31mred\r\nSet-Cookie: x\u{0}\u{85}\t";

/// The way in which a server is hostile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Accepts no connection: its queue is full, so every SYN is dropped.
    BlackHole,
    /// Accepts, but reads nothing, so there is no TLS handshake.
    NoHandshake,
    /// Answers the start of a handshake with the first bytes of a record, and nothing more.
    HandshakeStall,
    /// Answers a handshake with bytes that are not TLS.
    NoTls,
    /// Reads requests, but never answers.
    NeverAnswers,
    /// Sends the head of an answer, but no body.
    HeadOnly,
    /// Sends one byte a second.
    OneByteASecond,
    /// Forwards to a real server, at this loopback port, for one second in six.
    Flapping(u16),
    /// Answers with a Kubernetes `Status` of this code and reason, these extra header lines, and a
    /// message with control characters and far too much text.
    Refuses(u16, &'static str, &'static str),
    /// Refuses with a message that quotes the credential of the request.
    QuotesTheToken,
    /// Answers 301 to this URL.
    Redirects(String),
    /// Answers with bytes that are not HTTP.
    Garbage,
    /// Answers 200 with an HTML page.
    Html,
    /// Answers 200 with a ConfigMap that does not end for 1 GiB.
    HugeBody,
    /// Answers 200 with `Content-Encoding: gzip`, 1 GiB packed into about 1 MiB.
    GzipBomb,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    sent: AtomicU64,
    open: AtomicUsize,
    peak: AtomicUsize,
}

/// A hostile server. Dropping it closes everything.
pub struct Hostile {
    counts: Arc<Counts>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hostile {
    /// Starts it on a free loopback port with a server's certificate chain and key in PEM.
    pub fn start(manner: Manner, certificate: &(String, String)) -> Self {
        let acceptor = tls_acceptor(&certificate.0, &certificate.1);
        let counts = Arc::new(Counts::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (tell, told) = std::sync::mpsc::channel();
        let for_thread = counts.clone();
        let run = move || {
            runtime.block_on(async {
                let (listener, address) = listen(&manner).await;
                tell.send(address).expect("the test waits for it");
                tokio::select! {
                    () = accept_loop(&for_thread, listener, &acceptor, &manner) => {}
                    _ = stopped => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("hostile".into()).spawn(run).expect("a thread");
        let address = told.recv().expect("the server listens");
        Self { counts, address, stop: Some(stop), thread: Some(thread) }
    }

    /// Returns `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Returns the number of connections so far. A black hole sees none.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of requests whose head was read.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Ordering::SeqCst)
    }

    /// Returns the bytes of bodies that were sent.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::SeqCst)
    }

    /// Returns the number of open connections.
    pub fn open(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// Returns the highest number of connections that were open at once.
    pub fn peak(&self) -> usize {
        self.counts.peak.load(Ordering::SeqCst)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the thread of a hostile server panicked");
        }
    }
}

/// Returns the listener and, for a black hole, the connections that fill its queue.
async fn listen(manner: &Manner) -> ((TcpListener, Vec<TcpStream>), SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let queue = if *manner == Manner::BlackHole { 0 } else { 128 };
    let listener = socket.listen(queue).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let mut fillers = Vec::new();
    if *manner == Manner::BlackHole {
        // Until a connect times out: then every other will.
        let wait = Duration::from_millis(300);
        while let Ok(stream) = timeout_at(Instant::now() + wait, TcpStream::connect(address)).await {
            fillers.push(stream.expect("a connection that waits"));
            assert!(fillers.len() < 64, "the queue of connections does not fill");
        }
    }
    ((listener, fillers), address)
}

async fn accept_loop(
    counts: &Arc<Counts>,
    (listener, _fillers): (TcpListener, Vec<TcpStream>),
    acceptor: &TlsAcceptor,
    manner: &Manner,
) {
    if *manner == Manner::BlackHole {
        return std::future::pending().await;
    }
    let mut connections = JoinSet::new();
    let started = Instant::now();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let (counts, acceptor, manner) = (counts.clone(), acceptor.clone(), manner.clone());
                connections.spawn(async move {
                    counts.connections.fetch_add(1, Ordering::SeqCst);
                    let open = counts.open.fetch_add(1, Ordering::SeqCst) + 1;
                    counts.peak.fetch_max(open, Ordering::SeqCst);
                    // An error means that the caller went away.
                    let _ = serve(&counts, stream, &acceptor, &manner, started).await;
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(
    counts: &Counts,
    mut stream: TcpStream,
    acceptor: &TlsAcceptor,
    manner: &Manner,
    started: Instant,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match manner {
        Manner::NoHandshake => until_gone(&mut stream, false).await,
        Manner::HandshakeStall => {
            stream.read_u8().await?;
            // The head of a handshake record of 122 bytes, and the first of these bytes.
            stream.write_all(&[0x16, 3, 3, 0, 0x7a, 2]).await?;
            until_gone(&mut stream, true).await
        }
        Manner::NoTls => {
            stream.read_u8().await?;
            stream.write_all(b"220 mail.example.org ESMTP ready\r\n").await?;
            until_gone(&mut stream, true).await
        }
        Manner::Flapping(port) => flap(counts, stream, *port, started).await,
        _ => {
            let mut stream = acceptor.accept(stream).await?;
            loop {
                let Some(token) = read_request(&mut stream).await? else { return Ok(()) };
                counts.requests.fetch_add(1, Ordering::SeqCst);
                answer(counts, &mut stream, manner, &token).await?;
                stream.flush().await?;
            }
        }
    }
}

/// Waits until the caller closes. Reads its bytes, or leaves them in the kernel.
async fn until_gone(stream: &mut TcpStream, reads: bool) -> io::Result<()> {
    if reads {
        while stream.read(&mut [0; 4096]).await? > 0 {}
        return Ok(());
    }
    // Unread bytes hide the end of the stream, but the state of the socket shows it.
    loop {
        sleep(Duration::from_millis(100)).await;
        if stream.ready(tokio::io::Interest::READABLE).await?.is_read_closed() {
            return Ok(());
        }
    }
}

async fn flap(counts: &Counts, mut stream: TcpStream, port: u16, started: Instant) -> io::Result<()> {
    let cycle = (UP + DOWN).as_millis();
    let at = started.elapsed().as_millis() % cycle;
    let Some(left) = UP.as_millis().checked_sub(at) else { return Ok(()) };
    let mut real = TcpStream::connect(("127.0.0.1", port)).await?;
    counts.requests.fetch_add(1, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_millis(u64::try_from(left).expect("a second at most"));
    let _ = timeout_at(end, copy_bidirectional(&mut stream, &mut real)).await;
    Ok(())
}

/// Returns the credential of the next request; `None` at the end of the stream. Its body is read
/// and dropped.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < 64 * 1024 => head.push(byte),
            Ok(_) => return Err(io::Error::other("a head that does not end")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await?;
    Ok(Some(header("authorization").unwrap_or_default()))
}

async fn answer(
    counts: &Counts,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    manner: &Manner,
    token: &str,
) -> io::Result<()> {
    let ok = |kind: &str, more: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}\r\n");
    let begins = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"groundlink"},"data":{"x":""#;
    match manner {
        Manner::Refuses(code, reason, headers) => {
            let message = format!("{reason} {DIRT}{}", "very long ".repeat(2000));
            stream.write_all(&refusal(*code, reason, headers, &message)).await
        }
        Manner::QuotesTheToken => {
            let message = format!("not with {token}");
            stream.write_all(&refusal(403, "Forbidden", "", &message)).await
        }
        Manner::Redirects(url) => {
            let head =
                format!("HTTP/1.1 301 Moved Permanently\r\nLocation: {url}/api\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await
        }
        Manner::Garbage => {
            let noise: Vec<u8> = (0..2048).map(|_| rand::random()).collect();
            stream.write_all(&noise).await?;
            stream.flush().await?;
            Err(io::Error::other("garbage ends the connection"))
        }
        Manner::Html => {
            let page = "<!DOCTYPE html><html><title>Welcome to nginx!</title></html>";
            let head = ok("text/html", &format!("Content-Length: {}\r\n", page.len()));
            stream.write_all(format!("{head}{page}").as_bytes()).await
        }
        Manner::OneByteASecond => {
            let text = ok("application/json", "Content-Length: 100000\r\n");
            for byte in text.bytes().chain(std::iter::repeat(b' ')) {
                stream.write_u8(byte).await?;
                stream.flush().await?;
                sleep(Duration::from_secs(1)).await;
            }
            Ok(())
        }
        Manner::HugeBody => {
            let head = ok("application/json", &format!("Content-Length: {HUGE}\r\n"));
            stream.write_all(format!("{head}{begins}").as_bytes()).await?;
            let block = vec![b'x'; 64 * 1024];
            pour(counts, stream, &block, HUGE).await
        }
        Manner::GzipBomb => {
            let head = ok("application/json", "Content-Encoding: gzip\r\nConnection: close\r\n");
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&gzip(begins.as_bytes())).await?;
            // Concatenated gzip members are one stream.
            let member = gzip(&vec![b'x'; 16 << 20]);
            pour(counts, stream, &member, member.len() as u64 * 64).await?;
            Err(io::Error::other("the end of the connection is the end of the body"))
        }
        _ => {
            if *manner == Manner::HeadOnly {
                stream.write_all(ok("application/json", "Content-Length: 100000\r\n").as_bytes()).await?;
                stream.flush().await?;
            }
            // Reads until the caller closes, without an answer.
            while stream.read(&mut [0; 4096]).await? > 0 {}
            Err(io::Error::other("the caller is gone"))
        }
    }
}

async fn pour(
    counts: &Counts,
    stream: &mut (impl AsyncWrite + Unpin),
    block: &[u8],
    bytes: u64,
) -> io::Result<()> {
    let mut sent = 0;
    while sent < bytes {
        stream.write_all(block).await?;
        sent += block.len() as u64;
        counts.sent.fetch_add(block.len() as u64, Ordering::SeqCst);
    }
    stream.flush().await
}

fn refusal(code: u16, reason: &str, headers: &str, message: &str) -> Vec<u8> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": code, "reason": reason, "message": message,
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let mut gzip = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip starts");
    let mut input = gzip.stdin.take().expect("piped");
    let bytes = bytes.to_vec();
    let feed = std::thread::spawn(move || input.write_all(&bytes));
    let output = gzip.wait_with_output().expect("gzip ends");
    feed.join().expect("no panic").expect("gzip reads");
    output.stdout
}
