"""Pages as one would write them in Python: http.server with a thread and a connection for each client, psycopg, plain tables.

Asks what the given file says for each address, on a session like ours. Prints where it listens; serves until it is ended.
"""
import html
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

url, asked = sys.argv[1:]
with open(asked) as file:
    PAGES = {page["path"]: page for page in json.load(file)}
local = threading.local()


def results(page):
    if not hasattr(local, "db"):
        local.db = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.RawCursor, options="-c jit=off -c timezone=UTC")
    for statement in page["statements"]:
        cursor = local.db.execute(statement["sql"], statement["parameters"])
        yield [column.name for column in cursor.description], cursor.fetchall()


def cells(row):
    return [html.escape("" if value is None else str(value)) for value in row]


def table(names, rows):
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells(row)) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def body(path, page):
    if path.startswith("/api/"):
        lists = [[dict(zip(names, row)) for row in rows] for names, rows in results(page)]
        return "application/json", json.dumps(lists, default=str)
    if path.endswith(".svg"):
        texts = [" ".join(cells(row)) for _, rows in results(page) for row in rows]
        return "image/svg+xml", f'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"><text y="14">{texts}</text></svg>'
    if path.endswith(".atom"):
        entries = [f"<entry><title>{' '.join(cells(row))}</title></entry>" for _, rows in results(page) for row in rows]
        return "application/atom+xml", f'<feed xmlns="http://www.w3.org/2005/Atom">{"".join(entries)}</feed>'
    tables = "".join(table(names, rows) for names, rows in results(page))
    return "text/html; charset=utf-8", f"<!DOCTYPE html><html><body>{tables}</body></html>"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write for an answer: two wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        kind, text = body(self.path, PAGES[self.path])
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(f"http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
