#!/usr/bin/env python3
"""Measures how long dumping and restoring a large database takes, and deleting its old rows by maintenance.

    .ci/restore.py                  a million runs, a million old rows of each table, in target/restore (about 10 GB, half an hour)
    .ci/restore.py --scale 0.01     a hundredth of both
    .ci/restore.py --only restore   or --only upkeep

Restore: `pg_dump -Fd -j2` and `pg_restore -j2` into an empty database, --rounds times; then every table of both is compared by
the md5 of its rows, sequences by their values, and the schema by its text. Maintenance (upkeep): in a copy, one table after the
other gets old rows, and `hummingbird-status maintenance` runs; the time of a run without old rows is subtracted. Fails when the
databases differ, or old rows are left. Needs psql, pg_dump and pg_restore, not older than the server.
"""

import argparse, json, os, pathlib, re, shutil, statistics, subprocess, sys, time, urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOG = ".hummingbird/log/postgres.log"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000, help="number of pipeline runs; other tables in proportion")
    parser.add_argument("--old", type=int, default=1_000_000, help="old rows of each table")
    parser.add_argument("--scale", type=float, default=1, help="factor for both")
    parser.add_argument("--rounds", type=int, default=3, help="number of dumps and restores, whose median is reported")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target/restore", help="folder of its database")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/hummingbird-status")
    parser.add_argument("--only", choices=["restore", "upkeep"])
    opts = parser.parse_args()
    opts.runs, opts.old = int(opts.runs * opts.scale), int(opts.old * opts.scale)
    opts.program, opts.folder = opts.program.resolve(), opts.folder.resolve()
    return opts


class Server:
    def __init__(self, opts):
        self.opts = opts
        opts.folder.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, "DATABASE_URL": "", "RUST_LOG": "warn"}
        self.run("db", "start")
        self.env["DATABASE_URL"] = self.run("db", "url")
        self.url = url = urllib.parse.urlsplit(self.env["DATABASE_URL"])
        self.name = url.path[1:]
        # The environment of psql and similar programs, so that no password is in a command.
        os.environ.update(PGHOST=url.hostname, PGPORT=str(url.port), PGUSER=url.username, PGPASSWORD=url.password, PGSSLMODE="disable",
                          PGDATABASE=self.name)

    def run(self, *args, database=None):
        """Runs the program, and returns its output."""
        env = {**self.env, "DATABASE_URL": self.url._replace(path="/" + database).geturl()} if database else self.env
        done = subprocess.run([self.opts.program, *args], cwd=self.opts.folder, env=env, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"`{' '.join(map(str, args))}` failed: {done.stdout}")
        return done.stdout.strip()

    def sql(self, *statements, database=None, file=None):
        command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database or self.name]
        for statement in statements:
            command += ["-c", statement]
        if file:
            command += ["-f", file]
        done = subprocess.run(command, env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"psql failed at {' '.join(map(str, command[6:]))[:2000]}")
        return done.stdout.strip()

    def end(self):
        self.env["DATABASE_URL"] = ""
        self.run("db", "stop")


def fill(server):
    server.run("migrate")
    have = int(server.sql("SELECT count(*) FROM pipelineruns"))
    if have == 0:
        start = time.monotonic()
        runs = server.opts.runs
        server.sql(f"SET sizes.runs = {runs}", f"SET sizes.merge_requests = {max(20, runs // 10)}", file=ROOT / "tests/bench/sizes.sql")
        server.sql("VACUUM ANALYZE")
        print(f"filled in {time.monotonic() - start:.0f} s")
    elif have != server.opts.runs:
        sys.exit(f"{server.opts.folder} has {have} runs, not {server.opts.runs}: --folder another, or delete it")


