"""How long the operator takes from a Queue to its StatefulSet, by the audit log.

Both ends are times of the API server, which also tells of each request between them how long it
worked on it. A busy machine makes all of it longer, so what is held against the operator is how
often the one goes into the other, and how much it asks for.
"""

import datetime
import functools

import audit

MILLISECOND = datetime.timedelta(milliseconds=1)
# 100 ms where nothing else runs, of which the API server needs 35 (docs/scale.md). Measured: 1.3 to
# 2.1 with medians of 50 to 125 ms, on two cores that ten other processes wanted.
RATIO_MAX = 3.0
REQUESTS_MAX = 24


class Sending:
    """From the request that makes a Queue to the one that makes its StatefulSet."""

    def __init__(self, accepted, sent, asked):
        self._accepted, self._sent, self._asked = accepted, sent, asked
        self.milliseconds = (sent.at - accepted.at) / MILLISECOND

    @functools.cached_property
    def _between(self):
        return [r for r in self._asked if self._accepted.at <= r.at < self._sent.at and
                is_for(r, self._accepted.name)]

    @property
    def requests(self):
        return len(self._between)

    @property
    def served(self):
        """Milliseconds."""
        return sum((r.took for r in [self._accepted, *self._between]),
                   datetime.timedelta()) / MILLISECOND

    @property
    def ratio(self):
        return self.milliseconds / self.served

    def __str__(self):
        return f"{self.milliseconds:.1f} ms, {self.requests} requests of {self.served:.1f} ms"


def is_for(request, queue):
    """Its objects have its name, or begin with it and a dash; of some only the namespace is told,
    while they are made."""
    return request.name in (queue, queue.split("/")[0]) or request.name.startswith(f"{queue}-")


def sendings(made, asked):
    """By Queue. `made`: requests of whoever makes them; `asked`: those of the operator."""
    accepted = {r.name: r for r in made if r.resource == "queues" and r.verb in audit.WRITES}
    first = {}
    for request in asked:
        if request.resource == "statefulsets" and request.verb in audit.WRITES:
            first.setdefault(request.name, request)
    return {name: Sending(accepted[name], request, asked)
            for name, request in first.items() if name in accepted}


def late(found):
    """What is wrong with these; empty = nothing."""
    ratios = sorted(one.ratio for one in found)
    requests = max(one.requests for one in found)
    wrong = []
    if ratios[len(ratios) // 2] > RATIO_MAX:
        wrong.append(f"a StatefulSet is sent after {ratios[len(ratios) // 2]:.1f} times what the "
                     f"API server needed for it, and not {RATIO_MAX}")
    if requests > REQUESTS_MAX:
        wrong.append(f"a StatefulSet is sent after {requests} requests, and not {REQUESTS_MAX}")
    return wrong
