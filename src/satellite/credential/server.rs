//! Which address a satellite's API server may have, judged by its text. The addresses that a name
//! resolves to are checked when a connection is opened (`satellite/client.rs`).

use crate::satellite::HostPolicy;
use crate::satellite::client::HTTPS;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Longest accepted URL, in bytes.
const MAX_URL: usize = 2048;
/// Longest name of a host, in bytes (RFC 1035).
const MAX_NAME: usize = 253;
/// Longest label of a name, in bytes.
const MAX_LABEL: usize = 63;
/// Names by which every Pod of the hub reaches the hub's own API server; the last one with the
/// cluster's domain after it too.
const IN_CLUSTER: [&str; 3] = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];

/// Which API servers a satellite may have.
#[derive(Clone, Debug, Default)]
pub struct ServerPolicy {
    hosts: HostPolicy,
    hub: BTreeSet<(String, u16)>,
}

impl From<HostPolicy> for ServerPolicy {
    fn from(hosts: HostPolicy) -> Self {
        Self { hosts, hub: BTreeSet::new() }
    }
}

impl ServerPolicy {
    /// The same policy, which also refuses the hub's own API server at this URL. May be called for
    /// each of its addresses. A URL without a host changes nothing.
    #[must_use]
    pub fn without_hub(mut self, url: &http::Uri) -> Self {
        if let Some(host) = url.host() {
            self.hub.insert((bare(host), url.port_u16().unwrap_or(HTTPS)));
        }
        self
    }

    /// Checks the URL of an API server.
    ///
    /// # Errors
    /// If it is refused. The text continues after the name of the field, and contains no part of
    /// the URL.
    pub fn check(&self, url: &str) -> Result<(), String> {
        if url.len() > MAX_URL {
            return Err(format!("has {} bytes; at most {MAX_URL} are allowed", url.len()));
        }
        let uri: http::Uri = url.parse().map_err(|_| "is not a URL".to_owned())?;
        if uri.scheme_str() != Some("https") {
            return Err("must begin with https://".into());
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.is_empty() || authority.contains('@') {
            return Err("must name a host, and no user".into());
        }
        if uri.query().is_some() || url.contains('#') {
            return Err("must end after its path: no ? and no #".into());
        }
        let written = uri.host().unwrap_or_default();
        if authority.len() > written.len() && uri.port_u16().is_none_or(|port| port == 0) {
            return Err("has a port that is not one of 1 to 65535".into());
        }
        let host = bare(written);
        let of_hub = IN_CLUSTER.contains(&host.as_str())
            || host.starts_with("kubernetes.default.svc.")
            || self.hub.contains(&(host.clone(), uri.port_u16().unwrap_or(HTTPS)));
        if of_hub && !self.hosts.allow_loopback {
            return Err(
                "is the hub's own API server, which is refused; write the address of the satellite's".into(),
            );
        }
        let local = match host.parse::<IpAddr>() {
            Ok(address) => !self.hosts.allows(address),
            Err(_) if !is_name(&host) => {
                return Err(
                    "names a host that is neither a DNS name nor an IP address as usually written".into()
                );
            }
            Err(_) => (host == "localhost" || host.ends_with(".localhost")) && !self.hosts.allow_loopback,
        };
        if local {
            return Err("is a loopback, link-local or unspecified address, which is refused \
                        (--allow-loopback-satellites is for tests)"
                .into());
        }
        Ok(())
    }
}

/// Checks the name that a server's certificate must have.
///
/// # Errors
/// As for [`ServerPolicy::check`].
pub fn check_tls_name(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() || is_name(name) {
        return Ok(());
    }
    Err("is neither a DNS name nor an IP address".into())
}

/// Returns a host in the spelling that is compared: small letters, no brackets, no dot at the end;
/// an address as it is usually written.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    host.parse::<IpAddr>().map_or(host, |address| address.to_canonical().to_string())
}

