//! What a kubeconfig says of a cluster.

use super::flags::{SATELLITE, SatelliteArguments};
use crate::cli::output::word;
use crate::request::causes;
use crate::text::clean;
use anyhow::{Context as _, anyhow};
use kube::config::Kubeconfig;
use std::path::Path;

/// Reads the kubeconfig of one side.
///
/// # Errors
/// If it cannot be read. The error says of which side, and each cause once.
pub(super) fn read(side: &str, path: Option<&Path>, flag: &str) -> anyhow::Result<Kubeconfig> {
    match path {
        Some(path) => Kubeconfig::read_from(path).map_err(|error| {
            anyhow!("the {side}: {flag} {} cannot be read: {}", path.display(), causes(&error))
        }),
        None => Kubeconfig::read().map_err(|error| {
            anyhow!("the {side}: no kubeconfig can be read; set KUBECONFIG or {flag}: {}", causes(&error))
        }),
    }
}

/// The server of one context of a kubeconfig.
#[derive(Clone, Debug, Default)]
pub(crate) struct Endpoint {
    /// URL of the API server.
    pub(crate) server: Option<String>,
    /// Certificate authorities to trust, PEM.
    pub(crate) ca: Option<String>,
    /// Name in the server's certificate.
    pub(crate) tls_server_name: Option<String>,
    /// A setting of the context that the operator refuses in a satellite's credential.
    pub(crate) refused: Option<&'static str>,
}

/// Returns the server of the satellite's context. Reads its kubeconfig alone.
///
/// # Errors
/// If the kubeconfig, the context or a file that it names cannot be read.
pub(crate) fn endpoint(arguments: &SatelliteArguments) -> anyhow::Result<Endpoint> {
    let kubeconfig = read(SATELLITE, arguments.kubeconfig.as_deref(), "--kubeconfig")?;
    let cluster = cluster_of(&kubeconfig, arguments.context.as_deref())?;
    let ca = match (&cluster.certificate_authority_data, &cluster.certificate_authority) {
        (Some(data), _) => {
            let bytes: k8s_openapi::ByteString = serde_json::from_value(serde_json::json!(data)).context(
                "certificate-authority-data of the context: not base64; name a file with --ca-file",
            )?;
            Some(
                String::from_utf8(bytes.0).context(
                    "certificate-authority-data of the context: not PEM; name a file with --ca-file",
                )?,
            )
        }
        (None, Some(path)) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("certificate-authority of the context: cannot read {path}"))?,
        ),
        (None, None) => None,
    };
    let insecure = cluster.insecure_skip_tls_verify == Some(true);
    let refused = insecure.then_some("insecure-skip-tls-verify");
    let (server, tls_server_name) = (cluster.server.clone(), cluster.tls_server_name.clone());
    Ok(Endpoint { server, ca, tls_server_name, refused })
}

pub(super) fn cluster_of<'a>(
    kubeconfig: &'a Kubeconfig,
    context: Option<&str>,
) -> anyhow::Result<&'a kube::config::Cluster> {
    let wanted = context.or(kubeconfig.current_context.as_deref()).ok_or_else(|| {
        anyhow!("no context is named and current-context is not set; name one with the flag for the context")
    })?;
    let found = kubeconfig.contexts.iter().find(|named| named.name == wanted);
    let context = found.and_then(|named| named.context.as_ref()).ok_or_else(|| {
        let names: Vec<_> = kubeconfig.contexts.iter().map(|named| word(&named.name)).collect();
        anyhow!("there is no context {}; there are: {}", word(wanted), clean(&names.join(", "), 500))
    })?;
    let cluster = kubeconfig.clusters.iter().find(|named| named.name == context.cluster);
    cluster.and_then(|named| named.cluster.as_ref()).ok_or_else(|| {
        anyhow!(
            "context {} names a cluster that the kubeconfig does not have; correct the kubeconfig",
            word(wanted)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_that_is_missing_is_named_once_and_for_its_side() {
        let error = read(SATELLITE, Some(Path::new("/nonexistent/config")), "--kubeconfig").unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.starts_with("the satellite: --kubeconfig /nonexistent/config cannot be read: "),
            "{said}"
        );
        assert_eq!(said.matches("No such file").count(), 1, "{said}");
    }
}
