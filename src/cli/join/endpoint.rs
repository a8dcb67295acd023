//! The flags that name a satellite's API server as the hub's Pods reach it.

use crate::cli::clusters::Endpoint;
use crate::cli::join::objects::Credential;
use crate::cli::output::word;
use anyhow::{Context as _, bail};
use clap::Args;
use std::path::PathBuf;

/// Flags that name the satellite's API server. Default: the hub's Secret, or else the satellite's context.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The satellite's API server as the hub sees it")]
pub(in crate::cli) struct EndpointArguments {
    /// URL that the hub's Pods reach. Default: the URL in the hub's Secret, or else in the satellite's context.
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) server: Option<String>,
    /// File with the certificate authorities to trust (PEM). Default: as for --server.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
    /// Name in the server's certificate, if it differs from the URL's.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) tls_server_name: Option<String>,
}

impl EndpointArguments {
    /// Returns the server that the flags name, or else that of `context`.
    ///
    /// # Errors
    /// If a file cannot be read or is not PEM, or if neither names a server.
    pub(in crate::cli) fn resolve(&self, context: Endpoint) -> anyhow::Result<Credential> {
        let ca = match &self.ca_file {
            Some(path) => Some(std::fs::read_to_string(path).with_context(|| {
                format!("--ca-file {}: cannot be read; name a file with PEM certificates", path.display())
            })?),
            None => context.ca,
        };
        if ca.as_ref().is_some_and(|ca| !ca.contains("-----BEGIN CERTIFICATE-----")) {
            bail!(
                "the certificates to trust are not PEM (-----BEGIN CERTIFICATE-----); name a file with --ca-file"
            );
        }
        let server = self.server.clone().or(context.server);
        Ok(Credential {
            server: server.context("the satellite's context has no server; name it with --server")?,
            ca,
            tls_server_name: self.tls_server_name.clone().or(context.tls_server_name),
            token: String::new(),
        })
    }

    /// Returns the flags as a person would write them.
    pub(in crate::cli) fn flags(&self) -> String {
        let ca = self.ca_file.as_ref().map(|path| path.to_string_lossy().into_owned());
        [("server", &self.server), ("ca-file", &ca), ("tls-server-name", &self.tls_server_name)]
            .into_iter()
            .filter_map(|(flag, value)| Some(format!(" --{flag} {}", word(value.as_ref()?))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_must_be_pem() {
        let flags = EndpointArguments { server: None, ca_file: None, tls_server_name: None };
        let context =
            Endpoint { server: Some("https://a".into()), ca: Some("QQ==".into()), ..Endpoint::default() };
        assert!(flags.resolve(context).unwrap_err().to_string().contains("--ca-file"));
        assert!(flags.resolve(Endpoint::default()).unwrap_err().to_string().contains("--server"));
    }
}
