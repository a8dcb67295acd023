//! The objects of a join: one list that `add` applies and `join-manifest` prints.

use crate::api::duration::parse_duration;
use crate::api::marks::{ACCOUNT, MANAGED_BY};
use crate::cli::clusters::Endpoint;
use crate::cli::join::agents;
use crate::cli::join::token::Claims;
use crate::cli::output::{span, word};
use clap::{Args, ValueEnum as _};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Map, Value, json};

/// Flags of the objects on the satellite.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the satellite")]
pub(crate) struct AccountArguments {
    /// Namespace on the satellite for the ConfigMaps. Use one without important ConfigMaps of
    /// others: the right to create, list and watch cannot be limited by name. Default: that of the
    /// SatelliteCluster, or icinga.
    #[arg(short = 'n', long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    pub(crate) namespace: Option<String>,
    /// Create the namespace, too.
    #[arg(long)]
    pub(crate) create_namespace: bool,
    /// Name of the ServiceAccount, the Role and the RoleBinding. Two hubs that share a namespace
    /// need different names. Default: that of the hub's token, or groundlink.
    #[arg(long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    pub(crate) account: Option<String>,
    /// Let the operator renew the token with the present one. The account then may also make
    /// tokens of itself, and they last for a day. The hub's CRDs must have spec.tokenRenewal. End
    /// it with --self-renewal=false.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) self_renewal: Option<bool>,
    /// Lifetime of the token. The satellite's API server may grant less. Default: 8760h; with
    /// --self-renewal that of the SatelliteCluster, or 24h.
    #[arg(long, value_name = "DURATION", value_parser = crate::cli::usage::lifetime)]
    pub(crate) token_lifetime: Option<i64>,
    /// Prepare an agent of this name, which loads the set into Icinga 2 on the satellite: a
    /// ServiceAccount groundlink-agent-NAME with its rights, and the Lease in which it reports.
    /// May be given again for further agents.
    #[arg(long = "agent", value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    pub(crate) agents: Vec<String>,
}

impl AccountArguments {
    /// Returns the wanted account: by the flags, else by `spec` of the SatelliteCluster or the
    /// claims of the hub's token, else by the defaults.
    pub(crate) fn settings(&self, spec: &Value, claims: Option<&Claims>) -> AccountSettings {
        let text = |pointer: &str| spec.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let renews = self.self_renewal.unwrap_or_else(|| spec["tokenRenewal"].is_object());
        let renewal = renews.then(|| match self.token_lifetime {
            Some(seconds) => span(seconds),
            // In the words of the SatelliteCluster, so that the field does not change.
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
            pointer: text("/target/name").unwrap_or_else(|| "groundlink".into()),
            agents: self.agents.clone(),
        }
    }

    /// Returns the flags as a person would write them.
    pub(crate) fn flags(&self) -> String {
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
        for agent in &self.agents {
            flags += &format!(" --agent {}", word(agent));
        }
        flags
    }
}

/// The wanted account on the satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountSettings {
    /// Its namespace, which is also that of the ConfigMaps.
    pub(crate) namespace: String,
    /// Name of the ServiceAccount, the Role and the RoleBinding.
    pub(crate) account: String,
    /// Lifetime of a token that is made now, in seconds.
    pub(crate) lifetime: i64,
    /// Lifetime of the tokens that the operator makes (`spec.tokenRenewal.lifetime`). `None` if it
    /// makes none.
    pub(crate) renewal: Option<String>,
    /// Name of the pointer ConfigMap.
    pub(crate) pointer: String,
    /// Names of the agents to prepare.
    pub(crate) agents: Vec<String>,
}

impl AccountSettings {
    /// Returns the name of the Secret that the first token is bound to.
    pub(crate) fn bound_secret(&self) -> String {
        format!("{}-token", self.account)
    }
}

/// Flags of the objects on the hub.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What is made on the hub")]
pub(crate) struct HubObjectArguments {
    /// Name of the Secret with the credential. Default: that of the SatelliteCluster, or the name
    /// of the satellite.
    #[arg(long, value_name = "NAME", value_parser = crate::cli::usage::object_name)]
    pub(crate) secret_name: Option<String>,
    /// Icinga zones whose objects the satellite gets, besides objects without a zone. An empty
    /// value ('') means no zone.
    #[arg(long = "zone", value_name = "ZONE", value_delimiter = ',')]
    pub(crate) zones: Vec<String>,
    /// Namespaces of the hub whose objects the satellite gets. An empty value ('') means all.
    #[arg(long = "from-namespace", value_name = "NAME", value_delimiter = ',')]
    pub(crate) from_namespaces: Vec<String>,
    /// Name of the ConfigMap on the satellite. Default: that of the SatelliteCluster, or
    /// groundlink.
    #[arg(long, value_name = "NAME")]
    pub(crate) target_name: Option<String>,
    /// Version of the satellite's Icinga 2, if it differs from the hub's.
    #[arg(long, value_name = "VERSION", value_enum)]
    pub(crate) icinga_version: Option<crate::api::IcingaVersion>,
}

