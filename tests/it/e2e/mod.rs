//! The deployed shape, end to end: `sam/template.yaml` with everything on that can be, on an emulator of AWS on this
//! machine, its functions as processes, between a PostgreSQL, a fake GitHub and a fake GitLab. A broken template fails
//! this test.
//!
//! It needs Python 3.10 or newer and a package index that pip can reach; without them it says so. The
//! functions are those of `cargo build`; `E2E_BOOTSTRAPS=target/lambda` takes those of `cargo lambda build --release`.

mod emulator;
mod inside;
mod outside;
mod repair;

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use hummingbird_status::db::Store;
use serde_json::{Value, json};

use self::emulator::Emulator;
use crate::reconcile::fake::{self, Fake};
use crate::support::archive::Folder;
use crate::support::buildkite::HOST;
use crate::support::forge::{Forge, created};
use crate::support::{self, Db};

/// The token of the fake GitHub.
const GITHUB_TOKEN: &str = "ghp_e2e_hunter2hunter2";
/// The key of clients of the pull API.
const PULL_KEY: &str = "key-e2e-hunter2hunter2";
/// The token of submitters.
const INTAKE_TOKEN: &str = "token-e2e-hunter2hunter2";
/// The password of the web UI, when it is required.
const PASSWORD: &str = "reader:page-e2e-hunter2";
/// Host of the repositories whose statuses are fetched.
const INSIDE: &str = "inside.acme.example";
/// The bus of a partner.
const BUS: &str = "aws.partner/buildkite.com/acme/1";

/// The whole test environment.
struct World {
    aws: Emulator,
    /// The parameters of the stack.
    parameters: Value,
    /// The outputs of the stack.
    outputs: Value,
    /// The database of the stack.
    store: Store,
    url: String,
    /// A database into which the messages of the topic are ingested without AWS.
    reference: Db,
    github: Forge,
    gitlab: Fake,
    /// The topic that the stack listens to.
    topic: String,
    /// A queue that receives all messages of that topic.
    tap: String,
    /// A queue that receives some of the broadcasts.
    subscriber: String,
    since: Instant,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_works_as_a_whole() {
    let Some(mut world) = World::new().await else { return };
    world.deploy().await;
    inside::messages(&mut world).await;
    inside::events_of_a_partner(&mut world).await;
    inside::heartbeats(&mut world).await;
    outside::statuses(&mut world).await;
    outside::broadcasts(&mut world).await;
    outside::fetched(&mut world).await;
    outside::posted(&mut world).await;
    outside::pages(&mut world).await;
    repair::reconcile(&mut world).await;
    repair::dead_letters(&mut world).await;
    repair::archive(&mut world).await;
    world.end();
}

/// The folder that the emulator takes functions from: `<binary>/bootstrap`.
fn bootstraps() -> (PathBuf, Option<Folder>) {
    if let Some(folder) = std::env::var_os("E2E_BOOTSTRAPS") {
        return (support::project("").join(folder), None);
    }
    let folder = Folder::new("e2e-bootstraps");
    for (name, program) in [
        ("backfill", env!("CARGO_BIN_EXE_backfill")),
        ("deliver", env!("CARGO_BIN_EXE_deliver")),
        ("ingest", env!("CARGO_BIN_EXE_ingest")),
        ("migrate", env!("CARGO_BIN_EXE_migrate")),
        ("web", env!("CARGO_BIN_EXE_web")),
        ("reconcile", env!("CARGO_BIN_EXE_reconcile")),
    ] {
        let bootstrap = folder.0.join(name).join("bootstrap");
        std::fs::create_dir_all(folder.0.join(name)).unwrap();
        // A quarter of the bytes to pack, and a linker brings it; but any will do.
        let stripped = Command::new("strip").arg("-o").arg(&bootstrap).arg(program).status();
        if !stripped.is_ok_and(|status| status.success()) {
            std::fs::copy(program, &bootstrap).unwrap();
        }
    }
    (folder.0.clone(), Some(folder))
}

impl World {
    /// Creates the environment of the stack: the emulator, the origins of messages, and the targets.
    async fn new() -> Option<Self> {
        let since = Instant::now();
        let (folder, _kept) = bootstraps();
        let mut aws = Emulator::start(&folder)?;
        let url = support::bare_database("e2e").await;
        let topic = |aws: &mut Emulator, name: &str| {
            aws.call("sns", "create_topic", &json!({"Name": name}))["TopicArn"].as_str().unwrap().to_owned()
        };
        let (announcements, broadcasts) = (topic(&mut aws, "announcements"), topic(&mut aws, "broadcasts"));
        let tap = aws.subscriber("tap", &announcements, None, false);
        let filter = json!({"source": ["kcidb"], "status": ["new"]});
        let subscriber = aws.subscriber("subscriber", &broadcasts, Some(filter), true);
        aws.call("events", "create_event_bus", &json!({"Name": BUS, "EventSourceName": BUS}));
        aws.call("s3", "create_bucket", &json!({"Bucket": "overflow"}));

        let github = Forge::start(|_| created()).await;
        let gitlab = Fake::start().await;
        let database: tokio_postgres::Config = url.parse().unwrap();
        let password = String::from_utf8(database.get_password().unwrap_or_default().to_vec()).unwrap();
        let tokio_postgres::config::Host::Tcp(host) = &database.get_hosts()[0] else { panic!("a socket") };
        let user = database.get_user().unwrap();
        let of_database = aws.secret("database", &json!({"username": user, "password": password}).to_string());
        let of_gitlab = aws.secret("gitlab", fake::TOKEN);
        let of_targets = aws.secret("targets", &json!({"ghe": GITHUB_TOKEN, "pull": PULL_KEY}).to_string());
        let of_intake = aws.secret("intake", &json!({"ci": INTAKE_TOKEN}).to_string());
        let targets = format!(
            "target = [{{name = 'ghe', kind = 'github', hosts = ['{HOST}'], api = '{}', token = 'secret:ghe'}}, \
             {{name = 'inside', kind = 'github', hosts = ['{INSIDE}'], api_key = 'secret:pull'}}]",
            github.url
        );
        let parameters = json!({
            "ResourcePrefix": "e2e",
            "SnsTopicArn": announcements,
            "DatabaseHost": host,
            "DatabasePort": database.get_ports()[0].to_string(),
            "DatabaseName": database.get_dbname().unwrap(),
            "DatabaseUser": user,
            "DatabaseSecretArn": of_database,
            "DatabaseSslMode": "disable",
            "Architecture": "x86_64",
            "GitlabUrl": gitlab.url,
            "GitlabTokenSecretArn": of_gitlab,
            "EventBridgeBusName": BUS,
            "DeliveryTargets": targets,
            "DeliverySecretArn": of_targets,
            "BroadcastTopicArn": broadcasts,
            "BroadcastOverflowBucket": "overflow",
            "CreateArchive": "true",
            "IntakeTokens": "token = [{name = 'ci', token = 'secret:ci', origins = ['e2e'], bots = ['e2e-*']}]",
            "IntakeSecretArn": of_intake,
            "ServePull": "true",
            "AlarmTopicArn": broadcasts.replace(":broadcasts", ":alarms"),
        });
        Some(Self {
            aws,
            parameters,
            outputs: Value::Null,
            store: support::store_of(&url, 2),
            url,
            reference: support::database().await,
            github,
            gitlab,
            topic: announcements,
            tap,
            subscriber,
            since,
        })
    }

