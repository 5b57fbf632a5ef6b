#!/usr/bin/env bash
# Builds the examples of deploy/examples below target/clients, with all that they need, for the tests that run them; what is there
# already and unchanged is left as it is.
#
# usage: clients.sh [python|java|go]   all three without an argument; Rust's are cargo's own examples
#
# Afterwards target/clients/LANGUAGE-producer and -consumer are programs.
set -euo pipefail

HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/settings.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/process.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/launcher.sh"
# shellcheck source-path=SCRIPTDIR
. "$HERE/stack/libraries.sh"

EXAMPLES=$REPOSITORY/deploy/examples
CLIENTS=$REPOSITORY/target/clients

main() {
    local language
    [[ $# -le 1 && ${1:-go} =~ ^(python|java|go)$ ]] || fail "$USAGE" "the only argument is \`python\`, \`java\` or \`go\`, not \`$*\`"
    mkdir -p "$CLIENTS"
    for language in ${1:-python java go}; do
        made "$language" || make_anew "$language"
    done
}

# What a language's programs are made of is what they were made of.
made() {
    [[ -x $CLIENTS/$1-consumer ]] && sources_of "$1" | cmp --silent - "$CLIENTS/$1.sources"
}

sources_of() {
    (cd "$EXAMPLES" && find "$1" -type f | LC_ALL=C sort | xargs sha256sum)
    echo "$CLIENTS"
}

make_anew() {
    local began log=$CLIENTS/$1.log
    began=$(now_ms)
    rm -rf "${CLIENTS:?}/$1" "$CLIENTS/$1.sources"
    if ! "make_$1" </dev/null >"$log" 2>&1; then
        show_end_of "$log"
        fail "$UNAVAILABLE" "the examples in \`deploy/examples/$1\` cannot be built: the lines above say why"
    fi
    # Last, as it is what says that all is here.
    sources_of "$1" >"$CLIENTS/$1.sources"
    say "$1 is ready after $(seconds_since "$began") s"
}

make_python() {
    local program
    python3 -m venv "$CLIENTS/python" &&
        "$CLIENTS/python/bin/pip" --disable-pip-version-check install --requirement "$EXAMPLES/python/requirements.txt" || return
    for program in producer consumer; do
        launcher "$CLIENTS/python-$program" "$CLIENTS/python/bin/python" "$EXAMPLES/python/$program.py"
    done
}

make_java() {
    local java program classes=$CLIENTS/java/classes
    java=$(readlink -f "$(java_binary)")
    JAVA_HOME=${java%/bin/java} mvn --batch-mode --file "$EXAMPLES/java/pom.xml" -Doutside="$CLIENTS/java" package || return
    for program in producer consumer; do
        # A short life: no time for the second compiler.
        launcher "$CLIENTS/java-$program" "$java" -XX:TieredStopAtLevel=1 -cp "$classes:$CLIENTS/java/libraries/*" "${program^}"
    done
}

make_go() {
    local program
    for program in producer consumer; do
        # Nothing is stamped: the tree may be no clone.
        (cd "$EXAMPLES/go" && go build -buildvcs=false -o "$CLIENTS/go-$program" "./$program") || return
    done
}

main "$@"
