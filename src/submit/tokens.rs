//! Authorization: the tokens, and what each permits. A TOML document, inline in `INTAKE_TOKENS` or in the file that it
//! names:
//!
//! ```toml
//! [[token]]
//! name = "redhat"                 # in logs and receipts
//! token = "env:REDHAT_TOKEN"      # or file:/path, or secret:NAME (a member of the JSON object in INTAKE_SECRETS)
//! origins = ["redhat"]            # origins whose objects it may submit to KCIDB; ["*"]: all
//! own_ids = false                 # default: ids must begin with their origin, unless it is for all origins
//!
//! [[token]]
//! name = "cron"
//! token = "secret:cron"
//! bots = ["nightly-*"]            # bots for which it may report; ["*"]: all
//!
//! [[token]]
//! name = "operators"
//! token = "file:/run/secrets/operators"
//! jobs = true                     # may change the state of any job
//!
//! [[token]]
//! name = "gate"
//! token = "secret:gate"
//! read = true                     # may read the web UI and the API, where `PAGE_ACCESS` is `basic`
//!
//! [[token]]
//! name = "job-board"
//! algorithm = "RS256"             # signs JSON Web Tokens: HS256, HS384, HS512, RS256, RS384, RS512
//! key = "file:/etc/job-board.pem" # RS..: the public key in PEM; HS..: the shared key
//! issuer = "job-board"            # without: any
//! audience = "status"             # required in the claim `aud`; without: tokens with that claim are rejected
//! max_age = 3600                  # seconds since the claim `iat`; without: until `exp`, if there is one
//! jobs = true                     # for the job of the claim `sub`, in tokens without the claim `origin`
//! submit = true                   # to KCIDB, for the origins of the claim `origin`
//! own_ids = false
//! ```

use std::path::Path;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::answer::Problem;
use super::signed::{Algorithm, Claims, Key, Signer};
use crate::platform::environment::Lookup;
use crate::platform::secret::{self, Secret};
use crate::sources::kcidb::Rights;

/// Fewest characters of a token.
const SHORTEST: usize = 16;

/// An error in the configuration of the tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("INTAKE_TOKENS: cannot read {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has unknown members.
    #[error("INTAKE_TOKENS: {0}")]
    Document(String),
    /// An entry is invalid.
    #[error("INTAKE_TOKENS: {name}: {what}")]
    Entry {
        /// Name of the entry.
        name: String,
        /// What is wrong with it; contains no secret.
        what: String,
    },
}

/// All tokens and signers.
#[derive(Default)]
pub(super) struct Tokens {
    bearers: Vec<(Secret, Grant)>,
    signers: Vec<(Signer, Signed)>,
}

/// The permissions of a token.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// Name of the token or signer.
    pub(super) name: String,
    /// Submissions to KCIDB.
    pub(super) submit: Option<Rights>,
    /// Names of bots; `*` at the end matches any suffix.
    bots: Vec<String>,
    /// States of Travis CI jobs.
    jobs: Jobs,
    /// Whether it may read the web UI and the API.
    read: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Jobs {
    None,
    One(String),
    All,
}

/// What tokens of a signer may be used for.
#[derive(Clone, Copy)]
struct Signed {
    jobs: bool,
    submit: bool,
    own_ids: bool,
}

/// The use that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    Submit,
    Bots,
    Jobs,
}

impl Grant {
    /// Whether it may report for a bot.
    pub(super) fn is_for_bot(&self, name: &str) -> bool {
        let fits =
            |pattern: &String| pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start));
        self.bots.iter().any(fits)
    }

    /// Whether it may change the state of a job.
    pub(super) fn is_for_job(&self, id: i64) -> bool {
        match &self.jobs {
            Jobs::None => false,
            Jobs::One(own) => *own == id.to_string(),
            Jobs::All => true,
        }
    }

    fn is_for(&self, usage: Use) -> bool {
        match usage {
            Use::Submit => self.submit.is_some(),
            Use::Bots => !self.bots.is_empty(),
            Use::Jobs => self.jobs != Jobs::None,
        }
    }

    /// Whether it may be used to post anything.
    fn may_post(&self) -> bool {
        [Use::Submit, Use::Bots, Use::Jobs].iter().any(|usage| self.is_for(*usage))
    }
}

impl Signed {
    fn is_for(self, usage: Use) -> bool {
        match usage {
            Use::Submit => self.submit,
            Use::Bots => false,
            Use::Jobs => self.jobs,
        }
    }

