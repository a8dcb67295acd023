//! Which news become events. An event costs the API server as much as a status, so a burst has
//! few, and the burst of one namespace leaves some to the others.

use super::{Announcement, Command, Core, Measurement};
use crate::identity::ObjectKey;
use crate::status::News;
use std::collections::BTreeMap;
use std::time::Duration;

/// Events at once, and one more after each pause: of all namespaces, and of one.
const ALL: Limit = Limit { burst: 100, pause: Duration::from_millis(200) };
pub(super) const EACH: Limit = Limit { burst: 25, pause: Duration::from_secs(2) };
/// Namespaces that are remembered. One that had no event for a while is forgotten first.
const NAMESPACES: usize = 1_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub burst: u32,
    pause: Duration,
}

/// How many events may be published now.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    at: Duration,
}

impl Bucket {
    fn full(limit: Limit, now: Duration) -> Self {
        Self { left: limit.burst, at: now }
    }

    fn fill(&mut self, limit: Limit, now: Duration) {
        let more = now.saturating_sub(self.at).as_millis() / limit.pause.as_millis().max(1);
        let more = more.min(limit.burst.into()) as u32;
        if more > 0 {
            (self.left, self.at) = (limit.burst.min(self.left + more), now);
        }
    }
}

/// The events that may be published.
#[derive(Debug, Default)]
pub(super) struct Announcements {
    all: Option<Bucket>,
    each: BTreeMap<Box<str>, Bucket>,
}

impl Announcements {
    pub fn admit(&mut self, namespace: &str, now: Duration) -> bool {
        if self.each.len() >= NAMESPACES && !self.each.contains_key(namespace) {
            self.each.values_mut().for_each(|bucket| bucket.fill(EACH, now));
            self.each.retain(|_, bucket| bucket.left < EACH.burst);
            if self.each.len() >= NAMESPACES {
                return false;
            }
        }
        let all = self.all.get_or_insert(Bucket::full(ALL, now));
        let each = self.each.entry(namespace.into()).or_insert(Bucket::full(EACH, now));
        all.fill(ALL, now);
        each.fill(EACH, now);
        let is_admitted = all.left > 0 && each.left > 0;
        if is_admitted {
            (all.left, each.left) = (all.left - 1, each.left - 1);
        }
        is_admitted
    }
}

impl Core {
    /// Has news published, or counts that there are too many.
    pub(super) fn announce(&mut self, key: &ObjectKey, news: News) {
        let Some(entry) = self.objects.entries.get(key) else { return };
        let uid = entry.uid.clone();
        match self.announcements.admit(key.namespace(), self.now.elapsed) {
            true => self.command(Command::Announce(Announcement { key: key.clone(), uid, news })),
            false => self.measure(Measurement::EventLeftOut),
        }
    }
}
