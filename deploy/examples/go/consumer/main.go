// Command consumer reads what orderstream sends, does each thing once, and prints it: one line of JSON each.
//
//	CONSUMER_DATABASE=postgres://you@127.0.0.1/shop go run ./consumer
//
// orderstream shows each record once. You may still read one twice: you stop between doing it and committing your offset, somebody
// resets your group, a topic is copied. So what was done is written down in the transaction that does it, in your own database.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"orderstream/examples/registry"
)

const (
	tables = `create table if not exists latest (order_id text primary key, order_version bigint not null);
	          create table if not exists done (id text primary key)`
	// A status event is the order's whole view: what is older than the one you have is of no use.
	newer = `insert into latest values ($1, $2) on conflict (order_id) do update set order_version = excluded.order_version
	          where latest.order_version < excluded.order_version`
	first = `insert into done values ($1) on conflict (id) do nothing`
)

type line struct {
	Topic   string            `json:"topic"`
	Value   map[string]any    `json:"value"`
	Headers map[string]string `json:"headers"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := consume(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func consume(ctx context.Context) error {
	prefix := registry.Variable("TOPIC_PREFIX", "")
	schemas := registry.New(registry.Variable("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7"))
	database, err := pgx.Connect(ctx, registry.Variable("CONSUMER_DATABASE", "postgres://postgres:postgres@127.0.0.1:5432/shop"))
	if err != nil {
		return err
	}
	defer database.Close(context.Background())
	if _, err := database.Exec(ctx, tables); err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(registry.Variable("KAFKA_BROKERS", "127.0.0.1:29092")),
		kgo.ConsumerGroup(registry.Variable("CONSUMER_GROUP", "example-go")), // never orderstream's own
		kgo.ConsumeTopics(prefix+"order-status", prefix+"order-commands", prefix+"order-dead-letters"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // anything else shows what may be taken back
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if err := take(ctx, database, schemas, strings.TrimPrefix(record.Topic, prefix), record); err != nil {
				return err
			}
		}
		// After the work; dying in between is why isNew asks.
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
	}
}

func take(ctx context.Context, database *pgx.Conn, schemas *registry.Client, topic string, record *kgo.Record) error {
	read := line{Topic: topic, Headers: map[string]string{}}
	if topic == "order-dead-letters" {
		// Its value is the refused record's own, whatever that is; the headers say what is wrong with it.
		for _, header := range record.Headers {
			if strings.HasPrefix(header.Key, "orderstream-") {
				read.Headers[header.Key] = string(header.Value)
			}
		}
	} else {
		var err error
		if read.Value, err = schemas.Decode(record.Value); err != nil {
			return err
		}
	}
	return pgx.BeginFunc(ctx, database, func(transaction pgx.Tx) error {
		fresh, err := isNew(ctx, transaction, read)
		if err != nil || !fresh {
			return err
		}
		// Your work, in the same transaction. What cannot be undone, a refund at a bank, carries the command_id to its other side.
		text, err := json.Marshal(read)
		if err == nil {
			_, err = fmt.Println(string(text))
		}
		return err
	})
}

// isNew writes down what this record is; false where it, or something later, was there before.
func isNew(ctx context.Context, transaction pgx.Tx, read line) (bool, error) {
	query, arguments := first, []any{}
	switch read.Topic {
	case "order-status":
		query, arguments = newer, []any{read.Value["order_id"], read.Value["order_version"]}
	case "order-commands":
		arguments = []any{fmt.Sprint(read.Value["command_id"])}
	default:
		place := read.Headers["orderstream-topic"] + "/" + read.Headers["orderstream-partition"] + "/" + read.Headers["orderstream-offset"]
		arguments = []any{place}
	}
	tag, err := transaction.Exec(ctx, query, arguments...)
	return tag.RowsAffected() == 1, err
}
