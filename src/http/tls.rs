//! The certificate and key that a server shows, and a client for the health check. The only place that names `rustls`.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    StreamOwned,
};

/// What a server needs to speak TLS 1.2 and 1.3.
#[derive(Clone, Debug)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    shown: Arc<Shown>,
    judge: Option<Arc<Judge>>,
}

/// The certificate that is shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Tls {
    /// Shows the certificate of `other` to whoever connects from now on, and trusts the same clients.
    pub fn show(&self, other: &Tls) {
        let new = other.shown.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        if let (Some(judge), Some(other)) = (&self.judge, &other.judge) {
            *judge.0.write().unwrap_or_else(PoisonError::into_inner) = other.now();
        }
    }

    pub(super) fn config(&self) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(self.provider.clone()).with_safe_default_protocol_versions();
        let builder = builder.expect("the provider knows TLS 1.2 and 1.3");
        let Some(judge) = &self.judge else {
            return builder.with_no_client_auth().with_cert_resolver(self.shown.clone());
        };
        let mut config = builder.with_client_cert_verifier(judge.clone()).with_cert_resolver(self.shown.clone());
        // A session that is taken up again would bring a certificate that is not trusted any more.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config
    }
}

/// Reads a certificate chain and its private key, and certificates of those who sign for clients, all PEM.
///
/// # Errors
/// A sentence that names the file.
pub fn load(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> Result<Tls, String> {
    let in_file = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| in_file(certificate, &error))?;
    if chain.is_empty() {
        return Err(in_file(certificate, &"there is no PEM certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| in_file(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certified = CertifiedKey::from_der(chain, private, &provider).map_err(|error| in_file(certificate, &error))?;
    let judge = client_ca.map(|path| Judge::new(path, &provider).map(Arc::new)).transpose()?;
    Ok(Tls { provider, shown: Arc::new(Shown(RwLock::new(Arc::new(certified)))), judge })
}

/// Says which certificates of clients are trusted now. A client may show none; then it is asked for a token.
#[derive(Debug)]
struct Judge(RwLock<Arc<dyn ClientCertVerifier>>);

impl Judge {
    fn new(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Self, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("tls-client-ca {}: {error}", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
            roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"there is no PEM certificate in it"));
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        verifier.build().map(|verifier| Judge(RwLock::new(verifier))).map_err(|error| wrong(&error))
    }

    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientCertVerifier for Judge {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.now().verify_client_cert(certificate, between, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.now().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

/// Speaks TLS with whoever is at the other end of `socket`, without asking who that is: for a question that tells nothing,
/// to a certificate that is seldom made for the loopback interface.
///
/// # Errors
/// Where TLS can't be spoken at all.
pub fn unchecked<S: Read + Write>(socket: S) -> io::Result<impl Read + Write> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Anybody(provider.clone()));
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?, socket))
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
