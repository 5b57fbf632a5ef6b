# shellcheck shell=bash
# Apicurio Registry. It keeps its schemas in memory: a restart forgets them.

registry_prepare() {
    # It unpacks files of its web pages there.
    mkdir -p "$STACK_DIR/registry/tmp"
}

registry_run() {
    local jar
    jar=$(echo "$LIBRARIES"/registry/lib/apicurio-registry-app-*-runner.jar)
    exec "$(java_binary)" -Xms64m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError \
        -Djava.awt.headless=true -Djava.io.tmpdir="$STACK_DIR/registry/tmp" \
        -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$REGISTRY_PORT" -jar "$jar"
}

registry_answers() {
    curl --silent --fail --max-time 2 --noproxy '*' --output /dev/null "$(address_of registry)/subjects"
}

registry_data() {
    :
}
