//! What the environment configures. Read once at start; nothing else reads variables.
//!
//! | variable | default | |
//! |---|---|---|
//! | `DATABASE_URL` | | `postgres://user:password@host:port/name?sslmode=..&sslrootcert=..` |
//! | `DATABASE_HOST`, `DATABASE_PORT`, `DATABASE_NAME`, `DATABASE_USER` | -, 5432, `hummingbird`, - | instead of a URL, or over the secret |
//! | `DATABASE_PASSWORD` | | |
//! | `DATABASE_SECRET` | | JSON of a secret of RDS (`{"username", "password", "host", "port", "dbname"}`), by a dynamic reference |
//! | `DATABASE_SECRET_ARN`, `PAGE_DATABASE_SECRET_ARN`, `INTAKE_SECRET_ARN`, `DELIVERY_SECRET_ARN`, `PULL_SECRET_ARN`, `GITLAB_TOKEN_SECRET_ARN`, `GITLAB_INSTANCES_SECRET_ARN` | | Lambda: instead of the variable, the secret to read at run time (`aws::secrets`) |
//! | `DATABASE_IAM_AUTH` | `false` | sign in with a token made from the function's credentials |
//! | `DATABASE_SSLMODE` | by host | `disable`, `prefer`, `require` or `verify-full` (both verify) |
//! | `DATABASE_CA_BUNDLE` | by host | path of a PEM bundle; for RDS one is built in |
//! | `DATABASE_STATEMENT_TIMEOUT` | 20 | seconds, to stay below the function's timeout |
//! | `DATABASE_POOL_SIZE` | 1 | connections of this process |
//! | `GITLAB_BRANCHES` | `main` | branches whose pushes are kept beside each default branch, separated by commas; `*` for all |
//! | `GITLAB_URL`, `GITLAB_TOKEN`, `GITLAB_CA_BUNDLE` | `https://gitlab.com`, - | reconcile: where to ask, the token (`Bearer ..` for one of OAuth), PEM file to trust as well |
//! | `GITLAB_INSTANCES` | | instead: JSON `[{"url", "token", "host", "ca_bundle"}, ..]` |
//! | `RECONCILE_CONCURRENCY` | 4 | requests at a time |
//! | `KCIDB_SILENCE_HOURS` | - | reconcile: a checkout of which nothing was heard for so long counts as finished; without, only when it says so |
//! | `DELIVERY_RETENTION_DAYS` | 90 | days that events and deliveries are kept after they have come to an end |
//! | `REFUSED_RETENTION_DAYS` | 365 | days that refused messages are kept, and up to a month longer |
//! | `TRANSITION_RETENTION_DAYS` | 730 | days that changes of bots are kept |
//! | `API_URL`, `API_KEY`, `GITHUB_URL`, `GITHUB_ACCESS_TOKEN`, `GITHUB_CA_BUNDLE` | - | `worker --pull` |
//! | `MAX_DECODED_BYTES` | 33554432 | bytes that one message may unfold to |

mod gitlab;
mod reader;

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use self::gitlab::{GitLab, gitlab};
pub use self::reader::page_database;
use crate::family::Settings;

/// A variable that is missing or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Nothing says where the database is.
    #[error("no database is configured: set DATABASE_URL, or DATABASE_HOST and DATABASE_USER, or DATABASE_SECRET")]
    NoDatabase,
    /// Without its value, which may be a secret.
    #[error("{variable}: expected {expected}")]
    Invalid {
        /// Which variable.
        variable: &'static str,
        /// What it should hold.
        expected: &'static str,
    },
}

/// How to reach the database.
#[derive(Clone)]
pub struct Database {
    /// Where it is, and as whom.
    pub target: Target,
    /// How the password is found.
    pub sign_in: SignIn,
    /// Path of a PEM bundle with the authorities to trust.
    pub ca_bundle: Option<String>,
    /// Longest time for one statement.
    pub statement_timeout: Duration,
    /// Connections of this process.
    pub pool_size: usize,
    /// Reads the password again, where it may change while we run.
    pub renewal: Option<Renewal>,
    /// Whether its connections may only read; set by the commands that need no more.
    pub read_only: bool,
}

/// Reads a password again; `None` when there is none.
pub type Renewal = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Where the database is. Holds no password, so that it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Name of the database.
    pub name: String,
    /// User.
    pub user: String,
    /// TLS: `None` decides by host.
    pub ssl_mode: Option<SslMode>,
}

