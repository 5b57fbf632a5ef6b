import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Confluent's wire format on Apache Avro alone: a byte 0, four bytes of schema id, the Avro body.
 *
 * <p>With Confluent's own serializers you need none of this: KafkaAvroSerializer with {@code auto.register.schemas=false} and
 * {@code use.latest.version=true}, KafkaAvroDeserializer as it is.
 */
final class Registry {
    record Registered(int id, Schema schema) {}

    private final String url;
    private final HttpClient http = HttpClient.newHttpClient();
    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, Registered> latest = new ConcurrentHashMap<>();
    private final Map<Integer, Schema> byId = new ConcurrentHashMap<>();

    Registry(String url) {
        this.url = url;
    }

    /** The schema that orderstream registered for a topic's values; asked for once. */
    Registered latest(String topic) {
        return latest.computeIfAbsent(topic, name -> {
            JsonNode answer = get("/subjects/" + name + "-value/versions/latest");
            return new Registered(answer.get("id").asInt(), parse(answer));
        });
    }

    byte[] encode(int id, GenericRecord record) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
        var encoder = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<GenericRecord>(record.getSchema()).write(record, encoder);
        encoder.flush();
        return out.toByteArray();
    }

    GenericRecord decode(byte[] value) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        if (bytes.get() != 0) {
            throw new IOException("not Confluent's wire format: it begins with byte " + value[0]);
        }
        Schema writer = byId.computeIfAbsent(bytes.getInt(), id -> parse(get("/schemas/ids/" + id)));
        var decoder = DecoderFactory.get().binaryDecoder(value, bytes.position(), bytes.remaining(), null);
        return new GenericDatumReader<GenericRecord>(writer).read(null, decoder);
    }

    private static Schema parse(JsonNode answer) {
        return new Schema.Parser().parse(answer.get("schema").asText());
    }

    private JsonNode get(String path) {
        try {
            var answer = http.send(HttpRequest.newBuilder(URI.create(url + path)).build(), HttpResponse.BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IOException("the registry answers " + answer.statusCode() + " to " + path + ": " + answer.body());
            }
            return json.readTree(answer.body());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(error);
        }
    }
}
