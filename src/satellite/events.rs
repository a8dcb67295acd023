//! Events of SatelliteClusters: one when something begins or ends, so that `kubectl describe`
//! shows what happened.

use crate::api::marks::OPERATOR_MANAGER;
use crate::api::{Reason, SatelliteCluster};
use crate::request::ask;
use crate::text::clean;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use std::time::Duration;

/// Longest text of an event, in bytes. The API server's own limit is 1024.
const NOTE_MAX: usize = 1000;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Publishes events. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// Publishes through the hub's API server.
    pub fn new(hub: Client) -> Self {
        Self {
            recorder: Recorder::new(hub, Reporter { controller: OPERATOR_MANAGER.into(), instance: None }),
        }
    }

    /// Publishes something that a person should see. An event that cannot be published is logged.
    pub async fn warning(&self, object: &SatelliteCluster, reason: Reason, note: &str) {
        self.publish(object, EventType::Warning, reason, note).await;
    }

    /// Publishes that something is well again.
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
        if let Err(why) = ask(TIMEOUT, self.recorder.publish(&event, &reference)).await {
            tracing::warn!(satellite = object.metadata.name, %why, "cannot publish an event");
        }
    }
}
