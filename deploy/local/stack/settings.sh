# shellcheck shell=bash
# Where the stack lives, which ports it takes, and how its scripts speak.

# The scripts that source this file use what it sets.
# shellcheck disable=SC2034

# Read-only data must stay reachable for the postgres user, whatever the caller's umask.
umask 022

REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
TEMPLATES=$REPOSITORY/deploy/local/stack
LIBRARIES=$REPOSITORY/target/stack
STACK_DIR=${STACK_DIR:-$REPOSITORY/target/stack}
[[ $STACK_DIR == /* ]] || STACK_DIR=$PWD/$STACK_DIR

KAFKA_PORT=${ORDERSTREAM_KAFKA_PORT:-29392}
CONTROLLER_PORT=${ORDERSTREAM_KAFKA_CONTROLLER_PORT:-29393}
REGISTRY_PORT=${ORDERSTREAM_REGISTRY_PORT:-28081}
POSTGRES_PORT=${ORDERSTREAM_POSTGRES_PORT:-25432}

readonly PARTS=(kafka registry postgres)
# Postgres may have to recover from a full WAL before it answers.
readonly START_SECONDS=120
readonly STOP_SECONDS=30
readonly NEEDED_DISK_MIB=2048

# The exit codes of sysexits.h that the binary uses too.
readonly USAGE=64 UNAVAILABLE=69 TRY_AGAIN=75 CONFIGURATION=78
# What `status` exits with when a part does not run; no other command uses it.
readonly NOT_RUNNING=3

# The script that speaks, for the beginning of each line.
SPEAKER=$(basename "$0" .sh)

say() {
    printf '%s: %s\n' "$SPEAKER" "$*"
}

warn() {
    printf '%s: %s\n' "$SPEAKER" "$*" >&2
}

fail() {
    local code=$1
    shift
    warn "$*"
    exit "$code"
}

# The variable that moves a port, by the port's name.
port_variable() {
    case $1 in
        kafka) echo ORDERSTREAM_KAFKA_PORT ;;
        controller) echo ORDERSTREAM_KAFKA_CONTROLLER_PORT ;;
        registry) echo ORDERSTREAM_REGISTRY_PORT ;;
        postgres) echo ORDERSTREAM_POSTGRES_PORT ;;
    esac
}

ports_of() {
    case $1 in
        kafka) echo "kafka=$KAFKA_PORT controller=$CONTROLLER_PORT" ;;
        registry) echo "registry=$REGISTRY_PORT" ;;
        postgres) echo "postgres=$POSTGRES_PORT" ;;
    esac
}

address_of() {
    case $1 in
        kafka) echo "127.0.0.1:$KAFKA_PORT" ;;
        registry) echo "http://127.0.0.1:$REGISTRY_PORT/apis/ccompat/v7" ;;
        postgres) echo "postgres://orderstream:orderstream@127.0.0.1:$POSTGRES_PORT/orderstream" ;;
    esac
}

check_settings() {
    local part entry name port
    local -A taken_by=()
    for part in "${PARTS[@]}"; do
        for entry in $(ports_of "$part"); do
            name=$(port_variable "${entry%%=*}") port=${entry#*=}
            if ! [[ $port =~ ^[1-9][0-9]{3,4}$ ]] || ((port < 1024 || port > 65535)); then
                fail "$CONFIGURATION" "$name is \`$port\`: give a port from 1024 to 65535"
            fi
            [[ -z ${taken_by[$port]:-} ]] ||
                fail "$CONFIGURATION" "$name and ${taken_by[$port]} are both \`$port\`: give each a port of its own"
            taken_by[$port]=$name
        done
    done
    # The paths go into Java's properties and onto its command line, where these would need quoting.
    [[ $STACK_DIR =~ ^[[:alnum:]/._+-]+$ ]] ||
        fail "$CONFIGURATION" "STACK_DIR is \`$STACK_DIR\`: give a path without blanks and special characters"
}

# Fills in the @NAME@ marks of a template from the variables of the same names.
render() {
    local text mark name
    text=$(<"$1")
    while [[ $text =~ @([A-Z_]+)@ ]]; do
        mark=${BASH_REMATCH[0]} name=${BASH_REMATCH[1]}
        text=${text//"$mark"/"${!name}"}
    done
    printf '%s\n' "$text" >"$2"
}
