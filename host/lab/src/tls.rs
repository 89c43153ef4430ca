//! HTTPS for SDKs that insist on it: an authority that lives as long as the lab, and whose certificate is written to a file
//! for whoever shall trust it. Its key stays in the memory.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::lab::LabError;

/// The names that the partners' addresses have.
const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
/// Characters of a line of PEM.
const LINE: usize = 64;

/// What HTTPS is spoken with.
pub(crate) struct Tls {
    /// The file to trust.
    pub(crate) ca: PathBuf,
    /// The server's side of it.
    pub(crate) acceptor: TlsAcceptor,
}

/// Makes an authority and a certificate, and writes the one of the authority.
pub(crate) fn prepare(ca: PathBuf) -> Result<Tls, LabError> {
    let failed = |error: &dyn std::fmt::Display| LabError::Certificate(error.to_string());
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| failed(&error))?;
    params.distinguished_name.push(DnType::CommonName, "Caravan lab");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let root = params.self_signed(&key).map_err(|error| failed(&error))?;
    std::fs::write(&ca, pem(root.der())).map_err(|source| LabError::Authority { path: ca.clone(), source })?;
    let issuer = Issuer::new(params, key);

    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = CertificateParams::new(NAMES.map(str::to_string)).map_err(|error| failed(&error))?;
    params.distinguished_name.push(DnType::CommonName, "localhost");
    // Some clients insist on it (RFC 5280, 4.2.1.1).
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|error| failed(&error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .map_err(|error| failed(&error))?;
    Ok(Tls { ca, acceptor: TlsAcceptor::from(Arc::new(config)) })
}

/// A certificate as PEM.
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}