/// Whether to use TLS. With TLS the server's certificate is always verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS if the server offers it.
    Prefer,
    /// TLS or no connection.
    Require,
}

impl FromStr for SslMode {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" | "prefer" => Ok(Self::Prefer),
            "require" | "verify-ca" | "verify-full" => Ok(Self::Require),
            _ => Err(ConfigError::Invalid {
                variable: "DATABASE_SSLMODE",
                expected: "disable, prefer, require or verify-full",
            }),
        }
    }
}

/// How the password is found.
#[derive(Clone)]
pub enum SignIn {
    /// It is known (or empty).
    Password(String),
    /// A token is signed for each connection.
    Iam(AwsCredentials),
}

/// Credentials of the function, as Lambda gives them.
#[derive(Clone)]
pub struct AwsCredentials {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
}

/// Looks a variable up; `std::env::var(..).ok()` in production, a map in tests.
pub type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// The process's own environment; empty variables count as unset, as templates leave them.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: FromStr>(lookup: Lookup<'_>, variable: &'static str, default: T) -> Result<T, ConfigError> {
    let invalid = |_| ConfigError::Invalid { variable, expected: "a whole number" };
    lookup(variable).map_or(Ok(default), |text| text.trim().parse().map_err(invalid))
}

/// `RECONCILE_CONCURRENCY`: requests to GitLab at a time.
///
/// # Errors
/// When it is no number.
pub fn reconcile_concurrency(lookup: Lookup<'_>) -> Result<usize, ConfigError> {
    number(lookup, "RECONCILE_CONCURRENCY", 4)
}

/// The settings of the families.
///
/// # Errors
/// When a variable cannot be read.
pub fn settings(lookup: Lookup<'_>) -> Result<Settings, ConfigError> {
    let mut settings = Settings::default();
    settings.limits.decoded_bytes = number(lookup, "MAX_DECODED_BYTES", settings.limits.decoded_bytes)?;
    if let Some(branches) = lookup("GITLAB_BRANCHES") {
        let branches = branches.split(',').map(|branch| branch.trim().to_owned());
        settings.gitlab.branches = branches.filter(|branch| !branch.is_empty()).collect();
    }
    // Reconcile says what is wrong with them; here only their order counts.
    let hosts: Vec<String> = gitlab(lookup).unwrap_or_default().iter().filter_map(GitLab::page_host).collect();
    settings.gitlab.hosts = hosts.into();
    settings.kcidb.silence = match number(lookup, "KCIDB_SILENCE_HOURS", 0)? {
        0 => None,
        // A century: more is no time that PostgreSQL can subtract.
        hours @ 1..=876_000 => Some(Duration::from_secs(3600 * hours)),
        _ => return Err(ConfigError::Invalid { variable: "KCIDB_SILENCE_HOURS", expected: "1 to 876000, or 0" }),
    };
    Ok(settings)
}

/// Days that events and deliveries are kept after they have come to an end.
///
/// # Errors
/// When the variable cannot be read.
pub fn retention_days(lookup: Lookup<'_>) -> Result<i32, ConfigError> {
    days(lookup, "DELIVERY_RETENTION_DAYS", 90)
}

/// A number of days. A century at most: more is no time that can be subtracted.
fn days(lookup: Lookup<'_>, variable: &'static str, default: i32) -> Result<i32, ConfigError> {
    match number(lookup, variable, default)? {
        days @ 1..=36_500 => Ok(days),
        _ => Err(ConfigError::Invalid { variable, expected: "1 to 36500" }),
    }
}

/// How many days what is kept for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Events, deliveries and commit statuses, after they have come to an end.
    pub delivery_days: i32,
    /// Refused messages, after they came.
    pub refused_days: i32,
    /// Changes of bots.
    pub transition_days: i32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { delivery_days: 90, refused_days: 365, transition_days: 730 }
    }
}

/// How many days what is kept for a while.
///
/// # Errors
/// When a variable cannot be read.
pub fn retention(lookup: Lookup<'_>) -> Result<Retention, ConfigError> {
    let default = Retention::default();
    Ok(Retention {
        delivery_days: retention_days(lookup)?,
        refused_days: days(lookup, "REFUSED_RETENTION_DAYS", default.refused_days)?,
        transition_days: days(lookup, "TRANSITION_RETENTION_DAYS", default.transition_days)?,
    })
}

