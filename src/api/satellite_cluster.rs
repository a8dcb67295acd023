//! `SatelliteCluster`: a cluster that receives the published objects.

pub use super::agent_status::{AgentChecks, AgentState, AgentStatus};
use super::condition::Condition;
use super::icinga_version::IcingaVersion;
use super::text::{AnnotationValue, Duration, LabelValue, ObjectName};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A cluster that receives the published objects as ConfigMaps. It lives in the operator's
/// namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "groundlink.dev",
    version = "v1alpha1",
    kind = "SatelliteCluster",
    namespaced,
    status = "SatelliteClusterStatus",
    derive = "PartialEq",
    shortname = "sat",
    category = "groundlink",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Desired", type_ = "string", json_path = ".status.desired.revision"),
    printcolumn(name = "Acked", type_ = "string", json_path = ".status.acked.revision"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".status.stats.objects"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    validation = ("size(self.metadata.name) <= 63", "metadata.name is longer than 63 characters, and it is used as a label; choose a shorter name")
)]
#[serde(rename_all = "camelCase")]
pub struct SatelliteClusterSpec {
    /// Secret in the operator's namespace that holds the satellite's kubeconfig. Only the server,
    /// the certificate authority's data, and a token or a client certificate's data are used;
    /// `exec`, file paths and the like are refused. A Secret without a kubeconfig may hold the
    /// parts as keys of their own: `server`, `ca.crt`, and `token` or `tls.crt` with `tls.key`;
    /// `tls-server-name` if the certificate has another name than the address.
    pub kubeconfig_secret_ref: SecretKeyRef,
    /// Let the operator renew the token in that Secret after a third of its life. Default: the
    /// operator does not renew it, and reports when it ends. Needs `create` of
    /// `serviceaccounts/token` on the satellite (examples/satellite-token-renewal.yaml), and
    /// `patch` of Secrets in the operator's namespace (the chart's `rbac.renewTokens`). A client
    /// certificate is not renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_renewal: Option<TokenRenewal>,
    /// Icinga zones whose objects the satellite gets, in addition to all objects without a zone.
    /// At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub zones: Vec<ObjectName>,
    /// Hub namespaces whose objects the satellite accepts. Default: all.
    #[serde(default)]
    pub namespaces: NamespaceSelection,
    /// Version of the satellite's Icinga. Objects that need a later version are left out there.
    /// Default: the hub's version (the operator's setting `icingaVersion`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // As an Option the schema would have the description of the type.
    #[schemars(with = "IcingaVersion")]
    pub icinga_version: Option<IcingaVersion>,
    /// Destination of the ConfigMaps on the satellite.
    #[serde(default)]
    pub target: Target,
    /// Write nothing to the satellite. Default: false.
    #[serde(default)]
    pub suspend: bool,
    /// Reaction to a foreign change of a delivered ConfigMap: restore it (`Correct`), or only
    /// report it (`Report`). Default: Correct.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// Whether the operator may take over a foreign ConfigMap that has the target's name: `Never`,
    /// `IfIdentical` (if it holds what would be written) or `Always`. Default: Never.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// Step that acknowledges a delivery: store the ConfigMaps (`Written`), or load them into
    /// Icinga (`Loaded`, by the agent). Default: Written.
    #[serde(default)]
    pub ack_level: AckLevel,
    /// Whether objects wait for this satellite: `Required`, or `Optional`, if they are `Synced`
    /// without it. Default: Required.
    #[serde(default)]
    pub sync_policy: SyncPolicy,
    /// How long this satellite may fail before the objects that wait for it are `Stalled`, so that
    /// `helm --wait`, Flux and Argo CD end with the cause. They are synced by themselves when it
    /// works again. Default: `3m`.
    #[serde(default = "three_minutes")]
    pub sync_timeout: Duration,
    /// Treatment of the ConfigMaps when this resource is deleted.
    #[serde(default)]
    pub deletion: Deletion,
    /// How long to wait for one answer of the satellite's API server. Default: `10s`.
    #[serde(default = "ten_seconds")]
    pub request_timeout: Duration,
}

