#!/usr/bin/env bash
# Two proofs that take longer than the tests: `crash-points` (TIMES, POINTS, ACT) and `mutants` (ONLY).
#
# usage: prove.sh crash-points|mutants
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

what=${1:-}
arguments=()
case $what in
    crash-points)
        arguments+=(--times "${TIMES:-2}" --act "${ACT:-kill}")
        [[ -z ${POINTS:-} ]] || arguments+=(--points "$POINTS")
        ;;
    mutants) [[ -z ${ONLY:-} ]] || arguments+=(--only "$ONLY") ;;
    *) fail "$USAGE" "\`$what\` is neither \`crash-points\` nor \`mutants\`" ;;
esac

cd "$REPOSITORY"
"$HERE/setup.sh"
borrow_stack
cargo build --workspace
"${CARGO_TARGET_DIR:-target}/debug/harness" "$what" "${arguments[@]}"
