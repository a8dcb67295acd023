//! The way from the operator to one satellite: passes bytes on and counts them, and can be cut, so that connections are
//! refused as by a machine on which nothing listens.

use crate::support::Port;
use anyhow::Context as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// A line to a port on this machine. Dropping it cuts it.
pub struct Line {
    port: Port,
    to: u16,
    seen: Arc<Seen>,
    task: Option<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Seen {
    up: AtomicU64,
    down: AtomicU64,
    called: Mutex<Option<Instant>>,
}

/// Bytes, TLS and all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes {
    /// To the satellite.
    pub up: u64,
    /// From it.
    pub down: u64,
}

impl Line {
    /// A line to `to`; connections are accepted when this returns.
    pub async fn to(to: u16) -> anyhow::Result<Self> {
        let mut line = Self { port: Port::reserve(), to, seen: Arc::default(), task: None };
        line.mend().await?;
        Ok(line)
    }

    /// For a kubeconfig; the certificate is that of the server behind it.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// Ends every connection; from now on new ones are refused.
    pub fn cut(&mut self) {
        self.task = None;
        *self.called() = None;
    }

    /// Accepts connections again.
    pub async fn mend(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port.number())).await;
        let listener = listener.context("the port of a line")?;
        let (seen, to) = (self.seen.clone(), self.to);
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        seen.called.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
                        let seen = seen.clone();
                        connections.spawn(async move {
                            // What breaks a connection is for its two ends to notice.
                            let _ = pass(&seen, stream, to).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        })));
        Ok(())
    }

    /// When somebody called first since the line was cut, or made.
    pub fn first_call(&self) -> Option<Instant> {
        *self.called()
    }

    /// What went through so far.
    pub fn bytes(&self) -> Bytes {
        Bytes { up: self.seen.up.load(Ordering::Relaxed), down: self.seen.down.load(Ordering::Relaxed) }
    }

    fn called(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.seen.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn pass(seen: &Seen, mut caller: TcpStream, to: u16) -> std::io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    caller.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_caller, to_caller) = caller.split();
    let (from_server, to_server) = server.split();
    let (up, down) =
        tokio::join!(pump(from_caller, to_server, &seen.up), pump(from_server, to_caller, &seen.down));
    up.and(down)
}

async fn pump(
    mut from: tokio::net::tcp::ReadHalf<'_>,
    mut to: tokio::net::tcp::WriteHalf<'_>,
    count: &AtomicU64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        count.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(&buffer[..read]).await?;
    }
}
