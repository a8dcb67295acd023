//! The marks by which objects in a cluster are recognised: labels, annotations, field managers,
//! the finalizer. Each is an interface: a rename orphans what earlier versions wrote.

/// Label and value of everything that this program makes in a cluster.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "groundlink");
/// Label of a delivered ConfigMap: name of the SatelliteCluster.
pub const SATELLITE: &str = "groundlink.dev/satellite";
/// Label of a delivered ConfigMap: identity of the hub (UID of its namespace kube-system, or
/// of the operator's own if it watches named namespaces), so that two hubs can share a namespace.
pub const HUB: &str = "groundlink.dev/hub";
/// Label of a delivered ConfigMap: pointer or shard.
pub const PART: &str = "groundlink.dev/part";
/// Value of [`PART`] of a shard.
pub const PART_SHARD: &str = "shard";
/// Value of [`PART`] of a pointer.
pub const PART_POINTER: &str = "pointer";
/// Value of [`PART`] of the Lease of an agent.
pub const PART_AGENT: &str = "agent";
/// Label of a Secret on a satellite: the account whose tokens are bound to it.
pub const ACCOUNT: &str = "groundlink.dev/account";

/// Annotation of a delivered ConfigMap: the revision of a pointer; of a shard, the newest revision
/// that wanted it.
pub const REVISION: &str = "groundlink.dev/revision";
/// Annotation of a delivered ConfigMap: digest of the set, or of the shard.
pub const DIGEST: &str = "groundlink.dev/digest";
/// Annotation of a pointer: the layout.
pub const LAYOUT: &str = "groundlink.dev/layout";
/// Annotation of a pointer: the number of files.
pub const OBJECTS: &str = "groundlink.dev/objects";
/// Annotation of a pointer of layout Single that replaced a sharded one: the shards of that one,
/// which are kept.
pub const PREVIOUS: &str = "groundlink.dev/previous-shards";

/// Annotation of the Lease of an agent: its report ([`crate::api::agent_report`]), as JSON.
pub const AGENT_REPORT: &str = "groundlink.dev/agent-report";

/// Annotation of a pointer, from `spec.target.annotations`: the digest of a set that may remove much
/// of what an agent has loaded.
pub const SHRINK_CONFIRMED: &str = "groundlink.dev/shrink-confirmed";

/// Annotation of the operator's Lease: until when more objects than usual may be removed (RFC 3339).
pub const REMOVALS_ALLOWED_UNTIL: &str = "groundlink.dev/removals-allowed-until";

/// Finalizer of a SatelliteCluster, until the satellite is cleaned up.
pub const FINALIZER: &str = "groundlink.dev/satellite-cleanup";

/// Field manager of the operator, and the name under which it publishes events.
pub const OPERATOR_MANAGER: &str = "groundlink";
/// Field manager of the command line.
pub const CLI_MANAGER: &str = "groundlink-cli";
/// Field manager of the agent.
pub const AGENT_MANAGER: &str = "groundlink-agent";
