//! Wiring of `groundlink run`: settings, clients, tasks. No decisions.

mod status_page;
mod tasks;
mod volume;

use crate::api::IcingaVersion;
use crate::crd_probe::CrdProbe;
use crate::http::{serve, serve_probes};
use crate::hub;
use crate::lease::{Elector, Leadership};
use crate::metrics::Metrics;
use crate::ownership::Claim;
use crate::page;
use crate::readiness::Readiness;
use crate::references::{Index, itl};
use crate::request::configured_client;
use crate::satellite::credential::ServerPolicy;
use crate::satellite::{self, Fleet, HTTPS, HostPolicy, HubIdentity};
use crate::status::Writer;
use crate::validate::Settings;
use crate::watch::{self, Scope};
use anyhow::Context as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tasks::Tasks;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch as channel};
use tokio_util::sync::CancellationToken;
use volume::open_volume;

/// The settings of `groundlink run`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the volume.
    pub volume: PathBuf,
    /// Refuse a volume that is not a mount point.
    pub require_mount: bool,
    /// The operator's namespace.
    pub namespace: String,
    /// Namespaces whose MonitoringObjects are watched. If empty, all, which needs a ClusterRole.
    pub watch_namespaces: Vec<String>,
    /// Where to serve health with its details, and metrics; port 0 chooses one.
    pub listen: SocketAddr,
    /// Where to serve health without a detail, too.
    pub probes: Option<SocketAddr>,
    /// Where to serve the status page, too.
    pub page: Option<SocketAddr>,
    /// Accept satellites whose API server has a loopback or link-local address.
    pub allow_loopback_satellites: bool,
    /// Namespaces that may declare commands. If empty, the operator's own.
    pub privileged_namespaces: Vec<String>,
    /// Objects that other Icinga configuration declares, as `Type!name`.
    pub external_objects: Vec<String>,
    /// Constants of Icinga, beside its own, that commands may name.
    pub constants: Vec<String>,
    /// Version of the Icinga 2 that loads the volume.
    pub icinga_version: IcingaVersion,
    /// Which removals wait for a person.
    pub removal_guard: hub::core::RemovalGuard,
    /// How often all MonitoringObjects are listed again, about.
    pub relist: Duration,
    /// Directory in which the agent of the hub's own Icinga 2 reports. None if there is none.
    pub hub_agent: Option<PathBuf>,
    /// Name of the Lease.
    pub lease_name: String,
    /// Name of the operator whose statuses this one takes over.
    pub take_over_from: Option<String>,
    /// Name of this process among the holders of the Lease.
    pub identity: String,
}

/// Parts that `/readyz` waits for, and why at the start.
const WAITING_FOR: [(&str, &str); 4] = [
    ("volume", "not opened yet"),
    ("lease", "not acquired yet"),
    ("monitoringobjects", "not listed yet"),
    ("recovery", "not begun yet"),
];

