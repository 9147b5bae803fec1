//! How to reach the database and how to sign in: from a URL, single variables or an RDS secret.

mod reader;
mod renewed;

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

pub use self::reader::page_database;
pub use self::renewed::with_secrets;
use crate::platform::environment::{ConfigError, Lookup, number};

/// How to reach the database.
#[derive(Clone)]
pub struct Database {
    /// Host, port, database and user.
    pub target: Target,
    /// How the password is found.
    pub sign_in: SignIn,
    /// Path of a PEM bundle with the authorities to trust.
    pub ca_bundle: Option<String>,
    /// Longest time for one statement.
    pub statement_timeout: Duration,
    /// Connections of this process.
    pub pool_size: usize,
    /// Reads the password again after a rotation, where it can change at run time.
    pub renewal: Option<Renewal>,
    /// Whether its connections are read-only; set by commands that only read.
    pub read_only: bool,
}

/// Reads a password again; `None` when there is none.
pub type Renewal = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Host, port, database and user. Holds no password, so that it may be shown.
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
    /// TLS; `None`: by host.
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
    /// A fixed password (or an empty one).
    Password(String),
    /// A token is signed for each connection.
    Iam(AwsCredentials),
}

/// Credentials of the function, from the environment of Lambda.
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

/// Reads the settings. A URL overrides all else; then single variables override the secret.
///
/// # Errors
/// When no variable names the database, or a variable cannot be read.
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

/// Settings from a URL alone, with the defaults for all else.
///
/// # Errors
/// When the text is no PostgreSQL URL; the error does not repeat it, since it holds the password.
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

/// The form of the secret that RDS stores in Secrets Manager.
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
    fn a_url_holds_all_settings() {
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
    fn single_variables_override_the_secret() {
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
