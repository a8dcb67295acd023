//! Events of SatelliteClusters: only where something begins or ends, so that `kubectl describe` tells the story.

use crate::api::marks::OPERATOR_MANAGER;
use crate::api::{Reason, SatelliteCluster};
use crate::text::clean;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use std::time::Duration;

/// Longest text of an event: the API server's own limit is 1024.
const NOTE_MAX: usize = 1000;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes events. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Through the hub's API server.
    pub fn new(hub: Client) -> Self {
        Self {
            recorder: Recorder::new(hub, Reporter { controller: OPERATOR_MANAGER.into(), instance: None }),
        }
    }

    /// Something that a person should see. An event that cannot be published is logged: it is no reason to stop.
    pub async fn warning(&self, object: &SatelliteCluster, reason: Reason, note: &str) {
        self.publish(object, EventType::Warning, reason, note).await;
    }

    /// Something that is well again.
    pub async fn normal(&self, object: &SatelliteCluster, reason: Reason, note: &str) {
        self.publish(object, EventType::Normal, reason, note).await;
    }

    async fn publish(&self, object: &SatelliteCluster, kind: EventType, reason: Reason, note: &str) {
        let event = Event {
            type_: kind,
            reason: format!("{reason:?}"),
            note: Some(clean(note, NOTE_MAX)),
            action: "Deliver".into(),
            secondary: None,
        };
        let reference = object.object_ref(&());
        match tokio::time::timeout(TIMEOUT, self.recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let why = clean(&error.to_string(), 200);
                tracing::warn!(satellite = object.metadata.name, %why, "cannot publish an event");
            }
            Err(_) => tracing::warn!(satellite = object.metadata.name, "cannot publish an event: no answer"),
        }
    }
}
