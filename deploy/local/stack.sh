#!/usr/bin/env bash
# The local stack: Kafka, a schema registry and Postgres as plain processes on 127.0.0.1.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/libraries.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/kafka.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/registry.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/postgres.sh"

usage() {
    cat <<'USAGE'
usage: stack.sh COMMAND [PART...]

  up                start what does not run, wait until all answers, write the file `env`
  down [--purge]    stop all; with --purge remove data and logs too
  status            what runs and where; exits with 3 when a part does not
  start PART...     like up, for these parts only
  stop PART...      orderly
  kill PART...      at once, as a power cut would
  restart PART...   stop, then start
  tools             fetch what the parts need, start none, and print where it is

PART is kafka, registry or postgres.
USAGE
}

main() {
    local command=${1:-}
    shift || true
    case $command in
        up)
            no_arguments "$@"
            "$HERE/setup.sh" stack
            lock 0
            up "${PARTS[@]}"
            describe
            ;;
        down)
            [[ $# == 0 || $* == --purge ]] || misuse "\`down\` takes no argument but --purge, not \`$*\`"
            lock "$LOCK_SECONDS"
            down_all
            [[ $# == 0 ]] || purge
            ;;
        status)
            no_arguments "$@"
            check_settings
            status
            ;;
        start | stop | kill | restart)
            parts_must_be_known "$@"
            lock "$LOCK_SECONDS"
            case $command in
                start) up "$@" ;;
                stop) down "$@" ;;
                kill) for part in "$@"; do kill_part "$part"; done ;;
                restart)
                    down "$@"
                    up "$@"
                    ;;
            esac
            ;;
        tools)
            no_arguments "$@"
            tools
            ;;
        run)
            # Not for people: `launch` starts this, and it becomes the part. Without the trap a shell goes on when
            # its child handles the signal and ends by itself, as initdb does.
            trap 'exit 143' INT TERM
            cd "$STACK_DIR"
            "$1_prepare"
            "$1_run"
            ;;
        help | -h | --help) usage ;;
        '')
            usage >&2
            exit "$USAGE"
            ;;
        *) misuse "there is no command \`$command\`" ;;
    esac
}

misuse() {
    fail "$USAGE" "$*: see \`stack.sh help\`"
}

