//! What this program is: its version, and the revision of its source.

use super::process::Process;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    revision: &'static str,
}

/// Returns a registry that has the metrics of the process already.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process));
    registry
}

/// Registers the version of this program.
pub fn register_build(r: &mut Registry) {
    let info = Family::<Build, Gauge>::default();
    let revision = option_env!("GROUNDLINK_REVISION").unwrap_or("unknown");
    info.get_or_create(&Build { version: env!("CARGO_PKG_VERSION"), revision }).set(1);
    r.register("build_info", "1, with the version of the program and the revision of its source", info);
}
