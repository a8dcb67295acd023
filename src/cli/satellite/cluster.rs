//! A cluster as the person who calls sees it: through a context of a kubeconfig, every request with a deadline, and every
//! error with the cluster, the object and what was asked.

use super::output::{progress, word};
use super::{HubArguments, SatelliteArguments};
use crate::satellite::transport;
use crate::text::clean;
use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{Resource, Status};
use kube::{Client, Config};
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// `hub` in results and errors.
pub const HUB: &str = "hub";
/// `satellite` in results and errors.
pub const SATELLITE: &str = "satellite";

/// One of the two.
pub struct Cluster {
    /// [`HUB`] or [`SATELLITE`].
    pub side: &'static str,
    /// With the rights of the person.
    pub client: Client,
    /// Where it is.
    pub server: String,
    /// Whether this runs in a Pod of it.
    in_pod: bool,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    message: String,
    /// What the server said, if it answered.
    pub status: Option<Box<Status>>,
}

impl Refused {
    /// Without having asked.
    pub fn local(message: &str) -> Self {
        Self { message: message.to_owned(), status: None }
    }

    /// Whether the server answered with this code.
    pub fn is(&self, code: u16) -> bool {
        self.status.as_ref().is_some_and(|status| status.code == code)
    }
}

impl Cluster {
    /// The hub: by its flags, or by the Pod's account where there is no kubeconfig.
    ///
    /// # Errors
    /// When no kubeconfig can be used.
    pub async fn hub(arguments: &HubArguments) -> anyhow::Result<Self> {
        let named = arguments.hub_kubeconfig.is_some() || arguments.hub_context.is_some();
        let none = || std::env::var_os("KUBECONFIG").is_none() && Kubeconfig::read().is_err();
        if !named
            && none()
            && let Ok(config) = Config::incluster()
        {
            return Ok(Self { in_pod: true, ..Self::from_config(HUB, config)? });
        }
        Self::open(
            HUB,
            read(arguments.hub_kubeconfig.as_deref(), "--hub-kubeconfig")?,
            arguments.hub_context.clone(),
        )
        .await
    }

    /// The satellite, by its flags.
    ///
    /// # Errors
    /// When no kubeconfig can be used.
    pub async fn satellite(arguments: &SatelliteArguments) -> anyhow::Result<Self> {
        let kubeconfig = read(arguments.kubeconfig.as_deref(), "--kubeconfig")?;
        Self::open(SATELLITE, kubeconfig, arguments.context.clone()).await
    }

    async fn open(
        side: &'static str,
        mut kubeconfig: Kubeconfig,
        context: Option<String>,
    ) -> anyhow::Result<Self> {
        // Says which contexts there are, which kube does not.
        let cluster = cluster_of(&kubeconfig, context.as_deref())
            .with_context(|| format!("the {side}'s kubeconfig"))?;
        if cluster.proxy_url.as_ref().is_some_and(|url| !url.is_empty()) {
            bail!(
                "the {side}'s context has proxy-url, and this program speaks to API servers directly; name a context without it, or \
                 run this where the API server is reached without a proxy"
            );
        }
        tell_of_proxy();
        // kube would read the proxy of the environment, and fail with it: it looks there only if the context has none.
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.proxy_url = Some("http://unused.invalid".into());
        }
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Self::from_config(side, config.with_context(|| format!("the {side}'s kubeconfig cannot be used"))?)
    }

    fn from_config(side: &'static str, mut config: Config) -> anyhow::Result<Self> {
        config.proxy_url = None;
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client =
            Client::try_from(config).with_context(|| format!("the {side}'s kubeconfig cannot be used"))?;
        Ok(Self { side, client, server, in_pod: false })
    }

    /// Where Pods of this cluster find its API server, as far as the person may see that.
    pub async fn addresses_for_pods(&self) -> Vec<http::Uri> {
        let api = self.typed::<Service>("default");
        let service = self.ask("read Service default/kubernetes", api.get_opt("kubernetes")).await;
        let spec = service.ok().flatten().and_then(|service| service.spec).unwrap_or_default();
        let ports = spec.ports.unwrap_or_default();
        let port = ports.first().map_or(443, |port| port.port);
        let seen = spec.cluster_ips.unwrap_or_default().into_iter().map(|ip| match ip.contains(':') {
            true => format!("https://[{ip}]:{port}"),
            false => format!("https://{ip}:{port}"),
        });
        let own = self.in_pod.then(|| self.server.clone());
        seen.chain(own).filter_map(|url| url.parse().ok()).collect()
    }

    /// Objects of a kind, with or without a namespace.
    pub fn objects(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Objects of a kind in a namespace.
    pub fn typed<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Asks, and waits for the whole answer no longer than [`ANSWER_TIMEOUT`].
    ///
    /// # Errors
    /// "cannot ACTION on the SIDE: why", and what the server said.
    pub async fn ask<T>(
        &self,
        action: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refused> {
        let failed = |why: String, status| Refused {
            message: format!("cannot {action} on the {} ({}): {why}", self.side, self.server),
            status,
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
            Err(_) => Err(failed(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()), None)),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(kube::Error::Api(status))) => {
                let why = format!("{} {}{}", status.code, clean(&status.message, 400), remedy(&status));
                Err(failed(why, Some(status)))
            }
            Ok(Err(error)) => Err(failed(transport(&error).1, None)),
        }
    }

    /// Fails if the hub does not know SatelliteClusters, which a reading of one cannot tell from one that is not there.
    ///
    /// # Errors
    /// What is missing, and the remedy.
    pub async fn must_know_satellites(&self, namespace: &str) -> anyhow::Result<()> {
        let api = self.objects(&satellite_clusters(), Some(namespace));
        match self.ask("list SatelliteClusters", api.list(&ListParams::default().limit(1))).await {
            Ok(_) => Ok(()),
            Err(refused) if refused.is(404) => bail!(
                "the hub ({}) does not know the kind SatelliteCluster: install the chart there first, or name the hub with \
                 --hub-context",
                self.server
            ),
            Err(refused) => Err(refused.into()),
        }
    }

    /// A SatelliteCluster; nothing if there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn satellite_cluster(
        &self,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<Option<DynamicObject>> {
        self.must_know_satellites(namespace).await?;
        let api = self.objects(&satellite_clusters(), Some(namespace));
        Ok(self.ask(&format!("read SatelliteCluster {namespace}/{name}"), api.get_opt(name)).await?)
    }

    /// A SatelliteCluster that must be there.
    ///
    /// # Errors
    /// When it cannot be read, or is not there, with those that are.
    pub async fn expect_satellite(&self, namespace: &str, name: &str) -> anyhow::Result<DynamicObject> {
        if let Some(object) = self.satellite_cluster(namespace, name).await? {
            return Ok(object);
        }
        let api = self.objects(&satellite_clusters(), Some(namespace));
        let list = self.ask("list SatelliteClusters", api.list(&ListParams::default())).await?;
        let names: Vec<_> = list.items.iter().filter_map(|object| object.metadata.name.as_deref()).collect();
        Err(anyhow!(
            "there is no SatelliteCluster {namespace}/{name} on the hub ({}); {}",
            self.server,
            match names.is_empty() {
                true => "there is none at all in this namespace (--operator-namespace)".to_owned(),
                false => format!("there are: {}", clean(&names.join(", "), 500)),
            }
        ))
    }
}

