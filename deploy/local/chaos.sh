#!/usr/bin/env bash
# Breaks everything around real workers for MINUTES (5), on a schedule made from SEED (1; several as 1,2,7-12 are run one after the
# other and summed up), of the kinds FAULTS=a,b,c (all), then heals and checks. WORKERS is 2 to 4 (by the seed), RATE records a second
# (500), DIRECTORY where all of it is left (target/chaos).
# Starts servers of its own, beside `make up`, and ends them, however it ends.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"

cd "$REPOSITORY"
"$HERE/setup.sh" chaos
cargo build --release --workspace
arguments=(--minutes "${MINUTES:-5}" --seed "${SEED:-1}" --rate "${RATE:-500}")
[[ -z ${WORKERS:-} ]] || arguments+=(--workers "$WORKERS")
[[ -z ${FAULTS:-} ]] || arguments+=(--faults "$FAULTS")
[[ -z ${DIRECTORY:-} ]] || arguments+=(--directory "$DIRECTORY")
# In place of this shell, so that Ctrl-C and SIGTERM reach the one that cleans up.
exec "${CARGO_TARGET_DIR:-target}/release/harness" chaos "${arguments[@]}"
