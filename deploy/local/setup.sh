#!/usr/bin/env bash
# Installs what the stack and the build need and this machine lacks, from Debian's packages; one line for each step.
#
# usage: setup.sh [stack|chaos|tests]   with `stack` only what the stack needs, not what the build needs; with `chaos` also what
#                                       some faults of `make chaos` and some of the tests need; with `tests` that, and what
#                                       clients in other languages and the checks of deploy/ need
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/libraries.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/postgres.sh"

main() {
    local -a missing
    [[ $# == 0 || $* =~ ^(stack|chaos|tests)$ ]] ||
        fail "$USAGE" "the only argument is \`stack\`, \`chaos\` or \`tests\`, not \`$*\`"
    mapfile -t missing < <(missing_packages "$@")
    if ((${#missing[@]} > 0)); then
        install_packages "${missing[@]}"
        mapfile -t missing < <(missing_packages "$@")
        ((${#missing[@]} == 0)) || fail "$UNAVAILABLE" "\`${missing[*]}\` is installed but what it brings is not found: look at PATH (\`$PATH\`)"
    fi
    if [[ $* != stack ]]; then
        rust_must_be_here
        say "everything is here"
    fi
}

missing_packages() {
    missing_for_stack
    [[ $* == stack ]] || missing_for_build
    [[ ! $* =~ ^(chaos|tests)$ ]] || missing_for_chaos
    [[ $* != tests ]] || missing_for_clients
    [[ $* != tests ]] || missing_for_validators
}

missing_for_stack() {
    java_binary >/dev/null || echo openjdk-17-jdk-headless
    has mvn || echo maven
    postgres_binaries >/dev/null || echo postgresql
    has curl || echo curl
}

# librdkafka is built by cmake, with OpenSSL and zlib; zstd comes with its crate.
missing_for_build() {
    local package
    for package in gcc g++ make cmake pkg-config; do
        has "$package" || echo "$package"
    done
    has_library openssl || echo libssl-dev
    has_library zlib || echo zlib1g-dev
    # Not linked against, but one of librdkafka's sources includes its header.
    has_library libcurl || echo libcurl4-openssl-dev
}

# Lets the wall clock of one process jump; scrapes a worker and evaluates the alerts.
missing_for_chaos() {
    { has prometheus && has promtool; } || echo prometheus
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || echo faketime
}

# The examples of deploy/examples; those in Java need what the stack needs.
missing_for_clients() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    has go || echo golang-go
}

# Judge the unit of deploy/systemd, as a package that starts nothing, and the shell scripts. Python installs the others: validators.sh.
missing_for_validators() {
    has systemd-analyze || echo systemd
    has shellcheck || echo shellcheck
}

has() {
    type -P "$1" >/dev/null
}

has_library() {
    pkg-config --exists "$1" 2>/dev/null
}

install_packages() {
    local -a as_root=()
    if ((EUID != 0)); then
        has sudo || fail "$UNAVAILABLE" "\`$*\` must be installed, but you are not root and there is no sudo: run as root \`apt-get install $*\`"
        as_root=(sudo)
    fi
    has apt-get || fail "$UNAVAILABLE" "\`$*\` must be installed, but there is no apt-get here: install what these Debian packages hold"

    say "apt-get update"
    apt_get "${as_root[@]}" -- update
    if [[ " $* " == *" postgresql "* ]]; then
        # Else the package would start a database of its own, on port 5432.
        say "apt-get install postgresql-common, without its automatic database"
        apt_get "${as_root[@]}" -- install postgresql-common
        "${as_root[@]}" sed -i 's/^#\? *create_main_cluster *=.*/create_main_cluster = false/' \
            /etc/postgresql-common/createcluster.conf
    fi
    if [[ " $* " == *" prometheus "* && -d /etc/systemd/system && ! -e /etc/systemd/system/prometheus.service ]]; then
        # Likewise: a server of its own, on port 9090 of every address.
        say "masking prometheus.service, so that the package starts no server; \`systemctl unmask prometheus\` undoes it"
        "${as_root[@]}" ln -s /dev/null /etc/systemd/system/prometheus.service
    fi
    say "apt-get install $*"
    apt_get "${as_root[@]}" -- install "$@"
    hash -r
}

# usage: apt_get [sudo] -- COMMAND [PACKAGE...]
apt_get() {
    local log=$STACK_DIR/logs/setup.log
    local -a as_root=()
    while [[ $1 != -- ]]; do
        as_root+=("$1")
        shift
    done
    shift
    mkdir -p "${log%/*}"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 --yes --no-install-recommends "$@" </dev/null >"$log" 2>&1 || {
        show_end_of "$log"
        fail "$UNAVAILABLE" "\`apt-get $*\` failed: the lines above say why"
    }
}

rust_must_be_here() {
    local component
    has cargo || fail "$UNAVAILABLE" "there is no cargo in PATH: install Rust with rustup, in the version that Cargo.toml names as rust-version"
    for component in fmt clippy; do
        if cargo "$component" --version >/dev/null 2>&1; then
            continue
        fi
        has rustup || fail "$UNAVAILABLE" "there is no \`cargo $component\` and no rustup to add it: install that component of your Rust"
        say "rustup component add ${component/fmt/rustfmt}"
        rustup --quiet component add "${component/fmt/rustfmt}"
    done
}

main "$@"
