//! What people do.

use super::*;

impl World {
    pub(super) fn person(&mut self) -> Step {
        let key = match self.random.percent(30) {
            true => group(self.random.below(GROUPS)),
            false => host(self.random.below(HOSTS)),
        };
        let what = self.random.below(100);
        if what < 4 && self.disk.has(&key) {
            self.meddle(&key);
        } else if what < 12 {
            self.say(|| format!("delete {key}"));
            self.witness.deleted(&self.api, &key);
            self.api.delete(&key);
            if self.random.percent(30) {
                self.apply(&key);
            }
        } else if what < 15 {
            let status = self.api.objects.values().find_map(|stored| stored.status.clone());
            let status = status.filter(|_| self.random.percent(50));
            // Whoever writes a status by hand claims what he likes; only an empty one claims nothing.
            if status.is_none() {
                self.say(|| format!("wipe the status of {key}"));
                self.api.edit_status(&key, None);
            }
        } else {
            self.apply(&key);
        }
        Ok(())
    }

    pub(super) fn apply(&mut self, key: &ObjectKey) {
        let is_host = !is_group(key);
        let spec = Spec {
            group: (is_host && self.random.percent(70)).then(|| self.random.below(GROUPS)),
            text: self.random.below(4) as u32,
            is_valid: !self.random.percent(10),
            is_suspended: self.random.percent(6),
        };
        self.say(|| format!("apply {key} {spec:?}"));
        self.api.apply(key, spec);
        if let Some(stored) = self.api.objects.get(key) {
            self.witness.applied(&self.api, stored);
        }
    }
}
