#!/usr/bin/env python3
"""Measures the web UI with a large database: every page and list under load, and every statement with its plan.

    .ci/sizes.py                    a million runs and 100,000 merge requests, in target/sizes (once, about 3 GB, some minutes)
    .ci/sizes.py --runs 20000 --merge-requests 2000

Needs wrk, and PostgreSQL's auto_explain (Debian has packages of both). Addresses are read from the navigation and the document
of the API, so that new pages are measured too. Fails when a statement takes more than --most ms.
"""

import argparse, html, json, os, pathlib, re, signal, subprocess, sys, time, urllib.error, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORK = ROOT / "target/sizes"


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--merge-requests", type=int, default=100_000)
    parser.add_argument("--folder", type=pathlib.Path, default=WORK, help="folder of its database")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/hummingbird-status")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=5, help="seconds of load for each address")
    parser.add_argument("--most", type=float, default=100, help="time limit of a statement in milliseconds")
    parser.add_argument("--only", default="", help="only addresses that begin with this")
    opts = parser.parse_args()
    opts.program, opts.folder = opts.program.resolve(), opts.folder.resolve()
    return opts


class Site:
    def __init__(self, opts):
        self.opts = opts
        opts.folder.mkdir(parents=True, exist_ok=True)
        log = open(opts.folder / "up.log", "w+")
        env = {**os.environ, "DATABASE_URL": "", "METRICS_PORT": "0", "RUST_LOG": "warn"}
        self.child = subprocess.Popen([opts.program, "up", "--events", "none", "--listen", "127.0.0.1:0"], cwd=opts.folder,
                                      env=env, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(1200):
            found = re.search(r"Pages on (http:\S+)", (opts.folder / "up.log").read_text())
            if found:
                break
            if self.child.poll() is not None:
                sys.exit((opts.folder / "up.log").read_text())
            time.sleep(0.1)
        self.url = found[1]

    def sql(self, *args):
        command = [self.opts.program, "db", "shell", "--", "-qAtX", "-v", "ON_ERROR_STOP=1", *args]
        return subprocess.run(command, cwd=self.opts.folder, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def fill(self):
        have = int(self.sql("-c", "SELECT count(*) FROM pipelineruns"))
        if have == 0:
            start = time.monotonic()
            self.sql("-c", f"SET sizes.runs = {self.opts.runs}", "-c", f"SET sizes.merge_requests = {self.opts.merge_requests}",
                     "-f", ROOT / "tests/bench/sizes.sql")
            # Autovacuum would do this later; without it there are no index-only scans.
            self.sql("-c", "VACUUM ANALYZE")
            print(f"filled in {time.monotonic() - start:.0f} s")
        for table in ("pipelineruns", "gitlab_merge_requests", "gitlab_pushes", "kcidb_tests", "travis_jobs", "buildkite_builds", "bot_beats", "outbox", "deliveries"):
            print(self.sql("-c", f"SELECT count(*) || ' {table}' FROM {table}"))
        print(self.sql("-c", "SELECT pg_size_pretty(pg_database_size(current_database()))"))

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"accept": "text/html"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def end(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait()


def addresses(site):
    """The pages of the navigation, the newest object of each, filters that are linked or offered, and the lists of the API."""
    first = site.get("/")[1]
    pages = [html.unescape(path) for path in re.findall(r'<li><a href="(/[^"]*)"', first.split("</header>")[0])]
    found = dict.fromkeys(pages)
    for page in pages:
        text = site.get(page)[1]
        kinds = {}
        for link in map(html.unescape, re.findall(r'<a [^>]*?href="(/[^"]*)"', text.split("</header>")[1])):
            kind = (link.split("?")[0].split("/")[1], re.sub(r"=[^&]*", "", link.split("?")[1]) if "?" in link else link.count("/") > 1)
            if kind not in kinds:
                kinds[kind] = found.setdefault(link)
        if 'name="q"' in text:
            found.setdefault(page + "?q=no-such-thing-at-all")
            found.setdefault(page + "?q=4")
        for name, options_ in re.findall(r'<select name="(\w+)">(.*?)</select>', text):
            for value in re.findall(r'<option value="([^"]+)"', options_):
                found.setdefault(f"{page}?{name}={value}")
    document = json.loads(site.get("/api/v1/openapi.json")[1])
    for path in document["paths"]:
        if "{" not in path:
            found.setdefault(path)
    for path in ("/badge.svg", "/feed.atom", "/metrics"):
        found.setdefault(path)
    return [path for path in found if path.startswith(site.opts.only)]


SETTINGS = {"log_min_duration": "0", "log_analyze": "on", "log_buffers": "on", "log_format": "json", "log_timing": "off"}


def reconnect(site):
    """Closes the connections of the program, so that new ones have the settings of auto_explain."""
    site.sql("-c", "SELECT pg_reload_conf()")
    site.sql("-c", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hummingbird-status' AND pid <> pg_backend_pid()")
    time.sleep(1)


def logged(site, begin):
    """The plans of a request: the slowest of each statement. `begin` holds the position in each log, and is updated."""
    time.sleep(0.05)
    plans = {}
    for log in (site.opts.folder / ".hummingbird/log").rglob("*"):
        if not log.is_file():
            continue
        with open(log, errors="replace") as file:
            file.seek(begin.get(log, 0))
            text = file.read()
            begin[log] = file.tell()
        for found in re.finditer(r"duration: ([\d.]+) ms  plan:\s*", text):
            plan, _ = json.JSONDecoder().raw_decode(text[found.end():].replace("\n\t", "\n"))
            name = re.match(r"-- (\w+)", plan["Query Text"])
            if name and float(found[1]) > plans.get(name[1], (0,))[0]:
                plans[name[1]] = (float(found[1]), plan["Plan"])
    return plans


def nodes(plan):
    """The top node, and the node below it that reads the most buffers."""
    def say(node):
        return node["Node Type"] + (f" {node['Index Name']}" if "Index Name" in node else f" {node['Relation Name']}" if "Relation Name" in node else "")

    deepest, node = plan, plan
    while node.get("Plans"):
        node = max(node["Plans"], key=lambda child: child.get("Shared Hit Blocks", 0) + child.get("Shared Read Blocks", 0))
        deepest = node
    return say(plan) if deepest is plan else f"{say(plan)} < {say(deepest)}"


def explain(site, paths):
    """Prints each statement with its plan, at the address where it is slowest. Each address is requested three times, and the
    fastest counts, because the first request finds no data in memory, and other processes may use the machine."""
    database = site.sql("-c", "SELECT quote_ident(current_database())")
    site.sql("-c", f"ALTER DATABASE {database} SET session_preload_libraries = 'auto_explain'")
    for name, value in SETTINGS.items():
        site.sql("-c", f"ALTER SYSTEM SET auto_explain.{name} = '{value}'")
    reconnect(site)
    begin, slow, worst, number = {}, [], {}, {}
    logged(site, begin)
    for path in paths:
        rounds = []
        for _ in range(3):
            status = site.get(path)[0]
            rounds.append(logged(site, begin))
        if status != 200:
            slow.append(f"{path} answers {status}")
        for name in {name for plans in rounds for name in plans}:
            best = min((plans[name] for plans in rounds if name in plans), key=lambda found: found[0])
            number[name] = number.get(name, 0) + 1
            if best[0] > worst.get(name, (0,))[0]:
                worst[name] = (*best, path)
    for name in SETTINGS:
        site.sql("-c", f"ALTER SYSTEM RESET auto_explain.{name}")
    site.sql("-c", f"ALTER DATABASE {database} RESET session_preload_libraries")
    reconnect(site)
    print("\n| statement | addresses | ms | at | top node < where it reads most | rows | buffers |\n|---|--:|--:|---|---|--:|--:|")
    for name, (ms, plan, path) in sorted(worst.items(), key=lambda item: -item[1][0]):
        buffers = plan.get("Shared Hit Blocks", 0) + plan.get("Shared Read Blocks", 0)
        print(f"| {name} | {number[name]} | {ms:.1f} | {path[:60]} | {nodes(plan)} | {plan['Actual Rows']:.0f} | {buffers} |")
        if ms > site.opts.most:
            slow.append(f"{name}: {ms:.0f} ms at {path}")
    return slow


def load(site, paths):
    print(f"\n{site.opts.connections} connections, {site.opts.seconds} s each\n\n| address | requests/s | p50 ms | p99 ms | not 2xx |\n|---|--:|--:|--:|--:|")
    for path in paths:
        command = ["wrk", "-t1", f"-c{site.opts.connections}", f"-d{site.opts.seconds}s", "--timeout", "20s", "--latency", site.url + path]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout

        def ms(percent):
            number, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", said).groups()
            return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]

        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", said)[1]
        print(f"| {path[:90]} | {rate} | {ms(50):.0f} | {ms(99):.0f} | {bad[1] if bad else 0} |", flush=True)


def main():
    opts = options()
    site = Site(opts)
    try:
        site.fill()
        paths = addresses(site)
        slow = explain(site, paths)
        if opts.seconds:
            load(site, paths)
    finally:
        site.end()
    for line in slow:
        print(line)
    sys.exit(1 if slow else 0)


main()
