//! Signed tokens (JSON Web Tokens, RFC 7519, in the compact form of RFC 7515). The configuration of the signer decides
//! the algorithm, never the token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::{hmac, signature};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;

use crate::platform::secret::Secret;

/// Seconds by which clocks may differ.
const SKEW: f64 = 60.0;
/// Most bytes of a token.
const LONGEST: usize = 8 << 10;
/// Fewest bytes of a shared key: as long as the shortest hash (RFC 7518, 3.2).
const SHORTEST: usize = 32;
/// Prefix of an RSA key in a `SubjectPublicKeyInfo`: the identifier of the algorithm, `rsaEncryption` (RFC 8017, A.1).
const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// How a token is signed (RFC 7518, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    pub(super) const NAMES: [&str; 6] = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512"];
    const ALL: [Self; 6] = [Self::Hs256, Self::Hs384, Self::Hs512, Self::Rs256, Self::Rs384, Self::Rs512];

    /// The algorithm of this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|index| Self::ALL[index])
    }
}

/// The key that verifies signatures.
pub(super) enum Key {
    /// The shared key of HMAC.
    Shared(hmac::Key),
    /// The signer's public key, in PKCS#1.
    Public(&'static signature::RsaParameters, Vec<u8>),
}

impl Key {
    /// The key for an algorithm.
    ///
    /// # Errors
    /// When the key is invalid; with the expected form.
    pub(super) fn new(algorithm: Algorithm, secret: &Secret) -> Result<Self, String> {
        let (shared, public) = match algorithm {
            Algorithm::Hs256 => (Some(hmac::HMAC_SHA256), None),
            Algorithm::Hs384 => (Some(hmac::HMAC_SHA384), None),
            Algorithm::Hs512 => (Some(hmac::HMAC_SHA512), None),
            Algorithm::Rs256 => (None, Some(&signature::RSA_PKCS1_2048_8192_SHA256)),
            Algorithm::Rs384 => (None, Some(&signature::RSA_PKCS1_2048_8192_SHA384)),
            Algorithm::Rs512 => (None, Some(&signature::RSA_PKCS1_2048_8192_SHA512)),
        };
        match (shared, public) {
            (Some(hash), _) if secret.expose().len() >= SHORTEST => {
                Ok(Self::Shared(hmac::Key::new(hash, secret.expose().as_bytes())))
            }
            (None, Some(parameters)) => {
                let key = SubjectPublicKeyInfoDer::from_pem_slice(secret.expose().as_bytes()).ok();
                let key = key.and_then(|key| rsa_key(&key).map(<[u8]>::to_vec));
                key.map(|key| Self::Public(parameters, key))
                    .ok_or_else(|| "expected a public key of RSA in PEM (-----BEGIN PUBLIC KEY-----)".to_owned())
            }
            _ => Err(format!("shorter than {SHORTEST} characters")),
        }
    }

