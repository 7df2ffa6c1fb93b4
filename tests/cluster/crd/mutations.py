"""Specs that are wrong or right in one place: each field, set to each of many values."""

import copy

# Around the bounds of every field, and of every type.
WHOLE = [-1, 0, 1, 2, 32, 33, 64, 65, 100, 101, 10_000, 10_001, 10**9, 10**9 + 1, 10**12,
         10**12 + 1, 10**15, 10**15 + 1]
DURATIONS = ["0", "0s", "1ms", "999ms", "1s", "30s", "1m", "61s", "60000ms", "12h", "12h1ms",
             "720m", "1d", "7d", "7d1ms", "168h", "30d", "30d1ms", "3650d", "3650d1ms", "87600h",
             "1h30m", "30m1h", "1h1h", "s", "1", "1.5h", "-1s", "1 s", "1S", "1w", "1us", "",
             "00030s", "36500d", "36501d", "106751d", "99999999999999999999s"]
SIZES = ["0", "1", "1023", "1024", "1Ki", "1023.5", "1.5Ki", "1.0005Ki", "1.001Ki", "1.001M", "1k",
         "16Mi", "16777217", "16.5Mi", "1Gi", "1023Mi", "0.5Gi", "6Gi", "6gi", "6GiB", "6 Gi",
         "10Gi", "28.75Gi", "1Pi", "1.5Pi", "1.001Pi", "1125899906842625", "0.999Pi", "1Ei", "1E",
         "20E", "-1", "1e3", "1.", ".5", "+1", "1m"]
NUMBERS = ["0.2", "1", "1.0", "1.1", "100", "100.0", "100.1", "0.99", "-0.1", "1e1", ".5", "5.",
           "00.5", "0.12345678901234567890"]
NAMES = ["a", "a-b", "-a", "a-", "A", "a.b", "a..b", "a_b", "dlq", "a" * 63, "a" * 64,
         "a." * 126 + "a", "a." * 127 + "a", "apps/v1", "v1", "a/b/c", "/v1", "Deployment", "A-B"]
TIMES = ["2026-01-31T12:00:00Z", "2026-02-29T12:00:00Z", "2024-02-29T12:00:00Z",
         "2026-01-31T24:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00.5Z",
         "2026-01-31T12:00:00.1234Z", "2026-01-31T12:00:00", "2026-01-31", "2026-13-01T00:00:00Z",
         "2026-01-31t12:00:00z", "2026-01-31T12:00:00+00:00", "9999-12-31T23:59:59.999Z"]
WORDS = ["Always", "Interval", "Never", "Unordered", "Grouped", "Drop", "DeadLetter", "Reject",
         "Block", "DropOldest", "DeadLetterOldest", "UntilSettled", "Time", "Size", "TimeAndSize",
         "DropOldestDead", "Hold", "Proceed", "Refuse", "AllowCreate", "All", "New", "Sequence",
         "Retain", "Delete", "DeleteIfEmpty", "always"]
MAPS = [{}, {"a": "b"}, {"cpu": 1}, {"cpu": "500m"}, {"cpu": -1}, {"a b": "c"}, {"a/b": "c"},
        {"a": "b c"}, {"A/b": "c"}, {"a": ""}, {f"k{n}": "1" for n in range(16)},
        {f"k{n}": "1" for n in range(17)}, {f"k{n}": "1" for n in range(64)},
        {f"k{n}": "1" for n in range(65)}, {"a": "1.0001"}, {"a": "x" * 64}]
OTHER = [True, False, 1.5, [], [{}], ["a"]]
VALUES = WHOLE + DURATIONS + SIZES + NUMBERS + NAMES + TIMES + WORDS + MAPS + OTHER

# Where a field means something only beside others, these are there.
BASES = [
    {},
    {"consumers": {"scaleTargetRef": {"name": "w"}, "target": {}, "scaleIn": {}},
     "limits": {"bytes": "1Gi"}, "deadLetter": {"bytes": "512Mi"},
     "broker": {"storage": {"size": "100Gi"}, "resources": {}},
     "access": {"from": [{"podSelector": {}, "namespaceSelector": {}}]}},
    {"durability": {"fsync": "Interval"}, "subscriptionPolicy": "AllowCreate",
     "createdSubscriptions": {},
     "retention": {"policy": "TimeAndSize", "time": "1h", "bytes": "1Gi"},
     "delivery": {"leaseDuration": "5m", "maxLease": "10m",
                  "backoff": {"initial": "1m", "max": "2m"}},
     "subscriptions": [{"name": "a", "start": "Time", "startTime": "2026-01-31T12:00:00Z",
                        "delivery": {"backoff": {}}, "deadLetter": {},
                        "consumers": {"scaleTargetRef": {"name": "w"}, "target": {},
                                      "scaleIn": {}}},
                       {"name": "b", "start": "Sequence", "startSequence": 1, "delivery": {}}]},
]


def paths(schema, so_far=()):
    """Of all fields below `schema`; the first item stands for all of a list."""
    for name, field in schema.get("properties", {}).items():
        below = (*so_far, name)
        yield below
        yield from paths(field, below)
        if "items" in field:
            yield (*below, 0)
            yield from paths(field["items"], (*below, 0))


def changed(spec, path, value):
    """A copy of `spec` with `value` at `path`; None where there is no place for it."""
    out = copy.deepcopy(spec)
    place = out
    for step in path[:-1]:
        if isinstance(place, dict):
            place = place.setdefault(step, {})
        elif isinstance(place, list) and isinstance(step, int) and step < len(place):
            place = place[step]
        else:
            return None
    if isinstance(place, list):
        if not isinstance(path[-1], int) or path[-1] >= len(place):
            return None
        place[path[-1]] = value
    elif isinstance(place, dict) and isinstance(path[-1], str):
        place[path[-1]] = value
    else:
        return None
    return out


def single(schema):
    """Each base with one field set to each value."""
    for base in BASES:
        for path in paths(schema):
            for value in VALUES:
                spec = changed(base, path, value)
                if spec is not None:
                    yield spec


def combined(schema, random, count):
    """Bases with two to four fields set."""
    places = list(paths(schema))
    while count > 0:
        spec = random.choice(BASES)
        for _ in range(random.randint(2, 4)):
            spec = changed(spec, random.choice(places), random.choice(VALUES)) or spec
        count -= 1
        yield spec
