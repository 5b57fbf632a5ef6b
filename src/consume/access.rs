//! How Kafka lets us in, and what it says when it does not: the context of every client.
//!
//! librdkafka tries again by itself, for ever. What it hears meanwhile is kept here, so that a start can end with a sentence, and said
//! in the log and in a metric while a worker runs. A password from a file is read again, so that it can be rotated under a running
//! process. Invariant: nothing that is said holds a password.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::credentials;
use crate::config::{self, Secret};
use crate::metrics;
use crate::trust::{self, Names};

const NAMES: Names = Names {
    address: "kafka.brokers",
    authority: "kafka.ssl_ca_file",
    certificate: "kafka.ssl_certificate_file and kafka.ssl_key_file",
};

/// How often a running worker says that it is refused; its clients try about once a second each.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What one client knows about its admission.
#[derive(Debug)]
pub struct Access {
    user: Option<(String, Secret)>,
    mechanism: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    refused: Option<Refused>,
    /// The last trouble of any kind, in librdkafka's words.
    trouble: Option<String>,
    said: Option<Instant>,
    /// The password that the client works with, where it is not the first.
    password: Option<String>,
}

/// Why a broker and we do not come together, in librdkafka's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// User, password or mechanism.
    Credentials(String),
    /// One of the certificates.
    Certificate(String),
}

impl Access {
    /// Nothing heard yet.
    #[must_use]
    pub fn of(kafka: &config::Kafka) -> Self {
        let user = kafka.sasl_username.clone().zip(kafka.sasl_password.clone());
        let mechanism = kafka.sasl_mechanism.map_or("no mechanism", config::SaslMechanism::as_str);
        Self { user, mechanism, state: Mutex::default() }
    }

    /// Takes note of an error of the client, and says what it means where it is a refusal. Others are left to the caller: false.
    pub fn hear(&self, error: &KafkaError, reason: &str) -> bool {
        let mut state = self.state();
        state.trouble = Some(reason.to_owned());
        let refused = match error.rdkafka_error_code() {
            // A broker that goes away in the middle is an outage.
            Some(RDKafkaErrorCode::Authentication) if !reason.contains("Disconnected") => {
                Refused::Credentials(reason.to_owned())
            }
            Some(RDKafkaErrorCode::SSL) => Refused::Certificate(reason.to_owned()),
            // With TLS 1.3 a broker judges our certificate after the handshake.
            _ if reason.contains("SSL routines") && reason.contains(" alert ") => {
                Refused::Certificate(reason.to_owned())
            }
            _ => return false,
        };
        metrics::RETRIES.increment(1, &["kafka_access"]);
        if state.said.is_none_or(|said| said.elapsed() > SAY_EVERY) {
            state.said = Some(Instant::now());
            tracing::warn!("{}; trying again", self.explain(&refused));
        }
        state.refused = Some(refused);
        true
    }

    /// Why we are refused, unless an answer came since.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        self.state().refused.clone()
    }

    /// What went wrong last, in librdkafka's words.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.state().trouble.clone()
    }

    /// An answer came: what was heard before is over.
    pub fn let_in(&self) {
        let mut state = self.state();
        (state.refused, state.trouble) = (None, None);
    }

    /// A refusal in words that name the settings to look at.
    #[must_use]
    pub fn explain(&self, refused: &Refused) -> String {
        match refused {
            Refused::Credentials(reason) => {
                let user = self.user.as_ref().map_or("", |(user, _)| user);
                let mechanism = self.mechanism;
                format!(
                    "kafka does not take `{user}` and its password with {mechanism} ({reason}): correct kafka.sasl_username, kafka.sasl_password or kafka.sasl_mechanism"
                )
            }
            Refused::Certificate(reason) => format!("kafka: {reason}: {}", trust::remedy(reason, NAMES)),
        }
    }

    /// Gives the client the password that its file holds now, where it is another one.
    pub fn renew<C: ClientContext>(&self, client: &Client<C>) {
        let Some((user, secret)) = self.user.as_ref().filter(|(_, secret)| secret.may_change()) else { return };
        let password = secret.current();
        let mut state = self.state();
        if state.password.as_deref().unwrap_or(secret.expose()) == password {
            return;
        }
        credentials::set(client, user, &password);
        tracing::info!("kafka.sasl_password has changed: new connections use it");
        (state.password, state.refused) = (Some(password), None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Access {
    fn error(&self, error: KafkaError, reason: &str) {
        if !self.hear(&error, reason) {
            tracing::debug!(%error, reason, "kafka");
        }
    }
}

impl ConsumerContext for Access {}

/// What a broker's refusal of a request means: which right is missing.
#[must_use]
pub fn missing_right(error: &KafkaError) -> Option<&'static str> {
    match error.rdkafka_error_code()? {
        RDKafkaErrorCode::TopicAuthorizationFailed => Some(
            "kafka does not let us use a topic: grant Read on the inputs and Write on the outputs, see deploy/kafka/acls.sh",
        ),
        RDKafkaErrorCode::GroupAuthorizationFailed => {
            Some("kafka does not let us into the group: grant Read on kafka.group, see deploy/kafka/acls.sh")
        }
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed => Some(
            "kafka does not let us use our transactional id: grant Write on those that begin with kafka.group and a dash, see deploy/kafka/acls.sh",
        ),
        RDKafkaErrorCode::ClusterAuthorizationFailed => {
            Some("kafka does not let us do this on the cluster: see deploy/kafka/acls.sh")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn access() -> Access {
        let text = "[kafka]\nbrokers = \"b:1\"\nsecurity_protocol = \"sasl_ssl\"\nsasl_mechanism = \"PLAIN\"\nsasl_username = \"me\"\n\
                    sasl_password = \"hunter2\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://d/d\"\n";
        let config = Config::read(Some(("o.toml", text)), &Environment::default()).expect("a configuration");
        Access::of(&config.kafka)
    }

    #[test]
    fn a_refusal_is_kept_until_an_answer_comes_and_names_the_settings() {
        let access = access();
        let denied = KafkaError::Global(RDKafkaErrorCode::Authentication);
        assert!(!access.hear(&denied, "Failed to read SASL frame: Disconnected"), "an outage");
        assert!(access.hear(&denied, "Authentication failed: Invalid username or password"));
        let said = access.explain(&access.refused().expect("kept"));
        assert!(said.contains("`me`") && said.contains("kafka.sasl_password") && !said.contains("hunter2"), "{said}");
        assert!(!format!("{access:?}").contains("hunter2"));
        access.let_in();
        assert_eq!((access.refused(), access.trouble()), (None, None));
    }
}
