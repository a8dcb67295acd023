//! The streams of events that pass a proxy: each event may be changed, left out or repeated, and a
//! stream may fall silent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch;

/// Stands for the rest of a stream that has broken off: no line has this byte.
const BROKEN: [u8; 1] = [0];

/// The body of an answer.
pub(super) type Answer = UnsyncBoxBody<Bytes, kube::Error>;

/// Gets the path of the watch and one event, and returns the events that the caller gets in its
/// place.
pub type Editor = Arc<dyn Fn(&str, Value) -> Vec<Value> + Send + Sync>;

/// What happens to the streams of one proxy.
pub(super) struct Streams {
    editor: Mutex<Option<Editor>>,
    silenced: watch::Sender<u64>,
    /// How many of the next events break off in the middle.
    breaks: AtomicU64,
}

impl Default for Streams {
    fn default() -> Self {
        Self { editor: Mutex::default(), silenced: watch::Sender::new(0), breaks: AtomicU64::new(0) }
    }
}

impl Streams {
    pub(super) fn edit(&self, editor: Option<Editor>) {
        *self.editor.lock().unwrap_or_else(PoisonError::into_inner) = editor;
    }

    /// Nothing more comes out of the streams that are open now, not even their end.
    pub(super) fn silence(&self) {
        self.silenced.send_modify(|count| *count += 1);
    }

    /// The next events, this many on all streams together, end in the middle, and their connections with them.
    pub(super) fn break_off(&self, count: u64) {
        self.breaks.store(count, Ordering::SeqCst);
    }

    /// Returns how many are still to break off.
    pub(super) fn to_break(&self) -> u64 {
        self.breaks.load(Ordering::SeqCst)
    }

    pub(super) fn pass(self: &Arc<Self>, path: &str, body: Body) -> Answer {
        let (streams, path) = (self.clone(), path.to_owned());
        let state = (Box::pin(body.into_data_stream()), Vec::new(), self.silenced.subscribe());
        let frames = stream::unfold(state, move |(mut chunks, mut rest, mut silenced)| {
            let (streams, path) = (streams.clone(), path.clone());
            async move {
                loop {
                    if rest == BROKEN {
                        let error = kube::Error::LinesCodecMaxLineLengthExceeded;
                        return Some((Err(error), (chunks, Vec::new(), silenced)));
                    }
                    let chunk = tokio::select! {
                        biased;
                        _ = silenced.changed() => std::future::pending().await,
                        chunk = chunks.next() => chunk?,
                    };
                    let bytes = match chunk {
                        Ok(bytes) => bytes,
                        Err(error) => return Some((Err(error), (chunks, rest, silenced))),
                    };
                    rest.extend_from_slice(&bytes);
                    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
                    let lines: Vec<u8> = rest.drain(..=end).collect();
                    let mut passed = streams.edited(&path, lines);
                    if !passed.is_empty() && streams.takes_a_break() {
                        passed.truncate(passed.len() / 2);
                        rest = BROKEN.to_vec();
                    }
                    if !passed.is_empty() {
                        return Some((Ok(Frame::data(Bytes::from(passed))), (chunks, rest, silenced)));
                    }
                }
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }

    fn takes_a_break(&self) -> bool {
        self.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    fn edited(&self, path: &str, lines: Vec<u8>) -> Vec<u8> {
        let editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(editor) = editor else { return lines };
        let mut passed = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            for event in editor(path, serde_json::from_slice(line).expect("an event is JSON")) {
                passed.extend_from_slice(event.to_string().as_bytes());
                passed.push(b'\n');
            }
        }
        passed
    }
}
