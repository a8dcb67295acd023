//! A TCP forwarder to one port of this machine: the network between two daemons, which can fail.

use super::ports::Port;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// A forwarder. Dropping it cuts it.
pub struct Wire {
    port: Port,
    to: u16,
    silent: watch::Sender<bool>,
    task: Option<AbortOnDropHandle<()>>,
}

impl Wire {
    /// Starts a wire to port `to`. It accepts connections when this returns.
    pub async fn to(to: u16) -> Self {
        let mut wire = Self { port: Port::reserve(), to, silent: watch::Sender::new(false), task: None };
        wire.mend().await;
        wire
    }

    /// Returns the port that it listens on.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends every connection, and refuses new ones.
    pub fn cut(&mut self) {
        self.task = None;
    }

    /// Passes nothing on from now on, and leaves the connections open. Both ends can write, and
    /// their bytes disappear: [`Self::mend`] ends these connections.
    pub fn silence(&self) {
        self.silent.send_replace(true);
    }

    /// Ends every connection, and passes new ones on.
    pub async fn mend(&mut self) {
        self.task = None;
        // Not `false` in the old channel: that would let the bytes that it holds pass.
        self.silent = watch::Sender::new(false);
        // The old listener is closed when its task has been dropped, which is soon.
        let listener = super::wait::eventually(super::GENEROUS, "the wire's port is free", async || {
            let address = (Ipv4Addr::LOCALHOST, self.port.number());
            TcpListener::bind(address).await.map_err(|error| error.to_string())
        })
        .await;
        let (silent, to) = (self.silent.clone(), self.to);
        self.task = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((caller, _)) = listener.accept() => {
                        connections.spawn(pass(caller, to, silent.subscribe()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        })));
    }
}

/// Passes one connection on. Its ends notice by themselves that it broke.
async fn pass(caller: TcpStream, to: u16, silent: watch::Receiver<bool>) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await?;
    caller.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_caller, to_caller) = caller.into_split();
    let (from_server, to_server) = server.into_split();
    let (up, down) =
        tokio::join!(pump(from_caller, to_server, silent.clone()), pump(from_server, to_caller, silent));
    up.and(down)
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        silent.wait_for(|silent| !silent).await.map_err(std::io::Error::other)?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}
