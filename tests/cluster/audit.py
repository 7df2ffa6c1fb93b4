"""Counts requests in a cluster's audit log: who wrote how often, and what.

    audit.py LOG [--since SECONDS-AGO] [--user PREFIX] [--writes]
"""

import argparse
import collections
import datetime
import json
import pathlib
import sys

WRITES = ("create", "update", "patch", "delete", "deletecollection")


class Request:
    def __init__(self, event):
        self.user = event["user"].get("username", "")
        self.verb = event["verb"]
        target = event.get("objectRef", {})
        self.resource = "/".join(filter(None, (target.get("resource"), target.get("subresource"))))
        self.name = "/".join(filter(None, (target.get("namespace"), target.get("name"))))
        self.status = event.get("responseStatus", {}).get("code", 0)
        self.at = datetime.datetime.fromisoformat(event["requestReceivedTimestamp"])
        self.took = datetime.datetime.fromisoformat(event["stageTimestamp"]) - self.at
        self.agent = event.get("userAgent", "")

    def __str__(self):
        return f"{self.user} {self.verb} {self.resource} {self.name} {self.status}"


class Follower:
    """Requests that were answered, oldest first; `since` is an aware datetime. Each line of the log
    is read once, however often one asks for more."""

    def __init__(self, log, since=None, user="", writes=False):
        self._log, self._since, self._user, self._writes = log, since, user, writes
        # Most lines are somebody else's: found out without reading them as JSON.
        self._mark = f'"username":"{user}'.encode()
        self._position = 0
        self.found = []

    def more(self):
        """All requests so far."""
        with open(self._log, "rb") as lines:
            lines.seek(self._position)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._position += len(line)
                if self._mark in line:
                    self._look_at(json.loads(line))
        return self.found

    def _look_at(self, event):
        if event["stage"] != "ResponseComplete":
            return
        request = Request(event)
        if (not self._since or request.at >= self._since) and \
                request.user.startswith(self._user) and \
                (not self._writes or request.verb in WRITES):
            self.found.append(request)


def requests(log, since=None, user="", writes=False):
    """Requests that were answered, oldest first; `since` is an aware datetime."""
    return Follower(log, since, user, writes).more()


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=pathlib.Path)
    parser.add_argument("--since", type=float, metavar="SECONDS", help="only the last so many")
    parser.add_argument("--user", default="", metavar="PREFIX")
    parser.add_argument("--writes", action="store_true", help="only requests that write")
    arguments = parser.parse_args()
    since = now() - datetime.timedelta(seconds=arguments.since) if arguments.since else None
    counts = collections.Counter(
        (request.user, request.verb, request.resource)
        for request in requests(arguments.log, since, arguments.user, arguments.writes))
    for (user, verb, resource), count in counts.most_common():
        print(f"{count:8} {verb:8} {resource:40} {user}")
    print(f"{sum(counts.values()):8} in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