/// What `worker --pull` needs; the variables are those of Buildkite's status-queue.
#[derive(Clone)]
pub struct Pull {
    /// Where deliveries are fetched.
    pub api_url: String,
    /// Key for it.
    pub api_key: String,
    /// Where they are posted.
    pub github_url: String,
    /// Token for it.
    pub github_token: String,
    /// Path of a PEM bundle that its certificate is checked against.
    pub ca_bundle: Option<String>,
}

/// Reads what `worker --pull` needs.
///
/// # Errors
/// When a variable is missing.
pub fn pull(lookup: Lookup<'_>) -> Result<Pull, ConfigError> {
    let get = |variable| lookup(variable).ok_or(ConfigError::Invalid { variable, expected: "a value, for --pull" });
    Ok(Pull {
        api_url: get("API_URL")?,
        api_key: get("API_KEY")?,
        github_url: get("GITHUB_URL")?,
        github_token: get("GITHUB_ACCESS_TOKEN")?,
        ca_bundle: lookup("GITHUB_CA_BUNDLE"),
    })
}

/// The database. A URL counts over all else; then single variables count over the secret.
///
/// # Errors
/// When nothing says where the database is, or a variable cannot be read.
pub fn database(lookup: Lookup<'_>) -> Result<Database, ConfigError> {
    let mut database = match lookup("DATABASE_URL") {
        Some(url) => from_url(&url)?,
        None => from_parts(lookup)?,
    };
    if let Some(mode) = lookup("DATABASE_SSLMODE") {
        database.target.ssl_mode = Some(mode.parse()?);
    }
    if let Some(path) = lookup("DATABASE_CA_BUNDLE") {
        database.ca_bundle = Some(path);
    }
    database.statement_timeout = Duration::from_secs(number(lookup, "DATABASE_STATEMENT_TIMEOUT", 20)?);
    database.pool_size = number(lookup, "DATABASE_POOL_SIZE", 1)?;
    if lookup("DATABASE_IAM_AUTH").is_some_and(|text| text == "true") {
        let get = |variable| {
            lookup(variable).ok_or(ConfigError::Invalid { variable, expected: "a value, for DATABASE_IAM_AUTH" })
        };
        database.sign_in = SignIn::Iam(AwsCredentials {
            region: get("AWS_REGION")?,
            access_key_id: get("AWS_ACCESS_KEY_ID")?,
            secret_access_key: get("AWS_SECRET_ACCESS_KEY")?,
            session_token: lookup("AWS_SESSION_TOKEN"),
        });
    }
    Ok(database)
}

fn bare(target: Target, password: String) -> Database {
    Database {
        target,
        sign_in: SignIn::Password(password),
        ca_bundle: None,
        statement_timeout: Duration::from_secs(20),
        pool_size: 1,
        renewal: None,
        read_only: false,
    }
}

/// A database by its URL alone, with the defaults for all else.
///
/// # Errors
/// When the text is no URL of PostgreSQL; the error does not repeat it, for it holds the password.
pub fn from_url(text: &str) -> Result<Database, ConfigError> {
    let invalid = ConfigError::Invalid {
        variable: "DATABASE_URL",
        expected: "postgres://user:password@host:port/name, with sslmode and sslrootcert as only options",
    };
    let decode =
        |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().ok().map(|text| text.into_owned());
    let Some((scheme, rest)) = text.split_once("://") else { return Err(invalid) };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (sign_in, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = sign_in.split_once(':').unwrap_or((sign_in, ""));
    // The last colon begins the port, unless it is within the brackets of an IPv6 address.
    let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, port.parse().ok()),
        None => (address, Some(5432)),
    };
    let host = decode(host.trim_start_matches('[').trim_end_matches(']'));
    let (Some(host), Some(port), Some(user), Some(password), Some(name)) =
        (host, port, decode(user), decode(password), decode(path))
    else {
        return Err(invalid);
    };
    if !matches!(scheme, "postgres" | "postgresql") || host.is_empty() || user.is_empty() || name.contains('/') {
        return Err(invalid);
    }
    let name = Some(name).filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
    let mut database = bare(Target { host, port, name, user, ssl_mode: None }, password);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let Some(value) = decode(value) else { return Err(invalid) };
        match key {
            "sslmode" => database.target.ssl_mode = Some(value.parse()?),
            "sslrootcert" => database.ca_bundle = Some(value),
            "application_name" | "connect_timeout" => {}
            _ => return Err(invalid),
        }
    }
    Ok(database)
}

