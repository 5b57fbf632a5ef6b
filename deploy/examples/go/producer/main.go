// Command producer tells orderstream the story of one order: placed, paid, reserved, labelled, and then cancelled by its customer.
//
//	go run ./producer ORDER_ID
//
// What orderstream makes of it stands on order-status; since the order is cancelled, order-commands then asks for what is owed.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"orderstream/examples/registry"
)

type told struct {
	topic, kind string
	fields      map[string]any
}

func story() []told {
	mugs := []map[string]any{{"line_id": "1", "sku": "MUG", "quantity": 2}}
	// Money is a number of minor units, never a float.
	return []told{
		{"orders", "PLACED", map[string]any{"total_minor": int64(12999), "currency": "EUR", "lines": mugs}},
		{"payments", "AUTHORIZED", map[string]any{"authorization_id": "auth-1", "amount_minor": int64(12999), "currency": "EUR"}},
		{"inventory", "RESERVED", map[string]any{"reservation_id": "res-1", "lines": mugs}},
		{"shipping", "LABEL_CREATED", map[string]any{"shipment_id": "shp-1", "lines": mugs}},
		{"orders", "CANCEL_REQUESTED", map[string]any{"requested_by": "customer"}},
	}
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: producer ORDER_ID")
	}
	if err := tell(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func tell(orderID string) error {
	prefix := registry.Variable("TOPIC_PREFIX", "")
	schemas := registry.New(registry.Variable("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7"))
	// franz-go partitions by murmur2 of the key, as Java does and orderstream expects, and is idempotent by itself.
	client, err := kgo.NewClient(kgo.SeedBrokers(registry.Variable("KAFKA_BROKERS", "127.0.0.1:29092")))
	if err != nil {
		return err
	}
	defer client.Close()
	for _, told := range story() {
		event := map[string]any{
			"event_id":       orderID + "-" + told.kind, // yours, and the same again when you send it again
			"order_id":       orderID,
			"kind":           told.kind,
			"occurred_at":    time.Now().UTC(), // when it happened, not when it is sent
			"producer":       "example-go",
			"correlation_id": "checkout-" + orderID,
		}
		for name, value := range told.fields {
			event[name] = value
		}
		topic := prefix + told.topic
		value, err := schemas.Encode(topic, event)
		if err != nil {
			return err
		}
		// The key is the order id, byte for byte. Not delivered: send all of it again, repeated events change nothing.
		record := &kgo.Record{Topic: topic, Key: []byte(orderID), Value: value}
		if err := client.ProduceSync(context.Background(), record).FirstErr(); err != nil {
			return err
		}
		fmt.Println(topic, record.Offset)
	}
	return nil
}
