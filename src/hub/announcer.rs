//! Publishes the events of MonitoringObjects, one after another: they delay nothing else.

use super::core::Announcement;
use crate::metrics::{EventResult, Metrics};
use crate::satellite::Events;
use crate::status::News;
use k8s_openapi::api::core::v1::ObjectReference;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Events that wait. More are left out, and counted.
const WAITING: usize = 128;

/// Takes the events that are to be published.
pub(super) struct Announcer {
    sender: mpsc::Sender<Announcement>,
    metrics: Arc<Metrics>,
}

impl Announcer {
    /// Starts the task that publishes, until `stop`.
    pub fn start(events: Events, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        let (sender, mut received) = mpsc::channel::<Announcement>(WAITING);
        let results = metrics.clone();
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    () = stop.cancelled() => return,
                    next = received.recv() => next,
                };
                let Some(Announcement { key, uid, news }) = next else { return };
                let News { is_warning, reason, note } = news;
                let object = ObjectReference {
                    api_version: Some("groundlink.dev/v1alpha1".into()),
                    kind: Some("MonitoringObject".into()),
                    namespace: Some(key.namespace().into()),
                    name: Some(key.name().into()),
                    uid: Some(uid.to_string()),
                    ..ObjectReference::default()
                };
                let is_published = events.about(&object, is_warning, reason, &note, "Publish").await;
                results.event(if is_published { EventResult::Published } else { EventResult::Failed });
            }
        });
        Self { sender, metrics }
    }

    /// Has an event published, if not too many wait.
    pub fn announce(&self, announcement: Announcement) {
        if self.sender.try_send(announcement).is_err() {
            self.metrics.event(EventResult::LeftOut);
        }
    }
}
