//! The flags that say where a satellite's API server is.

use super::cluster::Endpoint;
use super::manifests::Credential;
use super::output::word;
use anyhow::{Context as _, bail};
use clap::Args;
use std::path::PathBuf;

/// Where the operator finds the satellite's API server: as the hub's Secret has it, or else where the person finds it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The satellite's API server as the hub sees it")]
pub struct EndpointArguments {
    /// URL that the hub's Pods reach. Default: what the hub's Secret has, or that of the satellite's context.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// File with the certificates to trust (PEM). Default: as for --server.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Name in the server's certificate, if it is not that of the URL.
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,
}

impl EndpointArguments {
    /// The server that the flags name, or else the context.
    ///
    /// # Errors
    /// When a file cannot be read, or the context has no server.
    pub fn resolve(&self, context: Endpoint) -> anyhow::Result<Credential> {
        let ca = match &self.ca_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("--ca-file {} cannot be read", path.display()))?,
            ),
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

    /// As a person would write them again.
    pub fn flags(&self) -> String {
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
