//! The database settings of the web UI: a read-only user, where there is one.

use super::{Database, database};
use crate::platform::environment::{ConfigError, Lookup};

/// The database settings of the web UI: with a read-only user, where `PAGE_DATABASE_URL`, `PAGE_DATABASE_USER` or
/// `PAGE_DATABASE_SECRET` name one. A setting that would have no effect is an error, since the web UI would sign in as
/// the owner of the tables without notice.
///
/// # Errors
/// As [`database`]; also when a user or a secret would have no effect.
pub fn page_database(lookup: Lookup<'_>) -> Result<Database, ConfigError> {
    let secret = || lookup("PAGE_DATABASE_SECRET");
    let has_url = lookup("PAGE_DATABASE_URL").or_else(|| lookup("DATABASE_URL")).is_some();
    let by_iam = lookup("DATABASE_IAM_AUTH").is_some_and(|text| text == "true");
    let unused = |variable, expected| Err(ConfigError::Invalid { variable, expected });
    if secret().is_some() && has_url {
        return unused(
            "PAGE_DATABASE_SECRET",
            "no DATABASE_URL or PAGE_DATABASE_URL beside it, which would override it",
        );
    }
    if secret().is_some() && by_iam {
        return unused("PAGE_DATABASE_SECRET", "no DATABASE_IAM_AUTH beside it; PAGE_DATABASE_USER names the user");
    }
    if lookup("PAGE_DATABASE_USER").is_some() && (has_url || !(by_iam || secret().is_some())) {
        return unused("PAGE_DATABASE_USER", "DATABASE_IAM_AUTH beside it, and no URL, so that this user can sign in");
    }
    let own = |name: &str| match name {
        "DATABASE_URL" => lookup("PAGE_DATABASE_URL").or_else(|| lookup(name)),
        "DATABASE_SECRET" => secret().or_else(|| lookup(name)),
        // A secret of its own names the user, too.
        "DATABASE_USER" => lookup("PAGE_DATABASE_USER").or_else(|| lookup(name).filter(|_| secret().is_none())),
        // A URL holds user and password.
        "DATABASE_IAM_AUTH" => lookup(name).filter(|_| lookup("PAGE_DATABASE_URL").is_none()),
        _ => lookup(name),
    };
    Ok(Database { read_only: true, ..database(&own)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::SignIn;

    fn password(database: &Database) -> &str {
        match &database.sign_in {
            SignIn::Password(password) => password,
            SignIn::Iam(_) => "IAM",
        }
    }

    #[test]
    fn the_web_ui_has_a_user_of_its_own() {
        let pages = |variables: &[(&str, &str)]| {
            let lookup =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            page_database(&lookup).expect("database")
        };
        let base = [("DATABASE_HOST", "h"), ("DATABASE_USER", "u"), ("DATABASE_SECRET", r#"{"password":"p"}"#)];
        let found = pages(&base);
        assert!(found.read_only && found.target.user == "u" && password(&found) == "p");
        let own = [("PAGE_DATABASE_SECRET", r#"{"username":"reader","password":"r"}"#)];
        let found = pages(&[&base[..], &own].concat());
        assert!(found.target.user == "reader" && password(&found) == "r" && found.target.host == "h");
        let found = pages(&[&base[..], &[("PAGE_DATABASE_URL", "postgres://reader:r@h/n")]].concat());
        assert!(found.target.user == "reader" && password(&found) == "r");
    }

    #[test]
    fn a_setting_of_the_read_only_user_without_effect_is_an_error() {
        let (url, host) = ([("DATABASE_URL", "postgres://u:p@h/n")], [("DATABASE_HOST", "h"), ("DATABASE_USER", "u")]);
        let secret = [("PAGE_DATABASE_SECRET", r#"{"username":"reader","password":"r"}"#)];
        let (user, iam) = ([("PAGE_DATABASE_USER", "reader")], [("DATABASE_IAM_AUTH", "true")]);
        for (variables, wrong) in [
            ([&url[..], &secret].concat(), "PAGE_DATABASE_SECRET"),
            ([&host[..], &secret, &[("PAGE_DATABASE_URL", "postgres://r:r@h/n")]].concat(), "PAGE_DATABASE_SECRET"),
            ([&host[..], &secret, &iam].concat(), "PAGE_DATABASE_SECRET"),
            ([&url[..], &user].concat(), "PAGE_DATABASE_USER"),
            ([&host[..], &user, &[("DATABASE_SECRET", r#"{"password":"p"}"#)]].concat(), "PAGE_DATABASE_USER"),
        ] {
            let lookup =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
            let error = page_database(&lookup).err().expect(wrong).to_string();
            assert!(error.starts_with(wrong) && !error.contains("reader"), "{error}");
        }
    }
}
