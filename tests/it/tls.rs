//! TLS to PostgreSQL, as a real server speaks it.
//!
//! What begins with `ca` signed what is of `localhost`; made for these tests with openssl, for a hundred years, and the
//! keys of the authorities were thrown away. Those with a curve are `deliver`'s.

use hummingbird_status::db::SslMode;
use hummingbird_status::db::Store;
use hummingbird_status::platform::failure::chain;

use crate::support::{self, bare_database, deadline, project, render};

/// A certificate, its key, and the authority that signed it, in the folder of the tests.
struct Signed {
    chain: &'static str,
    key: &'static str,
    authority: &'static str,
}

const CURVE: Signed =
    Signed { chain: "deliver/tls/server.pem", key: "deliver/tls/server.key", authority: "deliver/tls/ca.pem" };
const RSA: Signed = Signed { chain: "tls/server-rsa.pem", key: "tls/server-rsa.key", authority: "tls/ca-rsa.pem" };

fn file(name: &str) -> String {
    project("tests/it").join(name).display().to_string()
}

/// Statements outside of any transaction, one by one.
async fn set(statements: &[&str]) {
    let admin = support::admin_store();
    for statement in statements {
        admin.script(statement, deadline()).await.unwrap();
    }
}

/// Puts a file into the server's folder, readable by the server's user only.
async fn put(name: &str, text: &str) {
    assert!(!text.contains(['\'', '\\', '\t']), "as it is");
    let copy = format!("COPY (SELECT regexp_split_to_table('{text}', E'\\n')) TO PROGRAM 'umask 077; cat > {name}'");
    set(&[&copy]).await;
}

/// Has the server show a certificate, and waits until it does. Only who asks for TLS sees any of it.
async fn show(signed: &Signed, setting: &str) {
    put("test.pem", &std::fs::read_to_string(file(signed.chain)).unwrap()).await;
    put("test.key", &std::fs::read_to_string(file(signed.key)).unwrap()).await;
    let settings = ["ssl_cert_file = 'test.pem'", "ssl_key_file = 'test.key'", "ssl = on", setting];
    for setting in settings {
        set(&[&format!("ALTER SYSTEM SET {setting}")]).await;
    }
    set(&["SELECT pg_reload_conf()"]).await;
}

/// How a connection is encrypted, or why there is none.
async fn connection(url: &str, host: &str, authority: Option<&str>) -> String {
    let mut database = hummingbird_status::db::from_url(url).unwrap();
    host.clone_into(&mut database.target.host);
    database.target.ssl_mode = Some(SslMode::Require);
    database.ca_bundle = authority.map(file);
    let store = Store::open(&database).unwrap();
    match store.script("SELECT 1", deadline()).await {
        Ok(()) => {
            let how = "SELECT ssl || ' ' || version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            render::rows(&store, how).await.join(" ")
        }
        Err(error) => chain(&error),
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_its_name() {
    let url = bare_database("tls").await;
    let admin = support::admin_store();
    if render::rows(&admin, "SELECT name FROM pg_settings WHERE name = 'ssl_library' AND setting <> ''")
        .await
        .is_empty()
    {
        return println!("this PostgreSQL has no TLS");
    }
    for signed in [&CURVE, &RSA] {
        for (setting, expected) in [
            ("ssl_max_protocol_version = 'TLSv1.3'", "true TLSv1.3 TLS_AES_"),
            ("ssl_max_protocol_version = 'TLSv1.2'", "true TLSv1.2 ECDHE-"),
        ] {
            show(signed, setting).await;
            support::until("the certificate", async || {
                let found = connection(&url, "localhost", Some(signed.authority)).await;
                found.starts_with(expected)
            })
            .await;
        }
        let other = if signed.chain == RSA.chain { CURVE.authority } else { RSA.authority };
        for (host, authority) in
            [("localhost", Some(other)), ("localhost", None), ("127.0.0.1", Some(signed.authority))]
        {
            let found = connection(&url, host, authority).await;
            assert!(found.contains("certificate"), "{host}, {authority:?}: {found}");
        }
    }
    set(&["ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()"]).await;
    support::until("no TLS", async || {
        connection(&url, "localhost", Some(RSA.authority)).await.contains("server does not support TLS")
    })
    .await;
}
