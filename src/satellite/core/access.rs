//! Which credential is in use, when its Secret is read again, and when its token is renewed.

use super::times::RECHECK;
use crate::api::SatelliteCluster;
use crate::api::satellite_cluster::TokenRenewal;
use crate::satellite::credential::{Schedule, Validity, lifetime, warning};
use crate::satellite::problem::Problem;
use std::time::Duration;

/// A connection that the driver opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The ConfigMap that is written to, as `<namespace>/<name>`.
    pub place: String,
    /// True if it leads to another API server than the connection in use.
    pub is_elsewhere: bool,
    /// From when to when its credential is good, if that is known.
    pub validity: Option<Validity>,
}

/// Which credential a connection is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The one that was just read from the Secret.
    Secret,
    /// The one in use, because the one in the Secret does not work.
    InUse,
}

/// What became of a token that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// A token with this validity is in the hub's Secret.
    Renewed(Option<Validity>),
    /// The hub's Secret has another credential already.
    Overtaken,
}

/// The access to one satellite.
#[derive(Clone, Debug)]
pub(super) struct Access {
    /// The Secret, or the resource, may have changed.
    pub reload: bool,
    /// The resource changed.
    pub is_changed: bool,
    /// When to look again at a Secret whose credential does not work, while an older one does.
    reload_at: Option<Duration>,
    /// The connection in use.
    pub in_use: Option<InUse>,
    /// A connection that is opened, and not used yet.
    pub opening: Option<Opening>,
    renewals: Schedule,
}

/// The connection in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InUse {
    pub opened: Opened,
    /// The satellite accepted its credential once.
    pub is_proven: bool,
}

/// A connection that is opened, and not used yet.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub source: Source,
    /// True if its credential is the one in use.
    pub is_same: bool,
    pub opened: Option<Opened>,
    /// Why the credential in the Secret is not used.
    pub instead_of: Option<Problem>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            reload: true,
            is_changed: true,
            reload_at: None,
            in_use: None,
            opening: None,
            renewals: Schedule::default(),
        }
    }
}

impl Access {
    /// Takes a change of the resource. A person who changed it may have mended why a token was not
    /// renewed.
    pub fn configured(&mut self) {
        (self.reload, self.is_changed) = (true, true);
        self.renewals = Schedule::default();
    }

    /// True if the Secret must be read before the satellite is called.
    pub fn must_read(&self, now: Duration) -> bool {
        self.in_use.is_none() || self.reload || self.reload_at.is_some_and(|at| at <= now)
    }

    pub fn is_proven(&self) -> bool {
        self.in_use.as_ref().is_some_and(|in_use| in_use.is_proven)
    }

    /// Records that the satellite accepted the credential in use.
    pub fn prove(&mut self) {
        if let Some(in_use) = &mut self.in_use {
            in_use.is_proven = true;
        }
    }

    /// Records that the connection in use is what Secret and resource say.
    pub fn settled(&mut self) {
        (self.reload, self.reload_at, self.is_changed) = (false, None, false);
    }

    /// Records that the credential in the Secret does not work, while the one in use does.
    pub fn postponed(&mut self, now: Duration) {
        self.reload = false;
        self.reload_at = Some(now + RECHECK);
    }

    /// Returns what a person should know about the end of the credential in use.
    pub fn warning(&self, object: &SatelliteCluster, unix: i64) -> Option<String> {
        let place = format!("Secret {}", object.spec.kubeconfig_secret_ref.name);
        let renews = object.spec.token_renewal.is_some();
        let validity = self.in_use.as_ref()?.opened.validity?;
        warning(unix, validity, &place, renews)
    }

    /// True if a new token is due. A credential that never worked is not renewed.
    pub fn is_renewal_due(&self, renewal: &TokenRenewal, unix: i64) -> bool {
        let Some(in_use) = &self.in_use else { return false };
        in_use.is_proven && unix >= self.renewals.due(in_use.opened.validity, lifetime(renewal))
    }

    /// Takes what became of the renewal.
    pub fn renewed(&mut self, result: &Result<Renewal, Problem>, object: &SatelliteCluster, unix: i64) {
        let life = object.spec.token_renewal.as_ref().map_or(0, lifetime);
        match result {
            Ok(Renewal::Renewed(validity)) => self.renewals.renewed(unix, *validity, life),
            // The other credential is on its way here.
            Ok(Renewal::Overtaken) => self.reload = true,
            Err(_) => {
                let present = self.in_use.as_ref().and_then(|in_use| in_use.opened.validity);
                self.renewals.failed(unix, present);
            }
        }
    }
}
