use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

const GENEROUS: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3600);
const REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than the kernel keeps for a client that does not read.
const LARGE: usize = 64 << 20;

async fn start(limits: Limits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app =
        Router::new().route("/small", get(async || "ok\n")).route("/large", get(async || vec![b'x'; LARGE]));
    tokio::spawn(serve(listener, app, limits));
    address
}

/// Reads until the server ends the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // An end by reset is an end, too.
    let _ = timeout(GENEROUS, stream.read_to_end(&mut bytes)).await.expect("the server ends it");
    bytes
}

async fn ask(address: SocketAddr) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test]
async fn the_oldest_connection_ends_for_a_new_one() {
    let address = start(Limits { connections: 4, head: NEVER, whole: NEVER }).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert!(ask(address).await.ends_with(b"\r\n\r\nok\n"));
    for old in &mut silent[..16] {
        assert!(rest(old).await.is_empty());
    }
    let newest = silent.last_mut().unwrap();
    newest.write_all(REQUEST).await.unwrap();
    assert!(rest(newest).await.ends_with(b"ok\n"), "it kept its place");
}

#[tokio::test]
async fn a_client_that_sends_half_a_request_or_does_not_read_is_cut_off() {
    let brief = Duration::from_millis(200);
    let address = start(Limits { connections: 4, head: brief, whole: NEVER }).await;
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(&REQUEST[..10]).await.unwrap();
    assert!(!rest(&mut half).await.ends_with(b"ok\n"));

    let address = start(Limits { connections: 4, head: brief, whole: brief }).await;
    let mut deaf = TcpStream::connect(address).await.unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(2 * brief).await;
    let read = rest(&mut deaf).await.len();
    assert!(read < LARGE, "the rest was not waiting for the client");
    // A client that reads gets all of it in that time, and one request is all that a connection
    // has.
    let address = start(Limits { connections: 4, head: GENEROUS, whole: GENEROUS }).await;
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(rest(&mut reader).await.len() > LARGE);
}
