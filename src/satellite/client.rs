//! The client of one satellite: every request has a deadline, nothing is retried, redirects are
//! not followed, the size of an answer is bounded, and no connection is opened to an address that
//! no satellite can have.

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::{Either, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::ServiceBuilder;
use tower::timeout::TimeoutLayer;

/// Which addresses a satellite may have.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostPolicy {
    /// Loopback and link-local too: for tests and the demo.
    pub allow_loopback: bool,
    /// The hub's own API server, which no satellite has, whatever name leads to it. Another port
    /// of its address is another server: a load balancer in front of many clusters.
    pub hub: Option<SocketAddr>,
}

impl HostPolicy {
    /// True if a satellite may have this address.
    pub fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let local = match address {
            IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast()
            }
            IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || is_link_local(v6),
        };
        self.allow_loopback || !local
    }
}

fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// The port of `https://` without one.
pub const HTTPS: u16 = 443;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest accepted answer, in bytes. The largest that is asked for is a pointer of layout Single.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Makes a client from a sanitised kubeconfig.
///
/// # Errors
/// If the certificate or the key cannot be read; the message holds no secret.
pub async fn connect(
    mut kubeconfig: Kubeconfig,
    policy: HostPolicy,
    request_timeout: Duration,
) -> Result<Client, String> {
    // kube reads the proxy of this process's environment, and fails if that is not a URL. It looks
    // there only if a cluster has none.
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        cluster.proxy_url = Some("http://unused.invalid".into());
    }
    let wrong = "certificate-authority-data, client-certificate-data or client-key-data cannot be read";
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|_| wrong.to_owned())?;
    // Never the proxy of this process's environment: the satellite's address is the one in its
    // Secret.
    config.proxy_url = None;
    let port = config.cluster_url.port_u16().unwrap_or(HTTPS);
    let hub = policy.hub.filter(|hub| hub.port() == port && !policy.allow_loopback).map(|hub| hub.ip());
    let mut http = HttpConnector::new_with_resolver(Resolver { policy, hub });
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = config.rustls_https_connector_with_connector(http).map_err(|_| wrong.to_owned())?;
    let hyper = HyperClient::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(request_timeout))
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer().map_err(|_| "the token cannot be used".to_owned())?)
        .map_response(readable)
        .map_err(tower::BoxError::from)
        .service(hyper);
    Ok(Client::new(service, "default"))
}

/// Bounds an answer. One that only asks for a pause, as the API server's own limits of concurrency
/// do, becomes the `Status` that kube reads: kube does not pass a header on.
fn readable(response: Response<Incoming>) -> Response<Either<Limited<Incoming>, Full<Bytes>>> {
    let headers = response.headers();
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/json"));
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u32>().ok());
    match asked {
        Some(seconds) if response.status() == StatusCode::TOO_MANY_REQUESTS && !is_json => {
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 429,
                "reason": "TooManyRequests", "message": "too many requests",
                "details": { "retryAfterSeconds": seconds },
            });
            response.map(|_| Either::Right(Full::from(status.to_string())))
        }
        _ => response.map(|body| Either::Left(Limited::new(body, MAX_ANSWER))),
    }
}

/// Resolves names when a connection is opened, and drops the addresses that the policy refuses.
#[derive(Clone, Copy)]
struct Resolver {
    policy: HostPolicy,
    /// The hub's own address. None if the port is not the hub's.
    hub: Option<IpAddr>,
}

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            resolver.allowed(found).map(Vec::into_iter)
        })
    }
}

impl Resolver {
    fn allowed(self, found: impl Iterator<Item = SocketAddr>) -> std::io::Result<Vec<SocketAddr>> {
        let Self { policy, hub } = self;
        let allowed: Vec<_> = found
            .filter(|address| policy.allows(address.ip()) && Some(address.ip().to_canonical()) != hub)
            .collect();
        if allowed.is_empty() {
            return Err(std::io::Error::other(
                "the server's name has no address that is allowed for a satellite",
            ));
        }
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests;
