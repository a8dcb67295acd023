//! Trust in a daemon: its certificate must be of Icinga's CA, and name this node.
//!
//! Icinga identifies a node by the common name, which may be any text. Where it is no DNS name
//! (`icinga_master 1`), no client that asks for one can accept the certificate. So the chain is
//! verified as for any server, and the name compared as Icinga compares it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;

/// Largest file of CA certificates that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;
/// `commonName`.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The name that is not compared: the verifier does that. An address sends no name to the server.
pub(super) fn server_name() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

/// Returns what makes connections to the daemon whose certificate these CAs signed for this name.
/// The file is read each time: Icinga may renew it.
///
/// # Errors
/// If the file cannot be read, or holds no certificate.
pub(super) async fn connector(ca: &Path, node_name: &str) -> Result<TlsConnector, String> {
    let (path, node_name) = (ca.to_owned(), node_name.to_owned());
    let work = move || {
        let text = bounded(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        config(&text, node_name).map_err(|error| format!("{}: {error}", path.display()))
    };
    let config = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())??;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn config(ca: &[u8], node_name: String) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for block in pem::parse_many(ca).map_err(|error| error.to_string())? {
        if block.tag() == "CERTIFICATE" {
            roots.add(CertificateDer::from(block.into_contents())).map_err(|error| error.to_string())?;
        }
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier { roots, provider: provider.clone(), node_name };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    node_name: String,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        // Parsed only now that a CA vouches for it.
        match common_name(end_entity) {
            Some(name) if name == self.node_name => Ok(ServerCertVerified::assertion()),
            Some(name) => {
                Err(Error::General(format!("it is of the node {name:?}, not of {:?}", self.node_name)))
            }
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Returns the only common name of a certificate. None if it has none or several, or cannot be
/// read.
fn common_name(certificate: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let subject = certificate.tbs_certificate().subject();
    let mut names = subject.iter().filter(|attribute| attribute.oid == COMMON_NAME);
    // The bytes of each kind of string that Icinga and OpenSSL write here are UTF-8.
    let name = names.next().and_then(|name| String::from_utf8(name.value.value().to_vec()).ok())?;
    names.next().is_none().then_some(name)
}
