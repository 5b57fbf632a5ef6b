# shellcheck shell=bash
# Programs that are a command line. To be sourced.

# usage: launcher FILE WORD...   FILE runs these words, and its own arguments behind them
launcher() {
    local path=$1
    shift
    printf '#!/bin/sh\nexec' >"$path"
    printf " '%s'" "$@" >>"$path"
    # shellcheck disable=SC2016 # for the launcher's own shell
    printf ' "$@"\n' >>"$path"
    chmod +x "$path"
}
