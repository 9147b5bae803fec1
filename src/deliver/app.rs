//! GitHub Apps: signs the JWT with which an installation of an app requests its tokens.
//!
//! Facts: github/docs, "Generating a JSON Web Token (JWT) for a GitHub App" and "Generating an installation access
//! token".

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::platform::secret::Secret;

/// Seconds by which the time of issue is set back: GitHub rejects a JWT that was issued in its future.
const SET_BACK: i64 = 60;
/// Seconds for which a JWT is valid. GitHub rejects more than ten minutes; the rest is for clocks that differ.
const VALID: i64 = 540;

/// An installation of an app, and the app's key.
#[derive(Clone)]
pub struct App {
    /// Client id, or number of the app.
    id: String,
    /// Number of the installation.
    installation: u64,
    key: Arc<KeyPair>,
}

impl App {
    /// Makes it from the id of an app, the number of an installation, and the app's private key (PEM, of PKCS #1 or
    /// #8).
    ///
    /// # Errors
    /// When the key cannot be read or is too small. The error does not show it.
    pub(super) fn new(id: String, installation: u64, pem: &Secret) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes());
        let key = match der.map_err(|_| "the key is no private key in PEM".to_owned())? {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err("the key is no private key of RSA".to_owned()),
        };
        let key =
            key.map_err(|rejected| format!("the key is no private key of RSA of 2048 bits or more: {rejected}"))?;
        Ok(Self { id, installation, key: Arc::new(key) })
    }

    /// Number of the installation.
    pub(super) fn installation(&self) -> u64 {
        self.installation
    }

    /// A JWT (RS256) that identifies the app, valid for nine minutes from `now`.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub(super) fn signed(&self, now: Timestamp) -> Result<Secret, String> {
        // Older servers accept a number only.
        let issuer = self.id.parse().map_or_else(|_| json!(self.id), |number: u64| json!(number));
        let now = now.as_second();
        let claims = json!({"iat": now - SET_BACK, "exp": now + VALID, "iss": issuer});
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let text = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature);
        signed.map_err(|_| "cannot sign with the key of the app".to_owned())?;
        Ok(Secret::new(&format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl PartialEq for App {
    fn eq(&self, other: &Self) -> bool {
        let key = |app: &Self| app.key.public_key().as_ref().to_vec();
        (&self.id, self.installation, key(self)) == (&other.id, other.installation, key(other))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "App({}, installation {})", self.id, self.installation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    const KEY: &str = include_str!("../../tests/it/deliver/hook-key.pem");

    #[test]
    fn the_jwt_names_the_app_and_is_signed() {
        for (id, issuer) in [("Iv23liAbCd", json!("Iv23liAbCd")), ("123456", json!(123_456))] {
            let app = App::new(id.to_owned(), 7, &Secret::new(KEY)).expect("a key");
            let now = Timestamp::from_second(1_800_000_000).expect("a time");
            let signed = app.signed(now).expect("signed");
            let (text, signature) = signed.expose().rsplit_once('.').expect("three parts");
            let parts: Vec<Value> = text
                .split('.')
                .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON"))
                .collect();
            let claims = json!({"iat": 1_799_999_940, "exp": 1_800_000_540, "iss": issuer});
            assert_eq!(parts, [json!({"alg": "RS256", "typ": "JWT"}), claims]);
            let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
            let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, app.key.public_key());
            assert!(public.verify(text.as_bytes(), &signature).is_ok());
            assert!(public.verify(text.to_uppercase().as_bytes(), &signature).is_err());
        }
    }

    #[test]
    fn no_error_and_no_debug_shows_the_key() {
        let secret = KEY.lines().nth(1).expect("a line");
        let cut: String = KEY.lines().take(4).chain(["-----END PRIVATE KEY-----"]).collect::<Vec<_>>().join("\n");
        for pem in ["", "hunter2", secret, &cut, "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----"] {
            let error = App::new("1".to_owned(), 7, &Secret::new(pem)).expect_err("no key");
            assert!(!error.contains("hunter2") && !error.contains(&secret[..12]), "{error}");
        }
        let app = App::new("1".to_owned(), 7, &Secret::new(KEY)).expect("a key");
        assert_eq!(format!("{app:?}"), "App(1, installation 7)");
    }
}
