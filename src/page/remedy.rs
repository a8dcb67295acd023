//! What to do about a reason: the line `Do:` of docs/reasons.md, which a test compares.

use crate::api::Reason;

/// Returns what a person does about a reason, as text with `code` in backticks. `None` if there is
/// nothing to do.
pub const fn remedy(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Invalid => "Correct the field that the message names, and apply the manifest again.",
        Reason::NameConflict => {
            "Delete one of the two objects, or create yours under another name. A name cannot be changed later, so delete and create."
        }
        Reason::UnresolvedReference => {
            "Create what is missing, correct the reference, or break the circle. If it exists in Icinga's own files, list it in the setting `externalObjects`, as the message writes it. The object is published by itself once everything that it names is published."
        }
        Reason::ValueLeftOut => {
            "Correct the variable of the host, or declare what it names. If that exists in Icinga's own files, list it in the setting `externalObjects`."
        }
        Reason::OtherOperator => "Stop one of the two, or let one take over.",
        Reason::NameShared => "Give the rules different names, or exclude these hosts by `ignoreWhere`.",
        Reason::NotAllowed => {
            "Move the command to a privileged namespace, or add the namespace to `settings.privilegedNamespaces` of the chart."
        }
        Reason::TooLarge => {
            "Make the object smaller. For a satellite, set `spec.target.layout` to Auto, restrict `spec.zones` or `spec.namespaces`, raise the limit of the proxy in front of its API server, or delete the shards that the message describes."
        }
        Reason::PublishFailed => "Repair or enlarge the volume. The object is then published by itself.",
        Reason::Suspended => "Set `spec.suspend` to false when changes shall be processed again.",
        Reason::Pending => {
            "If it lasts longer than a minute, run `groundlink satellite list`, and look at the satellites that are not synced."
        }
        Reason::SatelliteUnreachable => {
            "Look at these satellites with `groundlink satellite list`, and repair them. The object is synced by itself when they return. To wait for one no longer, set `spec.suspend` or `spec.syncPolicy: Optional` of its SatelliteCluster."
        }
        Reason::SatelliteFailing => "Look up the reason of the satellite on this page.",
        Reason::Rejected => {
            "For an object that is left out, let the satellite accept the namespaces of everything that the object names (`spec.namespaces`), correct `spec.icingaVersion`, or upgrade the satellite's Icinga. For a satellite, exempt the target namespace from the webhook or policy. If Icinga 2 refused something, correct the object that the message names: the agent tries again with the next set."
        }
        Reason::Unreachable => {
            "If it lasts, run `groundlink satellite check <name>`, and repair the network or the satellite's API server. The operator probes about every 10 s and catches up in one pass."
        }
        Reason::TLSError => {
            "Correct the certificate authority or `tls-server-name` in the Secret, for example with `groundlink satellite add <name> --context <satellite> --ca-file <file> --tls-server-name <host>`."
        }
        Reason::Unauthorized => {
            "Put a new token into the Secret, for example with `groundlink satellite rotate <name> --context <satellite>`. The operator uses it at once."
        }
        Reason::Forbidden => {
            "Grant the Role of `examples/satellite-rbac.yaml`, for example by running `groundlink satellite add <name> --context <satellite>` again."
        }
        Reason::NamespaceMissing => {
            "Create the namespace of `spec.target.namespace` on the satellite. If it is being deleted, wait until it is gone."
        }
        Reason::QuotaExceeded => "Raise the quota of the namespace.",
        Reason::Conflict => {
            "If `Stalled` is True, delete the ConfigMap, choose another `spec.target.name`, or set `spec.adoptionPolicy`."
        }
        Reason::DriftFight => {
            "Find the other writer by the field manager in the ConfigMap's `metadata.managedFields`, and stop one of the two."
        }
        Reason::AwaitingAgent => {
            "Start the agent that the message names, or delete its Lease if it is gone for good. To prepare an agent, or to grant the right to read Leases, run `groundlink satellite add <name> --context <satellite>`, with `--agent <agent>` for an agent. Without agents, set `spec.ackLevel` to Written; a reason on `Loaded` or `Checked` alone then needs no action. From Synced to monitored explains agents."
        }
        Reason::CredentialRefused => "Remove or correct the field that the message names.",
        Reason::CredentialMissing => {
            "Create the Secret or the key that the message names. The operator notices it by itself."
        }
        Reason::CredentialExpiring => {
            "Put a new credential into the Secret, or remove the cause of the failed renewal."
        }
        Reason::CleanupSkipped => {
            "Delete the ConfigMaps that the event names, when no Icinga loads them any more."
        }
        Reason::Unsupported => {
            "Correct the field that the message names, or run the version of the operator that the CRD belongs to. A resource that is deleted meanwhile goes after that; to let it go at once and leave its ConfigMaps, remove its finalizer."
        }
        Reason::ContentChanged => {
            "Make the change in the MonitoringObjects, and let nothing else write to the volume. On a satellite, set `spec.driftPolicy` to Correct."
        }
        Reason::ManyRemovals => {
            "If they were deleted on purpose, run `groundlink removals allow`. If not, apply them again."
        }
        Reason::ChecksOverdue => {
            "Look at the log of that Icinga 2. In most cases a plugin is missing, or no endpoint runs the checks of the zone."
        }
        _ => return None,
    })
}
