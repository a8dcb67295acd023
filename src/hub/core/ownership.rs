//! Another operator wrote a status: this one does nothing before a person has decided which of the two stays.

use super::{Announcement, Command, Core, Measurement};
use crate::api::{MonitoringObjectStatus, Reason};
use crate::identity::ObjectKey;
use crate::ownership::{Claim, Others};
use crate::status::News;

/// Whose the resources are.
pub(super) struct Ownership {
    pub claim: Claim,
    pub others: Others<ObjectKey>,
    counted: usize,
    /// Why nothing is done. `None` if no status is another operator's.
    held: Option<String>,
}

impl Ownership {
    pub fn new(claim: Claim) -> Self {
        Self { claim, others: Others::default(), counted: 0, held: None }
    }

    /// A resource was seen with this status.
    pub fn seen(&mut self, key: &ObjectKey, status: Option<&MonitoringObjectStatus>) {
        self.others.seen(key, &self.claim, status.and_then(|status| status.operator.as_deref()));
    }
}

impl Core {
    /// Takes the right to write away while a status names another operator, and says so when that begins, changes and ends.
    pub(super) fn hold_before_others(&mut self) {
        let Ownership { claim, others, counted, held } = &mut self.ownership;
        let count = others.count();
        if std::mem::replace(counted, count) != count {
            self.commands.push(Command::Measure(Measurement::OfAnotherOperator(count)));
        }
        let first = others.first();
        if first.is_some() {
            self.now.term = None;
        }
        if first.is_none() && held.is_none() {
            return;
        }
        let why = first.map(|(key, other)| claim.refusal(&format_args!("MonitoringObject {key}"), other));
        if *held == why {
            return;
        }
        let is_new = held.is_none();
        let key = first.map(|(key, _)| key.clone()).filter(|_| is_new);
        held.clone_from(&why);
        self.commands.push(Command::Hold(why.clone()));
        if let (Some(key), Some(note)) = (key, why)
            && let Some(entry) = self.objects.entries.get(&key)
        {
            let news = News { is_warning: true, reason: Reason::OtherOperator, note };
            let uid = entry.uid.clone();
            self.commands.push(Command::Announce(Announcement { key, uid, news }));
        }
    }
}
