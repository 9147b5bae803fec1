//! A GitLab with an authority of its own, as inside of a company: trusted when it is configured, and only then.
//!
//! The certificate is of 127.0.0.1 for a hundred years, of an authority whose key was thrown away.

use std::io::{Read, Write};
use std::sync::Arc;

use hummingbird_status::platform::environment::GitLab;
use hummingbird_status::platform::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::fake::{TOKEN, item};
use super::{deadline, open_only, reconcile, with_open};
use crate::support::project;

/// Answers every request with one merge request. Blocks its thread; ends with the process.
fn serve(listener: &std::net::TcpListener, config: &Arc<ServerConfig>) {
    let body = serde_json::json!([item(1, "merged", "2026-03-10T11:00:00.100Z")]).to_string();
    for stream in listener.incoming() {
        let (Ok(mut stream), Ok(mut connection)) = (stream, ServerConnection::new(Arc::clone(config))) else {
            continue;
        };
        let mut tls = Stream::new(&mut connection, &mut stream);
        // A client that does not trust us leaves in the middle of this.
        if tls.read(&mut [0; 8192]).is_ok() {
            let _ = write!(tls, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        }
    }
}

#[tokio::test]
async fn an_authority_is_trusted_when_it_is_configured() {
    let file = |name: &str| project("tests/it/reconcile/tls").join(name);
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server-key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate], key).unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || serve(&listener, &config));

    let (db, _) = with_open(1..=1).await;
    let mut instance = GitLab { url, token: Some(Secret::new(TOKEN)), host: None, ca_bundle: None };
    let run = async |instance: &GitLab| {
        reconcile::run(&db.store, std::slice::from_ref(instance), open_only(), deadline(), |_, _| ()).await.unwrap()
    };
    let report = run(&instance).await;
    assert_eq!(report.unreachable[0].problem, "no usable answer from GitLab in 4 attempts: no connection");
    instance.ca_bundle = Some(file("ca.pem").to_string_lossy().into_owned());
    let report = run(&instance).await;
    assert_eq!(super::corrections(&report), ["g/p!1 state: opened -> merged"], "{report:?}");
}