impl HubObjectArguments {
    /// Writes the given flags into the spec of a SatelliteCluster. Fields without a flag stay.
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

    /// Returns the flags as a person would write them.
    pub(crate) fn flags(&self) -> String {
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

/// Returns the values of a flag. `None` if it was not given; an empty list if it was given empty.
fn some(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.iter().filter(|value| !value.is_empty()).cloned().collect())
}

/// Returns the labels of every object. The label of delivered ConfigMaps is not among them.
fn labels() -> Value {
    json!({ MANAGED_BY.0: MANAGED_BY.1 })
}

/// Returns every permission of the credential, unless the operator renews the token. It reads the
/// reports of agents and writes none: nobody but the agent says what is loaded.
fn rules() -> Value {
    json!([
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
        },
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "list", "watch"],
        },
    ])
}

/// Returns the permission to renew the token: to make tokens of this one account.
fn renewal_rules(account: &str) -> Value {
    json!([{
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": [account],
        "verbs": ["create"],
    }])
}

/// Returns a Role of this name, and its binding to the account.
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

/// Returns the Role and the RoleBinding with which the operator renews the token.
pub(crate) fn renewal(account: &AccountSettings) -> [Value; 2] {
    role(account, &account.bound_secret(), &renewal_rules(&account.account))
}

/// Returns the namespace of the account.
pub(crate) fn namespace(account: &AccountSettings) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": account.namespace },
    })
}

/// Returns the account on the satellite, its rights, and the Secret that its token is bound to.
pub(crate) fn satellite(account: &AccountSettings, bound_secret: &str) -> Vec<Value> {
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
    for agent in &account.agents {
        objects.extend(agents::objects(namespace, name, &account.pointer, agent));
    }
    objects
}

/// Returns an empty Secret. A token that is bound to it ends with it.
pub(crate) fn bound(namespace: &str, account: &str, name: &str) -> Value {
    let mut labels = labels();
    labels[ACCOUNT] = json!(account);
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
    })
}

/// A satellite's API server, and a token for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credential {
    /// URL of the API server.
    pub(crate) server: String,
    /// Certificate authorities to trust, PEM. `None` for those of the machine.
    pub(crate) ca: Option<String>,
    /// Name in the server's certificate, if it differs from the URL's.
    pub(crate) tls_server_name: Option<String>,
    pub(crate) token: String,
}

/// Returns the Secret on the hub in plain text (`stringData`), the form for people.
pub(crate) fn hub_secret(operator: &str, name: &str, credential: &Credential) -> Value {
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

/// Returns the server in a Secret that [`hub_secret`] made. `None` if it has none.
pub(crate) fn endpoint_of(secret: &Secret) -> Option<Endpoint> {
    let text = |key: &str| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
    let server = Some(text("server")?);
    Some(Endpoint { server, ca: text("ca.crt"), tls_server_name: text("tls-server-name"), refused: None })
}

/// Returns the SatelliteCluster. `spec` is the part that these commands applied before: fields
/// without a flag stay.
pub(crate) fn satellite_cluster(
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
            agents: Vec::new(),
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
    fn the_examples_are_the_objects_that_add_makes() {
        let account = account(true);
        let bound = account.bound_secret();
        let made = [vec![namespace(&account)], satellite(&account, &bound)].concat();
        let examples = [example("satellite-rbac.yaml"), example("satellite-token-renewal.yaml")].concat();
        assert_eq!(examples, made, "examples/satellite-*.yaml differ from what `satellite add` makes");
    }

    #[test]
    fn the_account_may_only_write_config_maps_unless_the_token_is_renewed() {
        let rules = |self_renewal: bool| -> Vec<Value> {
            let objects = satellite(&account(self_renewal), "groundlink-token");
            let rules = objects.iter().filter_map(|object| object["rules"].as_array());
            rules.flatten().map(|rule| json!([rule["resources"], rule["resourceNames"]])).collect()
        };
        let usual = [json!([["configmaps"], null]), json!([["leases"], null])];
        assert_eq!(rules(false), usual);
        assert_eq!(rules(true)[..2], usual);
        assert_eq!(rules(true)[2..], [json!([["serviceaccounts/token"], ["groundlink"]])]);
        let made = satellite(&account(false), "groundlink-token");
        let leases = made.iter().filter_map(|object| object["rules"].as_array()).flatten();
        let leases = leases.filter(|rule| rule["resources"] == json!(["leases"]));
        assert!(leases.into_iter().all(|rule| rule["verbs"] == json!(["get", "list", "watch"])));
    }

    #[test]
    fn no_object_has_the_label_of_delivered_config_maps() {
        let all = satellite(&account(true), "groundlink-token");
        assert!(!json!(all).to_string().contains(crate::api::marks::SATELLITE));
    }
}
