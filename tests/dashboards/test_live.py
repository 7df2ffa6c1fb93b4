#!/usr/bin/env python3
"""Every query of the dashboards returns data on a real Prometheus, and every alert is evaluated.

    test_live.py --bin FOLDER
        a broker under load, and a page of what docs/metrics.md says of the operator
    test_live.py --bin FOLDER --cluster [--image sluice:dev]
        the same load in the cluster of KUBECONFIG, whose operator is scraped, too
    test_live.py --target JOB=HOST:PORT[,LABEL=VALUE...]... [--value NAME=VALUE...] [--only FILE...]
        what runs somewhere else, for example in a cluster: the operator's JOB has `operator` in
        its name, and a broker has the label namespace
"""

import argparse
import contextlib
import pathlib
import shutil
import sys
import tempfile

import cluster_scene
import load
import operator_page
import queries
import repository
import source_flags
from prometheus import Prometheus, Target

SECONDS_MAX = 60
SKIPPED = 77


def problems(targets, values, single, names, seconds):
    rules = sorted(repository.ALERTS.glob("*.yaml"))
    with tempfile.TemporaryDirectory(prefix="sluice-prometheus-") as folder:
        with Prometheus(pathlib.Path(folder), targets, rules) as prometheus:
            checker = queries.Checker(prometheus.url, values, single)
            count = len(checker.queries(names))
            for (name, title, ref), expression in checker.without_data(names, seconds).items():
                yield f"{name}: {title!r} {ref} has no data: {expression}"
            yield from checker.variables_without_values(names)
            yield from checker.broken_alerts(seconds)
            print(f"{count} queries, {len(checker.api.rules())} alerts")


def local_targets(stack, programs):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-dashboards-"))
    broker = stack.enter_context(load.Broker(folder, programs))
    stack.enter_context(load.Load(broker))
    operator = stack.enter_context(operator_page.OperatorPage())
    return [Target("sluice", broker.metrics, {"namespace": "shop"}),
            Target("sluice-operator", operator.address, honor_labels=True)]


def cluster_targets(stack, programs, image):
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-dashboards-"))
    scene = stack.enter_context(cluster_scene.Scene(folder, programs, image))
    stack.enter_context(load.Load(scene, consumed_elsewhere=["billing"]))
    return cluster_scene.targets()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments = source_flags.parse(parser, SECONDS_MAX)
    if not shutil.which("prometheus"):
        print("prometheus is not installed: SKIPPED")
        sys.exit(SKIPPED)

    names = arguments.only or list(repository.dashboards())
    values = dict(one.split("=", 1) for one in arguments.value)
    with contextlib.ExitStack() as stack:
        targets, single = arguments.target, {}
        if arguments.bin:
            single = {"queue": "orders"}
            targets = (cluster_targets(stack, arguments.bin, arguments.image)
                       if arguments.cluster else local_targets(stack, arguments.bin))
        found = list(problems(targets, values, single, names, arguments.seconds))
    for problem in found:
        print(problem)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
