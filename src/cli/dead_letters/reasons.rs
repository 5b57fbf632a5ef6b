//! What each reason means and what a person can do about it, for somebody who was woken up by it.
//!
//! Invariant: every reason has both, and the second begins with something to do.

use crate::decode::Reason;

/// A reason in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    /// What it says about the record.
    pub means: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// A reason in words.
pub(super) fn meaning(reason: Reason) -> Meaning {
    let (means, remedy) = match reason {
        Reason::NoKey => (
            "The record has no key, so nobody can tell its order or its lane.",
            "Have the producer use the order_id as key and send the event again; then discard this one. Replaying it \
             cannot help: a record's key does not change.",
        ),
        Reason::KeyMismatch => (
            "The record's key is not the order_id in its value, so it may have come through a foreign lane.",
            "Have the producer use the order_id as key and send the event again; then discard this one.",
        ),
        Reason::BadFraming => (
            "The value is not in the form that its topic is set to. With avro, it does not begin as a Confluent serializer \
             writes it: a byte 0, then four bytes of schema id; or the headers, which may name the schema too, cannot be \
             read. With json, it is not one JSON object in UTF-8.",
            "Find the producer (see the headers) and have it write that form; a value of null is a tombstone, which no \
             event is. Then discard this one. If it is the setting that is wrong (topics.payment_format, or that of the \
             other topic), change it for all workers and replay.",
        ),
        Reason::UnknownSchema => (
            "The registry that the workers ask did not know the schema id, for longer than registry.unknown_id_grace.",
            "Compare the producer's registry with registry.url here; once the id is registered there, replay.",
        ),
        Reason::BadAvro => (
            "The bytes are not what their schema says, or the schema is not one that this topic carries.",
            "Find out who wrote it with that schema id; if the schema can be made readable by a newer release, replay \
             after the upgrade, else have the event sent again and discard this one.",
        ),
        Reason::UnknownKind => (
            "The event is of a kind that the release which read it does not know; a newer producer wrote it.",
            "Run a release that knows the kind, then replay: the order ends as if it had always been known.",
        ),
        Reason::MissingField => (
            "The event lacks a field that its kind cannot do without.",
            "Have the producer send the event again, whole and with the same event_id; then discard this one.",
        ),
        Reason::BadValue => (
            "A field's value is outside of what an event may say.",
            "Have the producer send the event again with the value corrected; then discard this one.",
        ),
        Reason::OccurredInFuture => (
            "The event claims to have occurred more than 24 hours after it was read: a clock or a unit is wrong.",
            "If only the producer's clock was ahead, replay once that instant is less than 24 hours away; if the instant \
             is nonsense, have it sent again and discard this one.",
        ),
        Reason::TooLarge => (
            "The record, or the order with it, is larger than the limits of [worker] allow, or the record has more headers \
             than the Kafka client hands over.",
            "Find out whether the producer repeats itself under new ids; if the size is honest, raise the limit of [worker] \
             that the explanation names, restart the workers, then replay.",
        ),
        Reason::ApplyFailed => (
            "The database refused the order as it would be with this event, and accepted everything around it.",
            "Look at the constraint in the explanation; it is a bug here or a change in the database. Once it is mended, \
             replay.",
        ),
    };
    Meaning { means, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_explained_in_sentences() {
        for reason in Reason::ALL {
            let Meaning { means, remedy } = meaning(reason);
            for text in [means, remedy] {
                assert!(text.starts_with(char::is_uppercase) && text.ends_with('.'), "{reason}: {text}");
                assert!(!text.contains("  ") && text.len() < 300, "{reason}: {text}");
            }
            assert!(remedy.contains("replay") || remedy.contains("discard"), "{reason}: {remedy}");
        }
    }
}
