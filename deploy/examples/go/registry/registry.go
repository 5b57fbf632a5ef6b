// Package registry speaks Confluent's wire format: a byte 0, four bytes of schema id, the Avro body.
package registry

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	"github.com/hamba/avro/v2"
)

// Client asks a registry through Confluent's API, for each thing once. It is for one goroutine.
type Client struct {
	url    string
	latest map[string]registered
	byID   map[uint32]avro.Schema
}

type registered struct {
	id     uint32
	schema avro.Schema
}

// New makes a client.
func New(url string) *Client {
	return &Client{url: url, latest: map[string]registered{}, byID: map[uint32]avro.Schema{}}
}

// Encode writes an event under the schema that orderstream registered for the topic's values. Fields that it lacks have the schema's
// defaults.
func (c *Client) Encode(topic string, event map[string]any) ([]byte, error) {
	known, ok := c.latest[topic]
	if !ok {
		var answer struct {
			ID     uint32
			Schema string
		}
		if err := c.get("/subjects/"+topic+"-value/versions/latest", &answer); err != nil {
			return nil, err
		}
		schema, err := parse(answer.Schema)
		if err != nil {
			return nil, err
		}
		known = registered{answer.ID, schema}
		c.latest[topic] = known
	}
	body, err := avro.Marshal(known.schema, event)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, known.id), body...), nil
}

// Decode reads a value under the schema that it was written with.
func (c *Client) Decode(value []byte) (map[string]any, error) {
	if len(value) < 5 || value[0] != 0 {
		return nil, fmt.Errorf("not Confluent's wire format: %d bytes that do not begin with 0", len(value))
	}
	id := binary.BigEndian.Uint32(value[1:5])
	schema, ok := c.byID[id]
	if !ok {
		var answer struct{ Schema string }
		if err := c.get(fmt.Sprintf("/schemas/ids/%d", id), &answer); err != nil {
			return nil, err
		}
		var err error
		if schema, err = parse(answer.Schema); err != nil {
			return nil, err
		}
		c.byID[id] = schema
	}
	var decoded map[string]any
	return decoded, avro.Unmarshal(schema, value[5:], &decoded)
}

// A cache of its own: the schemas share the names of some of their parts.
func parse(schema string) (avro.Schema, error) {
	return avro.ParseWithCache(schema, "", &avro.SchemaCache{})
}

func (c *Client) get(path string, into any) error {
	answer, err := http.Get(c.url + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the registry answers %s to %s", answer.Status, path)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// Variable is the environment's word, or the default.
func Variable(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}
