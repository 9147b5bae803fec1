//! Repairs: reconcile, dead letters, the archive.

use std::process::Command;

use serde_json::{Value, json};
use tokio_postgres::NoTls;

use super::World;
use super::emulator::until;
use super::inside::{publish, same_as_reference};
use crate::reconcile::fake::{item, webhook};
use crate::support::{deadline, schema};

/// The scheduled function repairs the effect of a lost webhook.
pub async fn reconcile(world: &mut World) {
    let opened = item(1, "opened", "2026-03-10T10:00:00.849Z");
    publish(world, &webhook("g/p", &opened, "open").to_string(), &json!({}));
    world.aws.drained(&world.output("QueueUrl")).await;
    world.gitlab.put("g/p", opened);
    world.gitlab.change("g/p", 1, json!({"state": "merged", "updated_at": "2026-03-10T11:00:00.100Z"}));
    let function = world.output("ReconcileFunctionName");
    let report = world.aws.invoke(&json!(function), &json!({"projects": ["g/p"]}));
    assert_eq!(report["corrections"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(
        world.count("SELECT count(*) FROM gitlab_merge_requests WHERE project = 'g/p' AND state = 'merged'").await,
        1
    );
    world.checked("reconcile corrected a merge request whose webhook was lost");
}

/// A message that cannot be tried goes to the dead-letter queue after the maximum number of receives, and is redriven.
pub async fn dead_letters(world: &mut World) {
    let (queue, dead) = (world.output("QueueUrl"), world.output("DeadLetterQueueUrl"));
    let ask = json!({"QueueUrl": queue, "AttributeNames": ["All"]});
    let attributes = world.aws.call("sqs", "get_queue_attributes", &ask)["Attributes"].take();
    let policy: Value = serde_json::from_str(attributes["RedrivePolicy"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&attributes["VisibilityTimeout"], &policy["maxReceiveCount"].to_string().replace('"', "")),
        (&json!("240"), &"40".to_owned())
    );
    // The same in less than 2 h 40 min; as in the template, the function gives up before the message is seen again.
    let policy = json!({"deadLetterTargetArn": policy["deadLetterTargetArn"], "maxReceiveCount": 2}).to_string();
    let quick = json!({"QueueUrl": queue, "Attributes": {"VisibilityTimeout": "8", "RedrivePolicy": policy}});
    world.aws.call("sqs", "set_queue_attributes", &quick);
    let time_limit = json!({"FunctionName": world.output("IngestFunctionName"), "Timeout": 5});
    world.aws.call("lambda", "update_function_configuration", &time_limit);

    // Another session locks the table.
    let (mut client, connection) = tokio_postgres::connect(&world.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let held = client.transaction().await.unwrap();
    held.batch_execute("LOCK TABLE gitlab_pushes IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let text = std::fs::read_to_string(crate::support::project("events/gitlab/push-main.json")).unwrap();
    let sha = "00000000000000000000000000000000000e2e00";
    let mut push: Value = serde_json::from_str(&text).unwrap();
    for member in ["after", "checkout_sha"] {
        push[member] = sha.into();
    }
    publish(world, &push.to_string(), &json!({}));
    let aws = &mut world.aws;
    until("a message is given up", async || aws.depth(&dead) == 1).await;
    assert_eq!(world.aws.depth(&queue), 0);
    held.rollback().await.unwrap();
    let kept = format!("SELECT count(*) FROM gitlab_pushes WHERE sha = '{sha}'");
    assert_eq!(world.count(&kept).await, 0);

    let redrive = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"))
        .arg("redrive")
        .envs([("DATABASE_URL", &world.url), ("SQS_QUEUE_URL", &queue), ("AWS_ENDPOINT_URL", &world.aws.endpoint)])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")])
        .output();
    let redrive = redrive.unwrap();
    let said = String::from_utf8_lossy(&redrive.stdout).into_owned() + &String::from_utf8_lossy(&redrive.stderr);
    assert!(redrive.status.success() && said.contains("1 messages: 1 kept"), "{said}");
    assert_eq!((world.count(&kept).await, world.aws.depth(&dead)), (1, 0));
    world.checked("a message that could not be tried came to the dead-letter queue; `redrive` took it in");
}

/// The stream of the topic wrote an archive, and backfill restores an emptied database from it.
pub async fn archive(world: &mut World) {
    schema::clear(&world.store).await;
    let answer = world.aws.invoke(&json!(world.output("BackfillFunctionName")), &json!({}));
    assert_eq!((&answer["state"], &answer["unreadable"]), (&json!("done"), &json!(0)), "{answer}");
    // Rejected messages are stored as received, here compressed.
    for store in [&world.store, &world.reference.store] {
        store.script("UPDATE refused SET body = ''", deadline()).await.unwrap();
    }
    same_as_reference(world).await;
    let listed = world.aws.call("s3", "list_objects_v2", &json!({"Bucket": world.output("ArchiveBucketName")}));
    let key = listed["Contents"][0]["Key"].as_str().unwrap();
    assert!(key.starts_with("sns/20") && key.ends_with(".gz"), "{key}");
    world.checked(&format!(
        "backfill made the tables again, the same, from {} objects with {} messages of the archive",
        answer["objects"], answer["messages"]
    ));
}
