//! A satellite's kubeconfig, rebuilt from an allow-list before kube sees it.
//!
//! kube runs `exec` and `auth-provider` commands and reads any file that a kubeconfig names, so the text of a Secret never
//! reaches it. What is allowed: one cluster, one user, one context; `server` (https), `certificate-authority-data`,
//! `tls-server-name`, and `token` or `client-certificate-data` with `client-key-data`. Refusals name the field, never its
//! value.

use super::client::HostPolicy;
use kube::config::Kubeconfig;
use serde_json::{Map, Value, json};

/// Largest accepted kubeconfig, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Fields of a user that would run something, read a file, or act as someone else.
const REFUSED_USER: [&str; 11] = [
    "exec",
    "auth-provider",
    "tokenFile",
    "client-certificate",
    "client-key",
    "username",
    "password",
    "as",
    "as-uid",
    "as-groups",
    "as-user-extra",
];
const REFUSED_CLUSTER: [&str; 3] = ["certificate-authority", "proxy-url", "insecure-skip-tls-verify"];

/// Rebuilds a kubeconfig.
///
/// # Errors
/// The field that is refused or missing, and what to do.
pub fn sanitise(text: &str, policy: HostPolicy) -> Result<Kubeconfig, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the kubeconfig has {} bytes; at most {MAX_BYTES} are allowed", text.len()));
    }
    // The parser's own message may quote the text, which holds credentials.
    let root: Value =
        serde_saphyr::from_str(text).map_err(|_| "the kubeconfig is not valid YAML".to_owned())?;
    let cluster = only(&root, "clusters", "cluster")?;
    let user = only(&root, "users", "user")?;
    let context = only(&root, "contexts", "context")?;
    for (part, refused, name) in [
        (cluster.1, &REFUSED_CLUSTER[..], "clusters[0].cluster"),
        (user.1, &REFUSED_USER[..], "users[0].user"),
    ] {
        for field in refused {
            if part.get(*field).is_some_and(|value| !value.is_null() && *value != Value::Bool(false)) {
                return Err(format!(
                    "{name}.{field} is refused: only server, certificate-authority-data, tls-server-name, and token or \
                     client-certificate-data with client-key-data are used"
                ));
            }
        }
    }
    if text_of(&root, "current-context").is_some_and(|name| name != context.0) {
        return Err("current-context does not name the kubeconfig's context".into());
    }
    if text_of(context.1, "cluster") != Some(cluster.0) || text_of(context.1, "user") != Some(user.0) {
        return Err("contexts[0].context does not name the kubeconfig's cluster and user".into());
    }
    let server = text_of(cluster.1, "server").ok_or("clusters[0].cluster.server is missing")?;
    check_server(server, policy)?;

    let mut clean_cluster = Map::from_iter([("server".to_owned(), json!(server))]);
    copy(cluster.1, &mut clean_cluster, &["certificate-authority-data", "tls-server-name"]);
    let mut clean_user = Map::new();
    if text_of(user.1, "token").is_some_and(|token| !token.is_empty()) {
        copy(user.1, &mut clean_user, &["token"]);
    } else if text_of(user.1, "client-certificate-data").is_some()
        && text_of(user.1, "client-key-data").is_some()
    {
        copy(user.1, &mut clean_user, &["client-certificate-data", "client-key-data"]);
    } else {
        return Err("users[0].user needs token, or client-certificate-data with client-key-data".into());
    }
    serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "satellite", "cluster": clean_cluster }],
        "users": [{ "name": "satellite", "user": clean_user }],
        "contexts": [{ "name": "satellite", "context": { "cluster": "satellite", "user": "satellite" } }],
        "current-context": "satellite",
    }))
    .map_err(|_| "the kubeconfig has a field of the wrong type".to_owned())
}

fn text_of<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

fn copy(from: &Value, to: &mut Map<String, Value>, fields: &[&str]) {
    for field in fields {
        if let Some(text) = text_of(from, field) {
            to.insert((*field).to_owned(), json!(text));
        }
    }
}

