//! A gate at the k-th write to a satellite. That write stops before the API server gets it, or
//! after it was applied. Later writes wait, so a test can kill or freeze the operator exactly
//! there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use super::fault::{Action, Fault};
use super::proxy::Proxy;
use super::recorder::Exchange;
use super::wait::eventually;

/// Where the k-th write is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the API server gets it.
    Before,
    /// After the API server has applied it, before the caller gets the answer.
    After,
}

/// A gate in a proxy. Every request but GET whose path contains the given part is a write.
pub struct Gate {
    writes: Arc<AtomicU64>,
    open: Arc<AtomicBool>,
    mark: u64,
    path: String,
    k: u64,
    at: At,
}

impl Gate {
    /// Stops the `k`-th write from now on, counted from 1. Replaces the rule of the proxy.
    pub fn at(proxy: &Proxy, path: &str, k: u64, at: At) -> Self {
        let gate = Self {
            writes: Arc::default(),
            open: Arc::default(),
            mark: proxy.recorder().sequence().now(),
            path: path.to_owned(),
            k,
            at,
        };
        let (writes, open, path) = (gate.writes.clone(), gate.open.clone(), path.to_owned());
        proxy.set_fault(Some(Fault::new(move |head, _| {
            let is_write = head.method != Method::GET && head.uri.path().contains(&path);
            if !is_write || open.load(Ordering::SeqCst) {
                return None;
            }
            let number = writes.fetch_add(1, Ordering::SeqCst) + 1;
            match number.cmp(&k) {
                std::cmp::Ordering::Less => None,
                std::cmp::Ordering::Equal if at == At::After => Some(Action::HoldAnswer),
                // Concurrent and later requests must not pass it.
                _ => Some(Action::Hang),
            }
        })));
        gate
    }

    /// Returns the number of writes that reached the gate.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Returns the k-th write once it is stopped. For [`At::After`], once the API server has
    /// applied or refused it.
    pub fn stopped(&self, proxy: &Proxy) -> Option<Exchange> {
        if self.writes() < self.k {
            return None;
        }
        let stopped = if self.at == At::After { Action::HoldAnswer } else { Action::Hang };
        let found = proxy.recorder().matching(|e| {
            e.seq_start > self.mark
                && e.path.contains(&self.path)
                && e.action == Some(stopped.clone())
                && (self.at == At::Before || e.held_status.is_some())
        });
        found.into_iter().next()
    }

    /// True if [`Self::stopped`] returns `Some`.
    pub fn is_reached(&self, proxy: &Proxy) -> bool {
        self.stopped(proxy).is_some()
    }

    /// Waits for [`Self::is_reached`].
    pub async fn reached(&self, proxy: &Proxy, deadline: Duration) {
        eventually(deadline, &format!("write {} reaches the gate", self.k), async || {
            if self.is_reached(proxy) { Ok(()) } else { Err(format!("{} writes so far", self.writes())) }
        })
        .await;
    }

    /// Lets new writes pass. Stopped ones wait until [`Proxy::release`].
    pub fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}
