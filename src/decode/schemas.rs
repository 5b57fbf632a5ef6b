//! What is known of schema ids: those that can be read, those that cannot, and those that do not exist.
//!
//! The only place that asks the registry while records flow. An id's schema never changes, so what was found is kept; that an
//! id does not exist is believed for a minute only. Ids come from outside: how many are kept and how many look-ups run at once
//! is bounded. Invariant: no outage of the registry turns into a judgement on an id.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Semaphore;

use crate::ids::{SchemaId, Timestamp};

use super::avro::WriterSchema;
use super::registry::{Answer, Registry, RegistryError};

/// How many look-ups may run at the same time.
const LOOKUPS_MAX: usize = 4;
/// How long an id that was given up is refused without asking again.
const GIVEN_UP_MICROS: i64 = 60_000_000;

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The id is known now: decode again.
    Found,
    /// The registry says that there is no such id. It may be new: ask again for a while, then give it up.
    Unknown,
}

/// What is known of one id.
#[derive(Clone, Debug)]
pub enum Known {
    /// One of our records; its bodies can be read.
    Readable(Arc<WriterSchema>),
    /// A schema that exists and is not for us: what it is, or what does not fit.
    Foreign(Arc<str>),
    /// An id that does not exist, believed until then.
    GivenUp(Timestamp),
}

/// The schemas that were met.
#[derive(Debug)]
pub struct Schemas {
    registry: Registry,
    capacity: usize,
    lookups: Semaphore,
    known: RwLock<HashMap<SchemaId, Known>>,
}

impl Schemas {
    /// Nothing is known yet, and never more than `capacity` ids.
    #[must_use]
    pub fn new(registry: Registry, capacity: usize) -> Self {
        let lookups = Semaphore::new(LOOKUPS_MAX);
        Self { registry, capacity: capacity.max(1), lookups, known: RwLock::default() }
    }

    /// What is known of an id at that time, if anything.
    #[must_use]
    pub fn known(&self, id: SchemaId, now: Timestamp) -> Option<Known> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(&id) {
            Some(Known::GivenUp(until)) if *until <= now => None,
            other => other.cloned(),
        }
    }

    /// Asks the registry for an id, unless somebody else just did.
    ///
    /// # Errors
    /// No answer that makes sense: try again, for as long as it takes.
    pub async fn fetch(&self, id: SchemaId) -> Result<Lookup, RegistryError> {
        let _permit = self.lookups.acquire().await.expect("the semaphore is never closed");
        if self.is_settled(id) {
            return Ok(Lookup::Found);
        }
        let Some(found) = judged(&self.registry.schema(id).await?) else { return Ok(Lookup::Unknown) };
        if let Known::Foreign(text) = &found {
            tracing::warn!(schema.id = id.0, reason = %text, "a schema is not one of ours; its records become dead letters");
        }
        self.keep(id, found);
        Ok(Lookup::Found)
    }

    /// Takes an id for one that does not exist, for a minute from `now`.
    pub fn give_up(&self, id: SchemaId, now: Timestamp) {
        if !self.is_settled(id) {
            self.keep(id, Known::GivenUp(Timestamp(now.0.saturating_add(GIVEN_UP_MICROS))));
        }
    }

    fn is_settled(&self, id: SchemaId) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        matches!(known.get(&id), Some(Known::Readable(_) | Known::Foreign(_)))
    }

    /// Makes room by forgetting one id: of those that are not readable if there is one, else any. It can be asked for again.
    pub(super) fn keep(&self, id: SchemaId, what: Known) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.capacity && !known.contains_key(&id) {
            let unreadable = known.iter().find(|(_, known)| !matches!(known, Known::Readable(_)));
            let victim = unreadable.or_else(|| known.iter().next()).map(|(&id, _)| id);
            victim.map(|victim| known.remove(&victim));
        }
        known.insert(id, what);
    }
}