fn three_minutes() -> Duration {
    "3m".into()
}

fn ten_seconds() -> Duration {
    "10s".into()
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret, in the operator's namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in it that holds a kubeconfig. Default: `value`, if that is missing `kubeconfig`, and
    /// if that is missing too the parts of a kubeconfig as separate keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub key: Option<String>,
}

/// Renewal of a satellite's token. `tokenRenewal: {}` uses the defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "self.lifetime.matches('^([1-9][0-9]?|[12][0-9][0-9]|3[0-5][0-9]|36[0-5])d$') || (!self.lifetime.contains('d') && duration(self.lifetime) >= duration('10m') && duration(self.lifetime) <= duration('8760h'))",
    "lifetime must be between 10m and 365d; set for example 12h or 7d, days only as a whole number"
))]
pub struct TokenRenewal {
    /// ServiceAccount on the satellite, in the target namespace, whose tokens are used. The token
    /// in the Secret must be allowed to create them; usually it belongs to the same account.
    /// Default: `groundlink`.
    #[serde(default = "default_service_account")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub service_account: String,
    /// Secret on the satellite, in the target namespace, to which every token is bound; it must
    /// exist, and may be empty. Deleting it revokes all tokens that were created this way.
    /// Default: `groundlink-token`.
    #[serde(default = "default_bound_secret")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub bound_secret: String,
    /// How long a new token is valid, from `10m` to `365d`. The satellite may shorten it; then the
    /// shorter time counts. After an outage of more than two thirds of this time the token may
    /// have expired. Default: `24h`.
    #[serde(default = "one_day")]
    pub lifetime: Duration,
}

fn default_service_account() -> String {
    "groundlink".into()
}

fn default_bound_secret() -> String {
    "groundlink-token".into()
}

fn one_day() -> Duration {
    "24h".into()
}

impl Default for TokenRenewal {
    fn default() -> Self {
        Self {
            service_account: default_service_account(),
            bound_secret: default_bound_secret(),
            lifetime: one_day(),
        }
    }
}

/// Which hub namespaces a satellite accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.from == 'List' ? has(self.names) : !has(self.names)", "names belongs to from: List; set it there, and nowhere else"),
    validation = (
        "self.from == 'Selector' ? has(self.selector) : !has(self.selector)",
        "selector belongs to from: Selector; set it there, and nowhere else"
    )
)]
pub struct NamespaceSelection {
    /// All, Selector (by labels of the namespace) or List (by name). Default: All.
    #[serde(default)]
    pub from: NamespacesFrom,
    /// Names, for `from: List`. At most 256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
    /// Labels that a namespace must have, for `from: Selector`. At most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub selector: BTreeMap<String, LabelValue>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    #[default]
    All,
    /// Namespaces with these labels.
    Selector,
    /// Namespaces named here.
    List,
}

/// Destination of the ConfigMaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Target {
    /// Namespace on the satellite; it must exist. Default: `icinga`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// Name of the pointer ConfigMap. Default: `groundlink`.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Single: all files in one ConfigMap, at most 700 KiB. Snapshot: sharded, in several
    /// ConfigMaps that a manifest lists. Auto: Single while it fits. Default: Auto.
    pub layout: Layout,
    /// Further labels of the ConfigMaps. Default: none. At most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub labels: BTreeMap<String, LabelValue>,
    /// Further annotations of the ConfigMaps. Default: none. At most 16.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub annotations: BTreeMap<String, AnnotationValue>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            namespace: "icinga".into(),
            name: "groundlink".into(),
            layout: Layout::Auto,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }
}

/// Layout of the delivered set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Layout {
    /// Single while it fits.
    #[default]
    Auto,
    /// One ConfigMap with the files as keys.
    Single,
    /// Sharded: a manifest and immutable shards.
    Snapshot,
}

