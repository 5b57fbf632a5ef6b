import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Reads what orderstream sends, does each thing once, and prints it: one line of JSON each.
 *
 * <p>orderstream shows each record once. You may still read one twice: you stop between doing it and committing your offset, somebody
 * resets your group, a topic is copied. So what was done is written down in the transaction that does it, in your own database.
 */
public final class Consumer {
    private static final String[] TABLES = {
        "create table if not exists latest (order_id text primary key, order_version bigint not null)",
        "create table if not exists done (id text primary key)",
    };
    /** A status event is the order's whole view: what is older than the one you have is of no use. */
    private static final String NEWER = "insert into latest values (?, ?) on conflict (order_id) do update"
            + " set order_version = excluded.order_version where latest.order_version < excluded.order_version";
    private static final String FIRST = "insert into done values (?) on conflict (id) do nothing";
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        Registry registry = new Registry(Settings.REGISTRY);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", Settings.BROKERS);
        properties.put("group.id", Settings.GROUP);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        // Anything else shows what may be taken back.
        properties.put("isolation.level", "read_committed");
        try (Connection database = DriverManager.getConnection(Settings.DATABASE);
                var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new ByteArrayDeserializer())) {
            database.setAutoCommit(false);
            for (String table : TABLES) {
                database.createStatement().execute(table);
            }
            database.commit();
            consumer.subscribe(
                    Stream.of("order-status", "order-commands", "order-dead-letters").map(t -> Settings.PREFIX + t).toList());
            while (true) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    take(database, registry, record);
                }
                // After the work; dying in between is why `isNew` asks.
                consumer.commitSync();
            }
        }
    }

    private static void take(Connection database, Registry registry, ConsumerRecord<String, byte[]> record) throws Exception {
        String topic = record.topic().substring(Settings.PREFIX.length());
        boolean isLetter = topic.equals("order-dead-letters");
        // A dead letter's value is the refused record's own, whatever that is; the headers say what is wrong with it.
        GenericRecord value = isLetter ? null : registry.decode(record.value());
        Map<String, String> headers = isLetter ? explanation(record) : Map.of();
        if (isNew(database, topic, value, headers)) {
            // Your work, in the same transaction. What cannot be undone, a refund at a bank, carries the command_id to its other side.
            ObjectNode line = JSON.createObjectNode().put("topic", topic);
            line.set("value", value == null ? null : JSON.readTree(value.toString()));
            line.set("headers", JSON.valueToTree(headers));
            System.out.println(line);
        }
        database.commit();
    }

    private static Map<String, String> explanation(ConsumerRecord<String, byte[]> record) {
        Map<String, String> ours = new TreeMap<>();
        record.headers().forEach(header -> {
            if (header.key().startsWith("orderstream-")) {
                ours.put(header.key(), new String(header.value(), StandardCharsets.UTF_8));
            }
        });
        return ours;
    }

    /** Writes down what this record is; false where it, or something later, was there before. */
    private static boolean isNew(Connection database, String topic, GenericRecord value, Map<String, String> headers)
            throws SQLException {
        List<Object> row = switch (topic) {
            case "order-status" -> List.of(value.get("order_id").toString(), value.get("order_version"));
            case "order-commands" -> List.of(value.get("command_id").toString());
            default -> List.of(String.join("/", headers.get("orderstream-topic"), headers.get("orderstream-partition"),
                    headers.get("orderstream-offset")));
        };
        try (PreparedStatement statement = database.prepareStatement(row.size() == 2 ? NEWER : FIRST)) {
            for (int place = 0; place < row.size(); place++) {
                statement.setObject(place + 1, row.get(place));
            }
            return statement.executeUpdate() == 1;
        }
    }
}
