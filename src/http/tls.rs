//! The certificate and key that a server shows. The only place that names `rustls`.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server needs to speak TLS 1.2 and 1.3.
#[derive(Clone, Debug)]
pub struct Tls(pub(super) ServerConfig);

/// Reads a certificate chain and its private key, both PEM.
///
/// # Errors
/// A sentence that names the file.
pub fn load(certificate: &Path, key: &Path) -> Result<Tls, String> {
    let in_file = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| in_file(certificate, &error))?;
    if chain.is_empty() {
        return Err(in_file(certificate, &"there is no PEM certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    config.map(Tls).map_err(|error| in_file(certificate, &error))
}
