# shellcheck shell=bash disable=SC2034
# Sourced by run.sh and test.sh, from the root of the repository.

readonly BUILD_PACKAGES=(
  g++ cmake ninja-build pkg-config
  libzmq3-dev cppzmq-dev libsodium-dev libyaml-cpp-dev prometheus-cpp-dev libboost-dev libcli11-dev
  nlohmann-json3-dev libcpprest-dev libsimdjson-dev libssl-dev zlib1g-dev
)
# What test.sh needs on top.
readonly TEST_PACKAGES=(
  libgtest-dev libgmock-dev libbenchmark-dev libfuse3-dev libfaketime
  ccache clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev gcovr
  shellcheck python3 python3-yaml doxygen prometheus zsh fish
)
# What a Kubernetes cluster for the tests needs (tests/cluster), apart from Go.
readonly CLUSTER_PACKAGES=(
  etcd-server containerd runc containernetworking-plugins iptables conntrack iproute2 openssl
)
readonly LOGS=build/logs

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

packages_missing() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

# ensure_packages NAME...: installs what is missing, and asks apt nothing when nothing is.
ensure_packages() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: taking for granted that these are installed: $*"
    return
  fi
  local missing
  mapfile -t missing < <(packages_missing "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0

  local root=()
  if [[ $(id -u) -ne 0 ]]; then
    command -v sudo >/dev/null ||
      fail "neither root nor sudo; have these installed first: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  echo "Installing ${missing[*]}"
  local apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
  mkdir -p "$LOGS"
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } \
    >"$LOGS/packages.log" 2>&1; then
    grep -E '^(E|W|Err)' "$LOGS/packages.log" >&2 || tail -n 5 "$LOGS/packages.log" >&2
    fail "apt could not install the packages; see $LOGS/packages.log"
  fi
}
