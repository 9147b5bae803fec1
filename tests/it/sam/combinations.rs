//! Combinations of parameters: what the rules let pass can be made, and does what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::resolved::{Parameters, Template};
use super::{template, yaml};
use crate::support::random::Random;

/// How many are tried.
const TRIED: usize = 100_000;
const ARN: &str = "arn:aws:secretsmanager:eu-west-1:210987654321:secret:x-AbCdEf";

/// Another value than the default for each parameter, and the condition of the template under which it has a meaning,
/// if it has not always one.
const OTHERS: &[(&str, &str, &str)] = &[
    ("AlarmTopicArn", "arn:aws:sns:eu-west-1:210987654321:alarms", ""),
    ("ApiBurstLimit", "80", "HasApi"),
    ("ApiRateLimit", "40", "HasApi"),
    ("Architecture", "x86_64", ""),
    ("ArchiveBucket", "bucket", ""),
    ("ArchiveExpirationDays", "400", ""),
    ("ArchivePrefix", "events/", "HasArchive"),
    ("BackfillConcurrency", "0", "HasArchive and Reserves"),
    ("BackfillMemorySize", "3538", "HasArchive"),
    ("BatchSize", "10", ""),
    ("BatchWindow", "0", ""),
    ("BroadcastOverflowBucket", "overflow", ""),
    ("BroadcastTopicArn", "arn:aws:sns:eu-west-1:210987654321:broadcast", ""),
    ("CreateArchive", "true", ""),
    ("CreateDatabase", "true", ""),
    ("CreateDatabaseProxy", "true", ""),
    ("DatabaseAllocatedStorage", "40", "CreatesDatabase"),
    ("DatabaseBackupRetentionDays", "14", "CreatesDatabase"),
    ("DatabaseCaBundle", "/opt/ca.pem", ""),
    ("DatabaseConnectionsAlarm", "80", "CreatesDatabase"),
    ("DatabaseDeletionProtection", "false", "CreatesDatabase"),
    ("DatabaseEngineVersion", "18", "CreatesDatabase"),
    ("DatabaseHost", "db.example.com", ""),
    ("DatabaseIamAuth", "true", ""),
    ("DatabaseInstanceClass", "db.r8g.large", "CreatesDatabase"),
    ("DatabaseInstanceName", "hb-db", ""),
    ("DatabaseMultiAz", "true", ""),
    ("DatabaseName", "other", ""),
    ("DatabasePort", "6543", ""),
    ("DatabaseResourceId", "db-ABC", ""),
    ("DatabaseSecretArn", ARN, ""),
    ("DatabaseSslMode", "require", ""),
    ("DatabaseUrl", "postgres://u:p@h/n", ""),
    ("DatabaseUser", "other", ""),
    ("DeliveryRetentionDays", "30", ""),
    ("DeliverySecretArn", ARN, ""),
    ("DeliveryTargets", "target = []", ""),
    ("EventBridgeBusName", "aws.partner/buildkite.com/acme/1", ""),
    ("GitlabBranches", "main,next", ""),
    ("GitlabInstancesSecretArn", ARN, ""),
    ("GitlabTokenSecretArn", ARN, ""),
    ("GitlabUrl", "https://git.example.com", ""),
    ("IntakeSecretArn", ARN, ""),
    ("IntakeTokens", "token = []", ""),
    ("KcidbSilenceHours", "24", ""),
    ("KmsKeyArns", "arn:aws:kms:eu-west-1:210987654321:key/a", "Delivers or HasArchive"),
    ("LogLevel", "debug", ""),
    ("LogRetentionDays", "7", ""),
    ("MailIdentityArn", "arn:aws:ses:eu-west-1:210987654321:identity/ci@example.com", ""),
    ("MaximumConcurrency", "10", ""),
    ("MemorySize", "512", ""),
    ("MetricsNamespace", "Other", ""),
    ("MigrationRevision", "2", ""),
    ("PageAccess", "basic", ""),
    ("PageBasicAuth", "user:password", ""),
    ("PageConcurrency", "0", "Reserves"),
    ("PageDatabaseSecretArn", ARN, ""),
    ("PageDatabaseUrl", "postgres://r:r@h/n", ""),
    ("PageDatabaseUser", "reader", ""),
    ("PermissionsBoundary", "arn:aws:iam::210987654321:policy/boundary", ""),
    ("QueueAgeAlarmSeconds", "300", ""),
    ("ReconcileAlarmHours", "6", ""),
    ("ReconcileSchedule", "rate(1 hour)", ""),
    ("PullSecretArn", ARN, ""),
    ("RefusedRetentionDays", "30", ""),
    ("ReserveConcurrency", "false", ""),
    ("ResourcePrefix", "other", ""),
    ("RolePath", "/teams/ci/", ""),
    ("RouteTableIds", "rtb-01234567", ""),
    ("SecretsFrom", "functions", "InVpc"),
    ("SecretsRevision", "2", ""),
    ("SecurityGroupIds", "sg-01234567", ""),
    ("ServePull", "true", ""),
    ("Verdicts", "rule = []", ""),
    ("WakeDeliver", "false", "Delivers"),
    ("SnsTopicArn", "arn:aws:sns:eu-central-1:210987654321:elsewhere", ""),
    ("SubnetIds", "subnet-01234567,subnet-12345678", ""),
    ("TransitionRetentionDays", "30", ""),
    ("VpcId", "vpc-01234567", ""),
];