/// Name and body of the one entry of a list.
fn only<'a>(root: &'a Value, list: &str, body: &str) -> Result<(&'a str, &'a Value), String> {
    let entries = root.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let [entry] = entries else {
        return Err(format!("the kubeconfig has {} {list}; exactly one is allowed", entries.len()));
    };
    let name = text_of(entry, "name").ok_or_else(|| format!("{list}[0].name is missing"))?;
    let body_value = entry.get(body).filter(|value| value.is_object());
    Ok((name, body_value.ok_or_else(|| format!("{list}[0].{body} is missing"))?))
}

fn check_server(server: &str, policy: HostPolicy) -> Result<(), String> {
    let field = "clusters[0].cluster.server";
    let uri: http::Uri = server.parse().map_err(|_| format!("{field} is not a URL"))?;
    if uri.scheme_str() != Some("https") {
        return Err(format!("{field} must begin with https://"));
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err(format!("{field} must name a host, and no user"));
    }
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let refused = match host.parse::<std::net::IpAddr>() {
        Ok(address) => !policy.allows(address),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost") && !policy.allow_loopback,
    };
    if refused {
        return Err(format!(
            "{field} is a loopback, link-local or unspecified address, which is refused (--allow-loopback-satellites is for tests)"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: HostPolicy = HostPolicy { allow_loopback: false };

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: k, cluster: {{{cluster}}}}}], users: [{{name: u, user: {{{user}}}}}], \
             contexts: [{{name: c, context: {{cluster: k, user: u}}}}]}}"
        )
    }

    const CLUSTER: &str = "server: \"https://edge.example:6443\"";
    const USER: &str = "token: secret-canary";

    #[test]
    fn rebuilds_what_is_allowed_and_drops_what_is_unknown() {
        let text = kubeconfig(
            &format!("{CLUSTER}, certificate-authority-data: QQ==, new-field: x"),
            &format!("{USER}, another: y"),
        );
        let value = serde_json::to_value(sanitise(&text, STRICT).unwrap()).unwrap().to_string();
        assert!(
            value.contains("edge.example") && !value.contains("new-field") && !value.contains("another"),
            "{value}"
        );
    }

    #[test]
    fn refuses_each_dangerous_field_by_name_and_never_shows_a_value() {
        for field in REFUSED_USER {
            let error =
                sanitise(&kubeconfig(CLUSTER, &format!("{USER}, {field}: {{command: touch}}")), STRICT)
                    .unwrap_err();
            assert!(error.contains(field) && !error.contains("canary"), "{error}");
        }
        for field in REFUSED_CLUSTER {
            let error =
                sanitise(&kubeconfig(&format!("{CLUSTER}, {field}: true"), USER), STRICT).unwrap_err();
            assert!(error.contains(field) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn refuses_addresses_that_no_satellite_has() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "localhost",
            "LOCALHOST.",
            "[::1]",
            "169.254.169.254",
            "[fe80::1]",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
        ] {
            let text = kubeconfig(&format!("server: \"https://{host}:6443\""), USER);
            assert!(sanitise(&text, STRICT).is_err(), "{host}");
        }
        let loopback = kubeconfig("server: \"https://127.0.0.1:6443\"", USER);
        assert!(sanitise(&loopback, HostPolicy { allow_loopback: true }).is_ok());
        assert!(sanitise(&kubeconfig("server: \"http://edge.example\"", USER), STRICT).is_err());
        assert!(sanitise(&kubeconfig("server: \"https://a@edge.example\"", USER), STRICT).is_err());
    }

    #[test]
    fn refuses_more_than_one_of_anything_and_dangling_names() {
        let text = kubeconfig(CLUSTER, USER).replace("context: {cluster: k", "context: {cluster: other");
        assert!(sanitise(&text, STRICT).is_err());
        let text = kubeconfig(CLUSTER, USER).replace("users: [", "users: [{name: v, user: {token: x}}, ");
        assert!(sanitise(&text, STRICT).unwrap_err().contains("2 users"));
        assert!(sanitise("{", STRICT).is_err());
        assert!(sanitise(&"x".repeat(MAX_BYTES + 1), STRICT).is_err());
        assert!(sanitise(&kubeconfig(CLUSTER, "x: y"), STRICT).unwrap_err().contains("needs token"));
    }
}
