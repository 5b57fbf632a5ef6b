//! What a record says, in the terms that all topics share: its order, its kind, its fields, and what is wrong with it.
//!
//! Invariant: a record always has a reading. What cannot be decoded has a problem in place of fields, and an input that decodes but
//! that a worker would refuse has both.

use super::role::Role;
use crate::consume::heard::Heard;
use crate::decode::framing::SCHEMA_ID_HEADER;
use crate::decode::inspect::{Contents, Field};
use crate::decode::reader::Reader;
use crate::decode::{Refusal, RegistryError};
use crate::ids::Timestamp;
use crate::order::Source;

/// A record and what it says.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub role: Role,
    pub heard: Heard,
    /// The value's fields.
    pub contents: Option<Contents>,
    /// The event kind, the status, the command or the reason.
    pub kind: Option<String>,
    /// What is wrong.
    pub problem: Option<Refusal>,
}

impl Reading {
    /// Reads a record of a topic of this role. Its value was written for the topic of `input`, if for one of those.
    ///
    /// # Errors
    /// The registry does not answer.
    pub async fn of(
        role: Role,
        input: Option<Source>,
        heard: Heard,
        reader: &mut Reader,
        now: Timestamp,
    ) -> Result<Self, RegistryError> {
        let header = heard.header(SCHEMA_ID_HEADER).map(|header| &**header);
        let read = reader.contents(input, heard.value.as_deref(), header, now).await?;
        let (contents, mut problem) = match read {
            Ok(contents) => (Some(contents), None),
            Err(refusal) => (None, Some(refusal)),
        };
        // A worker looks at size and key first, and says then what it refuses a record for.
        if let Role::Input(source) = role {
            problem = reader.refusal(&heard.as_input(source), now).or(problem);
        }
        let kind = kind(role, &heard, contents.as_ref());
        Ok(Self { role, heard, contents, kind, problem })
    }

    /// A field of the value, if it is there and not null.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.contents.as_ref()?.fields.iter().find(|field| field.name == name)
    }

    /// Whether it belongs to an order: by its key, or by what it says.
    pub fn is_of_order(&self, order_id: &str) -> bool {
        let by_key = self.heard.key.as_deref() == Some(order_id.as_bytes());
        by_key || self.field("order_id").is_some_and(|field| field.value == order_id)
    }

    /// Whether it is of one of these kinds, or an input that is refused for one of these reasons; of any where there are none.
    pub fn is_of_kind(&self, kinds: &[String]) -> bool {
        // That a dead letter's value cannot be decoded need not be what it was refused for.
        let refused_for = self.problem.as_ref().filter(|_| matches!(self.role, Role::Input(_)));
        let own = [self.kind.as_deref(), refused_for.map(|problem| problem.reason.as_str())];
        let is_own = |kind: &String| own.iter().flatten().any(|own| own.eq_ignore_ascii_case(kind));
        kinds.is_empty() || kinds.iter().any(is_own)
    }

    /// A header of a dead letter's that orderstream wrote, without its prefix.
    pub fn said(&self, name: &str) -> Option<String> {
        let header = self.heard.header(&format!("orderstream-{name}"))?;
        Some(String::from_utf8_lossy(header).into_owned())
    }
}

fn kind(role: Role, heard: &Heard, contents: Option<&Contents>) -> Option<String> {
    let field = |name: &str| {
        let field = contents?.fields.iter().find(|field| field.name == name)?;
        field.value.as_str().map(str::to_owned)
    };
    match role {
        Role::Input(_) | Role::Command | Role::Other => field("kind"),
        Role::Status => field("status"),
        Role::DeadLetter => {
            heard.header("orderstream-reason").map(|reason| String::from_utf8_lossy(reason).into_owned())
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::decode::Reason;
    use crate::decode::inspect::WrittenWith;
    use crate::ids::{Lane, SchemaId};

    pub fn heard(key: Option<&'static str>) -> Heard {
        Heard {
            topic: "t".into(),
            partition: Lane(3),
            offset: 17,
            timestamp: Some(Timestamp(1_767_312_000_123_000)),
            key: key.map(|key| Bytes::from_static(key.as_bytes())),
            value: Some(Bytes::from_static(b"\0\0\0\0\x07abc")),
            headers: Ok(Vec::new()),
        }
    }

    pub fn reading(role: Role, fields: &[(&str, serde_json::Value)]) -> Reading {
        let field = |(name, value): &(&str, serde_json::Value)| Field {
            name: (*name).to_owned(),
            value: value.clone(),
            instant: None,
        };
        let fields = fields.iter().map(field).collect();
        let contents =
            Contents { schema: Some(WrittenWith { id: SchemaId(7), record: "orderstream.v1.R".to_owned() }), fields };
        let heard = heard(Some("ord-1"));
        let kind = kind(role, &heard, Some(&contents));
        Reading { role, heard, contents: Some(contents), kind, problem: None }
    }

    #[test]
    fn a_record_belongs_to_the_order_of_its_key_and_to_the_one_that_it_names() {
        let input = Role::Input(Source::Payment);
        let strayed = reading(input, &[("order_id", json!("ord-2"))]);
        assert!(strayed.is_of_order("ord-1") && strayed.is_of_order("ord-2") && !strayed.is_of_order("ord"));
    }

    #[test]
    fn a_record_is_of_its_kind_in_any_case_and_of_the_reason_it_is_refused_for() {
        let mut captured = reading(Role::Input(Source::Payment), &[("kind", json!("CAPTURED"))]);
        let is = |reading: &Reading, kind: &str| reading.is_of_kind(&[kind.to_owned()]);
        assert!(captured.is_of_kind(&[]) && is(&captured, "captured") && !is(&captured, "missing_field"));
        captured.problem = Some(Refusal::new(Reason::MissingField, "no capture_id"));
        assert!(is(&captured, "missing_field") && is(&captured, "CAPTURED") && !is(&captured, "VOIDED"));
        captured.role = Role::DeadLetter;
        assert!(!is(&captured, "missing_field"), "its reason is in its header");
    }

    #[test]
    fn a_dead_letters_kind_is_its_reason_and_a_status_records_its_status() {
        assert_eq!(reading(Role::Status, &[("status", json!("SHIPPED"))]).kind.as_deref(), Some("SHIPPED"));
        let mut letter = heard(None);
        letter.headers = Ok(vec![("orderstream-reason".to_owned(), Some(Bytes::from_static(b"no_key")))]);
        assert_eq!(kind(Role::DeadLetter, &letter, None).as_deref(), Some("no_key"));
    }
}
