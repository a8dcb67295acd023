//! `groundlink run`: the operator.

use super::log::LogArguments;
use super::service;
use super::usage::{duration, object_name};
use crate::api::IcingaVersion;
use crate::hub::core::RemovalGuard;
use crate::metrics::Metrics;
use crate::operator::{self, Options};
use crate::ownership::operator_name;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;

/// Run the operator on the hub.
///
/// The operator finds the hub as kubectl does (KUBECONFIG, ~/.kube/config), or else by the
/// ServiceAccount of its Pod.
#[derive(Debug, Args)]
#[command(after_help = crate::cli::usage::SERVICE_EXIT_CODES)]
pub struct Arguments {
    /// Directory of the volume that Icinga 2 includes (include_recursive "<volume>/objects.d").
    #[arg(long, env = "GROUNDLINK_VOLUME", value_name = "DIR")]
    volume: PathBuf,
    /// Namespace of the operator, with its SatelliteClusters, their Secrets and the Lease.
    #[arg(long, env = "GROUNDLINK_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Namespaces whose MonitoringObjects are published. No others are read, and no right beyond
    /// these namespaces is needed. Default: all namespaces.
    #[arg(long, env = "GROUNDLINK_WATCH_NAMESPACES", value_name = "NAME", value_delimiter = ',', value_parser = object_name)]
    watch_namespaces: Vec<String>,
    /// Address of /metrics, of /readyz with every reason, and of /livez. Who reaches it learns the
    /// names of satellites and objects. Port 0 chooses a free port, which is logged.
    #[arg(long, env = "GROUNDLINK_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Address of a second server, for the kubelet: /livez, and /readyz without a reason.
    #[arg(long, env = "GROUNDLINK_PROBES", value_name = "ADDR")]
    probes: Option<SocketAddr>,
    /// Address of the status page, for people with a token of the hub. Default: no page.
    #[arg(long, env = "GROUNDLINK_PAGE_ADDRESS", value_name = "ADDR")]
    page_address: Option<SocketAddr>,
    /// Wait until something is mounted on the volume's directory, so that nothing is written below
    /// an unmounted path.
    #[arg(long, env = "GROUNDLINK_REQUIRE_MOUNT")]
    require_mount: bool,
    /// Accept satellites whose API server has a loopback or link-local address. For tests and
    /// demos.
    #[arg(long, env = "GROUNDLINK_ALLOW_LOOPBACK_SATELLITES")]
    allow_loopback_satellites: bool,
    /// Namespaces whose resources may declare commands, which are code. Default: the operator's
    /// namespace.
    #[arg(long, env = "GROUNDLINK_PRIVILEGED_NAMESPACES", value_name = "NAME", value_delimiter = ',')]
    privileged_namespaces: Vec<String>,
    /// Objects that other Icinga configuration declares and that resources may name, as Type!name,
    /// for example Zone!master.
    #[arg(long, env = "GROUNDLINK_EXTERNAL_OBJECTS", value_name = "TYPE!NAME", value_delimiter = ',')]
    external_objects: Vec<String>,
    /// Constants of Icinga, beside its own such as PluginDir, that commands may name as $Name$.
    #[arg(long, env = "GROUNDLINK_CONSTANTS", value_name = "NAME", value_delimiter = ',')]
    constants: Vec<String>,
    /// Version of the Icinga 2 that loads the volume.
    #[arg(long, env = "GROUNDLINK_ICINGA_VERSION", value_enum, default_value = "2.13")]
    icinga_version: IcingaVersion,
    /// Largest share of all objects, in percent, that may be removed within ten minutes. More is held until a person runs
    /// `groundlink removals allow`. 100 removes everything without a question.
    #[arg(long, env = "GROUNDLINK_REMOVALS_SHARE", value_name = "PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..=100))]
    removals_share: u8,
    /// Fewer objects than this are removed without a question, whatever their share is.
    #[arg(long, env = "GROUNDLINK_REMOVALS_LEAST", value_name = "COUNT", default_value_t = 20)]
    removals_least: usize,
    /// How often all MonitoringObjects are listed again, about. This finds what the watch did not
    /// deliver.
    #[arg(long, env = "GROUNDLINK_RELIST_EVERY", value_name = "DURATION", default_value = "30m", value_parser = period)]
    relist_every: Duration,
    /// Directory in which the agent of the hub's own Icinga 2 reports (groundlink agent
    /// --report-dir). Objects then have the condition Loaded.
    #[arg(long, env = "GROUNDLINK_HUB_AGENT", value_name = "DIR")]
    hub_agent: Option<PathBuf>,
    /// Name of the Lease. Only the process that holds it writes.
    #[arg(long, env = "GROUNDLINK_LEASE_NAME", value_name = "NAME", default_value = "groundlink")]
    lease_name: String,
    /// Take over what another operator wrote: namespace and name of its Lease. Without this, an
    /// operator that finds another's name in a status writes nothing. Stop the other one first.
    #[arg(long, env = "GROUNDLINK_TAKE_OVER_FROM", value_name = "NAMESPACE/NAME", value_parser = operator_name)]
    take_over_from: Option<String>,
    /// Name of this process as a holder of the Lease. The chart sets the Pod's name.
    #[arg(long, env = "GROUNDLINK_POD_NAME", value_name = "NAME", default_value = "groundlink")]
    identity: String,
    #[command(flatten)]
    log: LogArguments,
}

/// Reads the period of a LIST.
fn period(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(1), Duration::from_hours(24 * 30));
    let period = Some(duration(text)?).filter(|period| (least..=most).contains(period));
    period.ok_or_else(|| "use a duration from 1s to 30d".to_owned())
}

pub(super) fn main(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let metrics = Arc::new(Metrics::default());
    let log = arguments.log.start(metrics.log_lines_lost())?;
    let options = Options {
        volume: arguments.volume,
        require_mount: arguments.require_mount,
        namespace: arguments.namespace,
        watch_namespaces: arguments.watch_namespaces,
        listen: arguments.listen,
        probes: arguments.probes,
        page: arguments.page_address,
        allow_loopback_satellites: arguments.allow_loopback_satellites,
        privileged_namespaces: arguments.privileged_namespaces,
        external_objects: arguments.external_objects,
        constants: arguments.constants,
        icinga_version: arguments.icinga_version,
        removal_guard: RemovalGuard { share: arguments.removals_share, least: arguments.removals_least },
        relist: arguments.relist_every,
        hub_agent: arguments.hub_agent,
        lease_name: arguments.lease_name,
        take_over_from: arguments.take_over_from,
        identity: arguments.identity,
    };
    service::run(&log, Builder::new_multi_thread(), |stop| operator::run(options, metrics, stop))
}
