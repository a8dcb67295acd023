//! The objects of an agent on a satellite: an account that reads what is delivered, and the Lease
//! in which it reports.

use crate::api::marks::{ACCOUNT, PART, PART_AGENT};
use serde_json::{Value, json};

/// Returns the name of the objects of an agent.
pub(crate) fn object_name(agent: &str) -> String {
    format!("groundlink-agent-{agent}")
}

/// Returns whether this is the name of the objects of an agent.
pub(crate) fn is_of_agent(name: &str) -> bool {
    name.starts_with(&object_name(""))
}

/// The account on a satellite whose agents are made.
pub(super) struct Place<'a> {
    /// Name of the hub's account.
    pub account: &'a str,
    pub namespace: &'a str,
    /// Name of the pointer ConfigMap.
    pub pointer: &'a str,
    /// Labels of every object.
    pub labels: Value,
}

/// Returns the objects of these agents, each after what it needs.
pub(super) fn objects(place: &Place<'_>, agents: &[String]) -> Vec<Value> {
    agents.iter().flat_map(|agent| of(place, &object_name(agent))).collect()
}

fn of(place: &Place<'_>, name: &str) -> [Value; 4] {
    let (namespace, pointer) = (place.namespace, place.pointer);
    let mut labels = place.labels.clone();
    labels[PART] = json!(PART_AGENT);
    // `satellite remove` finds them by the account, because two hubs may share a namespace.
    labels[ACCOUNT] = json!(place.account);
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
