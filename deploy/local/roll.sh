#!/usr/bin/env bash
# Replaces three workers one after the other under load, and checks that nothing was lost or doubled.
#
# usage: roll.sh restart   each by itself again, at RATE events a second (5000), with REST seconds (5) between; how long each lane
#                          kept its readers waiting is measured. KILL=1: by SIGKILL instead of SIGTERM, for comparison
#        roll.sh upgrade   from the release before this one, which is built from the history, to this one and back (RATE 1000, SEED 1)
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

arguments=()
[[ -z ${RATE:-} ]] || arguments+=(--rate "$RATE")
[[ -z ${DIRECTORY:-} ]] || arguments+=(--directory "$DIRECTORY")
case ${1:-} in
    restart)
        what=rolling-restart
        [[ -z ${REST:-} ]] || arguments+=(--rest "$REST")
        [[ ${KILL:-} != 1 ]] || arguments+=(--kill)
        ;;
    upgrade)
        what=upgrade
        [[ -z ${SEED:-} ]] || arguments+=(--seed "$SEED")
        ;;
    *) fail "$USAGE" "\`${1:-}\` is neither \`restart\` nor \`upgrade\`" ;;
esac

cd "$REPOSITORY"
"$HERE/setup.sh"
cargo build --release --workspace
[[ $what != upgrade ]] || "$HERE/previous.sh" release
borrow_stack
"${CARGO_TARGET_DIR:-target}/release/harness" "$what" "${arguments[@]}"
