#!/usr/bin/env python3
"""Deploys sam/template.yaml to an AWS emulator on this machine.

    .ci/emulator.py --database-url postgres://.. [--parameter NAME=VALUE ..]    deploys; Ctrl-C deletes
    .ci/emulator.py --serve                                                     runs commands from stdin

Only AWS itself is emulated: the template goes through the SAM transform and CloudFormation, the migration runs as its custom
resource, each function is the `bootstrap` of `sam build` or `cargo lambda build` as a process of this machine with the
permissions of its role, and is invoked by its event sources (queues, topics, rules, schedules, buckets, HTTP).

The emulator is ministack (PyPI), on 127.0.0.1 only, with the additions of emulator_gaps.py, where the differences from
AWS are listed. Its modules are installed once, by pinned version and hash, into target/emulator-venv.

`--serve` is for tests/it/e2e. The first line of stdout is {"ok": {"endpoint": ..}}; then each line of stdin, an object
with one member, is answered by a line, {"ok": ..} or {"error": ".."}. At the end of stdin the stack is deleted.

    {"call": [service, operation, {..}]}   that call of boto3, such as ["sns", "publish", {..}]
    {"deploy": {NAME: VALUE, ..}}          creates the stack with these parameters, or updates it; its outputs
    {"logs": null}                         the logs of the functions: {log group: [line, ..]}
    {"delete": null}                       deletes the stack

The exit status is 69 where the emulator cannot be installed.
"""

import argparse
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

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENV = ROOT / "target" / "emulator-venv"
REQUIREMENTS = HERE / "emulator-requirements.txt"
REGION = "us-east-1"
ACCOUNT = "000000000000"  # the default account of the emulator
STACK = "emulated"