    fn verifies(&self, message: &[u8], given: &[u8]) -> bool {
        match self {
            Self::Shared(key) => hmac::verify(key, message, given).is_ok(),
            Self::Public(parameters, key) => {
                signature::UnparsedPublicKey::new(*parameters, key).verify(message, given).is_ok()
            }
        }
    }
}

/// The bits of a `SubjectPublicKeyInfo` (RFC 5280, 4.1) whose algorithm is RSA: the `RSAPublicKey` that ring expects.
fn rsa_key(info: &[u8]) -> Option<&[u8]> {
    let bits = element(info, 0x30)?.strip_prefix(&RSA)?;
    // The last byte has no unused bits.
    element(bits, 0x03)?.strip_prefix(&[0])
}

/// The content of an element of DER, if it has this tag and nothing follows it.
fn element(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [length @ 0..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    (rest.len() == length).then_some(rest)
}

/// A signer of tokens.
pub(super) struct Signer {
    pub(super) name: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: Key,
    pub(super) issuer: Option<String>,
    /// The audience that tokens must have; without it, tokens with an audience are rejected.
    pub(super) audience: Option<String>,
    /// Longest age of a token in seconds.
    pub(super) max_age: Option<f64>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Critical extensions (RFC 7515, 4.1.11); none is supported here.
    crit: Option<serde_json::Value>,
}

/// The claims of a token.
#[derive(Deserialize)]
pub(super) struct Claims {
    /// The job that it is for, or the submitter.
    pub(super) sub: Option<Text>,
    iss: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    aud: Option<Texts>,
    origin: Option<Texts>,
}

/// A text, or a number: ids are written as both.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Number(i64),
    Text(String),
}

impl Text {
    pub(super) fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// The claim `origin`, as of kcidb-restd-rs, or a list of them.
    pub(super) fn origins(&self) -> Vec<String> {
        match &self.origin {
            None => Vec::new(),
            Some(Texts::One(origin)) => vec![origin.clone()],
            Some(Texts::Several(origins)) => origins.clone(),
        }
    }
}

impl Signer {
    /// The claims of a token, if its signature, issuer, audience and times are valid. A token without `exp` expires
    /// after `max_age`, if that is set.
    pub(super) fn claims(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let (message, given) = token.rsplit_once('.').filter(|_| token.len() <= LONGEST)?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if Algorithm::of(&header.alg) != Some(self.algorithm) || header.crit.is_some() {
            return None;
        }
        if !self.key.verifies(message.as_bytes(), &URL_SAFE_NO_PAD.decode(given).ok()?) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let now = now.as_duration().as_secs_f64();
        let is_ours = self.issuer.is_none() || self.issuer == claims.iss;
        let has_begun = claims.nbf.is_none_or(|begin| now + SKEW >= begin);
        let has_ended = claims.exp.is_some_and(|end| now - SKEW >= end);
        // A token that names an audience must be rejected by all others (RFC 7519, 4.1.3).
        let is_for_us = match (&self.audience, &claims.aud) {
            (None, None) => true,
            (Some(own), Some(Texts::One(audience))) => own == audience,
            (Some(own), Some(Texts::Several(audiences))) => audiences.contains(own),
            _ => false,
        };
        let is_fresh =
            self.max_age.is_none_or(|age| claims.iat.is_some_and(|made| now + SKEW >= made && now - SKEW < made + age));
        (is_ours && is_for_us && has_begun && !has_ended && is_fresh).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test by openssl; the private key was deleted.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApDjO0ZhI+jhIORFyDfMR\n\
        wmxnsqYAGN0owya6Wnif8AAt8NXwpswXOvdKQqdwPl2GwurkVBu8PpSw/mzZC43e\n\
        2DbZpDEHjBTGbzSeVGLqHHCPW5BJ9cLFzVJP9hVCrzcSYitjzCx7HalgUx1xV5rA\n\
        /IvNba44NdFVcNtO8QrDV/Z3nQG1Je3lf8mWs6LdlfBXUm6LWVwtkbDj6zS9B02T\n\
        9c5Dwi0kMrgOTVC/sOq4F6qCwjRwRNcIaDPMZGfP5KjTyT8ewpISHySupmsTrMEA\n\
        g3as6hFoaoCSTjgHBDtvV8+Y+pOLr8BUM+JHmt29cs258wrmERCcDb/HPlCq1Pgc\n\
        +QIDAQAB\n\
        -----END PUBLIC KEY-----";
    /// Signed with that key: `{"sub": "11", "iss": "job-board"}`.
    const RS256: &str = "eyJhbGciOiAiUlMyNTYiLCAidHlwIjogIkpXVCJ9.eyJzdWIiOiAiMTEiLCAiaXNzIjogImpvYi1ib2FyZCJ9.D9HuzCFy52oTiRPNvSK4acZ2\
     rMMvdrLV2uGhxZDqo5pOsJmKND_up4axdr0t8odeBIiDEKr77wgOBpZfxHeQiIYgs46vml7VN1y1lPfAr8ZsvRsTjn67LOTAgdCuqV5po-7kcJ\
     PpAU3u3o9jtXroDeqYw351DsAHLbIOFya8Smn8KQQ-_9nB4rJqV_VSzJTJerX6Dba_Bcz4hoJS5r85CaiXJLtdmNIPO1fSspgs5HiT9_3UvZ-7\
     uMYdITvFgORyiNk45aXwzXuTRVJA8Bj5R42j1B2Jx04iKuPLYmQE8DtmPFIYBNtW77Or7q5baiYjb_FFaGNoX2vRk0rmQbICSQ";
    const RS512: &str = "eyJhbGciOiAiUlM1MTIiLCAidHlwIjogIkpXVCJ9.eyJzdWIiOiAiMTEiLCAiaXNzIjogImpvYi1ib2FyZCJ9.Br18sOhev8yOMAwHEIIifalT\
     vWNx_uFJoLXR14dj1la5W4g23GMgVj4gPHAfigcGJDhpOmkDuwdpW3Cfw-AwHTwFAQDb6NR9bMdop6cH1NYaWbaNAoqFNeQNuM1T-cVlQDXKxq\
     P0sMoIK3HARxk4BxzB0jqgS0sOEWM-1gdRKxd1ov80HYl8pPi9be6_27tq4hL-gVJAo7kaDB-KTJwvyZVz2VBmA0lKnnQ0brU9JULfJSnUaJsF\
     evj8ISIBZaQm9qTG54fSlbaHN7uaXMbuvVHGnIVXpZ29xnqkofxSNn37m9UNLG0sg0233t88HhmPh4bYsifFBcIF2fN3QWNbYw";

    fn signer(algorithm: Algorithm, key: &str) -> Signer {
        let key = Key::new(algorithm, &Secret::new(key)).unwrap_or_else(|error| panic!("{error}"));
        Signer { name: "s".to_owned(), algorithm, key, issuer: None, audience: None, max_age: None }
    }

    fn signed(hash: hmac::Algorithm, header: &str, claims: &str, key: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let tag = hmac::sign(&hmac::Key::new(hash, key.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn sub(signer: &Signer, token: &str) -> Option<String> {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        signer.claims(token, now)?.sub.map(Text::text)
    }

    #[test]
    fn rsa_is_verified_by_the_algorithm_of_the_signer() {
        let mut signer = signer(Algorithm::Rs256, PEM);
        assert_eq!(sub(&signer, RS256).as_deref(), Some("11"));
        assert_eq!(sub(&signer, RS512), None);
        assert_eq!(sub(&signer, &RS256.replace("MTEi", "MTIi")), None, "other claims");
        // The public key is no secret: an HMAC with it must not be accepted (algorithm confusion).
        let confused = signed(hmac::HMAC_SHA256, r#"{"alg":"HS256"}"#, r#"{"sub":"11"}"#, PEM);
        assert_eq!(sub(&signer, &confused), None);
        signer.issuer = Some("job-board".to_owned());
        assert!(sub(&signer, RS256).is_some());
        signer.issuer = Some("other".to_owned());
        assert_eq!(sub(&signer, RS256), None);
        assert!(sub(&super::tests::signer(Algorithm::Rs512, PEM), RS512).is_some());
    }

    #[test]
    fn signatures_and_times_are_checked() {
        let key = "k".repeat(40);
        let signer = signer(Algorithm::Hs256, &key);
        let token = |header: &str, claims: &str| signed(hmac::HMAC_SHA256, header, claims, &key);
        let hs = r#"{"alg":"HS256"}"#;
        for (header, claims, expected) in [
            (hs, r#"{"sub":11}"#, Some("11")),
            (hs, r#"{"sub":"11","exp":1000001,"nbf":999999}"#, Some("11")),
            (hs, r#"{"sub":"11","exp":999941}"#, Some("11")),
            (hs, r#"{"sub":"11","exp":999940}"#, None),
            (hs, r#"{"sub":"11","nbf":1000061}"#, None),
            (hs, r#"{"sub":"11","exp":"never"}"#, None),
            (hs, r#"{"sub":"11","sub":"12"}"#, None),
            (r#"{"alg":"none"}"#, r#"{"sub":"11"}"#, None),
            (r#"{"alg":"HS512"}"#, r#"{"sub":"11"}"#, None),
            (r#"{"alg":"HS256","crit":["x"]}"#, r#"{"sub":"11"}"#, None),
        ] {
            assert_eq!(sub(&signer, &token(header, claims)).as_deref(), expected, "{header} {claims}");
        }
        let fine = token(hs, r#"{"sub":"11"}"#);
        assert_eq!(sub(&signer, &signed(hmac::HMAC_SHA256, hs, r#"{"sub":"11"}"#, &"l".repeat(40))), None);
        for broken in [&fine[..fine.len() - 1], &format!("{fine}="), "..", "", "a.b", &format!(".{fine}")] {
            assert_eq!(sub(&signer, broken), None, "{broken}");
        }
        let origins = signer.claims(&token(hs, r#"{"origin":["a","b"]}"#), Timestamp::UNIX_EPOCH);
        assert_eq!(origins.map(|claims| claims.origins()), Some(vec!["a".to_owned(), "b".to_owned()]));
    }

    /// RFC 7519, 4.1.3: a token that names an audience must be rejected by all others. Now is second 1,000,000.
    #[test]
    fn audience_and_age_are_checked() {
        let key = "k".repeat(40);
        let token = |claims: &str| signed(hmac::HMAC_SHA256, r#"{"alg":"HS256"}"#, claims, &key);
        for (audience, max_age, claims, expected) in [
            (None, None, r#"{"sub":1,"aud":"other"}"#, false),
            (None, None, r#"{"sub":1,"aud":[]}"#, false),
            (Some("us"), None, r#"{"sub":1}"#, false),
            (Some("us"), None, r#"{"sub":1,"aud":"other"}"#, false),
            (Some("us"), None, r#"{"sub":1,"aud":["other","them"]}"#, false),
            (Some("us"), None, r#"{"sub":1,"aud":7}"#, false),
            (Some("us"), None, r#"{"sub":1,"aud":"us"}"#, true),
            (Some("us"), None, r#"{"sub":1,"aud":["other","us"]}"#, true),
            (None, Some(600.0), r#"{"sub":1}"#, false),
            (None, Some(600.0), r#"{"sub":1,"exp":2000000}"#, false),
            (None, Some(600.0), r#"{"sub":1,"iat":999339}"#, false),
            (None, Some(600.0), r#"{"sub":1,"iat":999341}"#, true),
            (None, Some(600.0), r#"{"sub":1,"iat":1000061}"#, false),
            (None, Some(600.0), r#"{"sub":1,"iat":1000060}"#, true),
            (None, Some(600.0), r#"{"sub":1,"iat":999341,"exp":999000}"#, false),
        ] {
            let signer = Signer { audience: audience.map(str::to_owned), max_age, ..signer(Algorithm::Hs256, &key) };
            assert_eq!(sub(&signer, &token(claims)).is_some(), expected, "{audience:?} {max_age:?} {claims}");
        }
    }

    #[test]
    fn only_public_keys_of_rsa_are_accepted() {
        let wrong = [PEM.replace("MIIBIjAN", "MIIBIjBN"), PEM.replace("PUBLIC", "PRIVATE"), "x".repeat(40)];
        assert!(wrong.iter().all(|pem| Key::new(Algorithm::Rs256, &Secret::new(pem)).is_err()));
        let reference = ["HS256", "RS512", "ES256"].map(Algorithm::of);
        assert_eq!(reference, [Some(Algorithm::Hs256), Some(Algorithm::Rs512), None]);
    }
}
