#!/usr/bin/env bash
# All checks, in the order in which they are cheapest to fail; ends at the first that does, with its exit code.
#
# usage: test.sh [lint]   with `lint` only the checks that run nothing
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

# The test that breaks everything for two minutes.
CHAOS=whatever_breaks_around_workers_for_two_minutes
# The test that needs the release before this one, which only the history has.
UPGRADE=two_releases_side_by_side

main() {
    local skipped=
    [[ $# == 0 || $* == lint ]] || fail "$USAGE" "the only argument is \`lint\`, not \`$*\`"
    cd "$REPOSITORY"
    step setup "$HERE/setup.sh" tests
    step format cargo fmt --all --check
    step format-fuzz cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
    step shellcheck shellcheck_all
    step clippy cargo clippy --workspace --all-targets -- -D warnings
    step docs env RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --workspace
    [[ $* != lint ]] || return 0
    step clients "$HERE/clients.sh"
    step validators "$HERE/validators.sh"
    step stack borrow_stack
    step build cargo build --workspace
    step previous previous
    # Before the tests, so that none of them has to share the machine with a compiler.
    step build-crash-points cargo build --workspace --bin orderstream-crash --features orderstream/crash-points
    step test cargo test --workspace -- --skip "$CHAOS" ${skipped:+--skip "$skipped"}
    # Alone, as it judges how soon lanes move again.
    step chaos cargo test --workspace --test it -- "$CHAOS"
    step fuzz "$HERE/fuzz.sh" 5
    [[ -z $skipped ]] || warn "NOT TRIED: whether this release works beside the one before ($skipped): its history is not here"
}

# Each script of the repository, with what it sources.
shellcheck_all() {
    local -a scripts
    mapfile -t scripts < <(find deploy tests -name '*.sh' -type f)
    ((${#scripts[@]} > 10)) || fail "$UNAVAILABLE" "only ${#scripts[@]} scripts are found below deploy and tests"
    shellcheck --external-sources "${scripts[@]}"
}

# Everything else can be tried without the release before; that it was not is said at the end again.
previous() {
    local code=0
    "$HERE/previous.sh" || code=$?
    if ((code == UNAVAILABLE)) && ! history_is_here; then
        skipped=$UPGRADE
        return 0
    fi
    return "$code"
}

history_is_here() {
    git -C "$REPOSITORY" cat-file -e "$(grep -v '^#' "$HERE/previous_release")^{commit}" 2>/dev/null
}

step() {
    local name=$1 began code=0
    shift
    say "$name"
    began=$(now_ms)
    # In this shell, not a subshell: `borrow_stack` sets our traps and variables.
    "$@" || code=$?
    ((code == 0)) || fail "$code" "$name failed after $(seconds_since "$began") s"
    say "$name passed in $(seconds_since "$began") s"
}

main "$@"
