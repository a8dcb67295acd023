//! The objects of a join, as one list that `add` applies and `join-manifest` prints.

use crate::snapshot::pointer::MANAGED_BY;
use clap::Args;
use serde_json::{Map, Value, json};

/// Account that a bound Secret belongs to, so that `rotate` and `remove` find what was made for it.
pub const ACCOUNT: &str = "groundlink.dev/account";

/// What is made on the satellite.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the satellite")]
pub struct AccountArguments {
    /// Namespace on the satellite that gets the ConfigMaps. Give Groundlink one in which no one else keeps ConfigMaps that
    /// matter: creating, listing and watching cannot be limited by name.
    #[arg(short = 'n', long, value_name = "NAME", default_value = "icinga", value_parser = super::object_name)]
    pub namespace: String,
    /// Make the namespace too.
    #[arg(long)]
    pub create_namespace: bool,
    /// Name of the ServiceAccount, the Role and the RoleBinding. Two hubs that share a namespace need two.
    #[arg(long, value_name = "NAME", default_value = "groundlink", value_parser = super::object_name)]
    pub account: String,
    /// Let the operator renew the token by itself, with the one that it has. The account then may make tokens of itself and
    /// nothing else, and its tokens live for a day. Needs a hub that knows spec.tokenRenewal.
    #[arg(long)]
    pub self_renewal: bool,
    /// Life of the token. The satellite's API server may give less. Default: 8760h; 24h with --self-renewal.
    #[arg(long, value_name = "DURATION", value_parser = super::lifetime)]
    pub token_lifetime: Option<i64>,
}

impl AccountArguments {
    /// Life of the token, in seconds.
    pub fn lifetime(&self) -> i64 {
        self.token_lifetime.unwrap_or(if self.self_renewal { 24 * 3600 } else { 8760 * 3600 })
    }

    /// Name of the Secret of the first token.
    pub fn bound_secret(&self) -> String {
        format!("{}-token", self.account)
    }
}

/// What is made on the hub.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the hub")]
pub struct HubObjectArguments {
    /// Name of the Secret with the credential. Default: the name of the satellite.
    #[arg(long, value_name = "NAME", value_parser = super::object_name)]
    pub secret_name: Option<String>,
    /// Icinga zones whose objects it gets, beside everything without a zone.
    #[arg(long = "zone", value_name = "ZONE", value_delimiter = ',')]
    pub zones: Vec<String>,
    /// Namespaces of the hub whose objects it gets. Default: all.
    #[arg(long = "from-namespace", value_name = "NAME", value_delimiter = ',')]
    pub from_namespaces: Vec<String>,
    /// Name of the ConfigMap on the satellite. Default: groundlink.
    #[arg(long, value_name = "NAME")]
    pub target_name: Option<String>,
    /// Version of the satellite's Icinga 2, if it is not the hub's.
    #[arg(long, value_name = "VERSION", value_enum)]
    pub icinga_version: Option<crate::api::IcingaVersion>,
}

/// Labels of everything that is made here. Not the label by which the operator knows its ConfigMaps.
fn labels() -> Value {
    json!({ MANAGED_BY.0: MANAGED_BY.1 })
}

/// The whole of what the credential may do.
fn rules() -> Value {
    json!([{
        "apiGroups": [""],
        "resources": ["configmaps"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    }])
}

/// The right to renew its token: tokens of this one account.
fn renewal_rules(account: &str) -> Value {
    json!([{
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": [account],
        "verbs": ["create"],
    }])
}

/// A Role of this name, and its binding to the account.
fn role(account: &AccountArguments, name: &str, rules: &Value) -> [Value; 2] {
    let (namespace, group) = (&account.namespace, "rbac.authorization.k8s.io");
    let metadata = json!({ "name": name, "namespace": namespace, "labels": labels() });
    [
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role",
            "metadata": metadata, "rules": rules,
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": { "apiGroup": group, "kind": "Role", "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": account.account, "namespace": namespace }],
        }),
    ]
}

/// The Role and the RoleBinding with which the operator renews the token.
pub fn renewal(account: &AccountArguments) -> [Value; 2] {
    role(account, &account.bound_secret(), &renewal_rules(&account.account))
}

/// The namespace of the account.
pub fn namespace(account: &AccountArguments) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": account.namespace },
    })
}

