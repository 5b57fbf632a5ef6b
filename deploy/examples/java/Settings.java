/** Where everything is: the environment's word, or the addresses of deploy/compose.yaml. */
final class Settings {
    static final String BROKERS = variable("KAFKA_BROKERS", "127.0.0.1:29092");
    static final String REGISTRY = variable("REGISTRY_URL", "http://127.0.0.1:28081/apis/ccompat/v7");
    static final String PREFIX = variable("TOPIC_PREFIX", "");
    /** Of the consumer; never orderstream's own group. */
    static final String GROUP = variable("CONSUMER_GROUP", "example-java");
    static final String DATABASE =
            variable("CONSUMER_DATABASE", "jdbc:postgresql://127.0.0.1:5432/shop?user=postgres&password=postgres");

    private Settings() {}

    private static String variable(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }
}