class Failure(Exception):
    """A step failed; the message describes it and names the next thing to check."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    args = arguments()
    ensure_modules()
    # Both end the run in order, also where this process was started with SIGINT ignored (a background job of a shell).
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.default_int_handler)
    try:
        template = Template(args.bootstrap_dir)
        with tempfile.TemporaryDirectory(prefix="emulator-") as folder, Emulator(Path(folder)) as emulator:
            say(f"emulator: {emulator.endpoint}, started in {emulator.started_in:.1f} s")
            stack = Stack(emulator, template)
            try:
                serve(emulator, stack) if args.serve else show(emulator, stack, args)
            except BaseException:
                complain(emulator)
                raise
            finally:
                stack.delete()
    except Failure as failure:
        say(f"FAILED: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(1)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap-dir", type=Path, default=ROOT / "target" / "lambda", metavar="DIR",
                        help="folder with <binary>/bootstrap for each function (default: target/lambda; .aws-sam/build works too)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--serve", action="store_true", help="run commands from stdin")
    what.add_argument("--database-url", metavar="URL",
                      help="postgres:// URL of a database on this machine; the tables are left in it")
    parser.add_argument("--parameter", action="append", default=[], type=pair, metavar="NAME=VALUE",
                        help="another parameter of the template")
    return parser.parse_args()


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
                say(f"could not install the emulator: `{' '.join(step)}` failed. It needs Python 3.10 or newer with venv, "
                    "and a package index that pip can reach")
                sys.exit(os.EX_UNAVAILABLE)
        stamp.write_text(wanted)
    os.environ["HUMMINGBIRD_EMULATOR_VENV"] = "1"
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


# ---- the run ----------------------------------------------------------------------------------------------------------

def show(emulator, stack, args):
    """Deploys and waits for Ctrl-C."""
    topic = emulator.client("sns").create_topic(Name="announcements")["TopicArn"]
    stack.deploy({"ResourcePrefix": "emulated", "SnsTopicArn": topic, "DatabaseUrl": args.database_url,
                  **dict(args.parameter)})
    say(f"AWS_ENDPOINT_URL={emulator.endpoint} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION={REGION}")
    say(f"topic {topic}. Ctrl-C deletes the stack and ends the emulator")
    try:
        while True:
            emulator.must_be_alive()
            time.sleep(1)
    except KeyboardInterrupt:
        say("")


def serve(emulator, stack):
    """Answers each line of stdin by a line of stdout, until the end of stdin."""
    from botocore.exceptions import BotoCoreError, ClientError
    deeds = {
        "call": lambda call: plain(getattr(emulator.client(call[0]), call[1])(**call[2])),
        "deploy": stack.deploy,
        "logs": lambda _: logs(emulator),
        "delete": lambda _: stack.delete(),
    }
    print(json.dumps({"ok": {"endpoint": emulator.endpoint}}), flush=True)
    for line in sys.stdin:
        [(deed, about)] = json.loads(line).items()
        try:
            answer = {"ok": deeds[deed](about)}
        except (Failure, ClientError, BotoCoreError) as error:
            emulator.must_be_alive()
            answer = {"error": str(error)}
        print(json.dumps(answer, default=str), flush=True)


def plain(answer):
    """The answer of boto3, with streams read to their end."""
    if hasattr(answer, "read"):
        return answer.read().decode(errors="replace")
    return {k: plain(v) for k, v in answer.items() if k != "ResponseMetadata"} if isinstance(answer, dict) else answer


def logs(emulator):
    client, said = emulator.client("logs"), {}
    for group in client.get_paginator("describe_log_groups").paginate():
        for name in (g["logGroupName"] for g in group["logGroups"]):
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=name)
            said[name] = [line for page in pages for event in page["events"] for line in event["message"].splitlines()]
    return said


def complain(emulator):
    """Prints the errors of the functions and of the emulator, to help to find the cause of a failure."""
    for line in emulator.log.read_text(errors="replace").splitlines():
        if (" WARNING " in line or " ERROR " in line) and "[samtranslator." not in line:
            say(f"  emulator: {line}")
    if emulator.alive():
        for name, lines in logs(emulator).items():
            for line in lines:
                if any(word in line for word in ('"WARN"', '"ERROR"', "panicked")):
                    say(f"  {name}: {line}")


class Template:
    """sam/template.yaml with the code of each function in S3, like the result of `sam build` and `sam package`. The binary of a
    function is read from the template, so that a new function needs no change here."""

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
        """Replaces references to Number parameters by numbers. AWS converts them, but the emulator passes strings, and its queue
        poller then fails on MaximumConcurrency."""
        if isinstance(node, list):
            return [self.with_numbers(item, parameters) for item in node]
        if not isinstance(node, dict):
            return node
        name = node.get("Ref")
        declared = self.document["Parameters"].get(name, {}) if isinstance(name, str) else {}
        if declared.get("Type") == "Number":
            return int(parameters.get(name, declared.get("Default")))
        return {key: self.with_numbers(value, parameters) for key, value in node.items()}

    def settled(self, node, parameters):
        """Replaces parts of parameters, account and region in conditions by texts. CloudFormation supports Fn::Split and pseudo
        parameters there, the emulator does not."""
        if isinstance(node, list):
            return [self.settled(item, parameters) for item in node]
        if not isinstance(node, dict):
            return node
        if "Fn::Select" in node:
            index, split = node["Fn::Select"]
            separator, reference = split["Fn::Split"]
            name = reference["Ref"]
            whole = parameters.get(name, self.document["Parameters"][name].get("Default", ""))
            return whole.split(separator)[index]
        pseudo = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT}
        if node.get("Ref") in pseudo:
            return pseudo[node["Ref"]]
        return {key: self.settled(value, parameters) for key, value in node.items()}

    def upload(self, s3, bucket, round_, parameters):
        """Returns the body of the template with the uploaded code. Each round has keys of its own, because SAM and CloudFormation
        recognise new code by its key."""
        document = json.loads(json.dumps(self.document))
        document["Conditions"] = self.settled(document["Conditions"], parameters)
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
                resource["Properties"]["TemplateURL"] = f"https://s3.amazonaws.com/{bucket}/{round_}/{name}"
        return json.dumps(document)


def read_template(path):
    """Reads YAML, and converts CloudFormation's short forms (`!Ref x`) to the long ones (`{Ref: x}`)."""
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
    def __init__(self, emulator, template):
        self.emulator, self.template = emulator, template
        self.cloudformation = emulator.client("cloudformation")
        self.round, self.exists = 0, False
        self.bucket = "code"
        emulator.client("s3").create_bucket(Bucket=self.bucket)

    def deploy(self, parameters):
        """Creates the stack, or updates it. Returns its outputs."""
        from botocore.exceptions import ClientError
        verb = "update" if self.exists else "create"
        self.round += 1
        started = time.monotonic()
        body = self.template.upload(self.emulator.client("s3"), self.bucket, self.round, parameters)
        url = f"https://s3.amazonaws.com/{self.bucket}/{self.round}/template.json"
        self.emulator.client("s3").put_object(Bucket=self.bucket, Key=f"{self.round}/template.json", Body=body)
        start = getattr(self.cloudformation, f"{verb}_stack")
        try:
            start(StackName=STACK, TemplateURL=url, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                  # No rollback, which would delete the log groups with the errors of the migration.
                  **({"OnFailure": "DO_NOTHING"} if verb == "create" else {"DisableRollback": True}),
                  Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
        except ClientError as error:
            raise Failure(f"the template was rejected: {error}")
        self.exists = True
        status = self.wait()
        if status != f"{verb.upper()}_COMPLETE":
            raise Failure(f"{verb} of the stack ended as {status}: {self.reasons()}")
        described = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]
        say(f"stack: {status} in {time.monotonic() - started:.1f} s")
        return {o["OutputKey"]: o["OutputValue"] for o in described.get("Outputs", [])}

    def delete(self):
        """Deletes the stack, also after a failure, to test that the migration answers the Delete of its custom resource."""
        if not self.exists or not self.emulator.alive():
            return
        self.exists = False
        started = time.monotonic()
        self.cloudformation.delete_stack(StackName=STACK)
        status = self.wait(gone="DELETE_COMPLETE")
        if status != "DELETE_COMPLETE":
            raise Failure(f"deleting the stack ended as {status}: {self.reasons()}")
        say(f"stack: {status} in {time.monotonic() - started:.1f} s")

    def wait(self, gone=None, timeout=180):
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


# ---- the emulator -------------------------------------------------------------------------------------------------------

class Emulator:
    """A ministack in a process group of its own, without our environment variables, because its functions inherit its own."""

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
            # The host that custom resources answer to; `localhost` may be ::1, on which ministack does not listen.
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            # Policies of roles, queues and functions are enforced.
            "AUTH": "true",
            # By default it listens for MQTT on a fixed port, on every address.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PYTHONUNBUFFERED": "1",
        }
        started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, str(HERE / "emulator_gaps.py")], env=environment, cwd=self.folder,
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
        if self.process is None:
            return
        for signal_, limit in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(self.process.pid, signal_)
            except ProcessLookupError:
                break
            try:
                self.process.wait(limit)
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
            config = Config(proxies={}, read_timeout=600, retries={"max_attempts": 1}, s3={"addressing_style": "path"})
            self.clients[service] = session.client(service, endpoint_url=self.endpoint, config=config)
        return self.clients[service]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
