# shellcheck shell=bash
# For scripts that need the stack for a while: leaves it as it was found.

# Starts the stack. When the script ends, however it ends, stops it again unless it ran before or KEEP is 1.
borrow_stack() {
    local ran_before=no
    if "$HERE/stack.sh" status >/dev/null 2>&1; then
        ran_before=yes
        say "the stack runs already and is left running"
    fi
    # So that an interrupted script still gets to its EXIT trap.
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # Explicit, because a caller that looks at our exit code switches `set -e` off. What an `up` that fails had
    # started it takes back itself, and what somebody else was starting meanwhile is not ours to stop.
    "$HERE/stack.sh" up || return
    if [[ $ran_before == no && ${KEEP:-} != 1 ]]; then
        trap give_stack_back EXIT
    fi
    # shellcheck disable=SC1091 # written by `up`
    . "$STACK_DIR/env"
}

give_stack_back() {
    local code=$?
    trap '' INT TERM HUP
    "$HERE/stack.sh" down
    exit "$code"
}
