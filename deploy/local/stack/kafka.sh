# shellcheck shell=bash
# Apache Kafka in KRaft mode: one process that is broker and controller.

kafka_prepare() {
    # The template names it.
    # shellcheck disable=SC2034
    KAFKA_DATA=$(kafka_data)
    mkdir -p "$STACK_DIR/kafka"
    render "$TEMPLATES/kafka.properties" "$STACK_DIR/kafka/server.properties"
    # Formatting is not atomic, so what counts is not that files are there but that it ended.
    if [[ ! -e $STACK_DIR/kafka/formatted || ! -e $(kafka_data)/meta.properties ]]; then
        rm -rf "$(kafka_data)"
        (exec_kafka_java -Xmx128m -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --standalone \
            -t "$(kafka_cluster_id)" -c "$STACK_DIR/kafka/server.properties")
        touch "$STACK_DIR/kafka/formatted"
    fi
}

kafka_run() {
    # Each partition costs three open files, and the tests make many.
    ulimit -n "$(ulimit -Hn)"
    exec_kafka_java -Xms512m -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExitOnOutOfMemoryError \
        kafka.Kafka "$STACK_DIR/kafka/server.properties"
}

exec_kafka_java() {
    exec "$(java_binary)" -cp "$LIBRARIES/kafka/lib/*" -Djava.awt.headless=true \
        -Dlog4j2.configurationFile="$TEMPLATES/kafka-log4j2.properties" "$@"
}

# 16 random bytes as Kafka writes a uuid; one that began with a dash would be read as an option.
kafka_cluster_id() {
    local id=-
    while [[ $id == -* ]]; do
        id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    done
    echo "$id"
}

# Asks the broker for its metadata, which names a broker only once it may serve clients.
# Metadata request, version 1, no topics; the answer holds size, correlation id and then the number of brokers.
kafka_answers() {
    local brokers
    # shellcheck disable=SC2016 # for the inner shell to expand
    brokers=$(timeout 2 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf "\0\0\0\16\0\3\0\1\0\0\0\1\377\377\0\0\0\0" >&3
        head -c 12 <&3 | od -An -tx1 -j8 | tr -d " "
    ' bash "$KAFKA_PORT" 2>/dev/null) || return 1
    [[ $brokers =~ ^[0-9a-f]{8}$ && $brokers != 00000000 ]]
}

kafka_data() {
    echo "$STACK_DIR/kafka/data"
}
