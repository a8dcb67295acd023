//! The objects of an agent on a satellite: an account that reads what is delivered, and the Lease
//! in which it reports.

use super::objects::{AccountSettings, labels};
use crate::api::marks::{ACCOUNT, PART, PART_AGENT};
use serde_json::{Value, json};

/// Returns the name of the objects of an agent.
pub(crate) fn object_name(agent: &str) -> String {
    format!("groundlink-agent-{agent}")
}

/// Returns the objects of the agents of this account, each after what it needs.
pub(super) fn objects(account: &AccountSettings) -> Vec<Value> {
    account.agents.iter().flat_map(|agent| of(account, &object_name(agent))).collect()
}

fn of(account: &AccountSettings, name: &str) -> [Value; 4] {
    let (namespace, pointer) = (&account.namespace, &account.pointer);
    let mut labels = labels();
    labels[PART] = json!(PART_AGENT);
    // `satellite remove` finds them by the account, because two hubs may share a namespace.
    labels[ACCOUNT] = json!(account.account);
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
