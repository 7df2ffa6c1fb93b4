"""Addresses of a cluster, and the cable between this machine and the cluster's node.

The node is a network namespace of its own: its bridges, routes and iptables chains vanish with it,
and two clusters never see each other's. This machine reaches the node, its pods and its services
by routes that go with the cable.
"""

import ipaddress
import subprocess

LINK = ipaddress.ip_network("10.231.0.0/16")
PODS = ipaddress.ip_network("10.232.0.0/16")
SERVICES = ipaddress.ip_network("10.233.0.0/16")
CLUSTERS_MAX = 64


def run(*command, check=True):
    return subprocess.run([str(part) for part in command], check=check, timeout=30,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


class Network:
    """Number N of the networks; those of two clusters do not overlap."""

    def __init__(self, number):
        self.cable = f"sluice{number}"
        block = lambda network: list(network.subnets(new_prefix=24))[number]
        self.host, self.node = [str(block(LINK)[i]) for i in (1, 2)]
        self.pods, self.services = block(PODS), block(SERVICES)
        self.first_service = str(self.services[1])

    def connect(self, node_pid):
        """Lays the cable into the node's namespace; false when another cluster has this number."""
        made = run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0",
                   "netns", node_pid, check=False)
        if made.returncode != 0:
            if "exists" in made.stderr:
                return False
            raise RuntimeError(f"ip link add {self.cable}: {made.stderr.strip()}")
        run("ip", "address", "add", f"{self.host}/24", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        inside = ["nsenter", f"--target={node_pid}", "--net"]
        run(*inside, "ip", "address", "add", f"{self.node}/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "lo", "up")
        run(*inside, "ip", "link", "set", "eth0", "up")
        run(*inside, "ip", "route", "add", "default", "via", self.host)
        run(*inside, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        for addresses in (self.pods, self.services):
            run("ip", "route", "add", addresses, "via", self.node, "dev", self.cable)
        return True

    def disconnect(self):
        run("ip", "link", "delete", self.cable, check=False)


def without_node():
    """A control plane alone hands out service addresses that lead nowhere: many of them."""
    network = Network(0)
    network.services, network.first_service = SERVICES, str(SERVICES[1])
    return network


def connected(node_pid):
    for number in range(CLUSTERS_MAX):
        network = Network(number)
        if network.connect(node_pid):
            return network
    raise RuntimeError(f"{CLUSTERS_MAX} clusters run on this machine already")
