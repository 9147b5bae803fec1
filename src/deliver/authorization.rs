//! Authorization of requests to GitHub and GitLab: a configured token, or one that an installation of an app gets for
//! an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::app::App;
use super::http::{Header, Poster};
use super::policy::{self, Answer, Decision, Lost};
use crate::outbox::Attempts;
use crate::platform::clock::{self, Deadline};
use crate::platform::secret::Secret;

/// A token is not used in the last part of its life; half its life, where that is less than ten minutes.
const SPARE: Duration = Duration::from_secs(300);
/// So long after its creation, a token may be unknown or lack its permissions in parts of GitHub
/// (octokit/auth-app.js#65, #589).
const YOUNG: Duration = Duration::from_secs(10);
/// So long after a failed request for a token, all callers get the same failure without another request.
const SHARED_FAILURE: Duration = Duration::from_secs(1);
/// Attempts of a delivery that may fail because its token is new.
const YOUNG_ATTEMPTS: i32 = 3;

/// Where the token comes from, as it is configured.
#[derive(Clone, Debug)]
pub enum Credential {
    /// It is configured.
    Token(Secret),
    /// An installation of an app gets it.
    App(App),
}

/// Where the token comes from.
#[derive(Clone, Debug)]
pub(super) enum Authorization {
    Token(Secret),
    App(Arc<Installation>),
}

/// An installation of an app at a server, and its token. All targets that name it share it.
#[derive(Debug)]
pub(super) struct Installation {
    app: App,
    api: Url,
    /// Locked while a token is requested, so that all other requests wait for that one.
    state: Mutex<State>,
}

/// The result of the last request for a token.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Nothing,
    Token(Token),
    Failed(Failure, Deadline),
}

/// Why there is no token.
#[derive(Clone, Debug)]
enum Failure {
    Rejected(Answer),
    Lost(Lost),
}

#[derive(Clone, Debug)]
struct Token {
    secret: Secret,
    valid: Deadline,
    young: Deadline,
    /// Whether the server has accepted it once.
    accepted: Arc<AtomicBool>,
}

/// All installations of a process.
#[derive(Debug, Default)]
pub(super) struct Installations(Vec<Arc<Installation>>);

impl Installations {
    /// The authorization of a target at its server; targets of the same installation share it.
    pub(super) fn authorization(&mut self, credential: &Credential, api: &Url) -> Authorization {
        let app = match credential {
            Credential::Token(token) => return Authorization::Token(token.clone()),
            Credential::App(app) => app,
        };
        let known = self.0.iter().find(|known| known.app == *app && known.api == *api).cloned();
        let installation = known.unwrap_or_else(|| {
            let new = Installation { app: app.clone(), api: api.clone(), state: Mutex::default() };
            let new = Arc::new(new);
            self.0.push(Arc::clone(&new));
            new
        });
        Authorization::App(installation)
    }
}

/// A request that needs a token.
#[derive(Clone, Copy)]
pub(super) struct Request<'r> {
    pub(super) method: &'r Method,
    pub(super) url: &'r Url,
    /// Its headers, from the token.
    pub(super) headers: fn(&Secret) -> Vec<Header>,
    /// Empty for no body.
    pub(super) body: &'r str,
}

impl Authorization {
    /// Sends a request with a token. An app's token that the server rejects (401) is replaced, once.
    ///
    /// # Errors
    /// The decision, where there was no answer, or no token.
    pub(super) async fn send(
        &self,
        poster: &Poster,
        request: Request<'_>,
        attempts: Attempts,
    ) -> Result<Answer, Decision> {
        let installation = match self {
            Self::Token(token) => return once(poster, request, token, attempts).await,
            Self::App(installation) => installation,
        };
        let mut replaced = false;
        loop {
            let token = installation.token(poster, attempts).await?;
            let answer = once(poster, request, &token.secret, attempts).await?;
            if !matches!(answer.status, 401 | 403) {
                token.accepted.store(true, Ordering::Relaxed);
            }
            if answer.status == 401 && !token.is_young() && !replaced {
                installation.forget(&token).await;
                replaced = true;
                continue;
            }
            if matches!(answer.status, 401 | 403) && token.is_young() && attempts.attempts < YOUNG_ATTEMPTS {
                return Err(policy::young(&answer, attempts));
            }
            return Ok(answer);
        }
    }
}

