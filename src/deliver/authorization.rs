//! Who we are to GitHub and GitLab: a token that was given, or one that an installation of an app gets for an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::app::App;
use super::http::{Header, Poster};
use super::policy::{self, Answer, Decision, Lost};
use crate::clock::{self, Deadline};
use crate::outbox::queue::Tries;
use crate::secret::Secret;

/// So long before its end a token is not used any more; less where it lives for less than ten minutes.
const SPARE: Duration = Duration::from_secs(300);
/// So long a token may be unknown, or without its rights, in parts of GitHub (octokit/auth-app.js#65, #589).
const YOUNG: Duration = Duration::from_secs(10);
/// So long a failure to get one is everybody's who wants it.
const BRAKE: Duration = Duration::from_secs(1);
/// Attempts of a delivery that are forgiven for a young token.
const FORGIVEN: i32 = 3;

/// Where the token comes from, as the document of the targets says it.
#[derive(Clone, Debug)]
pub enum Credential {
    /// It is given.
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

/// An installation of an app at a server, and its token. One for all targets that name it.
#[derive(Debug)]
pub(super) struct Installation {
    app: App,
    api: Url,
    /// Held while a token is made, so that everybody else waits for that one.
    state: Mutex<State>,
}

/// What came when a token was asked for.
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
    Refused(Answer),
    Lost(Lost),
}

#[derive(Clone, Debug)]
struct Token {
    secret: Secret,
    good: Deadline,
    young: Deadline,
    /// Whether it was taken once.
    known: Arc<AtomicBool>,
}

/// All installations of a process.
#[derive(Debug, Default)]
pub(super) struct Installations(Vec<Arc<Installation>>);

impl Installations {
    /// What a target uses at its server.
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
    /// Empty for none.
    pub(super) body: &'r str,
}

impl Authorization {
    /// Sends a request with a token. An app's token that is refused is replaced, once.
    ///
    /// # Errors
    /// What is to be done, where there was no answer, or no token to ask with.
    pub(super) async fn send(&self, poster: &Poster, request: Request<'_>, tries: Tries) -> Result<Answer, Decision> {
        let installation = match self {
            Self::Token(token) => return once(poster, request, token, tries).await,
            Self::App(installation) => installation,
        };
        let mut replaced = false;
        loop {
            let token = installation.token(poster, tries).await?;
            let answer = once(poster, request, &token.secret, tries).await?;
            if !matches!(answer.status, 401 | 403) {
                token.known.store(true, Ordering::Relaxed);
            }
            if answer.status == 401 && !token.is_young() && !replaced {
                installation.forget(&token).await;
                replaced = true;
                continue;
            }
            if matches!(answer.status, 401 | 403) && token.is_young() && tries.attempts < FORGIVEN {
                return Err(policy::young(&answer, tries));
            }
            return Ok(answer);
        }
    }
}

async fn once(poster: &Poster, request: Request<'_>, token: &Secret, tries: Tries) -> Result<Answer, Decision> {
    let headers = (request.headers)(token);
    match poster.send(request.method.clone(), request.url, &headers, request.body, true).await {
        Ok(answer) => Ok(answer),
        Err(lost) => Err(Decision::lost(tries, &lost)),
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
        !self.known.load(Ordering::Relaxed) && !self.young.remaining().is_zero()
    }
}

/// What GitHub answers; the rest of it says what the token may do.
#[derive(Deserialize)]
struct Made {
    token: Secret,
    expires_at: jiff::Timestamp,
}

impl Installation {
    /// The token that is there, else a new one.
    async fn token(&self, poster: &Poster, tries: Tries) -> Result<Token, Decision> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Token(token) if !token.good.remaining().is_zero() => return Ok(token.clone()),
            State::Failed(failure, until) if !until.remaining().is_zero() => return Err(failure.decision(tries)),
            _ => {}
        }
        match self.make(poster).await {
            Ok(token) => {
                tracing::debug!(installation = self.app.installation(), "a token of the installation");
                *state = State::Token(token.clone());
                Ok(token)
            }
            Err(failure) => {
                let decision = failure.decision(tries);
                *state = State::Failed(failure, Deadline::within(BRAKE));
                Err(decision)
            }
        }
    }

    /// Asks for a token.
    async fn make(&self, poster: &Poster) -> Result<Token, Failure> {
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
            return Err(Failure::Refused(answer));
        }
        // The parser's own error could quote the token.
        let made: Option<Made> = serde_json::from_str(&answer.body).ok();
        let Some(made) = made.filter(|made| !made.token.expose().is_empty()) else {
            return Err(lost("an answer without token and expires_at".to_owned()));
        };
        // By the server's own clock; ours may differ.
        let life = Duration::try_from(made.expires_at.duration_since(answer.date())).unwrap_or_default();
        let good = Deadline::within(life - SPARE.min(life / 2));
        Ok(Token { secret: made.token, good, young: Deadline::within(YOUNG), known: Arc::default() })
    }

    /// Forgets a token, unless there is another one already.
    async fn forget(&self, refused: &Token) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Token(token) if token.secret == refused.secret) {
            *state = State::Nothing;
        }
    }
}

impl Failure {
    fn decision(&self, tries: Tries) -> Decision {
        match self {
            Self::Refused(answer) => policy::no_token(answer, tries),
            Self::Lost(lost) => {
                let why = format!("no token for the installation: {}", lost.why);
                Decision::lost(tries, &Lost { why, certain: true })
            }
        }
    }
}