/// Reaction to foreign changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// Restore the ConfigMap.
    #[default]
    Correct,
    /// Only report the change.
    Report,
}

/// Whether the operator may take over foreign objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// Never.
    #[default]
    Never,
    /// If they hold what would be written.
    IfIdentical,
    /// Always.
    Always,
}

/// Whether objects wait for a satellite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SyncPolicy {
    /// They are not `Synced` without it.
    #[default]
    Required,
    /// They are.
    Optional,
}

/// Step that acknowledges a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AckLevel {
    /// The satellite's API server stored the ConfigMaps.
    #[default]
    Written,
    /// Icinga 2 loaded them, as the agent reports.
    Loaded,
}

/// Treatment of the ConfigMaps when the resource is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Deletion {
    /// Delete the ConfigMaps, or leave them (Orphan). Default: Delete.
    pub cleanup: Cleanup,
    /// How long an unreachable satellite may delay the deletion; after that the ConfigMaps are
    /// left there. Default: `5m`.
    pub timeout: Duration,
}

impl Default for Deletion {
    fn default() -> Self {
        Self { cleanup: Cleanup::Delete, timeout: "5m".into() }
    }
}

/// Fate of the ConfigMaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cleanup {
    /// They are deleted.
    #[default]
    Delete,
    /// They stay.
    Orphan,
}

/// The observed state. Only the operator writes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SatelliteClusterStatus {
    /// Last `metadata.generation` that the operator acted on; -1 before the first time.
    #[serde(default = "minus_one")]
    pub observed_generation: i64,
    /// The operator that wrote this status: namespace and name of its Lease. An operator of another
    /// name that finds it writes nothing, neither here nor on satellites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub operator: Option<String>,
    /// The set that the satellite should hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Watermark>,
    /// The set that was written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Watermark>,
    /// The set that the satellite acknowledged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked: Option<Watermark>,
    /// The set that runs, as the agents report: the lowest revision over all of them. Absent while
    /// one of them runs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Watermark>,
    /// The agents that load the set into Icinga 2, sorted by name. At most 8; the message of
    /// `Loaded` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub agents: Vec<AgentStatus>,
    /// State of the connection: whether requests are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerStatus>,
    /// Size of the set that the satellite should hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
    /// Ready, Reachable, CredentialsValid, Synced, Loaded, Checked, Drifted, RemovalsHeld, Stalled,
    /// Reconciling.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

fn minus_one() -> i64 {
    -1
}

/// A revision of the published set, as seen by one satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Watermark {
    /// `<term>.<counter>`.
    #[schemars(length(max = 41))]
    pub revision: String,
    /// Digest of the set, `sha256:<hex>`. It is the same in every layout (docs/snapshot-format.md).
    #[schemars(length(max = 80))]
    pub digest: String,
    /// Time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 64))]
    pub time: Option<String>,
}

/// The breaker that stops requests to a dead satellite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakerStatus {
    /// Closed: requests are sent. Open: only probes are sent. HalfOpen: a probe was answered, and
    /// one full pass decides.
    pub state: BreakerState,
    /// Connection failures in a row.
    #[schemars(range(min = 0))]
    pub consecutive_failures: u32,
    /// Since when the breaker has this state (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 64))]
    pub since: Option<String>,
    /// Time of the next probe (RFC 3339); only when Open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"), length(max = 64))]
    pub next_probe: Option<String>,
}

/// State of the breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BreakerState {
    /// Requests are sent.
    #[default]
    Closed,
    /// Only probes are sent.
    Open,
    /// A probe was answered, and one full pass decides.
    HalfOpen,
}

/// Size of a satellite's set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Files.
    pub objects: u32,
    /// Bytes of all files.
    pub bytes: u64,
    /// Shards; 0 in layout Single.
    pub shards: u32,
}