def seconds(*command):
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def tables(server, database=None):
    """The number of rows of every table and the md5 of all of them; the value of every sequence."""
    relations = server.sql("SELECT relkind::text || ' ' || oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                           " AND relkind IN ('r', 'S') ORDER BY 1", database=database).splitlines()
    found = {}
    for relation in relations:
        kind, name = relation.split(" ", 1)
        if kind == "S":
            found[name] = server.sql(f"SELECT last_value || ' ' || is_called FROM {name}", database=database)
        else:
            query = f"SELECT count(*) || ' ' || coalesce(md5(string_agg(h, '' ORDER BY h)), '-') FROM (SELECT md5(t::text) AS h FROM {name} AS t) AS r"
            found[name] = server.sql("SET work_mem = '256MB'", query, database=database)
    return found


def schema(server, database=None):
    said = subprocess.run(["pg_dump", "--schema-only", "-d", database or server.name], check=True, stdout=subprocess.PIPE, text=True).stdout
    # Newer releases of pg_dump begin and end with \restrict and a random key.
    return [line for line in said.splitlines() if not line.startswith("\\")]


def restore(server):
    opts = server.opts
    dump = opts.folder / "dump"
    jobs = f"-j{opts.jobs}"
    dumped, restored, analyzed, size = [], [], [], 0
    for _ in range(opts.rounds):
        shutil.rmtree(dump, ignore_errors=True)
        server.sql("CHECKPOINT")
        dumped.append(seconds("pg_dump", "-Fd", jobs, "-f", dump))
        size = sum(file.stat().st_size for file in dump.iterdir())
        server.sql("DROP DATABASE IF EXISTS restored", "CREATE DATABASE restored", "CHECKPOINT")
        restored.append(seconds("pg_restore", jobs, "--exit-on-error", "-d", "restored", dump))
        analyzed.append(seconds("psql", "-qX", "-d", "restored", "-c", "ANALYZE"))
    shutil.rmtree(dump)
    before, after = tables(server), tables(server, "restored")
    differ = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    whole = server.sql("SELECT pg_size_pretty(pg_database_size(current_database()))")
    rows = sum(int(value.split()[0]) for name, value in before.items() if not name.endswith("_seq"))
    same = schema(server) == schema(server, "restored")
    server.sql("DROP DATABASE restored")
    middle = [f"{statistics.median(times):.1f} s" for times in (dumped, restored, analyzed)]
    print(f"\nRestore: {rows:,} rows in {len(before)} tables and sequences, {whole}: pg_dump -Fd {jobs} {middle[0]}, {size / 1e6:,.0f} MB;"
          f" pg_restore {jobs} {middle[1]}; ANALYZE {middle[2]}; medians of {opts.rounds};"
          f" {'all tables are the same' if not differ else 'DIFFERENT: ' + ', '.join(sorted(differ))}"
          f"{'' if same else '; SCHEMA DIFFERS'}", flush=True)
    return not differ and same


# The old rows of each table: its name for the printed table, the tables for VACUUM, and the SQL that makes :n rows.
OLD = {
    "outbox": ("outbox and deliveries (an event with one delivery)", ["outbox", "deliveries"], """
        TRUNCATE outbox, deliveries;
        INSERT INTO outbox (family, event, key, attributes, payload, created_at, routed_at)
        SELECT 'kcidb', 'build.finished', 'old-' || i, '{"origin": "redhat"}', jsonb_build_object('state', 'passed', 'id', md5(i::text)), t.at, t.at
        FROM generate_series(1, :n) AS i, LATERAL (SELECT now() - interval '400 days' + i * interval '10 seconds' AS at) AS t ORDER BY i;
        INSERT INTO outbox (family, event, key, attributes, payload, created_at, routed_at)
        SELECT 'kcidb', 'build.finished', 'new-' || i, '{}', '{"state": "passed"}', now(), now() FROM generate_series(1, :n / 10) AS i;
        INSERT INTO deliveries (outbox_id, target, created_at, family, key, state, delivered_at)
        SELECT id, 'hook', created_at, family, key, 'delivered', created_at FROM outbox ORDER BY id"""),
    "commit_statuses": ("commit_statuses", ["commit_statuses"], """
        INSERT INTO commit_statuses (target, repo, sha, context, name, wanted_state, wanted_description, version_number, version_at, version_tie,
            outbox_id, wanted_at, state)
        SELECT 'ghe', 'redhat/hummingbird', md5('old' || i) || left(md5(i || 'old'), 8), 'ci/build', 'ci/build', 'success', 'passed', 1, now(), '', i,
            now() - interval '200 days' + i * interval '1 second', 'delivered'
        FROM generate_series(1, :n) AS i"""),
    "refused": ("refused, row by row (1 kB each)", ["refused_default"], """
        INSERT INTO refused (id, sent_at, reason, detail, attributes, body, received_at)
        SELECT 'old-' || i, t.at, 'bad-field', 'status: expected a text, got a number', '{}', convert_to(repeat(md5(i::text), 32), 'UTF8'), t.at
        FROM generate_series(1, :n) AS i, LATERAL (SELECT now() - interval '800 days' + i * interval '10 seconds' AS at) AS t"""),
    "bot_beats": ("bot_beats (transitions)", ["bot_beats_default"], """
        INSERT INTO bots (name, status, meta, warnings, updated_at, message_id, message_at)
        SELECT 'old-' || i, 'ok', '{}', '{}', now(), 'old-' || i, now() FROM generate_series(0, greatest(1, :n / 1000) - 1) AS i;
        INSERT INTO bot_beats (name, at, message_id, status, before, message_at)
        SELECT 'old-' || i % greatest(1, :n / 1000), t.at, 'old-' || i, (ARRAY['ok', 'failed'])[1 + (i / greatest(1, :n / 1000)) % 2],
            (ARRAY['failed', 'ok'])[1 + (i / greatest(1, :n / 1000)) % 2], t.at
        FROM generate_series(1, :n) AS i, LATERAL (SELECT now() - interval '1000 days' + i * interval '10 seconds' AS at) AS t"""),
    "kcidb_log_excerpts": ("kcidb_log_excerpts without references (4 kB each)", ["kcidb_log_excerpts"], """
        INSERT INTO kcidb_log_excerpts (sha256, text, received_at)
        SELECT sha256(i::text::bytea), repeat(md5(i::text), 128), now() - interval '30 days' FROM generate_series(1, :n) AS i"""),
    "kcidb_receipts": ("kcidb_receipts", ["kcidb_receipts"], """
        INSERT INTO kcidb_receipts (id, submitter, objects, received_at)
        SELECT 'old-' || i, 'maestro', 10, now() - interval '200 days' + i * interval '1 second' FROM generate_series(1, :n) AS i"""),
}
# Old rows of a table that are kept: the last transitions of each bot.
KEPT = {"bot_beats": lambda old: 11 * max(1, old // 1000)}


def run_maintenance(server):
    """Runs maintenance. Returns the seconds, the report, and from the server's log the number of transactions and the longest
    statement with its milliseconds."""
    # Statistics are gathered once a day, so only the first run does that.
    server.sql("DELETE FROM upkeep_passes WHERE task = 'log_excerpts'", "CHECKPOINT", database="upkeep")
    begin = (server.opts.folder / LOG).stat().st_size
    start = time.monotonic()
    report = json.loads(server.run("maintenance", "--time-limit", "86400", database="upkeep"))
    took = time.monotonic() - start
    with open(server.opts.folder / LOG, errors="replace") as log:
        log.seek(begin)
        found = re.findall(r"duration: ([\d.]+) ms  execute [^:]+: -- (\w+)", log.read())
    longest = max(((float(ms), name) for ms, name in found), default=(0, "-"))
    return took, report, sum(name in ("maintenance_lock", "maintenance_lock") for _, name in found), longest


def maintenance(server):
    old = server.opts.old
    server.sql("DROP DATABASE IF EXISTS upkeep", f"CREATE DATABASE upkeep TEMPLATE {server.name}", database="postgres")
    server.sql("ALTER SYSTEM SET log_min_duration_statement = 0", database="postgres")
    server.sql("SELECT pg_reload_conf()", database="postgres")
    # The first run deletes the old ones of the generated rows.
    run_maintenance(server)
    empty = statistics.median(run_maintenance(server)[0] for _ in range(5))
    print(f"\nMaintenance: {old:,} old rows of each table beside {server.opts.runs:,} runs; a run without any takes {empty:.2f} s\n\n"
          "| table | rows | s | rows/s | transactions | longest statement |\n|---|--:|--:|--:|--:|---|", flush=True)
    right = True
    for table, (what, vacuum, script) in OLD.items():
        script = f"SET statement_timeout = 0; SET synchronous_commit = off; {script.replace(':n', str(old))}"
        server.sql(script, database="upkeep")
        for name in vacuum:
            server.sql(f"VACUUM ANALYZE {name}", database="upkeep")
        took, report, transactions, (ms, statement) = run_maintenance(server)
        rows = {gone["table"]: gone["rows"] for gone in report["gone"]}
        expected = old - KEPT.get(table, lambda _: 0)(old)
        if rows.get(table, 0) < expected or report["left"]:
            print(f"{table}: {expected} rows should have been deleted: {report}")
            right = False
        took = max(took - empty, 0.001)
        print(f"| {what} | {rows.get(table, 0):,} | {took:.1f} | {rows.get(table, 0) / took:,.0f} | {transactions} | {statement} {ms:,.0f} ms |", flush=True)
    server.sql("ALTER SYSTEM RESET log_min_duration_statement", database="postgres")
    server.sql("SELECT pg_reload_conf()", "DROP DATABASE upkeep", database="postgres")
    return right


def main():
    opts = options()
    server = Server(opts)
    try:
        fill(server)
        right = [part(server) for name, part in (("restore", restore), ("upkeep", maintenance)) if opts.only in (None, name)]
    finally:
        server.end()
    sys.exit(0 if all(right) else 1)


main()
