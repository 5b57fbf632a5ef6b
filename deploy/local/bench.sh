#!/usr/bin/env bash
# Measures how fast orderstream is on this machine. QUICK=1: few events and one round. ONLY=a,b: only these of local, scattered, limit,
# naive, core, kafka-to-kafka, latency, takeover, memory, idle, sweep. SWEEP_OF: this alone of the sweep, for example orders_before.
# ROUNDS (3), EVENTS of each workload, PARTITIONS of each topic, DIRECTORY where report, plots and logs go (target/bench).
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/borrow.sh"

arguments=()
[[ ${QUICK:-} != 1 ]] || arguments+=(--quick)
[[ -z ${ONLY:-} ]] || arguments+=(--only "$ONLY")
[[ -z ${SWEEP_OF:-} ]] || arguments+=(--sweep-of "$SWEEP_OF")
[[ -z ${ROUNDS:-} ]] || arguments+=(--rounds "$ROUNDS")
[[ -z ${EVENTS:-} ]] || arguments+=(--events "$EVENTS")
[[ -z ${PARTITIONS:-} ]] || arguments+=(--partitions "$PARTITIONS")
[[ -z ${DIRECTORY:-} ]] || arguments+=(--directory "$DIRECTORY")

cd "$REPOSITORY"
"$HERE/setup.sh"
borrow_stack
cargo build --release --workspace
"${CARGO_TARGET_DIR:-target}/release/harness" bench "${arguments[@]}"
