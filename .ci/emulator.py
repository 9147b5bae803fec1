#!/usr/bin/env python3
"""Deploys sam/template.yaml to an AWS emulator on this machine and sends messages through it.

    .ci/emulator.py --bootstrap-dir target/lambda --database-url postgres://.. \\
        --message events/gitlab/push.json:source=gitlab,event_type=push --message ..

The whole way is real but for AWS itself: the template goes through the SAM transform and CloudFormation, the migration
runs as its custom resource, messages are published on an SNS topic, the queue feeds the function, and the function (the
`bootstrap` files of `sam build` or `cargo lambda build`) writes to your PostgreSQL. Then the stack is deleted.

The emulator is ministack (PyPI), which runs each function as a process of this machine. It listens on 127.0.0.1 only.
What it does not have, and therefore this run does not show: IAM, VPCs, TLS to the endpoints, batches above 10 messages.
Its modules are installed once, by pinned version and hash, into target/emulator-venv.

Exit status 0: deployed, every message acknowledged, dead-letter queue empty, stack deleted. 1: something of that failed.
2: wrong arguments. The last line of stdout is a JSON summary; the story of the run goes to stderr.
"""

import argparse
import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "emulator-venv"
REQUIREMENTS = Path(__file__).resolve().parent / "emulator-requirements.txt"
REGION = "us-east-1"
STACK = "emulated"
PREFIX = "emulated"
SNS_LIMIT = 256 * 1024


