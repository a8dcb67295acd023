//! When a credential ends, as the credential itself says, and when a person is warned. No
//! signature is checked: a wrong time leads to a wrong warning or an early renewal, and to nothing
//! else.

use super::Identity;
use crate::api::condition::format_timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Largest certificate that is read, in bytes of its DER form.
const MAX_CERTIFICATE: usize = 32 * 1024;
/// 9999-12-31T23:59:59Z: the end of a certificate without an end (RFC 5280), and the last time
/// that can be written.
const NEVER: i64 = 253_402_300_799;
/// A person is warned at most this long before the end, in seconds: 14 days.
const WARN_AT_MOST: i64 = 14 * 24 * 3600;
/// The same for a credential whose beginning is unknown: 7 days.
const WARN_UNKNOWN: i64 = 7 * 24 * 3600;

/// From when to when a credential is good, in Unix seconds, by the clock of its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it was made: `iat` of a token, `notBefore` of a certificate. None if it does not say.
    pub issued: Option<i64>,
    /// When it ends: `exp` of a token, `notAfter` of a certificate.
    pub expires: i64,
}

impl Validity {
    /// Returns its whole life in seconds. None if the beginning is unknown or after the end.
    pub fn life(&self) -> Option<i64> {
        self.issued.map(|issued| self.expires.saturating_sub(issued)).filter(|life| *life > 0)
    }
}

/// Returns the validity of an identity. None if it has no end, or none that can be read.
pub(super) fn of(identity: &Identity) -> Option<Validity> {
    match identity {
        Identity::Token(token) => of_token(token),
        Identity::Certificate { certificate, .. } => of_certificate(certificate),
    }
}

/// Returns the validity that a JSON Web Token states. None for an opaque token, and for one
/// without `exp`.
pub fn of_token(token: &str) -> Option<Validity> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    // A token that cannot be read is opaque, which is allowed.
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let seconds = |claim: &str| claims.get(claim).and_then(Value::as_f64).map(|seconds| seconds as i64);
    validity(seconds("iat"), seconds("exp")?)
}

/// Returns the validity of the first certificate in a PEM text, which is the client's own. Those
/// of its authorities may follow.
pub fn of_certificate(text: &[u8]) -> Option<Validity> {
    // A certificate that only this reader does not understand may still work.
    let blocks = pem::parse_many(text).ok()?;
    let first = blocks.iter().find(|block| block.tag() == "CERTIFICATE")?;
    if first.contents().len() > MAX_CERTIFICATE {
        return None;
    }
    let certificate = Certificate::from_der(first.contents()).ok()?;
    let period = certificate.tbs_certificate().validity();
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
    validity(seconds(period.not_before), seconds(period.not_after)?)
}

fn validity(issued: Option<i64>, expires: i64) -> Option<Validity> {
    let sound = |time: &i64| (1..NEVER).contains(time);
    Some(Validity { issued: issued.filter(sound), expires: Some(expires).filter(sound)? })
}

/// Returns the warning about the end of a credential. None while more than a fifth of its life is
/// left, or more than 14 days. The text stays the same until the end, so that it does not rewrite
/// a status. `now` is in Unix seconds; `place` is where the credential is (`Secret edge-a`);
/// `renews` is true if the operator renews it.
pub fn warning(now: i64, validity: Validity, place: &str, renews: bool) -> Option<String> {
    let ahead = validity.life().map_or(WARN_UNKNOWN, |life| (life / 5).min(WARN_AT_MOST));
    let left = validity.expires.saturating_sub(now);
    if left > ahead {
        return None;
    }
    let at = format_timestamp(validity.expires);
    let verb = if left > 0 { "ends" } else { "ended" };
    let remedy = if renews {
        "put a new one there, and see why spec.tokenRenewal does not"
    } else {
        "put a new one there, or set spec.tokenRenewal"
    };
    Some(format!("the credential in {place} {verb} at {at}; {remedy}"))
}
