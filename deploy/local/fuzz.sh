#!/usr/bin/env bash
# Fuzzes framing, decode, JSON and fold with coverage as the guide; ends with 1 when a target found something.
#
# usage: fuzz.sh [DURATION] [TARGET]   each target, or this one, for so many seconds (60)
#        fuzz.sh seeds                 writes tests/fuzz/seeds anew from the worked examples
# What a run finds worth keeping stays in target/fuzz/corpus for the next, what breaks a target in target/fuzz/crashes.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"

readonly TARGETS=(framing payment inventory shipping order json fold)
readonly CARGO_FUZZ=0.13.2
BUILT=$REPOSITORY/target/fuzz
TOOLS=$REPOSITORY/target/tools

main() {
    local duration=${1:-60} wanted=${2:-} target
    local -a targets=("${TARGETS[@]}") broken=()
    cd "$REPOSITORY"
    if [[ $duration == seeds ]]; then
        cargo run --manifest-path tests/fuzz/Cargo.toml --target-dir "$BUILT" --example seeds tests/fuzz/seeds
        return
    fi
    [[ $duration =~ ^[1-9][0-9]{0,5}$ ]] || fail "$USAGE" "SECONDS is \`$duration\`: give how long each target runs, for example SECONDS=60"
    if [[ -n $wanted ]]; then
        [[ " ${TARGETS[*]} " == *" $wanted "* ]] || fail "$USAGE" "TARGET is \`$wanted\`: use one of ${TARGETS[*]}"
        targets=("$wanted")
    fi
    install_cargo_fuzz
    # Without a sanitizer a stable compiler will do; there is no unsafe code in what is fuzzed.
    cargo_fuzz build
    for target in "${targets[@]}"; do
        fuzz "$target" "$duration" || broken+=("$target")
    done
    ((${#broken[@]} == 0)) || fail 1 "broken: ${broken[*]}; the lines above name the inputs"
}

install_cargo_fuzz() {
    [[ $("$TOOLS/bin/cargo-fuzz" --version 2>/dev/null) != *" $CARGO_FUZZ" ]] || return 0
    say "cargo install cargo-fuzz $CARGO_FUZZ"
    cargo install --quiet --locked --root "$TOOLS" --version "$CARGO_FUZZ" cargo-fuzz
}

# usage: cargo_fuzz COMMAND [TARGET]
cargo_fuzz() {
    PATH=$TOOLS/bin:$PATH cargo fuzz "$1" --fuzz-dir tests/fuzz --target-dir "$BUILT" --sanitizer none "${@:2}"
}

fuzz() {
    local target=$1 duration=$2 corpus=$BUILT/corpus/$1 crashes=$BUILT/crashes/$1 log=$BUILT/$1.log program runs
    program=$(find "$BUILT" -path "*/release/$target" -type f)
    mkdir -p "$corpus" "$crashes"
    if ! "$program" -max_total_time="$duration" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$crashes/" "$corpus" "tests/fuzz/seeds/$target" >"$log" 2>&1; then
        grep -A 2 -E 'panicked at|ERROR: libFuzzer' "$log" >&2 || true
        show_end_of "$log"
        warn "$target: make a test of the input, or see it again with \`$program INPUT\`"
        return 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    say "$target: $runs runs, nothing found"
}

main "$@"