/// What the registry's answer makes of an id; none where there is no such id.
pub(super) fn judged(answer: &Answer) -> Option<Known> {
    match answer {
        Answer::Unknown => None,
        Answer::Unusable(text) => Some(Known::Foreign(text.as_str().into())),
        Answer::Schema(schema, referenced) => Some(match WriterSchema::judge(schema, referenced) {
            Ok(writer) => Known::Readable(Arc::new(writer)),
            Err(text) => Known::Foreign(text.into()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use serde_json::{Value, json};

    use super::*;
    use crate::decode::avro::INPUT_SCHEMAS;
    use crate::decode::canned::{self, Sent};

    const ID: SchemaId = SchemaId(7);
    const NOW: Timestamp = Timestamp(1_760_000_000_000_000);

    fn payment() -> Value {
        serde_json::from_str(INPUT_SCHEMAS[0].1).expect("a schema file is JSON")
    }

    fn error(status: u16, body: &str) -> Sent {
        Sent::Answer(status, body.to_owned())
    }

    #[tokio::test]
    async fn a_schema_is_asked_for_once() {
        let (registry, calls) = canned::registry(vec![canned::schema(&payment())]);
        let schemas = Schemas::new(registry, 10);
        assert!(schemas.known(ID, NOW).is_none());
        let (one, other) = tokio::join!(schemas.fetch(ID), schemas.fetch(ID));
        // Both may have asked, if the first had not come back; the second call then finds nobody.
        assert!(one == Ok(Lookup::Found) || other == Ok(Lookup::Found));
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
        assert!(matches!(schemas.known(ID, NOW), Some(Known::Readable(_))));
        assert!(calls.load(Ordering::SeqCst) <= 2);
    }

    #[tokio::test]
    async fn only_the_registrys_own_word_makes_an_id_unknown() {
        let (registry, _) = canned::registry(vec![
            Sent::Silence,
            error(503, "{}"),
            error(500, "oops"),
            error(404, "<html>no such page</html>"),
            error(404, r#"{"error_code": 404, "message": "HTTP 404 Not Found"}"#),
            error(404, r#"{"error_code": 0, "message": "no such path"}"#),
            error(401, r#"{"error_code": 40101, "message": "who are you"}"#),
            error(200, "<html>welcome</html>"),
            error(200, r#"{"no": "schema"}"#),
            error(200, r#"{"schema": "no schema at all"}"#),
            error(200, r#"{"schema": "{\"type\": \"record\", \"name\": \"Pay"}"#),
            canned::unknown(),
        ]);
        let schemas = Schemas::new(registry, 10);
        for _ in 0..11 {
            let error = schemas.fetch(ID).await.expect_err("an outage");
            assert!(error.to_string().starts_with("the schema registry at `http://127.0.0.1:"), "{error}");
            assert!(schemas.known(ID, NOW).is_none(), "an outage judged the id: {error}");
        }
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Unknown));
        assert!(schemas.known(ID, NOW).is_none());
        assert!(schemas.fetch(ID).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn a_schema_that_is_not_one_of_ours_is_remembered_as_foreign() {
        let huge = json!({"type": "fixed", "name": "Huge", "size": u64::MAX});
        let huge = json!({"type": "record", "name": "R", "fields": [{"name": "f", "type": huge, "default": null}]});
        for (answer, says) in [
            (canned::schema(&json!({"type": "record", "name": "Heartbeat", "fields": []})), "Heartbeat"),
            (canned::schema(&json!({"type": "record", "name": "Broken"})), "no valid Avro"),
            (canned::schema(&huge), "panics"),
            (error(200, r#"{"schema": "syntax = \"proto3\";", "schemaType": "PROTOBUF"}"#), "Protobuf"),
        ] {
            let (registry, _) = canned::registry(vec![answer]);
            let schemas = Schemas::new(registry, 10);
            assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
            let Some(Known::Foreign(text)) = schemas.known(ID, NOW) else { panic!("not foreign") };
            assert!(text.contains(says), "`{text}` does not say `{says}`");
        }
    }

    #[tokio::test]
    async fn a_schema_is_read_with_the_schemas_that_it_refers_to() {
        let mut whole = payment();
        let kind = whole["fields"].as_array_mut().expect("fields").iter_mut().find(|field| field["name"] == "kind");
        let mut definition = kind.expect("a kind")["type"].take();
        definition["namespace"] = json!("orderstream.v1");
        for field in whole["fields"].as_array_mut().expect("fields") {
            if field["name"] == "kind" {
                field["type"] = json!("orderstream.v1.PaymentKind");
            }
        }
        let references = json!([{"name": "orderstream.v1.PaymentKind", "subject": "kinds", "version": 3}]);
        let main = json!({"schema": whole.to_string(), "references": references}).to_string();
        let kinds = json!({"id": 1, "subject": "kinds", "version": 3, "schema": definition.to_string()}).to_string();
        let (registry, _) = canned::registry(vec![error(200, &main), error(200, &kinds)]);
        let schemas = Schemas::new(registry, 10);
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
        let known = schemas.known(ID, NOW);
        assert!(matches!(known, Some(Known::Readable(_))), "{known:?}");

        let gone = error(404, r#"{"error_code": 40402, "message": "no such version"}"#);
        let (registry, _) = canned::registry(vec![error(200, &main), gone]);
        let schemas = Schemas::new(registry, 10);
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
        let Some(Known::Foreign(text)) = schemas.known(ID, NOW) else { panic!("not foreign") };
        assert!(text.contains("version 3 of `kinds`"), "{text}");
    }

    #[tokio::test]
    async fn an_id_that_was_given_up_is_asked_for_again_after_a_minute() {
        let (registry, _) = canned::registry(vec![canned::schema(&payment())]);
        let schemas = Schemas::new(registry, 10);
        schemas.give_up(ID, NOW);
        assert!(matches!(schemas.known(ID, Timestamp(NOW.0 + 59_999_999)), Some(Known::GivenUp(_))));
        assert!(schemas.known(ID, Timestamp(NOW.0 + 60_000_000)).is_none());
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
        schemas.give_up(ID, NOW);
        assert!(matches!(schemas.known(ID, NOW), Some(Known::Readable(_))), "what exists cannot be given up");
    }

    #[tokio::test]
    async fn however_many_ids_come_only_so_many_are_kept_and_readable_ones_stay() {
        let (registry, _) = canned::registry(vec![canned::schema(&payment())]);
        let schemas = Schemas::new(registry, 3);
        assert_eq!(schemas.fetch(ID).await, Ok(Lookup::Found));
        for id in 100..200 {
            schemas.give_up(SchemaId(id), NOW);
        }
        assert_eq!(schemas.known.read().expect("not poisoned").len(), 3);
        assert!(matches!(schemas.known(ID, NOW), Some(Known::Readable(_))));
        assert!(schemas.known(SchemaId(199), NOW).is_some());
    }
}