/// The secret that RDS keeps in Secrets Manager.
#[derive(Default, serde::Deserialize)]
struct Secret {
    username: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    dbname: Option<String>,
}

fn from_parts(lookup: Lookup<'_>) -> Result<Database, ConfigError> {
    let secret: Secret = match lookup("DATABASE_SECRET") {
        // The parser's own error could quote the secret.
        Some(json) => serde_json::from_str(&json).map_err(|_| ConfigError::Invalid {
            variable: "DATABASE_SECRET",
            expected: r#"JSON such as {"username": .., "password": .., "host": .., "port": 5432, "dbname": ..}"#,
        })?,
        None => Secret::default(),
    };
    let (Some(host), Some(user)) =
        (lookup("DATABASE_HOST").or(secret.host), lookup("DATABASE_USER").or(secret.username))
    else {
        return Err(ConfigError::NoDatabase);
    };
    let target = Target {
        host,
        user,
        port: number(lookup, "DATABASE_PORT", secret.port.unwrap_or(5432))?,
        name: lookup("DATABASE_NAME").or(secret.dbname).unwrap_or_else(|| "hummingbird".to_owned()),
        ssl_mode: None,
    };
    Ok(bare(target, lookup("DATABASE_PASSWORD").or(secret.password).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Database, ConfigError> {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        database(&find)
    }

    fn password(database: &Database) -> &str {
        match &database.sign_in {
            SignIn::Password(password) => password,
            SignIn::Iam(_) => "IAM",
        }
    }

    #[test]
    fn a_url_says_it_all() {
        let found = read(&[(
            "DATABASE_URL",
            "postgres://u%40x:p%2Fw@db.example.com:6543/n?sslmode=verify-full&sslrootcert=/ca",
        )]);
        let found = found.expect("URL");
        assert_eq!(password(&found), "p/w");
        assert_eq!((found.target.user.as_str(), found.target.port, found.target.name.as_str()), ("u@x", 6543, "n"));
        assert_eq!((found.target.ssl_mode, found.ca_bundle.as_deref()), (Some(SslMode::Require), Some("/ca")));
    }

    #[test]
    fn hosts_come_in_many_forms() {
        for (url, host, port, name) in [
            ("postgres://u@h", "h", 5432, "u"),
            ("postgresql://u@[::1]:6000/n", "::1", 6000, "n"),
            ("postgres://u@[::1]/n", "::1", 5432, "n"),
            ("postgres://u:p@ss@h:1/n", "h", 1, "n"),
            ("postgres://u@%2Frun%2Fpostgresql/n", "/run/postgresql", 5432, "n"),
        ] {
            let target = from_url(url).expect(url).target;
            assert_eq!((target.host.as_str(), target.port, target.name.as_str()), (host, port, name), "{url}");
        }
    }

    #[test]
    fn single_variables_count_over_the_secret() {
        let secret = r#"{"username":"s","password":"p","host":"h","port":5433,"engine":"postgres"}"#;
        let found =
            read(&[("DATABASE_SECRET", secret), ("DATABASE_HOST", "proxy"), ("DATABASE_STATEMENT_TIMEOUT", "7")]);
        let found = found.expect("secret");
        assert_eq!((found.target.host.as_str(), found.target.port, password(&found)), ("proxy", 5433, "p"));
        assert_eq!(found.statement_timeout, Duration::from_secs(7));
    }

    #[test]
    fn errors_name_the_variable_and_never_the_secret() {
        for variables in [
            [("DATABASE_URL", "postgres://u:hunter2@h/n?options=x")],
            [("DATABASE_URL", "mysql://u:hunter2@h/n")],
            [("DATABASE_URL", "hunter2")],
            [("DATABASE_URL", "postgres://u:hunter2@h:x/n")],
            [("DATABASE_URL", "postgres://:hunter2@h/n")],
            [("DATABASE_SECRET", r#"{"password":"hunter2","port":"x"}"#)],
        ] {
            let error = read(&variables).err().expect("error");
            let text = format!("{error} {error:?}");
            assert!(text.contains(variables[0].0) && !text.contains("hunter2"), "{text}");
        }
        assert!(matches!(read(&[]), Err(ConfigError::NoDatabase)));
        assert!(read(&[("DATABASE_HOST", "h"), ("DATABASE_USER", "u"), ("DATABASE_IAM_AUTH", "true")]).is_err());
    }
}
