//! Combinations that cannot work, each with its remedy.

use super::*;
use crate::decode::Format;

fn accepted(text: &str) -> Config {
    read_with(text, &[]).expect(text)
}

fn refused(text: &str, part: &str) {
    let error = read_with(text, &[]).expect_err(text);
    assert!(error.contains(part), "{text}: {error}");
}

#[test]
fn sasl_needs_its_three_settings_and_they_need_it() {
    let sasl = "[kafka]\nsecurity_protocol = \"sasl_ssl\"\n";
    for needed in ["sasl_mechanism", "sasl_username", "sasl_password"] {
        refused(sasl, &format!("kafka.security_protocol = `sasl_ssl` needs kafka.{needed}: give it"));
    }
    refused("[kafka]\nsasl_username = \"u\"\n", "kafka.sasl_username has no effect");
    let credentials = "sasl_mechanism = \"PLAIN\"\nsasl_username = \"u\"\nsasl_password = \"p\"\n";
    assert_eq!(accepted(&format!("{sasl}{credentials}")).kafka.sasl_mechanism, Some(SaslMechanism::Plain));
}

#[test]
fn a_refused_value_is_not_also_called_missing() {
    let text = "[kafka]\nsecurity_protocol = \"sasl_ssl\"\nsasl_mechanism = \"PLAN\"\nsasl_username = \"u\"\nsasl_password = \"p\"\n";
    let error = read_with(text, &[]).unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn certificates_need_tls_and_keys_go_in_pairs() {
    refused("[kafka]\nssl_ca_file = \"/ca\"\n", "kafka.ssl_ca_file has no effect");
    let tls = "[kafka]\nsecurity_protocol = \"ssl\"\n";
    refused(&format!("{tls}ssl_certificate_file = \"/c\"\n"), "needs kafka.ssl_key_file");
    refused(&format!("{tls}ssl_key_file = \"/k\"\n"), "needs kafka.ssl_certificate_file");
    refused(&format!("{tls}ssl_key_password = \"p\"\n"), "kafka.ssl_key_password needs kafka.ssl_key_file");
    let pem = Temporary::holding(&format!("{CERTIFICATE}-----BEGIN PRIVATE KEY-----\n"));
    accepted(&format!("{tls}ssl_certificate_file = \"{0}\"\nssl_key_file = \"{0}\"\n", pem.path()));
    refused("[database]\nssl_key_file = \"/k\"\n", "database.ssl_key_file needs database.ssl_certificate_file");
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n";

#[test]
fn files_of_certificates_are_looked_at() {
    let tls = "[kafka]\nsecurity_protocol = \"ssl\"\n";
    refused(
        &format!("{tls}ssl_ca_file = \"/nonexistent\"\n"),
        "kafka.ssl_ca_file = `/nonexistent`: it cannot be read (",
    );
    let empty = Temporary::holding("");
    refused(
        &format!("{tls}ssl_ca_file = \"{}\"\n", empty.path()),
        "it holds no certificate: name a file of PEM that does",
    );
    let one = Temporary::holding(CERTIFICATE);
    let keyless = format!("{tls}ssl_certificate_file = \"{0}\"\nssl_key_file = \"{0}\"\n", one.path());
    refused(&keyless, "it holds no private key");
    let two = Temporary::holding(&CERTIFICATE.repeat(2));
    accepted(&format!("{tls}ssl_ca_file = \"{}\"\n", two.path()));
    let database =
        |file: &Temporary| format!("[database]\nssl_mode = \"verify-full\"\nssl_ca_file = \"{}\"\n", file.path());
    accepted(&database(&one));
    refused(&database(&two), "it holds several certificates, and only the first would be trusted");
}

#[test]
fn an_authority_is_named_only_where_it_is_asked() {
    let one = Temporary::holding(CERTIFICATE);
    let file = format!("ssl_ca_file = \"{}\"\n", one.path());
    refused(&format!("[database]\n{file}"), "database.ssl_ca_file has no effect without database.ssl_mode");
    refused(
        &format!("[database]\nssl_mode = \"require\"\n{file}"),
        "with database.ssl_mode = `require`: write verify-full",
    );
    refused(&format!("[registry]\n{file}"), "registry.ssl_ca_file has no effect with an http URL");
    let https = [("ORDERSTREAM__REGISTRY__URL", "https://registry")];
    assert!(read_with(&format!("[registry]\n{file}"), &https).is_ok());
    let in_url = [("ORDERSTREAM__DATABASE__URL", "postgres://u@d/o?sslmode=verify-ca")];
    assert!(read_with(&format!("[database]\n{file}"), &in_url).is_ok());
}

#[test]
fn the_urls_say_only_what_is_understood() {
    let database = |url| read_with("", &[("ORDERSTREAM__DATABASE__URL", url)]);
    assert!(database("postgres://u:p@d/o?sslmode=require&options%5Bsearch_path%5D=x&application_name=y").is_ok());
    assert!(
        database("postgres://u@d/o?sslmod=require").unwrap_err().contains("1 parameter(s) that are not understood")
    );
    assert!(database("postgres://u:1/2@d/o").unwrap_err().contains("%2F for /"));
    let registry = |url| read_with("", &[("ORDERSTREAM__REGISTRY__URL", url)]);
    assert!(registry("http://registry/?a=b").unwrap_err().contains("write only the base URL"));
}

#[test]
fn topics_must_all_differ() {
    let text = "[topics]\ndead_letter = \"order-status\"\n";
    refused(text, "o.toml:2: topics.status and topics.dead_letter are both `order-status`: give each its own topic");
}

#[test]
fn each_input_topic_has_a_form_of_its_own_and_avro_is_the_usual_one() {
    let all = [Source::Payment, Source::Inventory, Source::Shipping, Source::Order];
    let formats = |text: &str| all.map(|source| accepted(text).topics.formats().of(source));
    let (avro, json) = (Format::Avro, Format::Json);
    assert_eq!(formats(""), [avro; 4]);
    assert_eq!(formats("[topics]\npayment_format = \"json\"\nshipping_format = \"avro\"\n"), [json, avro, avro, avro]);
    let all = "[topics]\norder = \"orders\"\npayment_format = \"json\"\ninventory_format = \"json\"\n";
    assert_eq!(formats(&format!("{all}shipping_format = \"json\"\norder_format = \"json\"\n")), [json; 4]);
    refused(
        "[topics]\nshipping_format = \"xml\"\n",
        "o.toml:2: topics.shipping_format = `xml`: write one of avro, json",
    );
    refused("[topics]\npayments_format = \"json\"\n", "did you mean `payment_format`?");
    let without = "o.toml:2: topics.order_format = `json` has no effect without topics.order: name the order topic";
    refused("[topics]\norder_format = \"json\"\n", without);
}

#[test]
fn registry_credentials_are_whole_and_outside_of_the_url() {
    refused("[registry]\npassword = \"p\"\n", "registry.password has no effect without registry.username");
    accepted("[registry]\nusername = \"token\"\n");
    let url = |url| read_with("", &[("ORDERSTREAM__REGISTRY__URL", url)]);
    assert!(url("http://u:p@registry/apis").unwrap_err().contains("registry.url holds a user name"));
    assert!(url("http://registry/a@b").is_ok());
}

#[test]
fn what_is_said_of_a_receiver_of_spans_needs_one_and_its_url_holds_no_secret() {
    refused(
        "[telemetry]\notlp_headers = \"a=1\"\n",
        "telemetry.otlp_headers has no effect without telemetry.otlp_endpoint",
    );
    let endpoint = |url: &str, more: &str| format!("[telemetry]\notlp_endpoint = \"{url}\"\n{more}");
    accepted(&endpoint("http://otlp:4318/", "otlp_headers = \"a=1\"\nsampling_percentage = 5\n"));
    refused(&endpoint("https://u:p@otlp", ""), "telemetry.otlp_endpoint holds an @: write a plain URL there");
    refused(&endpoint("https://otlp?key=1", ""), "telemetry.otlp_endpoint goes on behind its path");
    refused(&endpoint("http://otlp:4318/v1/traces", ""), "`http://otlp:4318/v1/traces` ends with /v1/traces");
    refused(&endpoint("http://otlp", "sampling_percentage = 0\n"), "write a whole number from 1 to 100");
    let one = Temporary::holding(CERTIFICATE);
    let authority = format!("ssl_ca_file = \"{}\"\n", one.path());
    refused(&endpoint("http://otlp", &authority), "telemetry.ssl_ca_file has no effect with an http URL");
    accepted(&endpoint("https://otlp", &authority));
    refused(
        &endpoint("https://otlp", "ssl_ca_file = \"/nonexistent\"\n"),
        "telemetry.ssl_ca_file = `/nonexistent`: it cannot",
    );
}

#[test]
fn a_queue_and_a_batch_hold_at_least_one_record() {
    refused("[worker]\nlane_queue_bytes = \"512KiB\"\n", "worker.lane_queue_bytes = `512KiB` does not hold one record");
    refused("[worker]\nrecord_max_bytes = \"9MiB\"\nlane_queue_bytes = \"9MiB\"\n", "worker.batch_max_bytes = `8MiB`");
    refused("[worker]\nemitted_record_max_bytes = \"9MiB\"\n", "worker.emit_max_bytes = `8MiB`");
}

#[test]
fn times_nest() {
    refused("[kafka]\nsession_timeout = \"1s\"\n", "o.toml:2: kafka.heartbeat_interval = `500ms` is not below a third");
    refused(
        "[worker]\ndrain_timeout = \"21s\"\n",
        "worker.drain_timeout = `21s` is longer than worker.shutdown_timeout",
    );
    refused("[database]\nlock_timeout = \"31s\"\n", "database.lock_timeout = `31s` is longer than");
}

#[test]
fn what_only_an_order_topic_can_tell_needs_one() {
    refused("[policy]\nshell = \"wait\"\n", "policy.shell = `wait` would never confirm an order");
    refused("[policy]\npayment_window = \"72h\"\n", "policy.payment_window counts from");
    accepted("[topics]\norder = \"orders\"\n[policy]\nshell = \"wait\"\npayment_window = \"72h\"\n");
}