/// True for a DNS name that cannot be an address: `127.1`, `2130706433` and `0x7f000001` look like
/// names, and a resolver returns 127.0.0.1 for each.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X");
    name.len() <= MAX_NAME && name.split('.').all(is_label) && !number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> ServerPolicy {
        ServerPolicy::from(HostPolicy::default())
    }

    fn why(policy: &ServerPolicy, url: &str) -> String {
        policy.check(url).err().unwrap_or_else(|| panic!("{url} is accepted"))
    }

    #[test]
    fn addresses_of_satellites_are_accepted() {
        for url in [
            "https://edge.example",
            "https://edge.example:6443",
            "https://edge-1.example./",
            "https://rancher.example/k8s/clusters/c-1",
            "https://10.0.0.1:6443",
            "https://[2001:db8::1]:6443",
            "https://0x.example:1",
        ] {
            assert_eq!(strict().check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn addresses_that_no_satellite_has_are_refused() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "[::1]",
            "169.254.169.254",
            "[fe80::1]",
            "0.0.0.0",
            "[::]",
            "255.255.255.255",
            "[::ffff:127.0.0.1]",
        ] {
            let url = format!("https://{host}:6443");
            assert!(why(&strict(), &url).contains("loopback"), "{host}");
            assert_eq!(
                ServerPolicy::from(HostPolicy { allow_loopback: true, ..HostPolicy::default() }).check(&url),
                Ok(()),
                "{host}"
            );
        }
        for host in ["127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "a..b", "-a", "edge.1"] {
            let url = format!("https://{host}:6443");
            assert!(why(&strict(), &url).contains("neither a DNS name"), "{host}");
        }
    }

    #[test]
    fn only_https_to_a_host_is_accepted() {
        for (url, word) in [
            ("http://edge.example", "https://"),
            ("edge.example", "https://"),
            ("/var/run/socket", "https://"),
            ("file:///etc/passwd", ""),
            ("https://", ""),
            ("https://a@edge.example", "no user"),
            ("https://a:b@edge.example", "no user"),
            ("https://edge.example:0", "port"),
            ("https://edge.example:99999", ""),
            ("https://edge.example:", "port"),
            ("https://edge.example/?a=b", "no ?"),
            ("https://edge.example/#a", "no #"),
            ("https://edge .example", "not a URL"),
            ("https://edge.example\r\nX: y", "not a URL"),
            ("", ""),
        ] {
            let said = why(&strict(), url);
            assert!(said.contains(word), "{url}: {said}");
        }
        let long = format!("https://edge.example/{}", "x".repeat(MAX_URL));
        assert!(why(&strict(), &long).contains("bytes"));
    }

    #[test]
    fn the_hub_is_no_satellite_unless_that_is_allowed() {
        let hub =
            |url: &str, policy: HostPolicy| ServerPolicy::from(policy).without_hub(&url.parse().unwrap());
        let policy = hub("https://10.96.0.1", HostPolicy::default())
            .without_hub(&"https://Hub.example:6443".parse().unwrap());
        for url in [
            "https://10.96.0.1",
            "https://10.96.0.1:443/a",
            "https://hub.EXAMPLE.:6443",
            "https://kubernetes.default.svc",
            "https://kubernetes.default.svc.k8s.example",
            "https://kubernetes:8443",
            "https://[::ffff:10.96.0.1]",
            "https://[::ffff:a60:1]:443",
        ] {
            assert!(why(&policy, url).contains("hub's own"), "{url}");
        }
        // Another port of the same address is another server: a load balancer in front of many
        // clusters.
        assert_eq!(policy.check("https://hub.example:6444"), Ok(()));
        let lenient = hub("https://10.96.0.1", HostPolicy { allow_loopback: true, ..HostPolicy::default() });
        assert_eq!(lenient.check("https://10.96.0.1"), Ok(()));
    }

    #[test]
    fn names_of_certificates() {
        for name in ["edge.example", "10.0.0.1", "2001:db8::1", "kubernetes"] {
            assert_eq!(check_tls_name(name), Ok(()), "{name}");
        }
        for name in ["", "a b", "https://edge.example", "edge.example:6443", "127.1", "*.example"] {
            assert!(check_tls_name(name).is_err(), "{name}");
        }
    }
}
