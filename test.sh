#!/usr/bin/env bash
# Installs, builds and runs every test there is, on one machine without preparation.
set -euo pipefail
cd "$(dirname "$0")"
source scripts/common.sh

usage() {
  cat <<'END'
Usage: ./test.sh [--quick | --cluster-e2e | --help]

Runs, in this order:
  tidy      rules of the source tree, clang-format, shellcheck, headers alone, clang-tidy
  release   all tests, as users run the code
  cluster   the tests with a real Kubernetes cluster on this machine; they need root and Go
  dev       all tests under AddressSanitizer and UndefinedBehaviorSanitizer
  tsan      the tests with threads under ThreadSanitizer

  --quick         the inner loop: unit and golden tests of release, and the fast rules
  --cluster-e2e   Sluice itself on a Kubernetes cluster: the walk of docs/kubernetes.md, scaling,
                  upheavals, keys that change, dashboards, an operator that is killed after each
                  of its calls. Part of no other run: it takes half an hour
  --help          this text

The last line says how many passed and failed. Logs: build/logs.
END
}

mode=full
[[ $# -le 1 ]] || {
  usage >&2
  fail "one word too many: $2"
}
case "${1-}" in
  "") ;;
  --quick) mode=quick ;;
  --cluster-e2e) mode=cluster_e2e ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    fail "unknown option $1"
    ;;
esac

passed=0
failed=0
skipped=0

# step NAME COMMAND...: runs it into a log of that name; shows the end of the log when it fails.
step() {
  local name=$1 log=$LOGS/$1.log begin=$SECONDS
  shift
  printf '%-18s' "$name"
  if "$@" >"$log" 2>&1; then
    printf 'ok      %4d s\n' $((SECONDS - begin))
    return 0
  fi
  printf 'FAILED  %4d s   %s\n' $((SECONDS - begin)) "$log"
  return 1
}

# Unlike head it reads to the end: who writes into a closed pipe would end this script.
first_lines() { awk -v lines="$1" 'NR <= lines'; }

# build PRESET CMAKE-BUILD-ARGUMENT...: a build that fails counts as one failed test.
build() {
  local preset=$1 bench=OFF
  shift
  # No test runs a benchmark: that they compile is enough to know, once.
  [[ $preset != release ]] || bench=ON
  if step "$preset-configure" cmake --preset "$preset" -DSLUICE_TESTS=ON \
    -DSLUICE_BENCH="$bench"; then
    [[ $# -gt 0 ]] || return 0
    step "$preset-build" cmake --build --preset "$preset" -j "$(nproc)" "$@" && return
    grep -E -A 6 'error:|FAILED:|undefined reference' "$LOGS/$preset-build.log" | first_lines 60
  else
    tail -n 20 "$LOGS/$preset-configure.log"
  fi
  failed=$((failed + 1))
  return 1
}

# tests NAME COMMAND...: runs ctest and adds up what it says.
tests() {
  local name=$1 log=$LOGS/$1.log status=0 summary
  step "$@" || status=$?
  summary=$(sed -nE 's/^[0-9]+% tests passed, ([0-9]+) tests? failed out of ([0-9]+)$/\1 \2/p' \
    "$log")
  if [[ -z $summary ]]; then
    tail -n 20 "$log"
    failed=$((failed + 1))
    return
  fi
  local bad=${summary% *} all=${summary#* } left_out
  left_out=$(grep -c '\*\*\*Skipped' "$log" || true)
  failed=$((failed + bad))
  skipped=$((skipped + left_out))
  passed=$((passed + all - bad - left_out))
  if [[ $status -ne 0 ]]; then
    # What the failed tests printed, then their names.
    sed -n '/\*\*\*\(Failed\|Timeout\|Exception\|Not Run\)/,/^ *Start /p' "$log" | first_lines 200
    sed -n '/^The following tests FAILED/,/^Errors while/p' "$log"
    # Failing without a failed test is a failure too.
    [[ $bad -gt 0 ]] || failed=$((failed + 1))
  fi
}

# ThreadSanitizer needs its shadow memory where some kernels' address randomization puts a library.
without_randomization() {
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    setarch "$(uname -m)" -R "$@"
  else
    "$@"
  fi
}

quick_run() {
  build release --target tests_unit tests_golden || return 0
  tests release-quick ctest --test-dir build/release --output-on-failure --no-tests=error \
    -j "$(nproc)" -L '^(unit|golden|tidy-light)$'
}

# cluster_run LABEL: with the programs of the release build. What no cluster runs on is told, not
# failed.
cluster_run() {
  local label=$1 status=0
  if [[ $(id -u) -ne 0 ]]; then
    echo "SKIPPED: no Kubernetes cluster on this machine: a cluster needs root"
    skipped=$((skipped + 1))
    return
  fi
  step cluster-build tests/cluster/build || status=$?
  if grep '^SKIPPED' "$LOGS/cluster-build.log"; then
    skipped=$((skipped + 1))
  elif [[ $status -ne 0 ]]; then
    tail -n 20 "$LOGS/cluster-build.log"
    failed=$((failed + 1))
  else
    tests "$label-tests" ctest --test-dir build/release --output-on-failure --no-tests=error \
      -L "^$label\$"
  fi
}

full_run() {
  if build tidy; then tests tidy-tests ctest --preset tidy; fi
  if build release --target all; then
    tests release-tests ctest --preset release
    cluster_run cluster
  fi
  if build dev --target all; then tests dev-tests ctest --preset dev; fi
  if build tsan --target tests_threads; then
    tests tsan-tests without_randomization ctest --preset tsan
  fi
}

cluster_e2e_run() {
  if build release --target all; then cluster_run cluster-e2e; fi
}

mkdir -p "$LOGS"
packages=("${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}")
[[ $mode == quick ]] || packages+=("${CLUSTER_PACKAGES[@]}")
ensure_packages "${packages[@]}"
case $mode in
  quick) quick_run ;;
  cluster_e2e) cluster_e2e_run ;;
  full) full_run ;;
esac

echo "Logs: $LOGS"
line="$passed passed, $failed failed"
[[ $skipped -eq 0 ]] || line+=", $skipped skipped"
echo "$line"
[[ $failed -eq 0 && $passed -gt 0 ]]
