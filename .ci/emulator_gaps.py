"""Starts ministack, and adds features of AWS that it lacks and sam/template.yaml uses. Run by emulator.py.

Differences of ministack that are repaired here, each in a few lines, so that the template's own resources are tested:
  1. PutPartnerEvents accepts events and drops them; PutEvents rejects the sources of partners, as AWS does.
  2. SNS accepts subscriptions of Firehose and never delivers to them.
  3. Firehose does not compress (CompressionFormat), and names objects without `.gz`.
  4. EventBridge delivers to queues whose policy does not allow it, and has no dead-letter queues.
  5. The times of SNS messages are in seconds, those of AWS in milliseconds.
  6. PublishBatch and similar calls need permissions of their own; AWS checks sns:Publish and sqs:DeleteMessage only.
  7. There is no TLS, and policies deny requests without it (aws:SecureTransport): requests count as encrypted.

Differences that remain, and are therefore not tested by a run:
  - batches above 10 messages (BatchSize is cut), and MaximumBatchingWindowInSeconds: messages are delivered at once;
  - Firehose writes an object for each message, at once, and does not use its role; SNS does not use its role for Firehose;
  - EventBridge uses the time of arrival as that of the event, and does not retry a delivery;
  - limits of an HTTP API (429), its access log, the Rules of a template, alarms, VPCs;
  - a function's environment is not ended between two invocations, and never frozen.
"""

import base64
import datetime
import functools
import gzip
import json
import logging

from ministack.core import iam_actions, iam_evaluator
from ministack.services import eventbridge, firehose, sns, sqs

log = logging.getLogger("gaps")


def put_partner_events(data):
    """Puts events on the bus of the partner, which has the name of their source."""
    entries = [{**entry, "EventBusName": entry["Source"]} for entry in data.get("Entries", [])]
    return eventbridge._put_events({"Entries": entries}, allow_aws_source=True)


eventbridge._put_partner_events = put_partner_events

build_envelope = sns._build_envelope


@functools.lru_cache(maxsize=4096)  # one time for all subscribers
def sent_at(message_id):
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def build_timely_envelope(topic_arn, message_id, message, subject, attributes, raw):
    envelope = build_envelope(topic_arn, message_id, message, subject, attributes, raw)
    return envelope if raw else json.dumps({**json.loads(envelope), "Timestamp": sent_at(message_id)})


sns._build_envelope = build_timely_envelope

fanout = sns._fanout


def fanout_to_streams_too(topic_arn, message_id, message, subject, message_structure="", message_attributes=None, **more):
    fanout(topic_arn, message_id, message, subject, message_structure, message_attributes, **more)
    attributes = message_attributes or {}
    for subscription in sns._topic_by_arn_any_scope(topic_arn)["subscriptions"]:
        if subscription["protocol"] != "firehose" or not sns._matches_filter_policy(subscription, attributes, message):
            continue
        raw = subscription["attributes"].get("RawMessageDelivery") == "true"
        envelope = sns._build_envelope(topic_arn, message_id, message, subject, attributes, raw)
        record = {"Data": base64.b64encode(envelope.encode()).decode()}
        answer = firehose._put_record({"DeliveryStreamName": subscription["endpoint"].rpartition("/")[2], "Record": record})
        if answer[0] != 200:
            log.error("SNS to Firehose: %s", answer[2])


sns._fanout = fanout_to_streams_too

deliver_to_s3 = firehose._deliver_to_s3


def deliver_compressed(stream, dest, record, lambda_keys=None):
    config = dest["config"]
    if config.get("CompressionFormat") == "GZIP":
        dest, record = {**dest, "config": {"FileExtension": ".gz", **config}}, gzip.compress(record)
    deliver_to_s3(stream, dest, record, lambda_keys)


firehose._deliver_to_s3 = deliver_compressed

invoke_target = eventbridge._invoke_target


def invoke_allowed_target(target, event, rule, view=None):
    dead = (target.get("DeadLetterConfig") or {}).get("Arn")
    for arn in [target["Arn"], dead]:
        if arn and (":sqs:" not in arn or sqs.queue_policy_allows(arn, "events.amazonaws.com", rule["Arn"], event["Account"])):
            return invoke_target({**target, "Arn": arn}, event, rule, view)
        log.warning("EventBridge: the policy of %s does not allow the rule %s to send", arn, rule["Arn"])
    return None


eventbridge._invoke_target = invoke_allowed_target

extract_iam_action = iam_actions.extract_iam_action


def extract_existing_action(service, *request, **more):
    action = extract_iam_action(service, *request, **more)
    return action.removesuffix("Batch") if action and service in ("sns", "sqs") else action


iam_actions.extract_iam_action = extract_existing_action

resolve_condition_key = iam_evaluator._resolve_condition_key


def resolve_as_if_encrypted(key, context):
    return "true" if key.lower() == "aws:securetransport" else resolve_condition_key(key, context)


iam_evaluator._resolve_condition_key = resolve_as_if_encrypted

if __name__ == "__main__":
    from ministack.app import main

    main()
