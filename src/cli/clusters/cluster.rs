//! A cluster, through a context of a kubeconfig. Every request has a deadline, and every error
//! names the cluster, the object and the action.

use super::flags::{HUB, HubArguments, SATELLITE, SatelliteArguments};
use super::kubeconfig::{cluster_of, read};
use crate::cli::output::progress;
use crate::request::{Failure, ask};
use crate::text::clean;
use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{Resource, Status};
use kube::{Client, Config};
use std::sync::Once;
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// The hub or a satellite.
pub(crate) struct Cluster {
    /// [`HUB`] or [`SATELLITE`].
    pub(crate) side: &'static str,
    /// A client with the rights of the person.
    pub(crate) client: Client,
    /// URL of its API server.
    pub(crate) server: String,
    /// True if this program runs in a Pod of it.
    in_pod: bool,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    message: String,
    /// The server's answer. `None` if there was none.
    pub(crate) status: Option<Box<Status>>,
}

impl Refused {
    /// Returns a failure of a request that was not sent.
    pub(crate) fn local(message: &str) -> Self {
        Self { message: message.to_owned(), status: None }
    }

    /// Returns whether the server answered with this code.
    pub(crate) fn is(&self, code: u16) -> bool {
        self.status.as_ref().is_some_and(|status| status.code == code)
    }
}

impl Cluster {
    /// Opens the hub: by its flags, or by the Pod's ServiceAccount if there is no kubeconfig.
    ///
    /// # Errors
    /// If no kubeconfig can be used.
    pub(crate) async fn hub(arguments: &HubArguments) -> anyhow::Result<Self> {
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
            read(HUB, arguments.hub_kubeconfig.as_deref(), "--hub-kubeconfig")?,
            arguments.hub_context.clone(),
        )
        .await
    }

    /// Opens the satellite that the flags name.
    ///
    /// # Errors
    /// If no kubeconfig can be used.
    pub(crate) async fn satellite(arguments: &SatelliteArguments) -> anyhow::Result<Self> {
        let kubeconfig = read(SATELLITE, arguments.kubeconfig.as_deref(), "--kubeconfig")?;
        Self::open(SATELLITE, kubeconfig, arguments.context.clone()).await
    }

    async fn open(
        side: &'static str,
        mut kubeconfig: Kubeconfig,
        context: Option<String>,
    ) -> anyhow::Result<Self> {
        // Before kube looks: it does not say which contexts there are.
        let cluster = cluster_of(&kubeconfig, context.as_deref())
            .with_context(|| format!("the {side}'s kubeconfig"))?;
        if cluster.proxy_url.as_ref().is_some_and(|url| !url.is_empty()) {
            bail!(
                "the {side}'s context has proxy-url, and this program speaks to API servers directly; name a context without it, or \
                 run this where the API server is reached without a proxy"
            );
        }
        report_proxy();
        // kube reads the proxy of the environment if the context has none, and fails if that is
        // not a URL.
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.proxy_url = Some("http://unused.invalid".into());
        }
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        Self::from_config(side, config.with_context(|| format!("the {side}'s kubeconfig cannot be used"))?)
    }

    /// Returns the satellite behind a client that was made of the hub's Secret.
    pub(crate) fn of_client(client: Client, server: &str) -> Self {
        Self { side: SATELLITE, client, server: server.to_owned(), in_pod: false }
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

    /// Returns the URLs under which Pods of this cluster find its API server, as far as the person
    /// may read them.
    pub(crate) async fn addresses_for_pods(&self) -> Vec<http::Uri> {
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

    /// Returns the objects of a kind, in a namespace or (`None`) in the whole cluster.
    pub(crate) fn objects(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// Returns the objects of a type in a namespace.
    pub(crate) fn typed<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Sends a request and waits at most [`ANSWER_TIMEOUT`] for the whole answer.
    ///
    /// # Errors
    /// If it was not answered with success: "cannot ACTION on the SIDE (URL): CAUSE".
    pub(crate) async fn ask<T>(
        &self,
        action: &str,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refused> {
        let mut status = None;
        let kept = async {
            call.await.inspect_err(|error| {
                if let kube::Error::Api(answer) = error {
                    status = Some(answer.clone());
                }
            })
        };
        let answer = ask(ANSWER_TIMEOUT, kept).await;
        answer.map_err(|failure| Refused {
            message: format!(
                "cannot {action} on the {} ({}): {failure}{}",
                self.side,
                self.server,
                remedy(&failure)
            ),
            status,
        })
    }

    /// Checks that the hub knows SatelliteClusters: a missing kind and a missing object are
    /// answered alike.
    ///
    /// # Errors
    /// If it does not, or does not answer.
    pub(crate) async fn must_know_satellites(&self, namespace: &str) -> anyhow::Result<()> {
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

    /// Returns a SatelliteCluster. `None` if there is none of this name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) async fn satellite_cluster(
        &self,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<Option<DynamicObject>> {
        self.must_know_satellites(namespace).await?;
        let api = self.objects(&satellite_clusters(), Some(namespace));
        Ok(self.ask(&format!("read SatelliteCluster {namespace}/{name}"), api.get_opt(name)).await?)
    }

    /// Returns a SatelliteCluster that must exist.
    ///
    /// # Errors
    /// If it cannot be read, or does not exist; then the error lists those that do.
    pub(crate) async fn expect_satellite(
        &self,
        namespace: &str,
        name: &str,
    ) -> anyhow::Result<DynamicObject> {
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
                true => "there is none in this namespace: name another with --operator-namespace".to_owned(),
                false => format!("there are: {}", clean(&names.join(", "), 500)),
            }
        ))
    }
}

/// Reports once that the proxy of the environment is not used. Its URL is left out, because it may
/// hold a password.
fn report_proxy() {
    static REPORTED: Once = Once::new();
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = ["HTTPS_PROXY", "https_proxy"].into_iter().find(set) {
        REPORTED.call_once(|| progress(&format!("{name} is not used: API servers are asked directly")));
    }
}

fn remedy(failure: &Failure) -> &'static str {
    match failure {
        Failure::Refused { code: 401, .. } => {
            "; log in again: the server does not accept the credential of your context"
        }
        Failure::Refused { code: 403, message }
            if message.contains("attempting to grant RBAC permissions") =>
        {
            "; to grant a permission you must have it, or the verb escalate on roles"
        }
        Failure::Transport(text) if text.contains("UnknownIssuer") || text.contains("BadSignature") => {
            "; correct certificate-authority-data of your context: it did not sign the server's certificate"
        }
        _ => "",
    }
}

/// Returns the kind SatelliteCluster. Objects of it are read as plain JSON, so that those of a
/// newer operator can be read.
pub(crate) fn satellite_clusters() -> ApiResource {
    ApiResource::erase::<crate::api::SatelliteCluster>(&())
}
