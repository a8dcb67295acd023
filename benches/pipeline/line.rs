//! A TCP forwarder from the operator to one satellite. It counts bytes, and can be cut: connections
//! are then refused, as if nothing listened there.

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

/// A forwarder to a port on this machine. Dropping it cuts it.
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

/// Bytes on the wire, TLS included.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes {
    /// To the satellite.
    pub up: u64,
    /// From it.
    pub down: u64,
}

impl Line {
    /// Starts a line to port `to`. It accepts connections when this returns.
    pub async fn to(to: u16) -> anyhow::Result<Self> {
        let mut line = Self { port: Port::reserve(), to, seen: Arc::default(), task: None };
        line.mend().await?;
        Ok(line)
    }

    /// Returns the URL for a kubeconfig. The certificate is that of the server behind the line.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port.number())
    }

    /// Ends every connection, and refuses new ones from now on.
    pub fn cut(&mut self) {
        self.task = None;
        *self.called() = None;
    }

    /// Accepts connections again.
    pub async fn mend(&mut self) -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port.number())).await;
        let listener = listener.context("listen on the port of the line")?;
        let (seen, to) = (self.seen.clone(), self.to);
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        seen.called.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
                        let seen = seen.clone();
                        connections.spawn(async move {
                            // The two ends notice a broken connection themselves.
                            let _ = pass(&seen, stream, to).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        })));
        Ok(())
    }

    /// Returns the time of the first connection since the line was started or last cut.
    pub fn first_call(&self) -> Option<Instant> {
        *self.called()
    }

    /// Returns the bytes so far.
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