/// The parameters of a stack that is as small as can be.
fn smallest(template: &Template) -> Parameters {
    let mut parameters = template.defaults();
    parameters.insert("SnsTopicArn".to_owned(), "arn:aws:sns:eu-west-1:210987654321:announcements".to_owned());
    parameters
}

/// Whether a parameter has a meaning beside the others.
fn counts(template: &Template, when: &str, parameters: &Parameters) -> bool {
    let all = |part: &str| part.split(" and ").all(|condition| template.holds(condition, parameters));
    when.is_empty() || when.split(" or ").any(all)
}

#[test]
fn every_parameter_has_another_value_here() {
    let template = Template::new(yaml::read(&template()));
    let names: BTreeSet<_> = OTHERS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(names, template.parameters().keys().cloned().collect());
    for (name, value, _) in OTHERS {
        let parameter = &template.parameters()[*name];
        let allowed = parameter["AllowedValues"].as_array();
        let is_allowed = |one: &Value| one.as_str().map_or_else(|| one.to_string(), str::to_owned) == *value;
        assert!(allowed.is_none_or(|allowed| allowed.iter().any(is_allowed)), "{name}: {value}");
        if let Some(pattern) = parameter["AllowedPattern"].as_str().filter(|pattern| !pattern.contains("(?!")) {
            assert!(regex::Regex::new(pattern).unwrap().is_match(value), "{name}: {value} does not match {pattern}");
        }
    }
}

/// A parameter that the rules let pass beside the others and that changes nothing was meant to change something.
#[test]
fn accepted_parameters_can_be_deployed_and_none_is_ignored() {
    let template = Template::new(yaml::read(&template()));
    let mut random = Random::new(22);
    let small = smallest(&template);
    let mut accepted = 0;
    let mut met = BTreeSet::new();
    let mut problems = BTreeMap::new();
    for _ in 0..TRIED {
        let mut parameters = small.clone();
        // What else would hardly ever pass: one of the ways to a database, and mostly a few more.
        let ways: &[&[&str]] = &[
            &["CreateDatabase", "VpcId", "SubnetIds"],
            &["DatabaseUrl"],
            &["DatabaseHost", "DatabaseSecretArn"],
            &["DatabaseHost", "DatabaseIamAuth"],
        ];
        let chance = 3 + random.below(8);
        let way = ways[random.below(ways.len())];
        let changed: BTreeSet<&str> = OTHERS
            .iter()
            .map(|(name, ..)| *name)
            .filter(|name| random.below(chance) == 0 || way.contains(name))
            .collect();
        for (name, value, _) in OTHERS.iter().filter(|(name, ..)| changed.contains(name)) {
            parameters.insert((*name).to_owned(), (*value).to_owned());
        }
        if template.violated(&parameters).is_some() {
            continue;
        }
        accepted += 1;
        let resolved = match template.resolve(&parameters) {
            Ok(resolved) => resolved,
            Err(error) => {
                problems.entry(error).or_insert_with(|| format!("{changed:?}"));
                continue;
            }
        };
        met.extend(changed.iter().copied());
        // One of them a time, or it would take minutes.
        let (name, _, when) = OTHERS[random.below(OTHERS.len())];
        if changed.contains(name) && counts(&template, when, &parameters) {
            parameters.insert(name.to_owned(), small[name].clone());
            if template.resolve(&parameters).is_ok_and(|without| without == resolved) {
                problems.entry(format!("{name} is ignored")).or_insert_with(|| format!("{changed:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(accepted > TRIED / 50, "{accepted} of {TRIED} pass the rules");
    assert_eq!(
        met.len(),
        OTHERS.len(),
        "not met: {:?}",
        OTHERS.iter().filter(|(name, ..)| !met.contains(name)).collect::<Vec<_>>()
    );
}
