//! The signature of Travis CI's webhooks, which their receivers verify: RSA with SHA-1 (PKCS #1, 1.5).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::signature::{self, RandomizedSigner, SignatureEncoding};
use sha1::Sha1;

use crate::platform::secret::Secret;

/// Parses a private key (PEM, of PKCS #1 or #8).
///
/// # Errors
/// When it cannot be parsed. The error does not show it.
pub(super) fn private_key(pem: &Secret) -> Result<RsaPrivateKey, String> {
    let pem = pem.expose();
    RsaPrivateKey::from_pkcs8_pem(pem)
        .or_else(|_| RsaPrivateKey::from_pkcs1_pem(pem))
        .map_err(|_| "the key is no private key of RSA in PEM".to_owned())
}

/// Randomness for blinding, so that the time of signing reveals nothing about the key (RUSTSEC-2023-0071). It does not
/// change the signature.
struct Blinding(SystemRandom);

impl TryRng for Blinding {
    type Error = signature::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes).map_err(|_| signature::Error::new())
    }
}

impl TryCryptoRng for Blinding {}

/// The signature of a document, in base64.
///
/// # Errors
/// When the key cannot be parsed, or is too small.
pub(super) fn rsa_sha1(pem: &Secret, document: &[u8]) -> Result<String, String> {
    let key = SigningKey::<Sha1>::new(private_key(pem)?);
    let signature = key
        .try_sign_with_rng(&mut Blinding(SystemRandom::new()), document)
        .map_err(|_| "the key is too small".to_owned())?;
    Ok(STANDARD.encode(signature.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_show_the_key() {
        let error = rsa_sha1(&Secret::new("-----BEGIN PRIVATE KEY-----\nhunter2"), b"{}").expect_err("no key");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
