import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Tells orderstream the story of one order: placed, paid, reserved, labelled, and then cancelled by its customer.
 *
 * <p>What orderstream makes of it stands on {@code order-status}; since the order is cancelled, {@code order-commands} then asks for
 * what is owed.
 */
public final class Producer {
    record Told(String topic, String kind, Map<String, Object> fields) {}

    private static final List<Map<String, Object>> MUGS = List.of(Map.of("line_id", "1", "sku", "MUG", "quantity", 2));

    /** Money is a number of minor units, never a float. */
    private static final List<Told> STORY = List.of(
            new Told("orders", "PLACED", Map.of("total_minor", 12_999L, "currency", "EUR", "lines", MUGS)),
            new Told("payments", "AUTHORIZED", Map.of("authorization_id", "auth-1", "amount_minor", 12_999L, "currency", "EUR")),
            new Told("inventory", "RESERVED", Map.of("reservation_id", "res-1", "lines", MUGS)),
            new Told("shipping", "LABEL_CREATED", Map.of("shipment_id", "shp-1", "lines", MUGS)),
            new Told("orders", "CANCEL_REQUESTED", Map.of("requested_by", "customer")));

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("usage: Producer ORDER_ID");
            System.exit(64);
        }
        String orderId = arguments[0];
        Registry registry = new Registry(Settings.REGISTRY);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", Settings.BROKERS);
        properties.put("enable.idempotence", "true");
        // The key is the order id, byte for byte; Java partitions by murmur2 of it, as orderstream expects.
        try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new ByteArraySerializer())) {
            for (Told told : STORY) {
                String topic = Settings.PREFIX + told.topic();
                Registry.Registered registered = registry.latest(topic);
                byte[] value = registry.encode(registered.id(), event(registered.schema(), orderId, told));
                // Not delivered: send all of it again, repeated events change nothing.
                var placed = producer.send(new ProducerRecord<>(topic, orderId, value)).get();
                System.out.println(topic + " " + placed.offset());
            }
        }
    }

    /** What the event does not say has the schema's defaults. */
    private static GenericRecord event(Schema schema, String orderId, Told told) {
        GenericRecordBuilder event = new GenericRecordBuilder(schema)
                // Yours, and the same again when you send it again.
                .set("event_id", orderId + "-" + told.kind())
                .set("order_id", orderId)
                .set("kind", new GenericData.EnumSymbol(schema.getField("kind").schema(), told.kind()))
                // When it happened, not when it is sent: microseconds.
                .set("occurred_at", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()))
                .set("producer", "example-java")
                .set("correlation_id", "checkout-" + orderId);
        told.fields().forEach((name, value) -> event.set(name, value == MUGS ? lines(schema) : value));
        return event.build();
    }

    private static List<GenericRecord> lines(Schema schema) {
        Schema line = schema.getField("lines").schema().getElementType();
        return MUGS.stream().map(fields -> {
            GenericRecordBuilder record = new GenericRecordBuilder(line);
            fields.forEach(record::set);
            return (GenericRecord) record.build();
        }).toList();
    }
}
