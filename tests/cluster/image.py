"""Images without docker: a tar of programs and the libraries that they need, and nothing else."""

import hashlib
import io
import json
import pathlib
import platform
import re
import subprocess
import tarfile

USER = 65532  # nobody's id that images of this kind share by custom
PROGRAMS = ("sluice-operator", "sluice-sidecar", "sluice")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as images call them


def normalized(name):
    """The full name by which a container runtime knows an image that is called `name` in a pod."""
    repository, _, tag = name.rpartition(":") if ":" in name.rsplit("/", 1)[-1] else (name, "", "")
    registry, slash, _ = repository.partition("/")
    if not slash:
        repository = f"docker.io/library/{repository}"
    elif "." not in registry and ":" not in registry and registry != "localhost":
        repository = f"docker.io/{repository}"
    return f"{repository}:{tag or 'latest'}"


def libraries(program):
    """Paths of the shared libraries of a program, the loader among them; none for a static one."""
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        return []
    if "not found" in listed.stdout:
        raise RuntimeError(f"{program} misses libraries:\n{listed.stdout}")
    return sorted(set(re.findall(r"(?:=> |^\s+)(/\S+)", listed.stdout, re.M)))


def add(layer, path, content, mode):
    info = tarfile.TarInfo(path.lstrip("/"))
    info.size, info.mode = len(content), mode
    layer.addfile(info, io.BytesIO(content))


def layer_of(files):
    """The bytes of a layer: the same files make the same bytes, as no time stands in it."""
    content = {}
    for path, source in files.items():
        content["/" + path.lstrip("/")] = (pathlib.Path(source).read_bytes(), 0o755)
        for library in libraries(source):
            content[library] = (pathlib.Path(library).read_bytes(), 0o755)
    content["/etc/passwd"] = (
        f"root:x:0:0:root:/:/\nsluice:x:{USER}:{USER}:sluice:/:/\n".encode(), 0o644)
    content["/etc/group"] = (f"root:x:0:\nsluice:x:{USER}:\n".encode(), 0o644)
    # Names are looked up in DNS, and in the file that the kubelet writes.
    content["/etc/nsswitch.conf"] = (b"hosts: files dns\n", 0o644)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for path in sorted(content):
            add(layer, path, *content[path])
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        layer.addfile(folder)
    return buffer.getvalue()


def archive(target, name, files, entrypoint):
    """Writes a docker archive with one image; FILES maps the path inside to the file outside."""
    layer = layer_of(files)
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps({
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
        "config": {"Entrypoint": entrypoint, "User": f"{USER}:{USER}", "WorkingDir": "/",
                   "Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }, sort_keys=True).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [normalized(name)],
                 "Layers": [f"{digest}/layer.tar"]}]
    with tarfile.open(target, "w") as out:
        add(out, config_name, config, 0o644)
        add(out, f"{digest}/layer.tar", layer, 0o644)
        add(out, "manifest.json", json.dumps(manifest).encode(), 0o644)
    return target


def of_programs(target, name, folder, programs=PROGRAMS, extra=None):
    """The image of programs in `folder`, and of more files: {path inside: file}."""
    files = {f"/usr/bin/{program}": folder / program for program in programs} | (extra or {})
    if missing := [str(file) for file in files.values() if not pathlib.Path(file).exists()]:
        raise SystemExit(f"image: not built: {' '.join(missing)}")
    return archive(target, name, files, ["/usr/bin/sluice"] if "sluice" in programs else [])
