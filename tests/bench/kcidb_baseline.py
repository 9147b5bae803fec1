"""Submissions to rows as one would write it in Python: json, then executemany with ON CONFLICT, 50 files a transaction.

Tables as ours, but with the log excerpt in the row. Neither validates nor announces. Prints objects per second.
"""
import json
import sys
import time
import zipfile

import psycopg
from psycopg.types.json import Jsonb

url, archive = sys.argv[1:]
LISTS = ["checkouts", "builds", "tests", "issues", "incidents"]
NESTED = {"environment", "number", "culprit"}
RENAMED = {"message_id": "mail_message_id"}
LEFT_OUT = {"contacts", "waived", "test_status", "build_valid", "_timestamp"}

with zipfile.ZipFile(archive) as files:
    bodies = [files.read(name) for name in files.namelist() if name.endswith(".json")]

with psycopg.connect(url) as db:
    columns = {}
    for name in LISTS:
        db.execute(f"DROP TABLE IF EXISTS base_{name}")
        db.execute(f"CREATE TABLE base_{name} (LIKE kcidb_{name} INCLUDING ALL)")
        db.execute(f"ALTER TABLE base_{name} ADD log_excerpt text")
        kept = db.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [f"base_{name}"])
        provenance = {"message_id", "message_at", "older", "received_at", "log_excerpt_sha256"}
        columns[name] = [column for (column,) in kept if column not in provenance]


def flat(thing):
    row = {}
    for key, value in thing.items():
        if key in NESTED:
            row.update({f"{key}_{inner}": content for inner, content in value.items()})
        elif key == "valid" and "checkout_id" in thing:
            row["status"] = "PASS" if value else "FAIL"
        elif key not in LEFT_OUT:
            row[RENAMED.get(key, key)] = value
    return {key: Jsonb(value) if isinstance(value, (dict, list)) else value for key, value in row.items()}


def upsert(name):
    names = columns[name]
    key = ["id", "version"] if name == "issues" else ["id"]
    values = ", ".join(f"%({column})s" for column in names)
    updates = ", ".join(f"{c} = coalesce(t.{c}, excluded.{c})" for c in names if c not in key)
    return (f"INSERT INTO base_{name} AS t ({', '.join(names)}, message_id) VALUES ({values}, 'x') "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}")


count = 0
start = time.perf_counter()
with psycopg.connect(url) as db:
    for first in range(0, len(bodies), 50):
        rows = {name: [] for name in LISTS}
        for body in bodies[first:first + 50]:
            document = json.loads(body)
            for name in LISTS:
                rows[name] += [flat(thing) for thing in document.get(name, [])]
        with db.transaction(), db.cursor() as cursor:
            for name in LISTS:
                if rows[name]:
                    empty = dict.fromkeys(columns[name])
                    ordered = sorted(rows[name], key=lambda row: row["id"])
                    cursor.executemany(upsert(name), [empty | row for row in ordered])
                    count += len(ordered)
print(count / (time.perf_counter() - start))
