//! Events: one when something begins or ends, so that `kubectl describe` shows what happened.

use crate::api::marks::OPERATOR_MANAGER;
use crate::api::{Reason, SatelliteCluster};
use crate::request::ask;
use crate::text::clean;
use k8s_openapi::api::core::v1::ObjectReference;
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
        self.about(&object.object_ref(&()), true, reason, note, "Deliver").await;
    }

    /// Publishes that something is well again.
    pub async fn normal(&self, object: &SatelliteCluster, reason: Reason, note: &str) {
        self.about(&object.object_ref(&()), false, reason, note, "Deliver").await;
    }

    /// Publishes an event about any object; `action` is what the operator was doing. True if it
    /// was published.
    pub async fn about(
        &self,
        object: &ObjectReference,
        is_warning: bool,
        reason: Reason,
        note: &str,
        action: &str,
    ) -> bool {
        let event = Event {
            type_: if is_warning { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(clean(note, NOTE_MAX)),
            action: action.into(),
            secondary: None,
        };
        match ask(TIMEOUT, self.recorder.publish(&event, object)).await {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(kind = object.kind, name = object.name, %why, "cannot publish an event");
                false
            }
        }
    }
}