class Failure(Exception):
    """Something this run was to show did not happen; the message says what and what to look at."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    args = arguments()
    ensure_modules()
    summary = {}
    # Both end the run in order, also where we were started with SIGINT ignored (a background job of a shell).
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.default_int_handler)
    try:
        run(args, summary)
        summary["ok"] = True
    except Failure as failure:
        summary["ok"] = False
        summary["failure"] = str(failure)
        say(f"FAILED: {failure}")
    except KeyboardInterrupt:
        summary["ok"] = False
        summary["failure"] = "interrupted"
        say("interrupted")
    print(json.dumps(summary))
    sys.exit(0 if summary["ok"] else 1)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap-dir", type=Path, default=ROOT / "target" / "lambda", metavar="DIR",
                        help="folder with <binary>/bootstrap for each function (default: target/lambda; .aws-sam/build works too)")
    parser.add_argument("--database-url", required=True, metavar="URL",
                        help="postgres:// URL of a database on this machine; the tables are left in it")
    parser.add_argument("--secret", action="store_true",
                        help="give the functions host, port, name and a secret instead of the URL")
    parser.add_argument("--message", action="append", default=[], type=message, metavar="FILE[:ATTR=VALUE,..]",
                        help="payload to publish, with its String message attributes; a file that is not UTF-8 (gzip) is "
                             "published as base64. Repeatable, published in this order")
    parser.add_argument("--parameter", action="append", default=[], type=pair, metavar="NAME=VALUE",
                        help="further parameter of the template")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS",
                        help="how long to wait for the queue to drain (default 60)")
    parser.add_argument("--redeploy", action="store_true",
                        help="update the stack, as after a change of the code, and send the messages once more")
    parser.add_argument("--keep", action="store_true",
                        help="before the stack is deleted, wait for Ctrl-C, to look around with any AWS client")
    parser.add_argument("--show-logs", action="store_true", help="print every line the functions logged")
    return parser.parse_args()


def message(text):
    # The file's own name may hold a colon; the attributes begin at the last one that is followed by `name=`.
    name, colon, rest = text.rpartition(":")
    if not colon or "=" not in rest:
        name, rest = text, ""
    path = Path(name)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no such file: {path}")
    body = path.read_bytes()
    try:
        body = body.decode()
    except UnicodeDecodeError:
        body = base64.b64encode(body).decode()
    attributes = dict(pair(part) for part in rest.split(",") if part)
    size = len(body.encode()) + sum(len(k) + len(v) + len("String") for k, v in attributes.items())
    if size > SNS_LIMIT:
        raise argparse.ArgumentTypeError(f"{path}: {size} bytes, SNS takes {SNS_LIMIT}")
    if not body:
        raise argparse.ArgumentTypeError(f"{path}: SNS takes no empty message")
    return path, body, attributes


def pair(text):
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


# ---- the modules ------------------------------------------------------------------------------------------------------

def ensure_modules():
    """Continues in target/emulator-venv unless this interpreter has everything."""
    try:
        import boto3, ministack, samtranslator, yaml  # noqa: F401
        return
    except ImportError as error:
        if os.environ.get("HUMMINGBIRD_EMULATOR_VENV"):
            raise SystemExit(f"{VENV} is incomplete ({error}); delete it and run again")
    python = VENV / "bin" / "python"
    stamp = VENV / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.is_file() or stamp.read_text() != wanted:
        say(f"installing the emulator into {VENV} (once)")
        shutil.rmtree(VENV, ignore_errors=True)
        steps = ([sys.executable, "-m", "venv", str(VENV)],
                 [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
                  "--requirement", str(REQUIREMENTS)])
        for step in steps:
            if subprocess.run(step, stdout=sys.stderr).returncode != 0:
                raise SystemExit(f"could not install the emulator: `{' '.join(step)}` failed. It needs Python 3.10 or "
                                 "newer with venv, and a package index that pip can reach")
        stamp.write_text(wanted)
    os.environ["HUMMINGBIRD_EMULATOR_VENV"] = "1"
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


# ---- the run ----------------------------------------------------------------------------------------------------------

def run(args, summary):
    check_database(args.database_url)
    template = Template(args.bootstrap_dir)
    with tempfile.TemporaryDirectory(prefix="emulator-") as folder, Emulator(Path(folder)) as emulator:
        say(f"emulator: {emulator.endpoint}, started in {emulator.started_in:.1f} s")
        topic = emulator.client("sns").create_topic(Name="announcements")["TopicArn"]
        parameters = {
            "ResourcePrefix": PREFIX,
            "SnsTopicArn": topic,
            **database_parameters(emulator, args),
            **dict(args.parameter),
        }
        stack = Stack(emulator, template, parameters)
        try:
            summary["create_seconds"] = stack.deploy("create")
            summary["first"] = publish_and_wait(emulator, stack, topic, args)
            if args.redeploy:
                summary["update_seconds"] = stack.deploy("update")
                summary["second"] = publish_and_wait(emulator, stack, topic, args)
            if args.keep:
                wait_for_interrupt(emulator, topic, stack)
        finally:
            report_logs(emulator, stack, summary, args.show_logs)
            emulator.report_invocations(summary)
            summary["delete_seconds"] = stack.delete()
    verdict(summary, args)


def check_database(url):
    """A clear word before anything is started, since a migration that cannot connect only says so much later."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise Failure("--database-url must begin with postgres:// or postgresql://")
    host, port = parts.hostname or "127.0.0.1", parts.port or 5432
    try:
        socket.create_connection((host, port), 3).close()
    except OSError as error:
        raise Failure(f"nothing answers at {host}:{port} of --database-url ({error}); start PostgreSQL first")


def database_parameters(emulator, args):
    """The database as a URL, or in parts with a secret, as an RDS one would be given."""
    if not args.secret:
        return {"DatabaseUrl": args.database_url}
    parts = urlsplit(args.database_url)
    user = unquote(parts.username or "postgres")
    secret = json.dumps({"username": user, "password": unquote(parts.password or "")})
    arn = emulator.client("secretsmanager").create_secret(Name="database", SecretString=secret)["ARN"]
    return {
        "DatabaseHost": parts.hostname or "127.0.0.1",
        "DatabasePort": str(parts.port or 5432),
        "DatabaseName": parts.path.lstrip("/") or user,
        "DatabaseUser": user,
        "DatabaseSecretArn": arn,
    }


