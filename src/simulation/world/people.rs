//! What people do.

use super::*;

impl World {
    /// Somebody deletes the CRD, and with it every resource; or it comes back, and a part of them with it.
    pub(super) fn crd_changes(&mut self) -> Step {
        if self.crd.is_some() {
            // Before the volume records a CRD, nobody can tell that it is another one.
            if self.random.percent(80) || self.recorded_crd.is_none() {
                return Ok(());
            }
            self.say(|| "the CRD is deleted".into());
            self.crd = None;
            let keys: Vec<_> = self.api.objects.keys().cloned().collect();
            self.lost.extend(self.api.objects.values().map(|stored| (stored.key.clone(), stored.spec)));
            keys.iter().for_each(|key| self.api.delete(key));
        } else {
            self.crd_returns();
            let keys: Vec<_> = self.lost.keys().cloned().collect();
            for key in keys {
                if self.random.percent(50) {
                    self.apply_lost(&key);
                }
            }
        }
        Ok(())
    }

    fn crd_returns(&mut self) {
        if self.crd.is_none() {
            self.crds += 1;
            self.crd = Some(self.crds);
            self.say(|| "the CRD is back".into());
        }
    }

    /// Returns whether the status of an object names another operator.
    pub(super) fn is_of_another(&self, key: &ObjectKey) -> bool {
        let status = self.api.objects.get(key).and_then(|stored| stored.status.as_ref());
        status.is_some_and(|status| status.operator.as_deref() == Some(OTHER_OPERATOR))
    }

    /// Another operator writes its name into a status.
    fn another_operator(&mut self, key: &ObjectKey) {
        let status = self.api.objects.get(key).and_then(|stored| stored.status.clone());
        if let Some(status) = status {
            self.say(|| format!("another operator claims {key}"));
            let operator = Some(OTHER_OPERATOR.to_owned());
            self.api.edit_status(key, Some(MonitoringObjectStatus { operator, ..status }));
        }
    }

    /// A person decides that the other operator goes.
    fn other_operator_goes(&mut self) {
        let keys: Vec<_> = self.api.objects.keys().filter(|key| self.is_of_another(key)).cloned().collect();
        for key in keys {
            let status = self.api.objects.get(&key).and_then(|stored| stored.status.clone());
            let status = status.map(|status| MonitoringObjectStatus { operator: None, ..status });
            self.say(|| format!("{key} is nobody's"));
            self.api.edit_status(&key, status);
        }
    }

    /// Everything that the CRD took with it is applied again, as it was, and there is one operator.
    pub(super) fn restore(&mut self) {
        self.other_operator_goes();
        self.crd_returns();
        while let Some(key) = self.lost.keys().next().cloned() {
            self.apply_lost(&key);
        }
    }

    fn apply_lost(&mut self, key: &ObjectKey) {
        let Some(spec) = self.lost.remove(key) else { return };
        if !spec.is_valid || spec.is_suspended || spec.group.is_some() || is_group(key) {
            // What was kept beside it, or beside what names it, was kept for a resource that is gone.
            self.is_gone(key);
        }
        self.put(key, spec);
    }

    /// What there was of this resource may go, and what names it.
    fn is_gone(&mut self, key: &ObjectKey) {
        self.witness.deleted(&self.api, key);
        if is_group(key) {
            self.lost.keys().for_each(|host| self.witness.deleted(&self.api, host));
        }
    }

    pub(super) fn person(&mut self) -> Step {
        if self.crd.is_none() {
            return self.crd_changes();
        }
        let key = match self.random.percent(30) {
            true => group(self.random.below(GROUPS)),
            false => host(self.random.below(HOSTS)),
        };
        let what = self.random.below(100);
        if what < 4 && self.disk.has(&key) {
            self.meddle(&key);
        } else if what < 12 {
            self.say(|| format!("delete {key}"));
            self.is_gone(&key);
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
        } else if what < 16 {
            self.another_operator(&key);
        } else if what < 24 && self.api.objects.keys().any(|key| self.is_of_another(key)) {
            self.other_operator_goes();
        } else if what < 27 {
            // Far faster than anybody follows.
            for _ in 0..20 + self.random.below(60) {
                self.apply(&key);
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
        if self.lost.remove(key).is_some() {
            // Not as it was before the CRD took it.
            self.is_gone(key);
        }
        self.put(key, spec);
    }

    fn put(&mut self, key: &ObjectKey, spec: Spec) {
        self.say(|| format!("apply {key} {spec:?}"));
        self.api.apply(key, spec);
        if let Some(stored) = self.api.objects.get(key) {
            self.witness.applied(&self.api, stored);
        }
    }
}
