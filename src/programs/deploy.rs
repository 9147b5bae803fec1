//! Checks of a deployment before any function changes: the configuration documents, with the secrets that they name;
//! then the migration.

use crate::checks::rules;
use crate::checks::store::register_rules;
use crate::db::{Applied, Store, StoreError, Tx, migrate, page_database, schema_version, with_secrets};
use crate::deliver::targets;
use crate::outbox::registry;
use crate::platform::aws::secrets::Secrets;
use crate::platform::clock::Deadline;
use crate::platform::custom_resource::Request;
use crate::platform::environment::{self, Lookup};
use crate::platform::failure::Failure;
use crate::sources::Settings;
use crate::submit;

/// Checks the configuration of a stack, migrates its database to the newest schema and registers its targets.
///
/// # Errors
/// When the configuration is invalid, or the database cannot be migrated.
pub async fn deploy(
    request: &Request,
    lookup: fn(&str) -> Option<String>,
    deadline: Deadline,
) -> Result<Applied, Failure> {
    let failed = |error: StoreError| Failure::by(error.error_type(), &error);
    let secrets = Secrets::read(lookup).await?;
    configuration(&|name| secrets.get(name))?;
    let store = Store::open(&with_secrets(&secrets, crate::db::database)?).map_err(failed)?;
    let schema = schema_version(&store, deadline).await.map_err(failed)?;
    request.may_change(schema).map_err(|why| Failure::new("NewDatabase", why))?;
    let applied = migrate(&store, deadline).await.map_err(failed)?;
    // An empty list is registered, too: the stack then has no target.
    let targets =
        targets::registrations(&|name| secrets.get(name)).map_err(|error| Failure::by("Configuration", &error))?;
    let register = async |tx: &mut Tx<'_>| registry::register(tx, &targets).await;
    store.in_tx("register", deadline, register).await.map_err(failed)?;
    if let Some(rules) =
        rules::document(&|name| secrets.get(name)).map_err(|error| Failure::by("Configuration", &error))?
    {
        let register = async |tx: &mut Tx<'_>| register_rules(tx, &rules).await;
        store.in_tx("register_rules", deadline, register).await.map_err(failed)?;
    }
    Ok(applied)
}

/// Reads all configuration documents as the functions do.
///
/// # Errors
/// When a document cannot be read; the error names the line, and never a secret.
pub fn configuration(lookup: Lookup<'_>) -> Result<(), Failure> {
    const TYPE: &str = "Configuration";
    let invalid = |error: environment::ConfigError| Failure::by(TYPE, &error);
    Settings::from_env(lookup).map_err(invalid)?;
    environment::gitlab(lookup).map_err(invalid)?;
    page_database(lookup).map_err(invalid)?;
    if lookup("DELIVERY_TARGETS").is_some() {
        targets::targets(lookup).map_err(|error| Failure::by(TYPE, &error))?;
    }
    rules::document(lookup).map_err(|error| Failure::by(TYPE, &error))?;
    submit::check(lookup).map_err(|error| Failure::by(TYPE, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(variables: &[(&str, &str)]) -> Result<(), String> {
        let database = ("DATABASE_URL", "postgres://u:p@h/n");
        let find = |name: &str| {
            let mut all = variables.iter().chain([&database]);
            all.find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        configuration(&find).map_err(|failure| format!("{}: {}", failure.error_type, failure.message))
    }

    #[test]
    fn mistakes_are_found_before_functions_change() {
        let target = "target = [{name = 'ghe', kind = 'github', hosts = ['ghe.example.com'], token = 'secret:ghe'}]";
        let token = "token = [{name = 'ci', token = 'secret:ci', bots = ['*']}]";
        let (delivery, intake) = (r#"{"ghe": "hunter2hunter2hunter2"}"#, r#"{"ci": "hunter2hunter2hunter2"}"#);
        let right = [
            ("DELIVERY_TARGETS", target),
            ("DELIVERY_SECRETS", delivery),
            ("INTAKE_TOKENS", token),
            ("INTAKE_SECRETS", intake),
        ];
        assert_eq!(checked(&[]), Ok(()));
        assert_eq!(checked(&right), Ok(()));
        for (index, value, found) in [
            (0, "target", "DELIVERY_TARGETS"),
            (0, "target = [{name = 'ghe', kind = 'githup'}]", "githup"),
            (1, "{}", "ghe"),
            (1, "hunter2", "DELIVERY_SECRETS"),
            (2, "token = [{nam = 'ci'}]", "INTAKE_TOKENS"),
            (3, r#"{"c1": "hunter2"}"#, "INTAKE_SECRETS has no text ci"),
        ] {
            let mut wrong = right;
            wrong[index].1 = value;
            let error = checked(&wrong).expect_err(value);
            assert!(error.starts_with("Configuration: ") && error.contains(found), "{value}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = checked(&[("VERDICTS", "[[rule]]\nneeded = ['a']")]).unwrap_err();
        assert!(error.contains("VERDICTS: line 2"), "{error}");
        assert!(checked(&[("GITLAB_INSTANCES", "[{}]")]).is_err_and(|error| error.contains("GITLAB_INSTANCES")));
    }
}