    /// Prints a verified fact.
    fn checked(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.since.elapsed().as_secs_f64());
    }

    fn output(&self, name: &str) -> String {
        self.outputs[name].as_str().unwrap_or_else(|| panic!("no output {name}: {}", self.outputs)).to_owned()
    }

    /// Numbers that the database of the stack answers.
    async fn count(&self, sql: &str) -> i64 {
        support::render::rows(&self.store, &format!("SELECT ({sql})::text")).await[0].parse().unwrap()
    }

    /// Creates the stack; the migration is part of that.
    async fn deploy(&mut self) {
        self.checked("the emulator runs");
        self.outputs = self.aws.deploy(&self.parameters);
        let migrations = self.count("SELECT count(*) FROM schema_migrations").await;
        assert_eq!(migrations, hummingbird_status::db::MIGRATIONS.len() as i64);
        self.checked(&format!("the stack is created; its custom resource did {migrations} migrations"));
    }

    /// Deletes the stack: retained resources stay, and no log has a secret.
    fn end(mut self) {
        let logs = self.aws.logs();
        let secrets = [GITHUB_TOKEN, PULL_KEY, INTAKE_TOKEN, "page-e2e-hunter2", fake::TOKEN];
        let leaks: Vec<_> = logs.iter().filter(|line| secrets.iter().any(|secret| line.contains(secret))).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
        let of = |group: &str| logs.iter().filter(|line| line.starts_with(group)).count();
        for function in ["backfill", "ingest", "migrate", "page", "reconcile"] {
            assert!(of(&format!("/aws/lambda/e2e-{function}:")) > 0, "{function} logged nothing");
        }
        assert!(logs.iter().any(|line| line.starts_with("/aws/lambda/e2e-ingest:") && line.contains("_aws")));
        let migrations = logs.iter().filter(|line| line.starts_with("/aws/lambda/e2e-migrate: START")).count();
        assert!(migrations >= 2, "one for the stack, and one for another MigrationRevision: {migrations}");
        self.checked(&format!("{} lines of logs, metrics among them, and no secret", logs.len()));
        let archive = self.output("ArchiveBucketName");
        self.aws.delete();
        let queue = self.aws.try_call("sqs", "get_queue_url", &json!({"QueueName": self.output("Queue")}));
        assert!(queue.is_err(), "{queue:?}");
        let listed = self.aws.call("s3", "list_objects_v2", &json!({"Bucket": archive}));
        assert!(listed["KeyCount"].as_u64().unwrap() > 0, "{listed}");
        self.checked("the stack is deleted; the archive is still there");
    }
}
