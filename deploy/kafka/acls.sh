#!/usr/bin/env bash
# Prints the commands that give a worker's user exactly the rights that it needs in Kafka, one a line. Read them, then run them:
#
#   PRINCIPAL=User:orderstream BOOTSTRAP=kafka:9093 COMMAND_CONFIG=admin.properties deploy/kafka/acls.sh | sh
#
# Names are as in the configuration; topics that it leaves out are left out here. Rights that a right brings along are not listed:
# Read and Write bring Describe. The tests let a worker run with these rights and no other, and take them away one by one.
set -euo pipefail

PRINCIPAL=${PRINCIPAL:-User:orderstream}
BOOTSTRAP=${BOOTSTRAP:-localhost:9092}
# Properties of the administrator's own connection, if it needs some.
COMMAND_CONFIG=${COMMAND_CONFIG:-}
# kafka.group
GROUP=${GROUP:-orderstream}
# topics.payment, topics.inventory, topics.shipping, topics.order
INPUTS=${INPUTS:-payments inventory shipping}
# topics.status, topics.command, topics.dead_letter
OUTPUTS=${OUTPUTS:-order-status}

main() {
    local topic
    for topic in $INPUTS; do
        # Reading events; committing offsets of them in the transaction that publishes.
        grant --operation Read --topic "$topic"
    done
    for topic in $OUTPUTS; do
        # Publishing; DescribeConfigs, to see at the start that no record of ours is larger than the topic takes.
        grant --operation Write --operation DescribeConfigs --topic "$topic"
    done
    # Being a member, reading and committing its offsets.
    grant --operation Read --group "$GROUP"
    # Our own transactional ids, and those of former owners whose open transactions a successor ends: all begin with the group.
    grant --operation Write --transactional-id "$GROUP-" --resource-pattern-type prefixed
}

grant() {
    echo "kafka-acls.sh --bootstrap-server $BOOTSTRAP${COMMAND_CONFIG:+ --command-config $COMMAND_CONFIG}" \
        "--add --allow-principal $PRINCIPAL $*"
}

main