async fn once(poster: &Poster, request: Request<'_>, token: &Secret, attempts: Attempts) -> Result<Answer, Decision> {
    let headers = (request.headers)(token);
    match poster.send(request.method.clone(), request.url, &headers, request.body, true).await {
        Ok(answer) => Ok(answer),
        Err(lost) => Err(Decision::lost(attempts, &lost)),
    }
}

/// Headers of a request to GitHub.
pub(super) fn github(token: &Secret) -> Vec<Header> {
    vec![
        ("authorization", format!("Bearer {}", token.expose())),
        ("accept", "application/vnd.github+json".to_owned()),
        ("x-github-api-version", "2022-11-28".to_owned()),
    ]
}

impl Token {
    fn is_young(&self) -> bool {
        !self.accepted.load(Ordering::Relaxed) && !self.young.remaining().is_zero()
    }
}

/// GitHub's answer. The members that are not read here are the token's permissions.
#[derive(Deserialize)]
struct Made {
    token: Secret,
    expires_at: jiff::Timestamp,
}

impl Installation {
    /// The current token, else a new one.
    async fn token(&self, poster: &Poster, attempts: Attempts) -> Result<Token, Decision> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Token(token) if !token.valid.remaining().is_zero() => return Ok(token.clone()),
            State::Failed(failure, until) if !until.remaining().is_zero() => return Err(failure.decision(attempts)),
            _ => {}
        }
        match self.request(poster).await {
            Ok(token) => {
                tracing::debug!(installation = self.app.installation(), "got a token of the installation");
                *state = State::Token(token.clone());
                Ok(token)
            }
            Err(failure) => {
                let decision = failure.decision(attempts);
                *state = State::Failed(failure, Deadline::within(SHARED_FAILURE));
                Err(decision)
            }
        }
    }

    /// Requests a token.
    async fn request(&self, poster: &Poster) -> Result<Token, Failure> {
        let lost = |why: String| Failure::Lost(Lost { why, certain: true });
        let signed = self.app.signed(clock::now()).map_err(lost)?;
        let mut url = self.api.clone();
        let base = self.api.path().trim_end_matches('/');
        url.set_path(&format!("{base}/app/installations/{}/access_tokens", self.app.installation()));
        let answer = match poster.post(&url, &github(&signed), "{}", true).await {
            Ok(answer) => answer,
            Err(Lost { why, .. }) => return Err(lost(why)),
        };
        if !(200..300).contains(&answer.status) {
            return Err(Failure::Rejected(answer));
        }
        // The error of the parser could quote the token.
        let made: Option<Made> = serde_json::from_str(&answer.body).ok();
        let Some(made) = made.filter(|made| !made.token.expose().is_empty()) else {
            return Err(lost("an answer without token and expires_at".to_owned()));
        };
        // By the server's clock; the clock of this machine may differ.
        let life = Duration::try_from(made.expires_at.duration_since(answer.date())).unwrap_or_default();
        let valid = Deadline::within(life - SPARE.min(life / 2));
        Ok(Token { secret: made.token, valid, young: Deadline::within(YOUNG), accepted: Arc::default() })
    }

    /// Forgets a token, unless there is another one already.
    async fn forget(&self, rejected: &Token) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Token(token) if token.secret == rejected.secret) {
            *state = State::Nothing;
        }
    }
}

impl Failure {
    fn decision(&self, attempts: Attempts) -> Decision {
        match self {
            Self::Rejected(answer) => policy::no_token(answer, attempts),
            Self::Lost(lost) => {
                let why = format!("no token for the installation: {}", lost.why);
                Decision::lost(attempts, &Lost { why, certain: true })
            }
        }
    }
}
