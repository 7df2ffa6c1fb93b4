"""A page of metrics such as docs/metrics.md says an operator has: for the queries of its dashboard
where no cluster is. Whoever writes a name that is not documented gets no data."""

import http.server
import math
import re
import threading
import time

import repository

VALUES = {
    "controller": ["queue"], "name": ["queue"], "host": ["api:443"], "verb": ["GET", "PATCH"],
    "result": ["success", "error", "requeue", "requeue_after"], "code": ["200", "409"],
    "method": ["GET", "PATCH"], "version": ["0"], "revision": ["0"],
    "namespace": ["shop"], "queue": ["orders"], "subscription": ["billing"],
    "limited_by": ["Stabilization"], "reason": ["BacklogPerReplica", "Idle"],
}
STATES = {"sluice_operator_queues": ["Ready", "Reconciling", "Stalled", "Deleting"],
          "sluice_operator_broker_links": ["connected", "waiting"]}
BOUNDS = ["0.001", "0.01", "0.1", "1", "+Inf"]


def rows():
    """(name, type, labels) of the section "Operator"."""
    text = (repository.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    section = text.split("\n## Operator\n")[1].split("\n## ")[0]
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| ?([\w, ]*?) ?\|", section,
                                         re.M):
        yield name, kind, [one for one in labels.replace(" ", "").split(",") if one]


def label_sets(name, labels):
    sets = [{}]
    for label in labels:
        values = STATES[name] if label == "state" else VALUES[label]
        sets = [{**one, label: value} for one in sets for value in values]
    return sets


def page(seconds):
    """The text of the page some time after the operator's start."""
    lines = []
    for name, kind, labels in rows():
        lines.append(f"# TYPE {name} {kind}")
        for number, one in enumerate(label_sets(name, labels), 1):
            text = ", ".join(f'{label}="{value}"' for label, value in one.items())
            if kind == "histogram":
                for rank, bound in enumerate(BOUNDS, 1):
                    inside = ", ".join(filter(None, [text, f'le="{bound}"']))
                    lines.append(f"{name}_bucket{{{inside}}} {int(rank * seconds * number)}")
                lines.append(f"{name}_sum{{{text}}} {seconds}")
                lines.append(f"{name}_count{{{text}}} {int(len(BOUNDS) * seconds * number)}")
            elif kind == "counter":
                lines.append(f"{name}{{{text}}} {int(number * seconds)}")
            else:
                lines.append(f"{name}{{{text}}} {number + math.sin(seconds / 10):.3f}")
    return "\n".join(lines) + "\n"


class OperatorPage:
    """Serves the page on a free port while `with` lasts."""

    def __enter__(self):
        begin = time.monotonic()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = page(time.monotonic() - begin).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_address[1]}"