/// The account on the satellite: itself, what it may do, and the Secret that its token is bound to.
pub fn satellite(account: &AccountArguments, bound_secret: &str) -> Vec<Value> {
    let (name, namespace) = (&account.account, &account.namespace);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace, "labels": labels() },
        "automountServiceAccountToken": false,
    })];
    objects.extend(role(account, name, &rules()));
    objects.push(bound(namespace, name, bound_secret));
    if account.self_renewal {
        objects.extend(renewal(account));
    }
    objects
}

/// An empty Secret. A token that is bound to it ends with it.
pub fn bound(namespace: &str, account: &str, name: &str) -> Value {
    let mut labels = labels();
    labels[ACCOUNT] = json!(account);
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
    })
}

/// Where the satellite is, and the token that it accepts.
#[derive(Clone, Debug)]
pub struct Credential {
    /// URL of its API server.
    pub server: String,
    /// Certificates to trust, PEM; those of the system if there are none.
    pub ca: Option<String>,
    /// Name in its certificate, if that is not the URL's.
    pub tls_server_name: Option<String>,
    /// The token.
    pub token: String,
}

/// The Secret on the hub, in plain text (`stringData`): the form for people.
pub fn hub_secret(operator: &str, name: &str, credential: &Credential) -> Value {
    let mut data = Map::from_iter([("server".to_owned(), json!(credential.server))]);
    for (key, value) in [("ca.crt", &credential.ca), ("tls-server-name", &credential.tls_server_name)] {
        if let Some(value) = value {
            data.insert(key.to_owned(), json!(value));
        }
    }
    data.insert("token".into(), json!(credential.token));
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": operator, "labels": labels() },
        "stringData": data,
    })
}

/// The SatelliteCluster.
pub fn satellite_cluster(
    operator: &str,
    name: &str,
    secret: &str,
    account: &AccountArguments,
    bound_secret: &str,
    hub: &HubObjectArguments,
) -> Value {
    let mut spec = json!({
        "kubeconfigSecretRef": { "name": secret },
        "target": { "namespace": account.namespace },
    });
    if let Some(name) = &hub.target_name {
        spec["target"]["name"] = json!(name);
    }
    if !hub.zones.is_empty() {
        spec["zones"] = json!(hub.zones);
    }
    if !hub.from_namespaces.is_empty() {
        spec["namespaces"] = json!({ "from": "List", "names": hub.from_namespaces });
    }
    if let Some(version) = hub.icinga_version {
        spec["icingaVersion"] = json!(version);
    }
    if account.self_renewal {
        spec["tokenRenewal"] = json!({
            "serviceAccount": account.account,
            "boundSecret": bound_secret,
            "lifetime": super::output::span(account.lifetime()),
        });
    }
    json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
        "metadata": { "name": name, "namespace": operator },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(self_renewal: bool) -> AccountArguments {
        AccountArguments {
            namespace: "icinga".into(),
            create_namespace: false,
            account: "groundlink".into(),
            self_renewal,
            token_lifetime: None,
        }
    }

    fn example(name: &str) -> Vec<Value> {
        let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn the_examples_are_what_is_made() {
        let account = account(true);
        let bound = account.bound_secret();
        let made = [vec![namespace(&account)], satellite(&account, &bound)].concat();
        let examples = [example("satellite-rbac.yaml"), example("satellite-token-renewal.yaml")].concat();
        assert_eq!(examples, made, "examples/satellite-*.yaml differ from what `satellite add` makes");
    }

    #[test]
    fn nothing_but_config_maps_unless_the_token_renews_itself() {
        let rules = |self_renewal: bool| -> Vec<Value> {
            let objects = satellite(&account(self_renewal), "groundlink-token");
            let rules = objects.iter().filter_map(|object| object["rules"].as_array());
            rules.flatten().map(|rule| json!([rule["resources"], rule["resourceNames"]])).collect()
        };
        let config_maps = json!([["configmaps"], null]);
        assert_eq!(rules(false), std::slice::from_ref(&config_maps));
        assert_eq!(rules(true), [config_maps, json!([["serviceaccounts/token"], ["groundlink"]])]);
    }

    #[test]
    fn nothing_carries_the_label_of_delivered_config_maps() {
        let all = satellite(&account(true), "groundlink-token");
        assert!(!json!(all).to_string().contains(crate::snapshot::pointer::SATELLITE));
    }
}
