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
        self.agent = event.get("userAgent", "")

    def __str__(self):
        return f"{self.user} {self.verb} {self.resource} {self.name} {self.status}"


def requests(log, since=None, user="", writes=False):
    """Requests that were answered, oldest first; `since` is an aware datetime."""
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return  # still being written
            event = json.loads(line)
            if event["stage"] != "ResponseComplete":
                continue
            request = Request(event)
            if since and request.at < since or not request.user.startswith(user):
                continue
            if not writes or request.verb in WRITES:
                yield request


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
