//! Who is not let in by Kafka, and who lacks a right: told at the start, with exit code 78.

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::worker::Worker;

use super::secured::{Secured, canary};

const CONFIG: i32 = 78;
/// How many workers are tried at once.
const AT_ONCE: usize = 4;

/// A worker to be refused, and what it must say.
type Case = (String, ConfigFile, Vec<String>);

pub async fn refusals(secured: &Secured) {
    let mut cases = wrong_certificates(secured).await;
    cases.extend(wrong_passwords(secured).await);
    cases.extend(missing_rights(secured).await);
    while !cases.is_empty() {
        let some: Vec<Case> = cases.drain(..cases.len().min(AT_ONCE)).collect();
        let workers: Vec<Worker> = some
            .iter()
            .map(|(name, config, _)| secured.stage.worker_with(name, |usual| *usual = config.clone()))
            .collect();
        for ((_, _, words), mut worker) in some.iter().zip(workers) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            secured.stage.ends(&mut worker, CONFIG, &words).await;
        }
    }
}

async fn wrong_certificates(secured: &Secured) -> Vec<Case> {
    let password = canary("plain");
    let of = async |listener: &str| secured.with_kafka(listener, "PLAIN", "plain", &password).await;
    let mut stranger = of("SECURE").await;
    stranger.set("kafka.ssl_ca_file", secured.file("stranger.pem"));
    let mut mutual = of("MUTUAL").await;
    mutual.set("kafka.security_protocol", "ssl");
    for key in ["sasl_mechanism", "sasl_username", "sasl_password"] {
        mutual.unset(&format!("kafka.{key}"));
    }
    let address = secured.broker("EXPIRED").await;
    vec![
        case("kafka-stranger", stranger, &["`kafka.brokers`", "name the one that signed it in kafka.ssl_ca_file"]),
        case("kafka-expired", of("EXPIRED").await, &[&address, "certificate has expired", "give the server a new one"]),
        case("kafka-elsewhere", of("ELSEWHERE").await, &["mismatch", "write that name in kafka.brokers"]),
        case("kafka-mutual", mutual, &["kafka.ssl_certificate_file"]),
    ]
}

async fn wrong_passwords(secured: &Secured) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, mechanism, user) in [("kafka-plain", "PLAIN", "plain"), ("kafka-scram", "SCRAM-SHA-512", "orderstream")]
    {
        let config = secured.with_kafka("SECURE", mechanism, user, "wrong").await;
        let words =
            [&format!("kafka does not take `{user}` and its password with {mechanism}"), "correct kafka.sasl_username"];
        cases.push(case(name, config, &words));
    }
    let config = secured.with_kafka("SECURE", "SCRAM-SHA-256", "orderstream", &canary("scram")).await;
    cases.push(case("kafka-mechanism", config, &["with SCRAM-SHA-256", "kafka.sasl_mechanism"]));
    cases
}

/// For each right a user who has all others.
async fn missing_rights(secured: &Secured) -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, right) in secured.rights().iter().enumerate() {
        let user = format!("lacking{number}");
        let config = secured.with_kafka("SECURE", "PLAIN", &user, &canary("plain")).await;
        // The id has a random end; the right is that of all with its beginning.
        let word = match right.words().split_once(" on transactional id `") {
            Some((operation, prefix)) => format!("{operation} on transactional id `{}", prefix.trim_end_matches('`')),
            None => right.words(),
        };
        cases.push(case(&user, config, &[&word, "deploy/kafka/acls.sh"]));
    }
    cases
}

fn case(name: &str, config: ConfigFile, words: &[&str]) -> Case {
    (name.to_owned(), config, words.iter().map(|word| (*word).to_owned()).collect())
}
