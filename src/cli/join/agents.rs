//! The objects of an agent on a satellite: an account that reads what is delivered, and the Lease
//! in which it reports.

use crate::api::marks::{ACCOUNT, MANAGED_BY, PART, PART_AGENT};
use serde_json::{Value, json};

/// Returns the objects of an agent of the hub's account `account`, each after those that it needs.
/// The agent follows the ConfigMap `pointer`.
pub(super) fn objects(namespace: &str, account: &str, pointer: &str, agent: &str) -> [Value; 4] {
    let name = format!("groundlink-agent-{agent}");
    let labels = json!({
        MANAGED_BY.0: MANAGED_BY.1,
        PART: PART_AGENT,
        // `satellite remove` finds them by the account, because two hubs may share a namespace.
        ACCOUNT: account,
    });
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels });
    let group = "rbac.authorization.k8s.io";
    [
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata }),
        // The agent patches it: an account that could create Leases could create those of others.
        json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [
                // The names of shards are not known beforehand.
                { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] },
                {
                    "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [pointer],
                    "verbs": ["list", "watch"],
                },
                {
                    "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [name],
                    "verbs": ["get", "patch"],
                },
            ],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": namespace }],
        }),
    ]
}
