# shellcheck shell=bash
# The Java runtime, and the jars of Kafka and of the registry, which Maven fetches as pom.xml says.

# A java of version 17 or newer: JAVA_HOME's, else the PATH's, else one of Debian's.
java_binary() {
    local java
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(type -P java || true)" /usr/lib/jvm/java-*-openjdk-*/bin/java; do
        if [[ -x $java ]] && (($(java_version "$java") >= 17)); then
            echo "$java"
            return 0
        fi
    done
    return 1
}

# The major version. The file beside the runtime answers without starting a JVM.
java_version() {
    local home version
    home=$(dirname "$(dirname "$(readlink -f "$1")")")
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release" 2>/dev/null)
    if [[ -z $version ]]; then
        version=$("$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    fi
    echo "${version:-0}"
}

# The jars belong to one pom.xml; a changed one fetches anew.
libraries_are_here() {
    [[ -d $LIBRARIES/kafka/lib && -d $LIBRARIES/registry/lib ]] &&
        cmp --silent "$REPOSITORY/deploy/local/pom.xml" "$LIBRARIES/pom.xml"
}

fetch_libraries() {
    local began java new log=$STACK_DIR/logs/maven.log
    began=$(now_ms)
    mkdir -p "$LIBRARIES/kafka" "$LIBRARIES/registry" "${log%/*}"
    # Stacks in other directories share the jars, and may want them at the same moment.
    exec 8>"$LIBRARIES/fetch.lock"
    flock 8
    if ! libraries_are_here; then
        say "fetching Kafka and the registry with Maven"
        java=$(readlink -f "$(java_binary)")
        new=$LIBRARIES/fetching
        rm -rf "$new"
        if ! JAVA_HOME=${java%/bin/java} mvn --batch-mode --file "$REPOSITORY/deploy/local/pom.xml" \
            -Dlibraries="$new" package </dev/null >"$log" 2>&1; then
            show_end_of "$log"
            fail "$UNAVAILABLE" "Maven could not fetch the jars that \`deploy/local/pom.xml\` names: the lines above say why"
        fi
        rm -rf "$LIBRARIES/pom.xml" "$LIBRARIES/kafka/lib" "$LIBRARIES/registry/lib"
        mv "$new/kafka" "$LIBRARIES/kafka/lib"
        mv "$new/registry" "$LIBRARIES/registry/lib"
        # Last, as it is what says that all is here.
        cp "$REPOSITORY/deploy/local/pom.xml" "$LIBRARIES/pom.xml"
        rm -rf "$new"
        say "fetched in $(seconds_since "$began") s"
    fi
    exec 8>&-
}
