//! The objects of a join, as one list that `add` applies and `join-manifest` prints.

use super::cluster::Endpoint;
use super::output::{span, word};
use super::token::Claims;
use crate::api::duration::parse_duration;
use crate::snapshot::pointer::MANAGED_BY;
use clap::{Args, ValueEnum as _};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};

/// Account that a bound Secret belongs to, so that `rotate` and `remove` find what was made for it.
pub const ACCOUNT: &str = "groundlink.dev/account";

/// What is made on the satellite.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the satellite")]
pub struct AccountArguments {
    /// Namespace on the satellite that gets the ConfigMaps. Give Groundlink one in which no one else keeps ConfigMaps that
    /// matter: creating, listing and watching cannot be limited by name. Default: what the SatelliteCluster has, or icinga.
    #[arg(short = 'n', long, value_name = "NAME", value_parser = super::object_name)]
    pub namespace: Option<String>,
    /// Make the namespace too.
    #[arg(long)]
    pub create_namespace: bool,
    /// Name of the ServiceAccount, the Role and the RoleBinding. Two hubs that share a namespace need two. Default: that of the
    /// token that the hub has, or groundlink.
    #[arg(long, value_name = "NAME", value_parser = super::object_name)]
    pub account: Option<String>,
    /// Let the operator renew the token by itself, with the one that it has. The account then may make tokens of itself and
    /// nothing else, and its tokens live for a day. Needs a hub that knows spec.tokenRenewal. --self-renewal=false ends it.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub self_renewal: Option<bool>,
    /// Life of the token. The satellite's API server may give less. Default: 8760h; with --self-renewal what the
    /// SatelliteCluster has, or 24h.
    #[arg(long, value_name = "DURATION", value_parser = super::lifetime)]
    pub token_lifetime: Option<i64>,
}

impl AccountArguments {
    /// The account that is wanted: what the flags say, else what `spec` of the SatelliteCluster or the hub's token say, else the
    /// default.
    pub fn settings(&self, spec: &Value, claims: Option<&Claims>) -> AccountSettings {
        let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let renews = self.self_renewal.unwrap_or_else(|| spec["tokenRenewal"].is_object());
        let renewal = renews.then(|| match self.token_lifetime {
            Some(seconds) => span(seconds),
            // As it is written there, so that it stays the same.
            None => text("/tokenRenewal/lifetime").unwrap_or_else(|| "24h".into()),
        });
        let renewed = renewal.as_deref().and_then(|text| parse_duration(text).ok());
        let year = 8760 * 3600;
        AccountSettings {
            namespace: self
                .namespace
                .clone()
                .or_else(|| text("/target/namespace"))
                .unwrap_or_else(|| "icinga".into()),
            account: self
                .account
                .clone()
                .or_else(|| text("/tokenRenewal/serviceAccount"))
                .or_else(|| claims.map(|claims| claims.account.clone()))
                .unwrap_or_else(|| "groundlink".into()),
            lifetime: self.token_lifetime.or(renewed.map(|seconds| seconds as i64)).unwrap_or(year),
            renewal,
        }
    }

    /// As a person would write them again.
    pub fn flags(&self) -> String {
        let mut flags = String::new();
        for (flag, value) in [("namespace", &self.namespace), ("account", &self.account)] {
            flags += &value.as_ref().map_or_else(String::new, |value| format!(" --{flag} {}", word(value)));
        }
        flags += if self.create_namespace { " --create-namespace" } else { "" };
        match self.self_renewal {
            Some(true) => flags += " --self-renewal",
            Some(false) => flags += " --self-renewal=false",
            None => {}
        }
        if let Some(seconds) = self.token_lifetime {
            flags += &format!(" --token-lifetime {}", span(seconds));
        }
        flags
    }
}

/// The account on the satellite as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSettings {
    /// Its namespace, which gets the ConfigMaps.
    pub namespace: String,
    /// Name of the ServiceAccount, the Role and the RoleBinding.
    pub account: String,
    /// Life of a token that is made now, in seconds.
    pub lifetime: i64,
    /// Life of the tokens that the operator makes by itself (`spec.tokenRenewal.lifetime`). Nothing if it makes none.
    pub renewal: Option<String>,
}

impl AccountSettings {
    /// Name of the Secret of the first token.
    pub fn bound_secret(&self) -> String {
        format!("{}-token", self.account)
    }
}

