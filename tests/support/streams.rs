//! The streams of events that pass a proxy: each event may be changed, left out or repeated, and a
//! stream may fall silent.

use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch;

/// The body of an answer.
pub(super) type Answer = UnsyncBoxBody<Bytes, kube::Error>;

/// Gets the path of the watch and one event, and returns the events that the caller gets in its
/// place.
pub type Editor = Arc<dyn Fn(&str, Value) -> Vec<Value> + Send + Sync>;

/// What happens to the streams of one proxy.
pub(super) struct Streams {
    editor: Mutex<Option<Editor>>,
    silenced: watch::Sender<u64>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { editor: Mutex::default(), silenced: watch::Sender::new(0) }
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

    pub(super) fn pass(self: &Arc<Self>, path: &str, body: Body) -> Answer {
        let (streams, path) = (self.clone(), path.to_owned());
        let state = (Box::pin(body.into_data_stream()), Vec::new(), self.silenced.subscribe());
        let frames = stream::unfold(state, move |(mut chunks, mut rest, mut silenced)| {
            let (streams, path) = (streams.clone(), path.clone());
            async move {
                loop {
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
                    let passed = streams.edited(&path, lines);
                    if !passed.is_empty() {
                        return Some((Ok(Frame::data(Bytes::from(passed))), (chunks, rest, silenced)));
                    }
                }
            }
        });
        StreamBody::new(frames).boxed_unsync()
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
