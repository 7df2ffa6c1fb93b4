"""The rules of the house as data: who may include whom, and where what may be used.

This is the one place to change when a folder or a package comes in. The rules that read it are in
rules.py; test_rules.py plants a violation of each.
"""

# Folder -> folders whose headers it may include (its own are always allowed). The order is that of
# the layers, lowest first. A source file outside these folders is itself a violation.
MAY_INCLUDE = {
    "lib/base": [],
    "lib/runtime": ["lib/base"],
    "lib/wire": ["lib/base"],
    "lib/access": ["lib/base", "lib/wire"],
    "lib/storage": ["lib/base", "lib/runtime"],
    "lib/broker": ["lib/base", "lib/runtime", "lib/storage"],
    "lib/frontend": ["lib/base", "lib/runtime", "lib/storage", "lib/broker", "lib/wire",
                     "lib/access"],
    "include/sluice": [],
    "lib/client": ["lib/base", "lib/runtime", "lib/wire", "lib/access", "include/sluice"],
    "lib/kube": ["lib/base", "lib/runtime"],
    "operator/api": ["lib/base"],
    "operator/link": ["lib/base", "lib/runtime", "lib/wire", "lib/client"],
    "operator/autoscale": ["lib/base", "operator/api", "operator/link"],
    "operator/reconcile": ["lib/base", "lib/access", "lib/kube", "operator/api", "operator/link"],
    "operator/scaler": ["lib/base", "lib/runtime", "lib/kube", "operator/api", "operator/link",
                        "operator/autoscale", "operator/reconcile"],
    "operator/app": ["lib/base", "lib/runtime", "lib/broker", "lib/frontend", "lib/client",
                     "lib/kube", "operator/api", "operator/link", "operator/autoscale",
                     "operator/reconcile", "operator/scaler"],
    "sidecar": ["lib/base", "lib/runtime", "lib/storage", "lib/broker", "lib/frontend", "lib/wire",
                "lib/access", "operator/api"],
    "cli": ["lib/base", "lib/runtime", "lib/wire", "lib/client", "include/sluice",
            "lib/access", "lib/storage", "lib/kube", "operator/api",
            "operator/autoscale"],
    "bench": ["*"],
    "examples/cpp": ["include/sluice"],
    "tests": ["*"],
}

# What a quoted include may start with, and the folder it then means.
INCLUDE_ROOTS = {
    "base/": "lib/base",
    "runtime/": "lib/runtime",
    "wire/": "lib/wire",
    "access/": "lib/access",
    "storage/": "lib/storage",
    "broker/": "lib/broker",
    "frontend/": "lib/frontend",
    "client/": "lib/client",
    "kube/": "lib/kube",
    "sluice/": "include/sluice",
    "operator/api/": "operator/api",
    "operator/link/": "operator/link",
    "operator/autoscale/": "operator/autoscale",
    "operator/reconcile/": "operator/reconcile",
    "operator/app/": "operator/app",
    "operator/scaler/": "operator/scaler",
    "sidecar/": "sidecar",
    "cli/": "cli",
    "bench/": "bench",
    "tests/": "tests",
}

# Include (regular expression) -> paths (regular expressions) that may have it. Libraries that throw
# or drag in much stay behind one adapter.
INCLUDE_HOMES = {
    r"zmq(_addon)?\.h(pp)?": [r"lib/(frontend|client)/zmq_\w+\.(h|cc)",
                              r"operator/link/zmq_\w+\.cc", r"bench/.*", r"tests/.*"],
    r"sodium\.h": [r"lib/frontend/session_tag\.cc"],
    r"(cpprest|pplx)/.*": [r"lib/kube/cpprest_\w+\.cc"],
    r"simdjson\.h": [r"lib/kube/json_reader\.cc"],
    r"zlib\.h": [r"cli/cluster/tar_gz\.cc"],
    r"yaml-cpp/.*": [r"operator/api/\w+\.cc", r"lib/kube/yaml_json\.cc"],
    r"boost/.*": [r"lib/frontend/http/\w+\.cc", r"bench/.*", r"tests/.*"],
    r"prometheus/.*": [r"lib/frontend/http/\w+\.cc", r"tests/.*"],
    r"nlohmann/.*": [r"lib/frontend/.*", r"lib/client/.*", r"lib/kube/.*", r"operator/.*",
                     r"sidecar/.*", r"cli/.*", r"bench/.*", r"tests/.*"],
    r"CLI/.*": [r"(cli|sidecar|bench|operator/app)/.*", r"tests/.*"],
    r"(gtest|gmock)/.*": [r"tests/.*"],
    r"benchmark/.*": [r"bench/.*"],
    r"fuse3/.*": [r"tests/torture/lossy_fs/\w+\.cc"],
    # The real side of the seams: whoever includes it cannot run in a simulation.
    r"runtime/posix/.*": [r"lib/runtime/posix/.*", r"lib/(frontend|client)/.*",
                          r"lib/kube/run_program\.cc", r"operator/link/zmq_\w+\.cc",
                          r"(operator/app|sidecar|cli|bench|tests)/.*"],
    # The broker answers from memory and from the log; files are the storage's.
    r"runtime/file_system\.h|fstream|filesystem": [r"(?!lib/(broker|wire|base)/).*"],
}

# Packages that one file of a folder alone may include, whatever the table above lets in.
ONE_FILE_ONLY = [r"yaml-cpp/.*"]

# These folders get time, randomness and threads as arguments, so that the same objects run in a
# simulation; the simulation itself is one of them, but for its program, which tells how long it
# took.
PURE = ["lib/wire", "lib/broker", "lib/storage", "operator/api", "operator/autoscale",
        "operator/reconcile", "tests/sim"]
IMPURE_PROGRAMS = r"tests/sim/(\w+/)?(\w+_)?main\.cc"
IMPURE_TOKENS = [
    # Time.
    r"\b(system|steady|high_resolution|utc|file|tai|gps)_clock\b",
    r"\bclock_gettime\b", r"\bgettimeofday\b", r"\btime\s*\(\s*(nullptr|NULL|0|&)",
    r"\b(localtime|gmtime)(_r)?\b", r"\bstd::clock\s*\(",
    # Waiting.
    r"\bsleep_(for|until)\b", r"\b(u|nano|clock_nano)?sleep\s*\(",
    r"(?<!\w)::(poll|epoll_wait|select|alarm)\s*\(",
    # Randomness; the distributions of the standard library differ from one to the next.
    r"\brandom_device\b", r"\bs?rand(om|48)?\s*\(", r"\b[de]rand48\b", r"\bgetrandom\b",
    r"\barc4random\w*", r"\bmt19937\w*", r"\bdefault_random_engine\b", r"\w+_distribution\b",
    # Threads and what goes with them.
    r"\bstd::j?thread\b", r"\bthis_thread\b", r"\bstd::async\b", r"\bpthread_\w+",
    r"\bstd::(recursive_|shared_|timed_)?mutex\b", r"\bcondition_variable\w*",
    r"\bthread_local\b", r"\bv?fork\s*\(",
    # Surroundings.
    r"\b(secure_)?getenv\b", r"\b(un)?setenv\b", r"\benviron\b",
]

COLUMNS_MAX = 100
LINES_MAX = 500
LINES_MAX_TESTS = 800
