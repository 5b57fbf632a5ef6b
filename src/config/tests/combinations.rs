//! Combinations that cannot work, each with its remedy.

use super::*;

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
    let credentials =
        "sasl_mechanism = \"PLAIN\"\nsasl_username = \"u\"\nsasl_password = \"p\"\nssl_ca_file = \"/ca\"\n";
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
    accepted(&format!("{tls}ssl_certificate_file = \"/c\"\nssl_key_file = \"/k\"\n"));
}

#[test]
fn topics_must_all_differ() {
    let text = "[topics]\ndead_letter = \"order-status\"\n";
    refused(text, "o.toml:2: topics.status and topics.dead_letter are both `order-status`: give each its own topic");
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
fn a_queue_and_a_batch_hold_at_least_one_record() {
    refused("[worker]\nlane_queue_bytes = \"512KiB\"\n", "worker.lane_queue_bytes = `512KiB` does not hold one record");
    refused("[worker]\nrecord_max_bytes = \"9MiB\"\nlane_queue_bytes = \"9MiB\"\n", "worker.batch_max_bytes = `8MiB`");
    refused("[worker]\nemitted_record_max_bytes = \"9MiB\"\n", "worker.emit_max_bytes = `8MiB`");
}

#[test]
fn times_nest() {
    refused("[kafka]\nsession_timeout = \"6s\"\n", "o.toml:2: kafka.heartbeat_interval = `2s` is not below a third");
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
