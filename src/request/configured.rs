//! The client of the API server that this process belongs to: the one that kubectl would use, or
//! that of the Pod.

use super::{Server, causes};
use anyhow::{Context as _, bail};
use kube::client::ClientBuilder;
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use std::time::Duration;
use tower::timeout::TimeoutLayer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the start of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the configuration of a client comes from.
#[derive(Clone, Copy)]
enum Source {
    Kubeconfig,
    Pod,
}

/// Longest time without a sign from the API server before a client gives up a read.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Returns a client of the API server of this side (hub or satellite), its URL, and the server for messages. The client never
/// retries by itself, and gives up an answer that does not begin.
///
/// # Errors
/// If there is neither a kubeconfig that can be read nor the account of a Pod, or if it cannot be
/// used.
pub async fn configured_client(side: &str) -> anyhow::Result<(Client, http::Uri, Server)> {
    let (mut config, source) = configuration(side).await?;
    if config.proxy_url.take().is_some() {
        // Without its URL, which may hold a password.
        tracing::warn!(
            "a proxy is configured (HTTPS_PROXY, or proxy-url) and not used: API servers are asked directly"
        );
    }
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    let url = config.cluster_url.clone();
    let authority = authority(&config, source);
    tracing::info!(server = %url, %authority, "API server");
    let server = Server::new(&url.to_string(), &authority);
    let builder = ClientBuilder::try_from(config).context("the kubeconfig cannot be used")?;
    Ok((builder.with_layer(&TimeoutLayer::new(ANSWER_TIMEOUT)).build(), url, server))
}

/// Reads the kubeconfig, or else what the Pod has: the order of `Config::infer`, which does not
/// say which of them it read.
async fn configuration(side: &str) -> anyhow::Result<(Config, Source)> {
    let kubeconfig = match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
        Ok(config) => return Ok((config, Source::Kubeconfig)),
        Err(error) => causes(&error),
    };
    match Config::incluster() {
        Ok(config) => Ok((config, Source::Pod)),
        // Each cause once.
        Err(pod) => bail!(
            "the API server of the {side} is not configured: set KUBECONFIG, or run in a Pod with a ServiceAccount ({}); the \
             kubeconfig: {kubeconfig}",
            causes(&pod)
        ),
    }
}

/// Names the certificate authority that the client trusts, and where it is configured.
fn authority(config: &Config, source: Source) -> String {
    if config.accept_invalid_certs {
        return "every certificate (insecure-skip-tls-verify)".into();
    }
    let configured = match (source, &config.root_cert_file) {
        (Source::Pod, Some(file)) => file.display().to_string(),
        (Source::Pod, None) => "of the Pod's ServiceAccount".into(),
        (Source::Kubeconfig, _) => "certificate-authority of the kubeconfig".into(),
    };
    let from_file = || {
        let text = std::fs::read(config.root_cert_file.as_ref()?).ok()?;
        let all = pem::parse_many(text).ok()?;
        Some(all.into_iter().map(pem::Pem::into_contents).collect())
    };
    let certificates: Vec<Vec<u8>> = config.root_cert.clone().or_else(from_file).unwrap_or_default();
    let subjects: Vec<String> = certificates
        .iter()
        .filter_map(|der| Certificate::from_der(der).ok())
        .map(|certificate| certificate.tbs_certificate().subject().to_string())
        .collect();
    match subjects.as_slice() {
        [] => format!("the certificate authorities of this machine ({configured} names none)"),
        [first] => format!("{first} ({configured})"),
        [first, rest @ ..] => format!("{first} and {} more ({configured})", rest.len()),
    }
}
