"""Renders the chart with helm, as a user would."""

import os
import pathlib
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "sluice"
RELEASE, NAMESPACE = "sluice", "sluice-system"
HELM_TIMEOUT_S = 60
# The definition is long, and the reader in C ten times as quick.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Invalid(Exception):
    """helm refuses; the message is what it says."""


def helm():
    """Where helm is: $SLUICE_CLUSTER_BIN or the PATH; None where there is none."""
    return shutil.which("helm", path=os.environ.get("SLUICE_CLUSTER_BIN")) or shutil.which("helm")


def run(*arguments):
    done = subprocess.run([helm(), *arguments], capture_output=True, text=True,
                          timeout=HELM_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Invalid(done.stdout + done.stderr)
    return done.stdout


def text(values=None, release=RELEASE, namespace=NAMESPACE):
    """What `helm template` prints, with `values` as a user would give them in a file."""
    arguments = ["template", release, str(CHART), "--namespace", namespace]
    done = subprocess.run([helm(), *arguments, "--values", "-"], input=yaml.safe_dump(values or {}),
                          capture_output=True, text=True, timeout=HELM_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise Invalid(done.stderr)
    return done.stdout


class Rendered:
    """The objects of a release."""

    def __init__(self, values=None, **where):
        self.objects = [one for one in yaml.load_all(text(values, **where), LOADER) if one]

    def of(self, kind):
        return [one for one in self.objects if one["kind"] == kind]

    def names(self, kind):
        return [one["metadata"]["name"] for one in self.of(kind)]

    def one(self, kind, name=None):
        found = [one for one in self.of(kind) if name in (None, one["metadata"]["name"])]
        assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
        return found[0]

    @property
    def pod(self):
        """The operator's pod template."""
        return self.one("Deployment")["spec"]["template"]

    @property
    def container(self):
        return self.pod["spec"]["containers"][0]

    def rules(self, kind, name):
        return self.one(kind, name)["rules"]