    fn grant(self, signer: &Signer, claims: Claims) -> Grant {
        let origins = claims.origins();
        // In a token for submissions, `sub` is the submitter, not a job.
        let job = claims.sub.map(|sub| sub.text()).filter(|_| self.jobs && origins.is_empty());
        let rights = Rights { origins: Some(origins.clone()), own_ids: self.own_ids };
        Grant {
            name: signer.name.clone(),
            submit: (self.submit && !origins.is_empty()).then_some(rights),
            bots: Vec::new(),
            jobs: job.map_or(Jobs::None, Jobs::One),
            read: false,
        }
    }
}

impl Tokens {
    /// Reads the tokens of `INTAKE_TOKENS`; none without that variable.
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Self, TokensError> {
        let text = match lookup("INTAKE_TOKENS") {
            None => return Ok(Self::default()),
            // An inline document has a table or an assignment; a path has neither.
            Some(text) if text.contains('[') || text.contains('=') => text,
            Some(path) => {
                std::fs::read_to_string(Path::new(&path)).map_err(|source| TokensError::File { path, source })?
            }
        };
        // The whole error of the parser quotes the line, which may hold a secret against all advice.
        let document: Document = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            TokensError::Document(format!("line {line}: {}", error.message()))
        })?;
        let mut tokens = Self::default();
        for (index, raw) in document.token.iter().enumerate() {
            let name = &raw.name;
            if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
                return Err(TokensError::Document("name: expected 1 to 64 characters".to_owned()));
            }
            if document.token[..index].iter().any(|other| other.name == *name) {
                return Err(TokensError::Document(format!("two are named {name}")));
            }
            tokens.add(raw, lookup).map_err(|what| TokensError::Entry { name: name.clone(), what })?;
        }
        Ok(tokens)
    }

    fn add(&mut self, raw: &Raw, lookup: Lookup<'_>) -> Result<(), String> {
        match (&raw.token, &raw.algorithm, &raw.key) {
            (Some(reference), None, None) => {
                let bearer = raw.bearer(reference, lookup)?;
                if self.bearers.iter().any(|(other, _)| *other == bearer.0) {
                    return Err("has the token of another one".to_owned());
                }
                self.bearers.push(bearer);
            }
            (None, Some(algorithm), Some(key)) => self.signers.push(raw.signer(algorithm, key, lookup)?),
            _ => return Err("expected token, or algorithm and key".to_owned()),
        }
        Ok(())
    }

    /// Whether there are any to post with.
    pub(super) fn is_open(&self) -> bool {
        self.bearers.iter().any(|(_, grant)| grant.may_post()) || !self.signers.is_empty()
    }

    /// Those that may read.
    pub(super) fn readers(self) -> Vec<Secret> {
        self.bearers.into_iter().filter(|(_, grant)| grant.read).map(|(token, _)| token).collect()
    }

    /// The grant of the token of a request. `Err` when the token is missing, unknown, or for another use.
    pub(super) fn allow(&self, headers: &HeaderMap, usage: Use, now: Timestamp) -> Result<Grant, Problem> {
        let is_open = self.bearers.iter().any(|(_, grant)| grant.is_for(usage))
            || self.signers.iter().any(|(_, signed)| signed.is_for(usage));
        if !is_open {
            return Err(Problem::Closed);
        }
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // Clients of DataWarehouse use the scheme `Token`.
        let is_known = |kind: &str| kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("token");
        let given = given.and_then(|value| value.split_once(' ')).filter(|(kind, _)| is_known(kind));
        let token = given.map(|(_, token)| token.trim()).ok_or(Problem::Token)?;
        // Compares with all tokens, so that the time reveals nothing.
        let found =
            self.bearers.iter().fold(None, |found, (own, grant)| if own.is(token) { Some(grant) } else { found });
        let grant = match found {
            Some(grant) => grant.clone(),
            None => self
                .signers
                .iter()
                .find_map(|(signer, signed)| Some(signed.grant(signer, signer.claims(token, now)?)))
                .ok_or(Problem::Token)?,
        };
        if grant.is_for(usage) {
            Ok(grant)
        } else {
            Err(Problem::Forbidden("this token is for another use".to_owned()))
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    token: Vec<Raw>,
}

/// An entry as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    name: String,
    token: Option<String>,
    algorithm: Option<String>,
    key: Option<String>,
    issuer: Option<String>,
    audience: Option<String>,
    max_age: Option<u32>,
    origins: Vec<String>,
    submit: bool,
    own_ids: Option<bool>,
    bots: Vec<String>,
    jobs: bool,
    read: bool,
}

