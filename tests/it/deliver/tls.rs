//! Each target is trusted by its own certificate authorities only.
//!
//! `ca.pem` and the certificate that it signed for `localhost` were made for these tests with openssl, valid for a
//! hundred years; the private key of the authority was deleted.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::{drain, read, status, take_in, target};
use crate::support::buildkite::{HOST, event};
use crate::support::forge::{Forge, created};
use crate::support::{self, project};

fn certificate() -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

#[tokio::test]
async fn a_target_is_trusted_by_its_own_bundle() {
    let db = support::database().await;
    let forge = Forge::start_tls(certificate(), |_| created()).await;
    take_in(&db.store, &[event("passed", 1)]).await;
    drain(&db.store, &read(&target("ghe", "github", &forge, HOST, "interval_ms = 600000"))).await;
    let row = status(&db.store).await;
    assert!(row.starts_with("pending | 1 | 0 | ") && row.contains("certificate"), "{row}");
    assert_eq!(forge.count(), 0, "nothing was sent to who cannot be trusted");

    let bundle = format!("ca_bundle = '{}'", project("tests/it/deliver/tls/ca.pem").display());
    super::later(&db.store).await;
    drain(&db.store, &read(&target("ghe", "github", &forge, HOST, &bundle))).await;
    assert_eq!(status(&db.store).await, "delivered | 2 | 1 | -");
}
