"""A real Prometheus on a free port, in a folder of its own, that scrapes what it is told."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import repository

SECONDS_MAX = 30


class Target:
    """`JOB=HOST:PORT[,LABEL=VALUE...]`; with honor_labels the target's own labels win."""

    def __init__(self, job, address, labels=None, honor_labels=False):
        self.job, self.address = job, address
        self.labels, self.honor_labels = labels or {}, honor_labels

    @classmethod
    def parse(cls, text):
        job, _, rest = text.partition("=")
        address, *labels = rest.split(",")
        if not job or ":" not in address:
            raise ValueError(f"JOB=HOST:PORT[,LABEL=VALUE...], not {text}")
        # The operator tells of queues in other namespaces than its own.
        return cls(job, address, dict(one.split("=", 1) for one in labels),
                   honor_labels="operator" in job)

    def config(self):
        return {"job_name": f"{self.job}", "honor_labels": self.honor_labels,
                "static_configs": [{"targets": [self.address], "labels": self.labels}]}


class Prometheus:
    """Started by `with`; ends with it."""

    def __init__(self, folder, targets, rules=()):
        self.folder = folder
        jobs = {}
        for target in targets:
            config = target.config()
            if target.job in jobs:
                jobs[target.job]["static_configs"] += config["static_configs"]
            else:
                jobs[target.job] = config
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [str(path) for path in rules],
                  "scrape_configs": list(jobs.values())}
        self.config = folder / "prometheus.yaml"
        self.config.write_text(json.dumps(config), encoding="utf-8")
        self.log = folder / "prometheus.log"
        self.process = self.url = None

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.config}",
                 f"--storage.tsdb.path={self.folder / 'tsdb'}",
                 "--web.listen-address=127.0.0.1:0", "--log.format=json"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=repository.ROOT)
        try:
            self.url = self._wait(self._listening, "it listens")
            self._wait(self._ready, "it is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def _wait(self, condition, what):
        end = time.monotonic() + SECONDS_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            value = condition()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"prometheus, {what}:\n{self.log.read_text(encoding='utf-8')}")

    def _listening(self):
        found = re.search(r'"Listening on"|"address":"127\.0\.0\.1:([1-9]\d*)"',
                          self.log.read_text(encoding="utf-8"))
        return f"http://127.0.0.1:{found[1]}" if found and found[1] else None

    def _ready(self):
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False


class Api:
    """What a dashboard asks of Prometheus."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def get(self, path, **query):
        request = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    def range(self, expression, begin, end, step):
        """[(labels, [(time, value)...])...]"""
        found = self.get("query_range", query=expression, start=begin, end=end, step=step)
        return [(one["metric"], [(at, float(value)) for at, value in one["values"]])
                for one in found["result"]]

    def now(self, expression):
        """[(labels, value)...]"""
        found = self.get("query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]
