# shellcheck shell=bash
# Starting, recognising and ending the processes of the stack.
#
# A part is known by $STACK_DIR/PART.pid: its pid, the kernel's start time of that pid, and the id of this boot.
# A pid alone may long belong to somebody else; the three together cannot.

pid_file() {
    echo "$STACK_DIR/$1.pid"
}

log_file() {
    echo "$STACK_DIR/logs/$1.log"
}

# Field 22 of /proc/PID/stat, counted from behind the command's name, which may itself hold blanks and brackets.
start_time_of() {
    local stat fields
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    # A zombie is over: only its parent has not noticed yet.
    [[ ${fields[0]} != Z ]] || return 1
    echo "${fields[19]}"
}

# Prints the pid of a running part; fails when it does not run.
pid_of() {
    local pid started boot
    read -r pid started boot 2>/dev/null <"$(pid_file "$1")" || return 1
    [[ $boot == "$(</proc/sys/kernel/random/boot_id)" && $(start_time_of "$pid") == "$started" ]] || return 1
    echo "$pid"
}

show_end_of() {
    warn "the last lines of $1:"
    tail -n 15 "$1" | sed 's/^/    /' >&2
}

# Runs `stack.sh run PART` in a session of its own, with nothing of ours but the environment.
launch() {
    local part=$1 log self
    log=$(log_file "$part")
    mkdir -p "${log%/*}"
    [[ ! -s $log ]] || mv -f "$log" "$log.1"
    (
        close_inherited_files
        # First into a variable: within $( ) it is the pid of another subshell.
        self=$BASHPID
        printf '%s %s %s\n' "$self" "$(start_time_of "$self")" "$(</proc/sys/kernel/random/boot_id)" \
            >"$(pid_file "$part").new"
        mv "$(pid_file "$part").new" "$(pid_file "$part")"
        # A shell's background job ignores SIGINT, and so would everything it starts: Postgres stops by SIGINT.
        exec setsid env --default-signal=INT,QUIT "$REPOSITORY/deploy/local/stack.sh" run "$part"
    ) </dev/null >"$log" 2>&1 &
    local child=$!
    until [[ -e $(pid_file "$part") && $(pid_of "$part" || true) == "$child" ]] || ! start_time_of "$child" >/dev/null; do
        sleep 0.01
    done
}

# Whatever the caller holds open (our lock, a CI's pipes, make's job server) must not live as long as the server.
close_inherited_files() {
    local path number
    for path in "/proc/$BASHPID/fd/"*; do
        number=${path##*/}
        if ((number > 2 && number != 255)); then
            eval "exec $number>&-"
        fi
    done
}

# The process, all it has started, and their children, in that order.
family_of() {
    local children child
    echo "$1"
    { children=$(<"/proc/$1/task/$1/children"); } 2>/dev/null || return 0
    for child in $children; do
        family_of "$child"
    done
}

# Ends a part the way it likes best; the hard way after a deadline.
stop_part() {
    local part=$1 pid began signal=TERM
    if ! pid=$(pid_of "$part"); then
        rm -f "$(pid_file "$part")"
        return 0
    fi
    # SIGINT is Postgres's fast shutdown; at SIGTERM it would wait for its clients.
    [[ $part != postgres ]] || signal=INT
    began=$(now_ms)
    # The group, because while a part is still being prepared its process is a shell that waits for a child.
    kill -"$signal" -- "-$pid" 2>/dev/null || kill -"$signal" "$pid" 2>/dev/null || true
    if wait_for_end "$part" "$STOP_SECONDS"; then
        say "$part (pid $pid) stopped in $(seconds_since "$began") s"
    else
        kill_part "$part" >/dev/null
        say "$part (pid $pid) did not stop within $STOP_SECONDS s and was killed"
    fi
    rm -f "$(pid_file "$part")"
}

# Ends a part as a power cut would. Its children too: while one of Postgres's lives, its data cannot be opened again.
kill_part() {
    local part=$1 pid
    local -a family
    if ! pid=$(pid_of "$part"); then
        say "$part does not run"
        return 0
    fi
    mapfile -t family < <(family_of "$pid")
    kill -KILL "${family[@]}" 2>/dev/null || true
    wait_for_end "$part" "$STOP_SECONDS" || fail "$UNAVAILABLE" "$part (pid $pid) survived SIGKILL: look at \`ps $pid\`"
    rm -f "$(pid_file "$part")"
    say "$part (pid $pid) killed"
}

wait_for_end() {
    local deadline=$(($(now_ms) + $2 * 1000))
    while pid_of "$1" >/dev/null; do
        (($(now_ms) < deadline)) || return 1
        sleep 0.05
    done
}

now_ms() {
    echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

seconds_since() {
    local elapsed=$(($(now_ms) - $1))
    printf '%d.%d' $((elapsed / 1000)) $((elapsed % 1000 / 100))
}

# Who listens on a port of 127.0.0.1: prints "NAME (pid N)", or nothing when the kernel does not tell us.
# Fails when nobody does.
listener_on() {
    local hex inode='' address state rest table
    printf -v hex '%04X' "$1"
    for table in /proc/net/tcp /proc/net/tcp6; do
        while read -r _ address _ state rest; do
            # 0A is LISTEN; the inode is the sixth column after the state.
            if [[ $state == 0A && ${address##*:} == "$hex" ]]; then
                read -r _ _ _ _ _ inode _ <<<"$rest"
            fi
        done <"$table"
    done 2>/dev/null
    [[ -n $inode ]] || return 1
    local link
    for link in /proc/[0-9]*/fd/*; do
        if [[ $(readlink "$link" 2>/dev/null) == "socket:[$inode]" ]]; then
            link=${link#/proc/}
            printf '%s (pid %s)' "$(<"/proc/${link%%/*}/comm")" "${link%%/*}"
            return 0
        fi
    done
}

port_must_be_free() {
    local part=$1 entry owner
    for entry in $(ports_of "$part"); do
        if owner=$(listener_on "${entry#*=}"); then
            fail "$UNAVAILABLE" "port ${entry#*=} for $part is taken by ${owner:-a process of another user}:" \
                "stop that, or give another port in $(port_variable "${entry%%=*}")"
        fi
    done
}
