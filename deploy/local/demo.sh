#!/usr/bin/env bash
# Starts everything and shows it at work: ORDERS orders (20000), made from SEED (1). KEEP=1 leaves the stack running.
# With the argument `trial`: deadlines, commands and replays under kills, checked (ORDERS 1500).
set -euo pipefail

what=${1:-demo}
case $what in
    demo) orders=20000 ;;
    trial) orders=1500 ;;
    *) echo "demo.sh: \`$what\` is neither \`demo\` nor \`trial\`" >&2 && exit 64 ;;
esac

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

cd "$REPOSITORY"
"$HERE/setup.sh"
borrow_stack
cargo build --release --workspace
"${CARGO_TARGET_DIR:-target}/release/harness" "$what" --orders "${ORDERS:-$orders}" --seed "${SEED:-1}"