def publish_and_wait(emulator, stack, topic, args):
    sns, started = emulator.client("sns"), time.monotonic()
    # Held back while we publish, so that the function gets batches as full as the emulator makes them, not one by one.
    stack.hold(True)
    for path, body, attributes in args.message:
        sns.publish(TopicArn=topic, Message=body, MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()})
        say(f"published {path} {json.dumps(attributes) if attributes else ''}")
    stack.hold(False)
    left = wait_until_drained(emulator, stack, args.timeout)
    dead = sum(depth(emulator, stack.outputs["DeadLetterQueueUrl"]))
    result = {"published": len(args.message), "left_in_queue": left, "dead_letters": dead,
              "seconds": round(time.monotonic() - started, 1)}
    say(f"published {result['published']}, left in the queue {left}, dead letters {dead}, {result['seconds']} s")
    return result


def depth(emulator, queue_url):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    got = emulator.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
    return [int(got[name]) for name in names]


def wait_until_drained(emulator, stack, timeout):
    end, empty = time.monotonic() + timeout, 0
    while True:
        left = sum(depth(emulator, stack.outputs["QueueUrl"]))
        empty = empty + 1 if left == 0 else 0
        if empty >= 3 or time.monotonic() > end:
            return left
        emulator.must_be_alive()
        time.sleep(0.2)


def wait_for_interrupt(emulator, topic, stack):
    say(f"kept: AWS_ENDPOINT_URL={emulator.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION={REGION}")
    say(f"topic {topic}, queue {stack.outputs['QueueUrl']}. Ctrl-C deletes the stack and ends the emulator")
    try:
        while True:
            emulator.must_be_alive()
            time.sleep(1)
    except KeyboardInterrupt:
        say("")


def verdict(summary, args):
    wrong = []
    for name in ("first", "second"):
        part = summary.get(name)
        if part and part["left_in_queue"]:
            wrong.append(f"{part['left_in_queue']} of {part['published']} messages were not acknowledged within {args.timeout:g} s")
        if part and part["dead_letters"]:
            wrong.append(f"{part['dead_letters']} messages are in the dead-letter queue")
    if wrong:
        raise Failure("; ".join(wrong) + ". The functions' logs above say why")


# ---- the template and its stack ---------------------------------------------------------------------------------------

class Template:
    """sam/template.yaml with the code of each function in S3, as `sam build` and `sam package` would leave it. Which binary
    a function runs is read from the template, so that a new function needs no change here."""

    def __init__(self, bootstrap_dir):
        self.document = read_template(ROOT / "sam" / "template.yaml")
        self.bootstraps = {}
        for logical_id, resource in self.document["Resources"].items():
            if resource["Type"] != "AWS::Serverless::Function":
                continue
            binary = resource["Metadata"]["BuildProperties"]["Binary"]
            places = [bootstrap_dir / name / "bootstrap" for name in (binary, logical_id)]
            found = next((place for place in places if place.is_file()), None)
            if found is None:
                raise Failure(f"no {places[0]} for {logical_id}. Build it first: `cargo lambda build --release` "
                              "(on x86_64 without zig: CARGO_LAMBDA_COMPILER=cargo), or give --bootstrap-dir .aws-sam/build")
            self.bootstraps[logical_id] = found.read_bytes()

    def with_numbers(self, node, parameters):
        """References to Number parameters as numbers. The emulator hands them on as strings, and its queue poller then
        stumbles over MaximumConcurrency; AWS converts them."""
        if isinstance(node, list):
            return [self.with_numbers(item, parameters) for item in node]
        if not isinstance(node, dict):
            return node
        name = node.get("Ref")
        declared = self.document["Parameters"].get(name, {}) if isinstance(name, str) else {}
        if declared.get("Type") == "Number":
            return int(parameters.get(name, declared.get("Default")))
        return {key: self.with_numbers(value, parameters) for key, value in node.items()}

    def upload(self, s3, bucket, round_, parameters):
        """Returns the body of the template whose code is the uploaded one. Each round has keys of its own, which is what
        SAM and CloudFormation take for new code."""
        document = json.loads(json.dumps(self.document))
        for logical_id, bootstrap in self.bootstraps.items():
            key = f"{round_}/{logical_id}.zip"
            s3.put_object(Bucket=bucket, Key=key, Body=zipped(bootstrap))
            properties = document["Resources"][logical_id]["Properties"]
            properties["CodeUri"] = {"Bucket": bucket, "Key": key}
            properties["Events"] = self.with_numbers(properties.get("Events", {}), parameters)
        for resource in document["Resources"].values():
            if resource["Type"].startswith("Custom::"):
                resource["Properties"]["ServiceTimeout"] = 60
            if resource["Type"] == "AWS::CloudFormation::Stack":
                name = resource["Properties"]["TemplateURL"]
                s3.put_object(Bucket=bucket, Key=f"{round_}/{name}", Body=(ROOT / "sam" / name).read_bytes())
                resource["Properties"]["TemplateURL"] = f"https://{bucket}.s3.amazonaws.com/{round_}/{name}"
        return json.dumps(document)


