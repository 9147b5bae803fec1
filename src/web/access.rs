//! Access control of the web UI, where nothing in front of the server does it.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::App;
use crate::platform::environment::{ConfigError, Lookup};

/// Access control of the web UI.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// No check.
    Open,
    /// HTTP basic authentication. This is the hash of `user:password`: comparing hashes of equal length reveals nothing
    /// about the secret by its time.
    Basic([u8; 32]),
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
        Ok(Self::Basic(Sha256::digest(&secret).into()))
    }

    fn allows(&self, given: Option<&str>) -> bool {
        let Self::Basic(hash) = self else { return true };
        let given =
            given.and_then(|given| given.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("basic"));
        let given = given.and_then(|(_, secret)| STANDARD.decode(secret.trim()).ok());
        given.is_some_and(|given| Sha256::digest(given).as_slice() == hash)
    }
}

/// Middleware that rejects requests without access. `/healthz` and `/readyz` are open: load balancers have no password.
pub(super) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if matches!(request.uri().path(), "/healthz" | "/readyz") || app.access.allows(given) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"Hummingbird Status\", charset=\"UTF-8\"")];
    (
        StatusCode::UNAUTHORIZED,
        challenge,
        "user and password are required
",
    )
        .into_response()
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
        assert!(read(None).is_ok_and(|access| access.allows(None)));
        assert!(read(Some("hunter2")).is_err() && read(Some("u:")).is_err());
        let Ok(access) = read(Some("u:p:q")) else { panic!("no access") };
        let basic = |secret: &str| format!("Basic {}", STANDARD.encode(secret));
        assert!(access.allows(Some(&basic("u:p:q"))) && access.allows(Some(&basic("u:p:q").replace("Basic", "basic"))));
        for wrong in [basic("u:p"), basic("u:p:q:"), basic(""), "Basic !".to_owned(), "Bearer u:p:q".to_owned()] {
            assert!(!access.allows(Some(&wrong)), "{wrong}");
        }
        assert!(!access.allows(None));
    }
}
