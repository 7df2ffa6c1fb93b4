#!/usr/bin/env -S python3 -B
"""Measures the operator with many Queues on a control plane: the numbers of docs/scale.md.

    tests/cluster/with --control-plane-only -- tests/cluster/e2e/scale.py --queues 200

Objects are made and no pod runs, so brokers and their links cost nothing here. What was installed
and made for it goes at the end.
"""

import argparse
import collections
import json
import os
import platform
import signal
import sys
import time

from operator_process import (SYSTEM, ControlPlane, Operator, audit, own_time, wait_for,
                              wait_quiet)

QUEUES = "apis/sluice.dev/v1alpha1"
ADMIN = "sluice-test-admin"
NAMESPACE = "scale"
SINGLE_MAX = 50  # made one after the other, for the operator's own time
REST_SECONDS = 40  # after which the operator has given memory back (operator/app/heap_trim.h)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def a_minute(count, seconds):
    return round(count * 60 / seconds, 1)


class Fleet:
    """The Queues of a measurement, each with a broker of its own, in one namespace."""

    def __init__(self, kube, seconds):
        self.kube, self.seconds = kube, seconds
        self.path = f"/{QUEUES}/namespaces/{NAMESPACE}/queues"

    def open(self):
        if self.kube.exists(f"/api/v1/namespaces/{NAMESPACE}"):
            raise SystemExit(f"namespace {NAMESPACE} is there already: remove it first")
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                         "metadata": {"name": NAMESPACE}})
        # The controllers put these into each new namespace.
        wait_for("its account", lambda: self.kube.exists(
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"), 30)

    def create(self, number):
        self.kube.call("POST", self.path, {
            "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
            "metadata": {"name": f"q{number:04}", "namespace": NAMESPACE},
            "spec": {"limits": {"messages": 1000, "bytes": "64Mi"},
                     "deadLetter": {"bytes": "16Mi"}, "deletionPolicy": "Delete",
                     "broker": {"storage": {"size": "1Gi"}}}})

    def count(self, path):
        """How many there are, without having all of them sent; None: the API server is busy."""
        try:
            page = self.kube.get(f"{path}?limit=1")
        except TimeoutError:
            return None
        return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)

    def sets(self):
        return self.count(f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets")

    def observed(self):
        return sum(1 for queue in self.kube.items(self.path)
                   if queue.get("status", {}).get("observedGeneration") ==
                   queue["metadata"]["generation"])

    def wait(self, what, count, wanted, operator):
        """Until count() is that; how far it is goes to standard error."""
        told = time.monotonic()

        def ready():
            nonlocal told
            time.sleep(max(wanted / 1000, 0.1))  # a list costs, and is no part of it
            found = count()
            if time.monotonic() - told > 5 and found != wanted:
                told = time.monotonic()
                say(f"{what}: {found} of {wanted}")
            return found == wanted
        wait_for(what, ready, self.seconds, operator.child)

    def delete(self, number):
        self.kube.call("DELETE", f"{self.path}/q{number:04}", seconds=60)

    def left(self):
        return self.count(self.path)

    def objects_left(self):
        """Of brokers; of ConfigMaps and ServiceAccounts a namespace has some of its own."""
        return sum(self.count(path) or 0 for path in (
            f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets",
            f"/api/v1/namespaces/{NAMESPACE}/services",
            f"/api/v1/namespaces/{NAMESPACE}/secrets",
            f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
            f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"))

    def close(self):
        """Also after a failure, when no operator is there that lets Queues go."""
        if not self.kube.exists(f"/api/v1/namespaces/{NAMESPACE}"):
            return
        for queue in self.kube.get(self.path, missing={"items": []})["items"]:
            self.kube.merge(f"{self.path}/{queue['metadata']['name']}",
                            {"metadata": {"finalizers": None}})
        self.kube.delete(f"/api/v1/namespaces/{NAMESPACE}")
        wait_for("the namespace gone", lambda: not self.kube.exists(
            f"/api/v1/namespaces/{NAMESPACE}"), self.seconds)


def sendings(plane, begin):
    """From each Queue's acceptance to the request that makes its StatefulSet."""
    return list(own_time.sendings(plane.follow(begin, ADMIN, writes=True).more(),
                                  plane.requests(begin)).values())


def by_verb(requests, divisor):
    verbs = collections.Counter(r.verb for r in requests)
    return {verb: round(count / divisor, 2) for verb, count in verbs.most_common()}


def make_all(plane, fleet, operator, count, report):
    begin = audit.now()
    single = min(SINGLE_MAX, count)
    say(f"{single} Queues one after the other")
    for number in range(single):
        fleet.create(number)
        wait_for("its set", lambda number=number: (fleet.sets() or 0) > number, 30,
                 operator.child)
    found = sendings(plane, begin)
    times = [one.milliseconds for one in found]
    report["set_ms_median"] = round(percentile(times, 0.5), 1)
    report["set_ms_p90"] = round(percentile(times, 0.9), 1)
    report["set_ms_max"] = round(max(times), 1)
    report["set_ratio_median"] = round(percentile([one.ratio for one in found], 0.5), 2)
    report["set_requests_max"] = max(one.requests for one in found)
    report["late"] = own_time.late(found)

    say(f"{count - single} more as quickly as they can be made")
    clock, burst, cpu = time.monotonic(), audit.now(), operator.cpu_seconds()
    for number in range(single, count):
        fleet.create(number)
    report["burst_queues"] = count - single
    report["burst_created_seconds"] = round(time.monotonic() - clock, 1)
    fleet.wait("StatefulSets", fleet.sets, count, operator)
    report["burst_sets_seconds"] = round(time.monotonic() - clock, 1)
    fleet.wait("reconciled", fleet.observed, count, operator)
    report["burst_reconciled_seconds"] = round(time.monotonic() - clock, 1)
    report["burst_cpu_seconds"] = round(operator.cpu_seconds() - cpu, 1)
    late = [one.milliseconds for one in sendings(plane, burst)]
    report["burst_set_ms_median"] = round(percentile(late, 0.5), 1)
    report["burst_set_ms_p90"] = round(percentile(late, 0.9), 1)
    wait_quiet(plane, begin, 3, fleet.seconds)
    report["until_quiet_seconds"] = round(time.monotonic() - clock, 1)

    asked = plane.requests(begin)
    report["cpu_ms_a_queue"] = round(operator.cpu_seconds() / count * 1000, 1)
    report["rss_mib"] = round(operator.resident_mib(), 1)
    report["rss_peak_mib"] = round(operator.resident_mib(peak=True), 1)
    report["requests_a_queue"] = round(len(asked) / count, 1)
    report["requests_a_queue_by_verb"] = by_verb(asked, count)
    kinds = collections.Counter(f"{r.verb} {r.resource}" for r in asked)
    report["requests_a_queue_by_kind"] = {
        name: round(number / count, 2) for name, number in kinds.most_common(24)}
    refused = collections.Counter(f"{r.status} {r.verb} {r.resource}" for r in asked
                                  if r.status >= 400)
    report["refused"] = dict(refused.most_common(8))


def stand_still(plane, operator, seconds, report):
    say(f"nothing happens for {seconds:.0f} s")
    begin, cpu = audit.now(), operator.cpu_seconds()
    time.sleep(seconds)
    asked = plane.requests(begin)
    report["idle_requests_a_minute"] = a_minute(len(asked), seconds)
    report["idle_writes_a_minute"] = a_minute(sum(r.verb in audit.WRITES for r in asked), seconds)
    report["idle_requests"] = dict(collections.Counter(
        f"{r.verb} {r.resource}" for r in asked).most_common(8))
    report["idle_cpu_percent"] = round((operator.cpu_seconds() - cpu) / seconds * 100, 2)


def take_over(plane, fleet, operator, count, report):
    """Another process finds everything as it is wanted, and then takes it away."""
    begin, clock = audit.now(), time.monotonic()
    operator.wait_until_it_answers()
    say("another operator takes over")
    wait_for("the first reconciliation", lambda: operator.total(
        "controller_runtime_reconcile_total"), fleet.seconds, operator.child)
    report["restart_first_reconciled_seconds"] = round(time.monotonic() - clock, 1)
    operator.wait_until_idle(fleet.seconds)
    report["restart_all_reconciled_seconds"] = round(time.monotonic() - clock, 1)
    report["restart_reconciled"] = operator.total("controller_runtime_reconcile_total")
    wait_quiet(plane, begin, 5, fleet.seconds)
    asked = plane.requests(begin)
    report["restart_writes"] = sum(r.verb in audit.WRITES for r in asked)
    report["restart_seconds"] = round(
        max(((r.at - begin).total_seconds() for r in asked), default=0.0), 1)
    report["restart_requests_a_queue"] = round(len(asked) / count, 2)
    report["restart_rss_mib"] = round(operator.resident_mib(), 1)
    delete_all(plane, fleet, operator, count, report)


def delete_all(plane, fleet, operator, count, report):
    say("all are deleted")
    begin, clock, cpu = audit.now(), time.monotonic(), operator.cpu_seconds()
    for number in range(count):
        fleet.delete(number)
    report["delete_asked_seconds"] = round(time.monotonic() - clock, 1)
    fleet.wait("Queues gone", fleet.left, 0, operator)
    report["deleted_seconds"] = round(time.monotonic() - clock, 1)
    asked = plane.requests(begin)
    report["delete_requests_a_queue"] = round(len(asked) / count, 1)
    report["delete_requests_a_queue_by_verb"] = by_verb(asked, count)
    report["delete_cpu_ms_a_queue"] = round((operator.cpu_seconds() - cpu) / count * 1000, 1)
    report["deleted_rss_mib"] = round(operator.resident_mib(), 1)
    fleet.wait("objects gone", fleet.objects_left, 0, operator)
    report["collected_seconds"] = round(time.monotonic() - clock, 1)
    report["rested_rss_mib"] = rested_mib(operator)


def rested_mib(operator):
    """When it has given back what it needs no more."""
    time.sleep(REST_SECONDS)
    return round(operator.resident_mib(), 1)


def make_waves(plane, fleet, operator, count, waves, report):
    """The same once more, by the same process: a leak grows."""
    for wave in range(2, waves + 1):
        say(f"wave {wave}")
        for number in range(count):
            fleet.create(number)
        fleet.wait("reconciled", fleet.observed, count, operator)
        full = round(operator.resident_mib(), 1)
        gone = {}
        delete_all(plane, fleet, operator, count, gone)
        report[f"wave_{wave}_rss_mib"] = {"full": full, "deleted": gone["deleted_rss_mib"],
                                          "rested": gone["rested_rss_mib"]}


def measure(plane, count, quiet, seconds, waves):
    """One that fails half-way tells what it has found so far."""
    fleet = Fleet(plane.kube, seconds)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    report = {"queues": count, "processors": os.cpu_count(), "machine": platform.machine(),
              "memory_gib": round(memory / 2**30)}
    fleet.open()
    try:
        with Operator(plane) as operator:
            operator.wait_until_it_answers()
            report["empty_rss_mib"] = round(operator.resident_mib(), 1)
            make_all(plane, fleet, operator, count, report)
            stand_still(plane, operator, quiet, report)
        with Operator(plane) as operator:
            take_over(plane, fleet, operator, count, report)
            make_waves(plane, fleet, operator, count, waves, report)
    except BaseException:
        say(f"so far: {json.dumps(report)}")
        raise
    finally:
        say("cleaning up")
        fleet.close()
    return report


def broken(report):
    """What docs/scale.md and docs/operator.md promise and this measurement has not shown."""
    yield from report["late"]
    for name in ("idle_writes_a_minute", "restart_writes"):
        if report[name]:
            yield f"{name} is {report[name]}"


def table(report):
    rows = []
    for name, value in report.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {number}" for key, number in value.items()) or "none"
        rows.append(f"{name.replace('_', ' '):28} {value}")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queues", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--quiet-seconds", type=float, default=60,
                        help="how long to watch it stand still (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=1200,
                        help="the longest that a step may take (default: %(default)s)")
    parser.add_argument("--waves", type=int, default=1,
                        help="how often all are made and deleted (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object, not a table")
    parser.add_argument("--check", action="store_true",
                        help="exit code 1 when it writes in steady state, or sends late")
    arguments = parser.parse_args()
    if arguments.queues < 1 or arguments.quiet_seconds <= 0 or arguments.seconds <= 0:
        parser.error("numbers above zero")
    if "SLUICE_CLUSTER" not in os.environ:
        parser.error("no cluster: run it by tests/cluster/with --control-plane-only --")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that it cleans up

    plane = ControlPlane()
    was_there = plane.kube.exists(f"/api/v1/namespaces/{SYSTEM}")
    plane.install()
    try:
        report = measure(plane, arguments.queues, arguments.quiet_seconds, arguments.seconds,
                         arguments.waves)
    finally:
        if not was_there:
            plane.uninstall()
    print(json.dumps(report, indent=1) if arguments.json else table(report))
    wrong = list(broken(report)) if arguments.check else []
    for problem in wrong:
        say(problem)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
