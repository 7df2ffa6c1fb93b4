#!/usr/bin/env python3
"""Draws the dashboards as SVG from what a real Prometheus has scraped.

    picture.py --bin FOLDER --out FOLDER [--seconds 240] [--only FILE...]
        a broker under load, for that long
    picture.py --bin FOLDER --cluster [--image sluice:dev] --out FOLDER
        the same load in the cluster of KUBECONFIG, whose operator is scraped, too
    picture.py --target JOB=HOST:PORT... [--value NAME=VALUE...] --out FOLDER
        what runs somewhere else

Grafana is in no package of Debian; these pictures show the same panels with the same queries.
"""

import argparse
import contextlib
import pathlib
import re
import tempfile
import time

import cluster_scene
import load
import queries
import repository
import source_flags
import svg
from prometheus import Prometheus, Target

POINTS = 160


def legend_of(target, labels):
    """`{{queue}}` and so on, as Grafana fills them in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""),
                  target["legendFormat"]).strip()


class Painter:
    """Asks for one dashboard's panels at one time range."""

    def __init__(self, checker, dashboard, begin, end):
        self.checker, self.dashboard = checker, dashboard
        self.times, self.step = (begin, end), max(1, round((end - begin) / POINTS))

    def series(self, panel):
        found = []
        for target in panel["targets"]:
            expression = self.checker.expression(self.dashboard, target["expr"])
            for labels, points in self.checker.api.range(expression, *self.times, self.step):
                found.append((legend_of(target, labels), points))
        return sorted(found)

    def table(self, panel):
        by = [name for name, _ in sorted(
            panel["transformations"][1]["options"]["indexByName"].items(),
            key=lambda one: one[1]) if not name.startswith("Value")]
        units = {one["matcher"]["options"]: one["properties"][0]["value"]
                 for one in panel["fieldConfig"]["overrides"]}
        names = list(panel["transformations"][1]["options"]["renameByName"].values())
        rows = {}
        for rank, target in enumerate(panel["targets"]):
            expression = self.checker.expression(self.dashboard, target["expr"])
            for labels, value in self.checker.api.now(expression):
                key = tuple(labels.get(name, "") for name in by)
                rows.setdefault(key, {})[rank] = svg.number(value, units[names[rank]])
        return by + names, [[*key, *(cells.get(rank, "") for rank in range(len(names)))]
                            for key, cells in sorted(rows.items())]

    def drawing(self, panel):
        place = svg.place_of(panel)
        if panel["type"] == "row":
            return []
        if panel["type"] == "table":
            return svg.draw_table(panel, place, *self.table(panel))
        draw = svg.draw_stat if panel["type"] == "stat" else svg.draw_series
        return draw(panel, place, self.series(panel), self.times, self.step)

    def page(self):
        variables = repository.variables(self.dashboard)
        chosen = {name: value for name, value in self.checker.single.items()
                  if name in variables and not variables[name]["multi"]}
        chosen.update((name, value) for name, value in self.checker.values.items()
                      if name in variables)
        chosen = " · ".join(f"{name} {value}" for name, value in chosen.items())
        title = self.dashboard["title"] + (f" · {chosen}" if chosen else "")
        return svg.page(title, self.dashboard,
                        [(panel, self.drawing(panel)) for panel in self.dashboard["panels"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = source_flags.parse(parser, 240)

    values = dict(one.split("=", 1) for one in arguments.value)
    # Without an operator its dashboard would be empty.
    names = arguments.only or (["overview.json", "queue.json"]
                               if arguments.bin and not arguments.cluster
                               else list(repository.dashboards()))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-picture-"))
        targets, single = arguments.target, {}
        if arguments.bin:
            single = {"queue": "orders"}
        if arguments.cluster:
            keys = stack.enter_context(tempfile.TemporaryDirectory(prefix="sluice-picture-"))
            scene = stack.enter_context(
                cluster_scene.Scene(keys, arguments.bin, arguments.image))
            stack.enter_context(load.Load(scene, consumed_elsewhere=["billing"]))
            targets = cluster_scene.targets()
        elif arguments.bin:
            broker = stack.enter_context(load.Broker(folder, arguments.bin))
            stack.enter_context(load.Load(broker))
            targets = [Target("sluice", broker.metrics)]
        prometheus = stack.enter_context(Prometheus(pathlib.Path(folder), targets))
        begin = time.time()
        # A picture of so much time takes so much time.
        time.sleep(arguments.seconds)
        end = time.time()
        arguments.out.mkdir(parents=True, exist_ok=True)
        checker = queries.Checker(prometheus.url, values, single, begin)
        for name in names:
            path = (arguments.out / f"dashboard-{name}").with_suffix(".svg")
            page = Painter(checker, repository.dashboards()[name], begin, end).page()
            path.write_text(page, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main()