impl Raw {
    fn bearer(&self, reference: &str, lookup: Lookup<'_>) -> Result<(Secret, Grant), String> {
        let token = secret::find(reference, lookup)?;
        if token.expose().len() < SHORTEST {
            return Err(format!("{reference}: shorter than {SHORTEST} characters"));
        }
        if self.submit || self.issuer.is_some() || self.audience.is_some() || self.max_age.is_some() {
            return Err("submit, issuer, audience and max_age belong to an algorithm; set origins".to_owned());
        }
        let origins = (!self.origins.iter().any(|origin| origin == "*")).then(|| self.origins.clone());
        let own_ids = self.own_ids.unwrap_or(origins.is_some());
        let rights = Rights { origins, own_ids };
        let grant = Grant {
            name: self.name.clone(),
            submit: (!self.origins.is_empty()).then_some(rights),
            bots: self.bots.clone(),
            jobs: if self.jobs { Jobs::All } else { Jobs::None },
            read: self.read,
        };
        if !grant.may_post() && !grant.read {
            return Err("permits nothing: set origins, bots, jobs or read".to_owned());
        }
        Ok((token, grant))
    }

    fn signer(&self, algorithm: &str, key: &str, lookup: Lookup<'_>) -> Result<(Signer, Signed), String> {
        if !self.jobs && !self.submit {
            return Err("permits nothing: set jobs or submit".to_owned());
        }
        if !self.origins.is_empty() || !self.bots.is_empty() || self.read {
            return Err("origins, bots and read belong to a token; signed tokens have the claim origin".to_owned());
        }
        let names = Algorithm::NAMES.join(", ");
        let known =
            Algorithm::of(algorithm).ok_or_else(|| format!("algorithm: {algorithm}: expected one of {names}"))?;
        let secret = secret::find_lines(key, lookup)?;
        let key = Key::new(known, &secret).map_err(|what| format!("{key}: {what}"))?;
        let signer = Signer {
            name: self.name.clone(),
            algorithm: known,
            key,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            max_age: self.max_age.map(f64::from),
        };
        Ok((signer, Signed { jobs: self.jobs, submit: self.submit, own_ids: self.own_ids.unwrap_or(true) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "hunter2hunter2hunter2";

    fn read(document: &str) -> Result<Tokens, TokensError> {
        Tokens::read(&|name| match name {
            "INTAKE_TOKENS" => Some(document.to_owned()),
            "TOKEN" => Some(TOKEN.to_owned()),
            "SHORT" => Some("hunter2".to_owned()),
            "KEY" => Some(TOKEN.repeat(2)),
            _ => None,
        })
    }

    fn allow(tokens: &Tokens, given: &str, what: Use) -> Result<Grant, String> {
        let headers = [(header::AUTHORIZATION, given.parse().expect("a header"))].into_iter().collect();
        tokens.allow(&headers, what, Timestamp::UNIX_EPOCH).map_err(|problem| format!("{problem:?}"))
    }

    #[test]
    fn errors_are_reported_without_secrets() {
        for (document, expected) in [
            ("[[token]]\nname = 'a'\ntoken = 'hunter2'\njobs = true", "a: expected env:NAME"),
            ("[[token]]\nname = 'a'\ntoken = 'env:SHORT'\njobs = true", "a: env:SHORT: shorter than 16"),
            ("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'", "a: permits nothing"),
            ("[[token]]\nname = 'a'\ntoken = 'env:NONE'\njobs = true", "NONE is not set"),
            ("[[token]]\nname = ''\ntoken = 'env:TOKEN'\njobs = true", "1 to 64 characters"),
            ("[[token]]\nname = 'a'\njobs = true", "a: expected token, or algorithm and key"),
            ("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\nkey = 'env:KEY'\njobs = true", "a: expected token, or"),
            (
                "[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\nsubmit = true",
                "a: submit, issuer, audience and max_age belong",
            ),
            ("[[token]]\nname = 'a'\nhunter2 = 'x'", "line 3: unknown field"),
            ("[[token]]\nname = 'a'\nalgorithm = 'none'\nkey = 'env:KEY'\njobs = true", "none: expected one of HS256"),
            ("[[token]]\nname = 'a'\nalgorithm = 'HS256'\nkey = 'env:TOKEN'\njobs = true", "shorter than 32"),
            ("[[token]]\nname = 'a'\nalgorithm = 'RS256'\nkey = 'env:KEY'\njobs = true", "BEGIN PUBLIC KEY"),
            ("[[token]]\nname = 'a'\nalgorithm = 'HS256'\nkey = 'env:KEY'", "a: permits nothing"),
            (
                "[[token]]\nname = 'a'\nalgorithm = 'HS256'\nkey = 'env:KEY'\njobs = true\nread = true",
                "a: origins, bots and read belong to a token",
            ),
            ("/no/such/file", "cannot read /no/such/file"),
        ] {
            let error = read(document).err().expect(document).to_string();
            assert!(
                error.contains(expected) && (!error.contains("hunter2") || document.contains("\nhunter2")),
                "{error}"
            );
        }
        let one = "[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\njobs = true\n";
        let other = one.replace("'a'", "'b'");
        assert!(read(&[one, one].concat()).is_err_and(|error| error.to_string().contains("two are named a")));
        assert!(read(&[one, &other].concat()).is_err_and(|error| error.to_string().contains("token of another")));
    }

    /// Of a signer for both uses, the submitter of a submission is not a job.
    #[test]
    fn one_claim_serves_one_purpose() {
        let signed = Signed { jobs: true, submit: true, own_ids: true };
        let key = Key::new(Algorithm::Hs256, &Secret::new(&TOKEN.repeat(2))).unwrap_or_else(|error| panic!("{error}"));
        let algorithm = Algorithm::Hs256;
        let signer = Signer { name: "s".to_owned(), algorithm, key, issuer: None, audience: None, max_age: None };
        let grant = |claims: &str| signed.grant(&signer, serde_json::from_str(claims).expect(claims));
        let of_both = grant(r#"{"sub":"11","origin":"redhat"}"#);
        assert!(of_both.submit.is_some() && !of_both.is_for_job(11) && !of_both.is_for(Use::Jobs));
        let of_a_job = grant(r#"{"sub":"11"}"#);
        assert!(of_a_job.submit.is_none() && of_a_job.is_for_job(11));
    }

    /// A token for some origins is for their ids by default; one for all origins is for all ids.
    #[test]
    fn ids_of_other_origins_must_be_permitted() {
        for (more, own_ids) in [
            ("origins = ['redhat']", true),
            ("origins = ['redhat']\nown_ids = false", false),
            ("origins = ['*']", false),
            ("origins = ['*']\nown_ids = true", true),
        ] {
            let tokens = read(&format!("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\n{more}"));
            let grant =
                allow(&tokens.unwrap_or_else(|error| panic!("{error}")), &format!("Bearer {TOKEN}"), Use::Submit);
            let rights = grant.unwrap_or_else(|error| panic!("{error}")).submit.expect("may submit");
            assert_eq!(rights.own_ids, own_ids, "{more}");
        }
    }

    /// A token that only reads opens nothing to post to.
    #[test]
    fn a_token_that_reads_is_for_nothing_else() {
        let tokens = read("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\nread = true");
        let tokens = tokens.unwrap_or_else(|error| panic!("{error}"));
        assert!(!tokens.is_open());
        for usage in [Use::Submit, Use::Bots, Use::Jobs] {
            let problem = allow(&tokens, &format!("Bearer {TOKEN}"), usage).err();
            assert_eq!(problem.as_deref(), Some("Closed"), "{usage:?}");
        }
        assert!(matches!(tokens.readers().as_slice(), [token] if token.is(TOKEN)));
        let tokens = read("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\njobs = true");
        let tokens = tokens.unwrap_or_else(|error| panic!("{error}"));
        assert!(tokens.is_open() && tokens.readers().is_empty());
    }

    #[test]
    fn a_token_permits_its_uses_only() {
        let tokens = read("[[token]]\nname = 'a'\ntoken = 'env:TOKEN'\nbots = ['nightly-*', 'one']");
        let tokens = tokens.unwrap_or_else(|error| panic!("{error}"));
        let given = format!("bearer {TOKEN}");
        let grant = allow(&tokens, &given, Use::Bots).unwrap_or_else(|error| panic!("{error}"));
        let is_for = ["nightly-x", "one", "onex", "night", ""].map(|name| grant.is_for_bot(name));
        assert_eq!(is_for, [true, true, false, false, false]);
        assert!(!grant.is_for_job(1) && grant.submit.is_none());
        assert!(allow(&tokens, &format!("Token {TOKEN}"), Use::Bots).is_ok());
        for given in ["Bearer x", "Basic eDp5", TOKEN, "Bearer ", "Bearer a.b.c"] {
            assert_eq!(allow(&tokens, given, Use::Bots).err().as_deref(), Some("Token"), "{given}");
        }
        assert_eq!(allow(&tokens, &given, Use::Jobs).err().as_deref(), Some("Closed"));
        assert_eq!(allow(&Tokens::default(), &given, Use::Bots).err().as_deref(), Some("Closed"));
    }
}