no_arguments() {
    [[ $# == 0 ]] || misuse "this command takes no argument, but here is \`$*\`"
}

parts_must_be_known() {
    local part
    [[ $# -gt 0 ]] || misuse "name a part"
    for part in "$@"; do
        [[ " ${PARTS[*]} " == *" $part "* ]] || misuse "there is no part \`$part\`, only ${PARTS[*]}"
    done
}

# How long a command waits for another one on the same stack. `up` does not wait: two of them are a mistake.
readonly LOCK_SECONDS=60

lock() {
    local holder=''
    check_settings
    mkdir -p "$STACK_DIR"
    exec 9<>"$STACK_DIR/lock"
    if ! flock --wait "$1" 9; then
        read -r holder <"$STACK_DIR/lock" || true
        fail "$TRY_AGAIN" "another command works on the stack in \`$STACK_DIR\`${holder:+ (pid $holder)}: wait until it ends"
    fi
    echo $$ >"$STACK_DIR/lock"
}

# The parts that this call has launched; taken back unless all of them come up.
launched=()

take_back() {
    local code=$?
    trap '' INT TERM HUP
    if ((${#launched[@]} > 0)); then
        warn "stopping what this call had started"
        down "${launched[@]}" >&2
    fi
    exit "$code"
}

up() {
    local part began
    local -a absent=()
    began=$(now_ms)
    trap take_back EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    for part in "$@"; do
        if ! pid_of "$part" >/dev/null; then
            [[ ! -e $(pid_file "$part") ]] || say "$part had died without being stopped"
            port_must_be_free "$part"
            absent+=("$part")
        elif [[ $(<"$STACK_DIR/$part.address") != "$(address_of "$part")" ]]; then
            fail "$CONFIGURATION" "$part runs at $(<"$STACK_DIR/$part.address"), not at $(address_of "$part"):" \
                "stop it first, or take its port in $(port_variable "$part")"
        fi
    done
    if ((${#absent[@]} > 0)); then
        tools_must_be_here
        disk_must_have_room
        libraries_are_here || fetch_libraries
        for part in "${absent[@]}"; do
            address_of "$part" >"$STACK_DIR/$part.address"
            launched+=("$part")
            [[ $part != postgres || $(postgres_data) == "$STACK_DIR"/* ]] ||
                say "the user postgres may not enter \`$STACK_DIR\`, so its data goes to \`$(postgres_data)\`"
            launch "$part"
        done
    fi
    wait_until_all_answer "$@"
    write_env
    ((${#absent[@]} == 0)) || say "${absent[*]} up in $(seconds_since "$began") s"
    launched=()
}

# For the fault harness, which starts servers of its own. What is said on the way is no part of the answer.
tools() {
    {
        "$HERE/setup.sh" stack
        tools_must_be_here
        libraries_are_here || fetch_libraries
    } >&2
    printf '%s\n' "$(java_binary)" "$(postgres_binaries)" "$LIBRARIES"
}

tools_must_be_here() {
    java_binary >/dev/null || fail "$UNAVAILABLE" \
        "there is no java of version 17 or newer in JAVA_HOME (\`${JAVA_HOME:-}\`), PATH or /usr/lib/jvm: run \`make setup\`"
    postgres_binaries >/dev/null || fail "$UNAVAILABLE" \
        "there is no postgres with initdb and pg_isready in /usr/lib/postgresql or PATH: run \`make setup\`"
}

disk_must_have_room() {
    local free
    free=$(df --output=avail --block-size=1M "$STACK_DIR" | tail -n 1)
    ((free >= NEEDED_DISK_MIB)) || fail "$UNAVAILABLE" \
        "the disk of \`$STACK_DIR\` has ${free// /} MiB free, the stack needs $NEEDED_DISK_MIB: make room, or set STACK_DIR to a directory on another disk"
}

wait_until_all_answer() {
    local deadline part
    local -a waiting=("$@") still
    deadline=$(($(now_ms) + START_SECONDS * 1000))
    while true; do
        still=()
        for part in "${waiting[@]}"; do
            if ! pid_of "$part" >/dev/null; then
                show_end_of "$(log_file "$part")"
                fail "$UNAVAILABLE" "$part ended at its start: the lines above say why; if its data is broken, \`make clean-stack\` removes it"
            fi
            "${part}_answers" || still+=("$part")
        done
        ((${#still[@]} > 0)) || return 0
        (($(now_ms) < deadline)) || fail "$UNAVAILABLE" \
            "${still[0]} runs but does not answer at $(address_of "${still[0]}") after $START_SECONDS s: see $(log_file "${still[0]}")"
        waiting=("${still[@]}")
        sleep 0.1
    done
}

# All at the same time: each takes a second or two of waiting.
down() {
    local part
    local -a stopping=()
    for part in "$@"; do
        # Also when it does not run, for a stale pid file.
        stop_part "$part" &
        stopping+=($!)
    done
    for part in "${stopping[@]}"; do
        wait "$part"
    done
}

# Says so when there is nothing to stop, for people who wonder.
down_all() {
    local part runs=no
    for part in "${PARTS[@]}"; do
        ! pid_of "$part" >/dev/null || runs=yes
    done
    [[ $runs == yes ]] || say "nothing runs"
    down "${PARTS[@]}"
}

purge() {
    local data
    data=$(postgres_data)
    # Not kafka/lib and registry/lib: they are no data, and fetched again for nothing.
    rm -rf "$STACK_DIR/kafka/data" "$STACK_DIR/kafka/formatted" "$STACK_DIR/kafka/server.properties" \
        "$STACK_DIR/registry/tmp" "$data" "$data.new" "$STACK_DIR/logs" "$STACK_DIR"/*.address "$STACK_DIR/env"
    say "data and logs removed"
}

write_env() {
    local kafka registry postgres
    kafka=$(address_of kafka) registry=$(address_of registry) postgres=$(address_of postgres)
    cat >"$STACK_DIR/env.new" <<ENV
# Written by stack.sh. Source it: the first half is for people and tools, the second is orderstream's own settings.
export STACK_DIR=$STACK_DIR
export ORDERSTREAM_KAFKA_PORT=$KAFKA_PORT
export ORDERSTREAM_KAFKA_CONTROLLER_PORT=$CONTROLLER_PORT
export ORDERSTREAM_REGISTRY_PORT=$REGISTRY_PORT
export ORDERSTREAM_POSTGRES_PORT=$POSTGRES_PORT
export KAFKA_BROKERS=$kafka
export REGISTRY_URL=$registry
export DATABASE_URL=$postgres

export ORDERSTREAM__KAFKA__BROKERS=$kafka
export ORDERSTREAM__REGISTRY__URL=$registry
export ORDERSTREAM__DATABASE__URL=$postgres
ENV
    mv "$STACK_DIR/env.new" "$STACK_DIR/env"
}

describe() {
    local part
    for part in "${PARTS[@]}"; do
        printf '  %-9s %s\n' "$part" "$(address_of "$part")"
    done
    printf '  %-9s . %s\n' "in shell" "$STACK_DIR/env"
}

status() {
    local part pid state address size data code=0
    printf '%-9s %-8s %-15s %-6s %s\n' PART PID STATE DATA ADDRESS
    for part in "${PARTS[@]}"; do
        address=$(cat "$STACK_DIR/$part.address" 2>/dev/null || address_of "$part")
        if pid=$(pid_of "$part"); then
            state=running
            "${part}_answers" || state='not answering'
        else
            pid=- state=stopped
            [[ ! -e $(pid_file "$part") ]] || state=died
        fi
        [[ $state == running ]] || code=$NOT_RUNNING
        data=$("${part}_data") size=-
        [[ ! -d $data ]] || size=$(du -sh "$data" 2>/dev/null | cut -f1)
        printf '%-9s %-8s %-15s %-6s %s\n' "$part" "$pid" "$state" "$size" "$address"
    done
    return "$code"
}

main "$@"