def read_template(path):
    """YAML with CloudFormation's short forms (`!Ref x`) as the long ones (`{Ref: x}`)."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def long_form(loader, name, node):
        if isinstance(node, yaml.ScalarNode):
            value = loader.construct_scalar(node)
            if name == "GetAtt":
                value = value.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}

    Loader.add_multi_constructor("!", long_form)
    return yaml.load(path.read_text(), Loader=Loader)


def zipped(bootstrap):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, bootstrap)
    return out.getvalue()


class Stack:
    def __init__(self, emulator, template, parameters):
        self.emulator, self.template, self.parameters = emulator, template, parameters
        self.cloudformation = emulator.client("cloudformation")
        self.round, self.outputs, self.exists = 0, {}, False
        self.bucket = "code"
        emulator.client("s3").create_bucket(Bucket=self.bucket)

    def deploy(self, verb):
        from botocore.exceptions import ClientError
        self.round += 1
        started = time.monotonic()
        body = self.template.upload(self.emulator.client("s3"), self.bucket, self.round, self.parameters)
        start = getattr(self.cloudformation, f"{verb}_stack")
        try:
            start(StackName=STACK, TemplateBody=body, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                  # Rolling back would delete the log groups with the migration's reasons in them.
                  **({"OnFailure": "DO_NOTHING"} if verb == "create" else {"DisableRollback": True}),
                  Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in self.parameters.items()])
        except ClientError as error:
            raise Failure(f"the template was refused: {error}")
        self.exists = True
        status = self.wait(f"{verb.upper()}_IN_PROGRESS")
        if status != f"{verb.upper()}_COMPLETE":
            raise Failure(f"{verb} of the stack ended as {status}: {self.reasons()}")
        described = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in described.get("Outputs", [])}
        took = round(time.monotonic() - started, 1)
        say(f"stack: {status} in {took} s")
        for name, value in sorted(self.outputs.items()):
            say(f"  {name} = {value}")
        return took

    def hold(self, held):
        functions = self.emulator.client("lambda")
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=not held)

    def delete(self):
        """Also after a failure: the migration must answer the Delete of its custom resource too."""
        if not self.exists or not self.emulator.alive():
            return None
        started = time.monotonic()
        self.cloudformation.delete_stack(StackName=STACK)
        status = self.wait("DELETE_IN_PROGRESS", gone="DELETE_COMPLETE")
        took = round(time.monotonic() - started, 1)
        if status != "DELETE_COMPLETE":
            raise Failure(f"deleting the stack ended as {status}: {self.reasons()}")
        say(f"stack: {status} in {took} s")
        return took

    def wait(self, while_, gone=None, timeout=180):
        from botocore.exceptions import ClientError
        end = time.monotonic() + timeout
        while True:
            try:
                status = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
            except ClientError:
                if gone:
                    return gone
                raise
            if not status.endswith("_IN_PROGRESS"):
                return status
            if time.monotonic() > end:
                raise Failure(f"the stack is still {status} after {timeout} s: {self.reasons() or 'no resource failed yet'}. "
                              "A custom resource whose function never answers its ResponseURL looks like this")
            self.emulator.must_be_alive()
            time.sleep(0.1)

    def reasons(self):
        events = self.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
        failed = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', 'no reason given')}"
                  for e in reversed(events) if e["ResourceStatus"].endswith("FAILED")]
        return "; ".join(failed)


# ---- what the functions said --------------------------------------------------------------------------------------------

def report_logs(emulator, stack, summary, show):
    """Metrics summed over the embedded-metric lines; warnings and errors word by word; everything with --show-logs."""
    if not emulator.alive():
        return
    logs = emulator.client("logs")
    metrics = {}
    for group in logs.describe_log_groups().get("logGroups", []):
        name = group["logGroupName"]
        lines = log_lines(logs, name)
        for line in lines:
            parsed = as_json(line)
            if "_aws" in parsed:
                sum_metrics(parsed, metrics)
            level = str(parsed.get("level", "")).upper()
            if show or level in ("WARN", "ERROR") or "panicked" in line:
                say(f"  {name}: {line}")
    summary["metrics"] = metrics
    if metrics:
        say("metrics (sum; maximum for times): " + ", ".join(f"{k} {v:g}" for k, v in sorted(metrics.items())))


def log_lines(logs, group):
    token, lines = None, []
    while True:
        page = logs.filter_log_events(logGroupName=group, **({"nextToken": token} if token else {}))
        for event in page.get("events", []):
            lines.extend(event["message"].splitlines())
        token = page.get("nextToken")
        if not token:
            return lines


def as_json(line):
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def sum_metrics(line, into):
    for directive in line["_aws"].get("CloudWatchMetrics", []):
        for metric in directive.get("Metrics", []):
            name, value = metric["Name"], line.get(metric["Name"])
            if isinstance(value, dict):  # the form for many values: {"Values": [..], "Counts": [..]}
                value = value.get("Values", [])
            values = [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, (int, float))]
            if not values:
                continue
            if metric.get("Unit") == "Count":
                into[name] = into.get(name, 0) + sum(values)
            else:
                into[name] = max(into.get(name, 0), *values)


# ---- the emulator -------------------------------------------------------------------------------------------------------

class Emulator:
    """One ministack, a process group of its own, with nothing of our environment: its functions inherit its."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = folder / "emulator.log"
        self.process = None
        self.clients = {}

    def __enter__(self):
        environment = {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "BIND_HOST": "127.0.0.1",
            # Custom resources are told to answer to this host; `localhost` may be ::1, where nobody listens.
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            # Or it listens for MQTT on a fixed port, on every address.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                            start_new_session=True)
        try:
            while True:
                self.must_be_alive()
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    break
                except OSError:
                    if time.monotonic() - started > 60:
                        raise Failure(f"the emulator does not listen after 60 s:\n{self.tail()}")
                    time.sleep(0.05)
            self.client("sts").get_caller_identity()
        except BaseException:
            self.__exit__()
            raise
        self.started_in = time.monotonic() - started
        return self

    def __exit__(self, *_):
        for signal_, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, signal_)
            except ProcessLookupError:
                break
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue

    def alive(self):
        return self.process.poll() is None

    def must_be_alive(self):
        if not self.alive():
            raise Failure(f"the emulator ended with status {self.process.returncode}:\n{self.tail()}")

    def tail(self, lines=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def client(self, service):
        if service not in self.clients:
            import boto3
            from botocore.config import Config
            session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
            # No proxy: the address is this machine.
            config = Config(proxies={}, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
            self.clients[service] = session.client(service, endpoint_url=self.endpoint, config=config)
        return self.clients[service]

    def report_invocations(self, summary):
        """The emulator's own words on each batch: how many were processed, how many came back; and its complaints, where
        a function that did not even start is found."""
        lines = self.log.read_text(errors="replace").splitlines()
        batches = [line.partition("ESM: ")[2] for line in lines if "ESM: Lambda" in line and "output:" not in line]
        summary["batches"] = len(batches)
        summary["failed_batches"] = sum(" failed processing " in line for line in batches)
        for line in batches:
            say(f"  {line}")
        ours = ("ESM: Lambda", "[kms]", "[samtranslator.")  # said above, or nothing to us
        for line in lines:
            if (" WARNING " in line or " ERROR " in line) and not any(word in line for word in ours):
                say(f"  emulator: {line}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