/// Says once that the proxy of the environment is not used. Never which it is: its URL may hold a password.
fn tell_of_proxy() {
    static TOLD: Once = Once::new();
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = ["HTTPS_PROXY", "https_proxy"].into_iter().find(set) {
        TOLD.call_once(|| progress(&format!("{name} is not used: API servers are asked directly")));
    }
}

fn remedy(status: &Status) -> &'static str {
    match status.code {
        401 => " (log in again: the server does not accept your credential)",
        403 if status.message.contains("attempting to grant RBAC permissions") => {
            " (to grant a permission you must have it, or the verb escalate on roles)"
        }
        _ => "",
    }
}

/// The kind SatelliteCluster. Read as plain JSON, so that one that a newer operator wrote can be read too.
pub fn satellite_clusters() -> ApiResource {
    ApiResource::erase::<crate::api::SatelliteCluster>(&())
}

fn read(path: Option<&Path>, flag: &str) -> anyhow::Result<Kubeconfig> {
    match path {
        Some(path) => {
            Kubeconfig::read_from(path).with_context(|| format!("{flag} {} cannot be read", path.display()))
        }
        None => Kubeconfig::read().with_context(|| format!("no kubeconfig: set KUBECONFIG or {flag}")),
    }
}

/// What a kubeconfig says of the server of one context.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    /// URL.
    pub server: Option<String>,
    /// Certificates to trust, PEM.
    pub ca: Option<String>,
    /// Name in the server's certificate.
    pub tls_server_name: Option<String>,
    /// A setting of the context that a satellite's credential cannot have.
    pub refused: Option<&'static str>,
}

/// The server of the satellite's context, from its kubeconfig alone.
///
/// # Errors
/// When the kubeconfig, the context or a file that it names cannot be read.
pub fn endpoint(arguments: &SatelliteArguments) -> anyhow::Result<Endpoint> {
    let kubeconfig = read(arguments.kubeconfig.as_deref(), "--kubeconfig")?;
    let cluster = cluster_of(&kubeconfig, arguments.context.as_deref())?;
    let ca = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => {
            let bytes: k8s_openapi::ByteString = serde_json::from_value(serde_json::json!(data))
                .context("certificate-authority-data of the context is not base64")?;
            Some(String::from_utf8(bytes.0).context("certificate-authority-data is not PEM")?)
        }
        (None, Some(path)) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("certificate-authority of the context: cannot read {path}"))?,
        ),
        (None, None) => None,
    };
    let insecure = cluster.insecure_skip_tls_verify == Some(true);
    let refused = insecure.then_some("insecure-skip-tls-verify");
    let (server, tls_server_name) = (cluster.server.clone(), cluster.tls_server_name.clone());
    Ok(Endpoint { server, ca, tls_server_name, refused })
}

fn cluster_of<'a>(
    kubeconfig: &'a Kubeconfig,
    context: Option<&str>,
) -> anyhow::Result<&'a kube::config::Cluster> {
    let wanted = context
        .or(kubeconfig.current_context.as_deref())
        .ok_or_else(|| anyhow!("no context is named and current-context is not set"))?;
    let found = kubeconfig.contexts.iter().find(|named| named.name == wanted);
    let context = found.and_then(|named| named.context.as_ref()).ok_or_else(|| {
        let names: Vec<_> = kubeconfig.contexts.iter().map(|named| word(&named.name)).collect();
        anyhow!("there is no context {}; there are: {}", word(wanted), clean(&names.join(", "), 500))
    })?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    cluster
        .and_then(|named| named.cluster.as_ref())
        .ok_or_else(|| anyhow!("context {} names a cluster that is not there", word(wanted)))
}