/// Runs the operator until `stop`. A missing volume, CRD or permission is waited for and named by
/// `/readyz`; it does not end the process.
///
/// # Errors
/// If a setting is wrong, if no API server is configured, if the listener cannot be bound, if a
/// task fails, or if another process led after this one did.
pub async fn run(options: Options, metrics: Arc<Metrics>, stop: CancellationToken) -> anyhow::Result<()> {
    let settings = settings(&options)?;
    let (client, url, server) = configured_client("hub").await?;
    let readiness = Readiness::waiting_for(&WAITING_FOR);

    let listener = listen("--listen", options.listen).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let probes = match options.probes {
        Some(address) => Some(listen("--probes", address).await?),
        None => None,
    };
    if let Some(probes) = &probes {
        tracing::info!(address = %probes.local_addr()?, "listening for probes");
    }
    let page = match options.page {
        Some(address) => Some(listen("--page-address", address).await?),
        None => None,
    };
    let serving = CancellationToken::new();
    let health = tokio::spawn({
        let exposed = metrics.clone();
        let everything = serve(listener, readiness.clone(), Arc::new(move || exposed.encode()));
        let (readiness, serving) = (readiness.clone(), serving.clone());
        let probes = async move {
            match probes {
                Some(probes) => serve_probes(probes, readiness).await,
                None => std::future::pending().await,
            }
        };
        // A client that keeps its connection must not keep the process.
        async move {
            tokio::select! {
                () = everything => {}
                () = probes => {}
                () = serving.cancelled() => {}
            }
        }
    });

    // The volume's lock before the lease: whoever has the lock knows that every earlier holder of
    // this volume is dead.
    let Some(volume) = open_volume(&options.volume, options.require_mount, &readiness, &stop).await else {
        serving.cancel();
        return Ok(());
    };
    let leadership = Leadership::default();
    let elector = Elector::new(
        (client.clone(), server.clone()),
        (&options.namespace, &options.lease_name),
        &options.identity,
        volume.id(),
        leadership.clone(),
    );
    let claim = Claim::new(&options.namespace, &options.lease_name);
    let claim = claim.taking_over_from(options.take_over_from.as_deref());
    let leading = CancellationToken::new();
    let lease = tokio::spawn({
        let readiness = readiness.clone();
        elector.run(leading.clone(), move |why| readiness.set("lease", why))
    });

    let (events, received) = mpsc::channel(watch::CAPACITY);
    let scope = Scope::of(&options.watch_namespaces);
    say_scope(&scope, &settings);
    let watch =
        tokio::spawn(watch::run(client.clone(), server.clone(), options.relist, scope.clone(), events));

    let (held, removals_held) = channel::channel(None);
    let (snapshots, latest) = channel::channel(None);
    let (fleet, fleet_seen) = channel::channel(Fleet::default());
    let board = satellite::Board::default();
    let (questions, asked) = hub::Questions::channel();
    if let Some(listener) = page {
        let sources = page::Sources {
            questions: questions.clone(),
            board: board.clone(),
            fleet: fleet_seen.clone(),
            readiness: readiness.clone(),
            leadership: leadership.clone(),
        };
        let guard = page::Guard::new(client.clone(), &options.namespace);
        status_page::start(listener, sources, guard, serving.clone())?;
    }
    let policy = HostPolicy { allow_loopback: options.allow_loopback_satellites, hub: address(&url) };
    let announcements = satellite::Events::new(client.clone());
    let context = satellite::Context {
        hub: client.clone(),
        namespace: options.namespace.clone(),
        policy,
        claim: claim.clone(),
        leadership: leadership.clone(),
        external_objects: Arc::new(settings.external_objects.clone()),
        servers: ServerPolicy::from(policy).without_hub(&url),
        identity: HubIdentity::of(&options.namespace, scope.namespaces().is_some()),
        hub_id: "".into(),
        views: Arc::default(),
        events: announcements.clone(),
        snapshots: latest,
        removals_held,
        fleet: Arc::new(fleet),
        board: board.clone(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
    };
    let satellites = tokio::spawn(satellite::run(context, stop.clone()));

    let library = itl(options.icinga_version).into_iter();
    let parts = hub::Parts {
        index: Index::new(library.chain(settings.external_objects.iter().cloned()).collect()),
        settings,
        guard: options.removal_guard,
        volume: Arc::new(volume),
        writer: Writer::new(client.clone()),
        announcements,
        crd: match scope.namespaces() {
            None => CrdProbe::new(client.clone()),
            Some(_) => CrdProbe::by_discovery(client.clone()),
        },
        lister: watch::Lister::new(client, server, scope.clone()),
        scope,
        held,
        claim,
        leadership,
        events: received,
        snapshots,
        fleet: fleet_seen,
        questions: asked,
        icinga: options.hub_agent.map(|directory| hub::icinga::follow(&directory, stop.clone())),
        metrics,
        readiness,
    };
    let hub = tokio::spawn(hub::run(parts, stop.clone()));

    Tasks { health, watch, lease, satellites, hub, leading, serving }.supervise(stop).await
}

/// Says that only these namespaces are watched, and that nobody may declare a command if that is so.
fn say_scope(scope: &Scope, settings: &Settings) {
    let Some(namespaces) = scope.namespaces() else { return };
    let names = namespaces.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
    tracing::info!(namespaces = %names, "only these namespaces are watched");
    if !settings.privileged_namespaces.iter().any(|name| scope.has(name)) {
        tracing::warn!(
            "no namespace that may declare commands is watched; name one of them in --privileged-namespaces \
             (settings.privilegedNamespaces of the chart), or declare the commands elsewhere and name them in --external-objects"
        );
    }
}

async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address}: cannot listen there"))
}

fn settings(options: &Options) -> anyhow::Result<Settings> {
    let given = options.privileged_namespaces.iter().any(|name| !name.is_empty());
    let own = [options.namespace.clone()];
    let privileged = if given { &options.privileged_namespaces[..] } else { &own };
    Settings::new(privileged, &options.external_objects, options.icinga_version)
        .and_then(|settings| settings.with_constants(&options.constants))
        .map_err(anyhow::Error::msg)
}

/// Returns the address of the hub's API server, if its URL has one instead of a name.
fn address(url: &http::Uri) -> Option<SocketAddr> {
    let host: IpAddr = url.host()?.trim_matches(['[', ']']).parse().ok()?;
    Some(SocketAddr::new(host.to_canonical(), url.port_u16().unwrap_or(HTTPS)))
}
