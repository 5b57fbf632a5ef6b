# shellcheck shell=bash
# PostgreSQL 15 with a private cluster. It refuses to run as root, so root runs it as the package's user postgres.

postgres_prepare() {
    local data new
    data=$(postgres_data)
    if [[ ! -d $data ]]; then
        # Made beside its place and renamed, so that an interrupted initdb leaves nothing that looks like a cluster.
        new=$data.new
        rm -rf "$new"
        mkdir -p "${data%/*}"
        install -d -m 700 "$new"
        ! is_root || chown postgres: "$new"
        as_postgres "$(postgres_binaries)/initdb" --pgdata="$new" --username=orderstream --auth=trust \
            --encoding=UTF8 --locale=C.UTF-8
        as_postgres "$(postgres_binaries)/postgres" --single -D "$new" postgres <<'SQL'
alter role orderstream password 'orderstream'
create database orderstream
SQL
        cp "$TEMPLATES/pg_hba.conf" "$new/pg_hba.conf"
        mv "$new" "$data"
    fi
    render "$TEMPLATES/postgresql.conf" "$data/postgresql.conf"
    forget_killed_postmaster "$data"
}

# Postgres refuses a data directory whose postmaster.pid names a process. After a kill that may be a zombie, for long
# where process 1 does not collect them, or by now somebody else. Its backends may need a moment to see that they are
# orphans; when nobody works in the directory any more, the file is stale.
forget_killed_postmaster() {
    local data=$1 deadline
    deadline=$(($(now_ms) + 10000))
    while works_in "$data" && (($(now_ms) < deadline)); do
        sleep 0.05
    done
    works_in "$data" || rm -f "$data/postmaster.pid"
}

# Whether any living process has this working directory, as all of Postgres's processes have their data.
works_in() {
    local process
    for process in /proc/[0-9]*/cwd; do
        [[ $(readlink "$process" 2>/dev/null) != "$1" ]] || return 0
    done
    return 1
}

postgres_run() {
    exec_as_postgres "$(postgres_binaries)/postgres" -D "$(postgres_data)"
}

postgres_answers() {
    local binaries
    binaries=$(postgres_binaries) || return 1
    "$binaries/pg_isready" --quiet --host=127.0.0.1 --port="$POSTGRES_PORT" --timeout=2
}

# The data directory: under STACK_DIR, unless root keeps that where the user postgres may not go (/root, say).
postgres_data() {
    if ! is_root || as_postgres test -x "$STACK_DIR" 2>/dev/null; then
        echo "$STACK_DIR/postgres"
    else
        echo "/var/tmp/orderstream-postgres-$(cksum <<<"$STACK_DIR" | cut -d' ' -f1)"
    fi
}

postgres_binaries() {
    local directory
    for directory in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin \
        "$(dirname "$(readlink -f "$(type -P postgres || true)")")"; do
        if [[ -x $directory/postgres && -x $directory/initdb && -x $directory/pg_isready ]]; then
            echo "$directory"
            return 0
        fi
    done
    return 1
}

is_root() {
    ((EUID == 0))
}

as_postgres() {
    (exec_as_postgres "$@")
}

# setpriv becomes the program, where su would stay beside it and own the pid.
exec_as_postgres() {
    if is_root; then
        exec setpriv --reuid=postgres --regid=postgres --init-groups --reset-env "$@"
    fi
    exec "$@"
}
