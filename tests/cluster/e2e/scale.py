#!/usr/bin/env -S python3 -B
"""Measures the operator with many Queues on a control plane, for docs/scale.md.

    tests/cluster/with --control-plane-only -- tests/cluster/e2e/scale.py --queues 200
"""

import argparse
import collections
import json
import sys
import time

from operator_process import ControlPlane, Operator, audit, wait_for, wait_quiet

QUEUES = "apis/sluice.dev/v1alpha1"
NAMESPACE = "scale"
BATCH = 100  # Queues in one list that kubectl sends


def manifest(number):
    return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
            "metadata": {"name": f"q{number:04}", "namespace": NAMESPACE},
            "spec": {"limits": {"messages": 1000, "bytes": "64Mi"},
                     "deadLetter": {"bytes": "16Mi"}, "deletionPolicy": "Delete",
                     "broker": {"storage": {"size": "1Gi"}}}}


def create(kube, count):
    for number in range(count):
        kube.call("POST", f"/{QUEUES}/namespaces/{NAMESPACE}/queues", manifest(number))


def sets(kube):
    return len(kube.items(f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets"))


def observed(kube):
    return sum(1 for queue in kube.items(f"/{QUEUES}/namespaces/{NAMESPACE}/queues")
               if queue.get("status", {}).get("observedGeneration") ==
               queue["metadata"]["generation"])


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def own_times(plane, begin):
    """Milliseconds from a Queue's acceptance to the request that makes its StatefulSet."""
    accepted = {r.name: r.at for r in audit.requests(
        plane.cluster.logs / "audit.log", begin, "sluice-test-admin", writes=True)
        if r.resource == "queues"}
    first = {}
    for request in plane.requests(begin, writes=True):
        if request.resource == "statefulsets":
            first.setdefault(request.name, request.at)
    return [(first[name] - accepted[name]).total_seconds() * 1000
            for name in first if name in accepted]


def measure(plane, count, quiet):
    kube, report = plane.kube, {"queues": count}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with Operator(plane) as operator:
        wait_for("the operator", operator.metrics, 30, operator.child)
        report["idle_rss_mib"] = round(operator.resident_mib(), 1)
        begin, clock = audit.now(), time.monotonic()
        for number in range(min(50, count)):  # one after the other: its own time
            kube.call("POST", f"/{QUEUES}/namespaces/{NAMESPACE}/queues", manifest(number))
            wait_for("its set", lambda number=number: sets(kube) > number, 30, operator.child)
        times = own_times(plane, begin)
        report["set_sent_ms_median"] = round(percentile(times, 0.5), 1)
        report["set_sent_ms_max"] = round(max(times), 1)
        clock = time.monotonic()
        for number in range(50, count):
            kube.call("POST", f"/{QUEUES}/namespaces/{NAMESPACE}/queues", manifest(number))
        report["created_seconds"] = round(time.monotonic() - clock, 1)
        wait_for("all sets", lambda: sets(kube) == count, 600, operator.child)
        wait_for("all seen", lambda: observed(kube) == count, 600, operator.child)
        report["all_reconciled_seconds"] = round(time.monotonic() - clock, 1)
        wait_quiet(plane, begin, 3, 300)
        report["cpu_seconds_a_queue"] = round(operator.cpu_seconds() / count, 4)
        report["rss_mib"] = round(operator.resident_mib(), 1)
        asked = plane.requests(begin)
        kinds = collections.Counter(f"{r.verb} {r.resource}" for r in asked)
        report["requests_a_queue"] = round(len(asked) / count, 1)
        report["requests"] = {name: round(n / count, 2) for name, n in kinds.most_common(16)}

        steady, cpu = audit.now(), operator.cpu_seconds()
        time.sleep(quiet)
        report["steady_writes"] = len(plane.requests(steady, writes=True))
        report["steady_cpu_percent"] = round((operator.cpu_seconds() - cpu) / quiet * 100, 2)
    # Another operator takes all of them over.
    with Operator(plane) as operator:
        begin, clock = audit.now(), time.monotonic()
        wait_for("the operator", operator.metrics, 30, operator.child)
        wait_quiet(plane, begin, 5, 300)
        report["restart_writes"] = len(plane.requests(begin, writes=True))
        report["restart_requests_a_queue"] = round(len(plane.requests(begin)) / count, 2)
        report["restart_rss_mib"] = round(operator.resident_mib(), 1)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queues", type=int, default=200)
    parser.add_argument("--quiet-seconds", type=float, default=60)
    arguments = parser.parse_args()
    plane = ControlPlane()
    plane.install()
    print(json.dumps(measure(plane, arguments.queues, arguments.quiet_seconds), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
