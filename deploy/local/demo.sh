#!/usr/bin/env bash
# Starts everything and shows it at work: ORDERS orders (20000), made from SEED (1). KEEP=1 leaves the stack running.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

cd "$REPOSITORY"
"$HERE/setup.sh"
borrow_stack
cargo build --release --workspace
"${CARGO_TARGET_DIR:-target}/release/harness" demo --orders "${ORDERS:-20000}" --seed "${SEED:-1}"
