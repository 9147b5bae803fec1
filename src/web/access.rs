//! Access control of the web UI, where nothing in front of the server does it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::App;
use crate::platform::environment::{ConfigError, Lookup};
use crate::platform::secret::Secret;

/// Access control of the web UI.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// No check.
    Open,
    /// HTTP basic authentication, or a token that may read.
    Basic {
        /// Hash of `user:password`: comparing hashes of equal length reveals nothing about the secret by its time.
        password: [u8; 32],
        /// Tokens that may read.
        tokens: Arc<[Secret]>,
    },
}

impl Access {
    /// Reads the variables.
    ///
    /// # Errors
    /// When one of them is invalid, or `basic` is set without a password.
    pub fn from_env(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let secret = lookup("PAGE_BASIC_AUTH");
        let secret = match (lookup("PAGE_ACCESS").as_deref(), secret) {
            (Some("public" | "iam"), _) | (None, None) => return Ok(Self::Open),
            (Some("basic") | None, secret) => secret.unwrap_or_default(),
            (Some(_), _) => {
                return Err(ConfigError::Invalid { variable: "PAGE_ACCESS", expected: "public, iam or basic" });
            }
        };
        let (user, password) = secret.split_once(':').unwrap_or_default();
        if user.is_empty() || password.is_empty() {
            return Err(ConfigError::Invalid { variable: "PAGE_BASIC_AUTH", expected: "user:password" });
        }
        Ok(Self::Basic { password: Sha256::digest(&secret).into(), tokens: Arc::default() })
    }

    /// The same; where a password is required, requests that only read may also have one of these bearer tokens.
    #[must_use]
    pub fn with_tokens(self, tokens: Vec<Secret>) -> Self {
        match self {
            Self::Open => Self::Open,
            Self::Basic { password, .. } => Self::Basic { password, tokens: tokens.into() },
        }
    }

    /// Whether a request with this header `Authorization` has access; `reads`: whether its method only reads.
    fn allows(&self, given: Option<&str>, reads: bool) -> bool {
        let Self::Basic { password, tokens } = self else { return true };
        let Some((scheme, given)) = given.and_then(|given| given.split_once(' ')) else { return false };
        let given = given.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            STANDARD.decode(given).is_ok_and(|given| Sha256::digest(given).as_slice() == password)
        } else if scheme.eq_ignore_ascii_case("bearer") {
            // Compares with all tokens, so that the time reveals nothing.
            reads && tokens.iter().fold(false, |found, token| found | token.is(given))
        } else {
            false
        }
    }
}

/// Middleware that rejects requests without access. `/healthz` and `/readyz` are open: load balancers have no password.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if matches!(request.uri().path(), "/healthz" | "/readyz") || app.access.allows(given, reads) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Hummingbird Status\", charset=\"UTF-8\"")];
    (StatusCode::UNAUTHORIZED, challenge, "user and password are required\n").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_opens() {
        let read = |value: Option<&'static str>| {
            Access::from_env(&move |name| value.filter(|_| name == "PAGE_BASIC_AUTH").map(str::to_owned))
        };
        let access =
            |kind: &'static str| Access::from_env(&move |name| (name == "PAGE_ACCESS").then(|| kind.to_owned()));
        assert!(access("basic").is_err() && access("open").is_err() && access("iam").is_ok());
        assert!(read(None).is_ok_and(|access| access.allows(None, true)));
        assert!(read(Some("hunter2")).is_err() && read(Some("u:")).is_err());
        let Ok(access) = read(Some("u:p:q")) else { panic!("no access") };
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(secret));
        assert!(access.allows(Some(&basic("u:p:q")), false));
        assert!(access.allows(Some(&basic("u:p:q").replace("Basic", "basic")), true));
        for wrong in [basic("u:p"), basic("u:p:q:"), basic(""), "Basic !".to_owned(), "Bearer u:p:q".to_owned()] {
            assert!(!access.allows(Some(&wrong), true), "{wrong}");
        }
        assert!(!access.allows(None, true));
    }

    #[test]
    fn tokens_only_read() {
        let tokens = || Vec::from([Secret::new("first-token"), Secret::new("second-token")]);
        let lookup = |name: &str| (name == "PAGE_BASIC_AUTH").then(|| "u:p".to_owned());
        let Ok(access) = Access::from_env(&lookup) else { panic!("no access") };
        let access = access.with_tokens(tokens());
        for given in ["Bearer first-token", "bearer second-token", "Bearer  second-token "] {
            assert!(access.allows(Some(given), true) && !access.allows(Some(given), false), "{given}");
        }
        for wrong in ["Bearer ", "Bearer first", "Bearer first-tokens", "first-token", "Token first-token", "Bearer"] {
            assert!(!access.allows(Some(wrong), true), "{wrong}");
        }
        assert!(access.allows(Some(&format!("Basic {}", STANDARD.encode("u:p"))), false));
        assert!(Access::Open.with_tokens(tokens()).allows(None, false));
    }
}