/// What is made on the hub.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the hub")]
pub struct HubObjectArguments {
    /// Name of the Secret with the credential. Default: what the SatelliteCluster has, or the name of the satellite.
    #[arg(long, value_name = "NAME", value_parser = super::object_name)]
    pub secret_name: Option<String>,
    /// Icinga zones whose objects it gets, beside everything without a zone. An empty one ('') stands for none.
    #[arg(long = "zone", value_name = "ZONE", value_delimiter = ',')]
    pub zones: Vec<String>,
    /// Namespaces of the hub whose objects it gets. An empty one ('') stands for all.
    #[arg(long = "from-namespace", value_name = "NAME", value_delimiter = ',')]
    pub from_namespaces: Vec<String>,
    /// Name of the ConfigMap on the satellite: groundlink, if it is never given.
    #[arg(long, value_name = "NAME")]
    pub target_name: Option<String>,
    /// Version of the satellite's Icinga 2, if it is not the hub's.
    #[arg(long, value_name = "VERSION", value_enum)]
    pub icinga_version: Option<crate::api::IcingaVersion>,
}

impl HubObjectArguments {
    /// Writes what is given over what a SatelliteCluster has; what is not given stays.
    fn lay_over(&self, spec: &mut Value) {
        if let Some(name) = &self.target_name {
            spec["target"]["name"] = json!(name);
        }
        if let Some(zones) = some(&self.zones) {
            spec["zones"] = json!(zones);
        }
        if let Some(names) = some(&self.from_namespaces) {
            spec["namespaces"] = match names.is_empty() {
                true => Value::Null,
                false => json!({ "from": "List", "names": names }),
            };
        }
        if let Some(version) = self.icinga_version {
            spec["icingaVersion"] = json!(version);
        }
        if let Some(spec) = spec.as_object_mut() {
            spec.retain(|_, value| !value.is_null() && *value != json!([]));
        }
    }

    /// As a person would write them again.
    pub fn flags(&self) -> String {
        let version = self
            .icinga_version
            .and_then(|version| version.to_possible_value().map(|value| value.get_name().to_owned()));
        let list = |list: &[String]| some(list).map(|names| names.join(","));
        let mut flags = String::new();
        for (flag, value) in [
            ("secret-name", self.secret_name.clone()),
            ("zone", list(&self.zones)),
            ("from-namespace", list(&self.from_namespaces)),
            ("target-name", self.target_name.clone()),
            ("icinga-version", version),
        ] {
            flags += &value.map_or_else(String::new, |value| format!(" --{flag} {}", word(&value)));
        }
        flags
    }
}

/// The values of a flag: nothing if it was not given, none if it was given empty.
fn some(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.iter().filter(|value| !value.is_empty()).cloned().collect())
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
fn role(account: &AccountSettings, name: &str, rules: &Value) -> [Value; 2] {
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
pub fn renewal(account: &AccountSettings) -> [Value; 2] {
    role(account, &account.bound_secret(), &renewal_rules(&account.account))
}

/// The namespace of the account.
pub fn namespace(account: &AccountSettings) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": account.namespace },
    })
}

/// The account on the satellite: itself, what it may do, and the Secret that its token is bound to.
pub fn satellite(account: &AccountSettings, bound_secret: &str) -> Vec<Value> {
    let (name, namespace) = (&account.account, &account.namespace);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace, "labels": labels() },
        "automountServiceAccountToken": false,
    })];
    objects.extend(role(account, name, &rules()));
    objects.push(bound(namespace, name, bound_secret));
    if account.renewal.is_some() {
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
#[derive(Clone, Debug, Default)]
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

/// Where the satellite is, as [`hub_secret`] wrote it; nothing if it did not.
pub fn endpoint_of(secret: &Secret) -> Option<Endpoint> {
    let text = |key: &str| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
    let server = Some(text("server")?);
    Some(Endpoint { server, ca: text("ca.crt"), tls_server_name: text("tls-server-name"), refused: None })
}

/// The SatelliteCluster. `spec` is what these commands applied of it before: what no flag says stays.
pub fn satellite_cluster(
    (operator, name): (&str, &str),
    mut spec: Value,
    secret: &str,
    account: &AccountSettings,
    bound_secret: &str,
    hub: &HubObjectArguments,
) -> Value {
    spec["kubeconfigSecretRef"]["name"] = json!(secret);
    spec["target"]["namespace"] = json!(account.namespace);
    spec["tokenRenewal"] = match &account.renewal {
        None => Value::Null,
        Some(lifetime) => json!({
            "serviceAccount": account.account, "boundSecret": bound_secret, "lifetime": lifetime,
        }),
    };
    hub.lay_over(&mut spec);
    json!({
        "apiVersion": "groundlink.dev/v1alpha1", "kind": "SatelliteCluster",
        "metadata": { "name": name, "namespace": operator },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> AccountArguments {
        AccountArguments {
            namespace: None,
            create_namespace: false,
            account: None,
            self_renewal: None,
            token_lifetime: None,
        }
    }

    fn account(self_renewal: bool) -> AccountSettings {
        AccountArguments { self_renewal: Some(self_renewal), ..flags() }.settings(&Value::Null, None)
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
