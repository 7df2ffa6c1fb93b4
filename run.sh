#!/usr/bin/env bash
# From a bare Debian 12 to a running Sluice: installs, builds, starts.
set -euo pipefail
cd "$(dirname "$0")"
source scripts/common.sh

usage() {
  cat <<'END'
Usage: ./run.sh [--build-only | --help]

Installs what the build needs (Debian packages; asks for sudo when you are not root), builds Sluice,
and starts it here, in the foreground, with the queues of examples/orders.yaml and its data in
./sluice-data. Ctrl-C stops it; the messages stay, and the next run goes on with them.

  --build-only   stop after the build; the programs are in build/release/bin
  --help         this text
END
}

readonly BIN=build/release/bin
readonly LOCK=build/run.lock

build_only=false
[[ $# -le 1 ]] || {
  usage >&2
  fail "one word too many: $2"
}
case "${1-}" in
  "") ;;
  --build-only) build_only=true ;;
  -h | --help)
    usage
    exit 0
    ;;
  *)
    usage >&2
    fail "unknown option $1"
    ;;
esac

if ! $build_only; then
  # Held until the last process that inherits it is gone, the brokers included.
  mkdir -p build
  exec 9>>"$LOCK"
  if ! flock --nonblock 9; then
    echo "Sluice is already running here (process $(cat "$LOCK")). Its queues: $BIN/sluice stat"
    exit 0
  fi
  echo $$ >"$LOCK"
fi

echo "[1/3] Packages"
ensure_packages "${BUILD_PACKAGES[@]}"

echo "[2/3] Build (a few minutes the first time, seconds after that)"
mkdir -p "$LOGS"
cmake --preset release -DSLUICE_TESTS=OFF -DSLUICE_BENCH=OFF \
  >"$LOGS/run-configure.log" 2>&1 || {
  grep -A 8 'CMake Error' "$LOGS/run-configure.log" >&2 || tail "$LOGS/run-configure.log" >&2
  fail "cmake could not configure the build; see $LOGS/run-configure.log"
}
cmake --build --preset release -j "$(nproc)" --target sluice sluice-sidecar ||
  fail "the build failed; what the compiler said stands above"

if $build_only; then
  echo "Built $BIN/sluice and $BIN/sluice-sidecar"
  exit 0
fi

cat <<END
[3/3] Sluice starts, with the queues of examples/orders.yaml. In another terminal, try:

  cd $PWD
  echo hello | $BIN/sluice pub orders --lines
  $BIN/sluice sub orders --max 1
  $BIN/sluice stat

Ctrl-C here stops it.

END
exec "$BIN/sluice" up -f examples/orders.yaml --data ./sluice-data
