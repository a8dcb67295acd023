//! The page on a port of this machine, with a state that the test publishes.

use crate::support::Port;
use groundlink::page::{Feed, Guard, State, serve};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The server, and what it shows. The state counts as read again every half second.
pub struct Served {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    port: Port,
    feed: Feed,
    state: Arc<Mutex<Option<State>>>,
    server: JoinHandle<()>,
    reader: JoinHandle<()>,
}

impl Served {
    /// Starts it.
    pub async fn start(state: State, guard: Guard) -> Self {
        let (port, feed) = (Port::reserve(), Feed::default());
        let state = Arc::new(Mutex::new(Some(state)));
        let reader = tokio::spawn({
            let (feed, state) = (feed.clone(), state.clone());
            async move {
                loop {
                    if let Some(state) = state.lock().unwrap().clone() {
                        feed.publish(state);
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        });
        let server = listen(&port, &feed, guard).await;
        Self { url: format!("http://127.0.0.1:{}", port.number()), port, feed, state, server, reader }
    }

    /// Changes the state. `None`: nobody reads it any more, so that the last one grows old.
    pub fn set(&self, state: Option<State>) {
        *self.state.lock().unwrap() = state;
    }

    /// Ends the server, and every connection to it.
    pub async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    /// Starts it again, on the same port.
    pub async fn restart(&mut self, guard: Guard) {
        self.server = listen(&self.port, &self.feed, guard).await;
    }
}

async fn listen(port: &Port, feed: &Feed, guard: Guard) -> JoinHandle<()> {
    let listener = TcpListener::bind(("127.0.0.1", port.number())).await.unwrap();
    tokio::spawn(serve(listener, feed.clone(), guard))
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
        self.reader.abort();
    }
}
