//! A certificate authority, for certificates that are wrong in one way.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::ops::Range;

/// An authority with a key of its own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Returns its certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Returns certificate and key in PEM of this common name, for these names and addresses of a server, valid in
    /// these days, where 0 is today.
    pub fn issue(&self, common_name: &str, names: &[&str], days: Range<i64>) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, common_name);
        let midnight = |day: i64| {
            let at = Timestamp::now().to_zoned(TimeZone::UTC).saturating_add(day.days());
            let (month, day) = (at.month().unsigned_abs(), at.day().unsigned_abs());
            rcgen::date_time_ymd(at.year().into(), month, day)
        };
        (params.not_before, params.not_after) = (midnight(days.start), midnight(days.end));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }
}
