"""The other systems: what they need, how each is started, and a life that always ends."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time

from guarded import Failure, guarded

SECONDS_TO_START = 60
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def redis_command(_, port):
    # Snapshots would only add work: the append-only file is what keeps the messages.
    return ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", ".", "--save", "",
            "--appendonly", "yes", "--appendfsync", "always"], {}


def beanstalkd_command(size, port):
    return ["beanstalkd", "-l", "127.0.0.1", "-p", str(port), "-b", ".", "-f", "0",
            "-z", str(max(size, 65535))], {}


def rabbitmq_command(_, port):
    distribution_port = str(free_port())
    # The part before the @ names the node in its port mapper, which is one of its own as well.
    environment = {
        "RABBITMQ_NODENAME": f"load{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": distribution_port,
        # Its idle schedulers would spin on cores that the load programs need.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
            "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none",
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": "./mnesia",
        "RABBITMQ_LOG_BASE": "./log",
        "RABBITMQ_PID_FILE": "./pid",
        "RABBITMQ_ENABLED_PLUGINS_FILE": "./enabled_plugins",
        # Nothing of the machine's own RabbitMQ.
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": "./none",
        "HOME": ".",
    }
    return [rabbitmq_program() or RABBITMQ], environment


def rabbitmq_program():
    # Not the one in the PATH: Debian's changes the user and loses the environment.
    return RABBITMQ if os.access(RABBITMQ, os.X_OK) else shutil.which("rabbitmq-server")


def nats_command(server):
    # Only a file can ask for a sync before each acknowledgement.
    def command(_, port):
        config = (f'listen: "127.0.0.1:{port}"\n'
                  'jetstream { store_dir: "./data", sync_interval: always }\n')
        return ["sh", "-c", 'printf %s "$1" >nats.conf && exec "$2" -c nats.conf', "sh", config,
                str(server)], {}
    return command


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def rabbitmq_version():
    versions = pathlib.Path(RABBITMQ).parent.parent.glob("lib/rabbitmq_server-*")
    return max((path.name.partition("-")[2] for path in versions), default="")


@dataclasses.dataclass(frozen=True)
class Peer:
    """One system. `command` takes the size of a message and a port, and gives the command and what
    it adds to the environment; both are meant for the server's own folder."""
    name: str
    program: callable
    command: callable
    version: callable
    needs: str  # how to get what is missing
    pilot: int  # messages that a slow machine carries in a second or two
    load: str = ""  # the load program's name; empty = bench-NAME
    flags: tuple = ()  # for the load program


def debian(*packages):
    return f"apt-get install {' '.join(packages)} (or bench/install-peers)"


def nats(name, binaries, pilot, *flags):
    """nats-server is built with its load program, from one Go module, so that both fit."""
    server = binaries / "bench-nats-server"
    return Peer(name, lambda: server if server.exists() else None, nats_command(server),
                lambda: output(str(server), "--version").split("v")[-1].strip(),
                "a Go toolchain as new as bench/peers/nats/go.mod says, then build bench_peers",
                pilot, "bench-nats", flags)


NAMES = ("redis", "beanstalkd", "rabbitmq", "nats", "nats-batch")


def peers(binaries):
    """By name; `binaries` is the folder of the programs that the build makes."""
    return {peer.name: peer for peer in (
        Peer("redis", lambda: shutil.which("redis-server"), redis_command,
             lambda: "".join(re.findall(r"v=(\S+)", output("redis-server", "--version"))),
             debian("redis-server", "libhiredis-dev"), 20_000),
        Peer("beanstalkd", lambda: shutil.which("beanstalkd"), beanstalkd_command,
             lambda: output("beanstalkd", "-v").split()[-1], debian("beanstalkd"), 1_000),
        Peer("rabbitmq", rabbitmq_program, rabbitmq_command, rabbitmq_version,
             debian("rabbitmq-server", "librabbitmq-dev"), 10_000),
        nats("nats", binaries, 2_000),
        nats("nats-batch", binaries, 5_000, "--batch", "1000"),
    )}


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def running(peer, size, data):
    """Starts a fresh server with its files below `data` and gives its port."""
    port = free_port()
    command, environment = peer.command(size, port)
    with guarded(command, data, environment) as server:
        deadline = time.monotonic() + SECONDS_TO_START
        while not listens(port):
            if server.ended():
                raise Failure(f"{peer.name} did not start: {server.last_words()}")
            if time.monotonic() > deadline:
                raise Failure(f"{peer.name} did not start in {SECONDS_TO_START} s")
            time.sleep(0.1)
        yield port
