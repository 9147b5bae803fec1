"""What a function in Python would do with an SQS event before it writes: unpack and read. Prints the most bytes it had."""
import base64
import gzip
import json
import resource
import sys

import psycopg  # noqa: F401

with open(sys.argv[1]) as file:
    event = json.load(file)
rows = []
for record in event["Records"]:
    message = json.loads(record["body"])["Message"]
    text = message if message.startswith("{") else gzip.decompress(base64.b64decode(message))
    run = json.loads(text)
    rows.append((run["metadata"]["name"], run["metadata"]["uid"], json.dumps(run["metadata"].get("labels"))))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
