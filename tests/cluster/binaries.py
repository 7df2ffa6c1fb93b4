"""The programs of a cluster: compiled from Go modules, once a version, outside the checkout."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import skip

HERE = pathlib.Path(__file__).resolve().parent
KUBERNETES = "v1.36.3"
PACKAGES = {
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "coredns": "github.com/coredns/coredns",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
    "provisioner": "./provisioner",
}
PAUSE = "pause"
# What the binaries are made of: another hash is another folder.
INPUTS = ["go.mod", "go.sum", "binaries.py", "pause.c", "provisioner/main.go",
          "provisioner/grow.go"]
KEEP = 3  # folders of older versions stay for switching between branches


def say(text):
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def cache_root():
    cache = os.environ.get("SLUICE_CLUSTER_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return pathlib.Path(cache or pathlib.Path.home() / ".cache") / "sluice" / "cluster"


def version():
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update(f"{name}\n".encode())
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def linker_flags():
    """kubectl and the servers tell the version that the linker wrote into them."""
    major, minor = KUBERNETES[1:].split(".")[:2]
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s", "-w"] + [f"-X {package}.{name}={value}" for package in packages
                                    for name, value in values.items()])


def compile_go(name, package, folder):
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false",
                                "GOTOOLCHAIN": "local", "GOWORK": "off"}
    command = [skip.go(), "build", "-trimpath", "-ldflags", linker_flags(),
               "-o", str(folder / name), package]
    subprocess.run(command, cwd=HERE, env=environment, check=True)


def compile_pause(folder):
    subprocess.run(["cc", "-static", "-Os", "-s", "-o", str(folder / PAUSE), str(HERE / "pause.c")],
                   check=True)


@contextlib.contextmanager
def only_one(root):
    """Two runs do not build the same thing twice: the second waits and finds it built."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is building; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def forget_old(root, keep):
    """Folders that nobody has used for the longest time go."""
    folders = sorted((f for f in root.iterdir() if f.is_dir() and f != keep),
                     key=lambda f: f.stat().st_mtime, reverse=True)
    for folder in folders[KEEP - 1:]:
        shutil.rmtree(folder, ignore_errors=True)


def build():
    """Compiles what is missing; returns the folder of the binaries."""
    root, folder = cache_root(), cache_root() / version()
    with only_one(root):
        missing = [name for name in PACKAGES if not (folder / name).exists()]
        if missing:
            skip.require_go()
        partial = folder / "partial"
        partial.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(missing, 1):
            begin = time.monotonic()
            say(f"compiling {name} ({number} of {len(missing)})")
            compile_go(name, PACKAGES[name], partial)
            (partial / name).rename(folder / name)  # a half-written file is never taken for one
            say(f"compiled {name} in {time.monotonic() - begin:.0f} s")
        if not (folder / PAUSE).exists():
            compile_pause(partial)
            (partial / PAUSE).rename(folder / PAUSE)
        shutil.rmtree(partial)
        os.utime(folder)
        forget_old(root, folder)
    return folder


def from_elsewhere(ready):
    """Ready binaries; the two small ones that only we have are compiled when missing."""
    kubernetes = set(PACKAGES) - {"provisioner"}
    missing = [name for name in kubernetes if not (ready / name).exists()]
    if missing:
        raise SystemExit(f"SLUICE_CLUSTER_BIN={ready} lacks {', '.join(sorted(missing))}")
    folder = cache_root() / f"{version()}-ready"
    with only_one(cache_root()):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PAUSE).exists():
            compile_pause(folder)
        if not (ready / "provisioner").exists() and not (folder / "provisioner").exists():
            skip.require_go()
            say("compiling provisioner")
            compile_go("provisioner", PACKAGES["provisioner"], folder)
        for name in PACKAGES:
            link = folder / name
            if not (ready / name).exists() or link.resolve() == (ready / name).resolve():
                continue
            link.unlink(missing_ok=True)
            link.symlink_to(ready / name)
    return folder


def folder():
    """The folder with all binaries, built if need be."""
    ready = os.environ.get("SLUICE_CLUSTER_BIN")
    return from_elsewhere(pathlib.Path(ready).resolve()) if ready else build()
