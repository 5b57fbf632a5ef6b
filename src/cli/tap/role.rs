//! What a topic is for, and which topics are tapped.
//!
//! Invariant: a topic of the configuration has exactly one role, be it named by the role or by its name; any other topic that Kafka
//! has is shown as well, with nothing assumed about it.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::config::Topics;
use crate::decode::Reason;
use crate::order::Source;
use crate::order::event::inventory::InventoryKind;
use crate::order::event::ordering::OrderKind;
use crate::order::event::payment::PaymentKind;
use crate::order::event::shipping::{ReturnKind, ShipmentKind};
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Events of this source come from it.
    Input(Source),
    /// Changes of orders go to it.
    Status,
    /// What is owed goes to it.
    Command,
    /// What cannot be applied goes to it.
    DeadLetter,
    /// It is none of ours.
    Other,
}

impl Role {
    /// Those that a topic of ours can have.
    pub const ALL: [Self; 7] = [
        Self::Input(Source::Payment),
        Self::Input(Source::Inventory),
        Self::Input(Source::Shipping),
        Self::Input(Source::Order),
        Self::Status,
        Self::Command,
        Self::DeadLetter,
    ];

    /// As the configuration's section `[topics]` calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input(source) => source.as_str(),
            Self::Status => "status",
            Self::Command => "command",
            Self::DeadLetter => "dead_letter",
            Self::Other => "other",
        }
    }

    /// Its topic, if it is configured.
    pub fn topic(self, topics: &Topics) -> Option<&str> {
        match self {
            Self::Input(source) => topics.inputs().find(|(of, _)| *of == source).map(|(_, topic)| topic),
            Self::Status => Some(&topics.status),
            Self::Command => topics.command.as_deref(),
            Self::DeadLetter => topics.dead_letter.as_deref(),
            Self::Other => None,
        }
    }

    /// The kinds that this release knows of its records; none where anything may come.
    pub fn kinds(self) -> Vec<&'static str> {
        let reasons = Reason::ALL.map(Reason::as_str);
        let of_input = |kinds: &[&'static str]| [kinds, &reasons].concat();
        match self {
            Self::Input(Source::Payment) => of_input(&PaymentKind::ALL.map(PaymentKind::as_str)),
            Self::Input(Source::Inventory) => of_input(&InventoryKind::ALL.map(InventoryKind::as_str)),
            Self::Input(Source::Shipping) => of_input(
                &[&ShipmentKind::ALL.map(ShipmentKind::as_str)[..], &ReturnKind::ALL.map(ReturnKind::as_str)].concat(),
            ),
            Self::Input(Source::Order) => of_input(&OrderKind::ALL.map(OrderKind::as_str)),
            Self::Status => Status::ALL.map(Status::as_str).to_vec(),
            Self::Command => ObligationKind::ALL.map(ObligationKind::as_str).to_vec(),
            Self::DeadLetter => reasons.to_vec(),
            Self::Input(Source::Deadline) | Self::Other => Vec::new(),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.replace('-', "_");
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|role| role.as_str()).collect();
            format!("`{text}` is no role of a topic: use {}; or --topic with a topic's name", known.join(", "))
        })
    }
}

/// A topic that is tapped, and its role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tapped {
    pub role: Role,
    pub topic: String,
}

/// The topics of these roles and of these names; of neither, all that are configured.
///
/// # Errors
/// A role that has no topic, as a sentence.
pub(super) fn tapped(topics: &Topics, roles: &[Role], names: &[String]) -> Result<Vec<Tapped>, String> {
    let of_role = |role: Role| Some(Tapped { role, topic: role.topic(topics)?.to_owned() });
    if roles.is_empty() && names.is_empty() {
        return Ok(Role::ALL.into_iter().filter_map(of_role).collect());
    }
    let mut tapped: Vec<Tapped> = Vec::new();
    for role in roles {
        tapped.push(of_role(*role).ok_or_else(|| {
            format!("`topics.{role}` is not set, so there is no such topic: set it, or leave the role out")
        })?);
    }
    for name in names {
        let role = Role::ALL.into_iter().find(|role| role.topic(topics) == Some(name)).unwrap_or(Role::Other);
        tapped.push(Tapped { role, topic: name.clone() });
    }
    let mut seen: Vec<String> = Vec::new();
    tapped.retain(|tapped| {
        let is_new = !seen.contains(&tapped.topic);
        seen.push(tapped.topic.clone());
        is_new
    });
    Ok(tapped)
}

/// What to say of a kind that is none of those known; nothing where none is known.
pub(super) fn unknown_kind(kind: &str, known: &[&str]) -> Option<String> {
    if known.iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return None;
    }
    let likeness = |known: &&&str| strsim::jaro_winkler(&kind.to_uppercase(), &known.to_uppercase());
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    Some(format!(
        "`{kind}` is no kind that this release knows of these topics: did you mean {nearest}? waiting for it all the same"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Format;

    fn topics() -> Topics {
        Topics {
            payment: "payments".to_owned(),
            inventory: "inventory".to_owned(),
            shipping: "shipping".to_owned(),
            order: None,
            status: "order-status".to_owned(),
            command: None,
            dead_letter: Some("order-dead-letters".to_owned()),
            cloud_events_source: None,
            payment_format: Format::Avro,
            inventory_format: Format::Avro,
            shipping_format: Format::Avro,
            order_format: Format::Avro,
        }
    }

    #[test]
    fn a_role_is_read_with_a_dash_or_without() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("dead-letter".parse(), Ok(Role::DeadLetter));
        let error = "payments".parse::<Role>().unwrap_err();
        assert!(error.contains("`payments`") && error.contains("dead_letter") && error.contains("--topic"), "{error}");
    }

    #[test]
    fn a_topic_has_one_role_however_it_is_named() {
        let names = |tapped: &[Tapped]| -> Vec<String> {
            tapped.iter().map(|tapped| format!("{} {}", tapped.role, tapped.topic)).collect()
        };
        let of = |roles: &[Role], of_names: &[&str]| {
            let of_names: Vec<String> = of_names.iter().map(|name| (*name).to_owned()).collect();
            tapped(&topics(), roles, &of_names).map(|tapped| names(&tapped))
        };
        assert_eq!(
            of(&[], &[]).unwrap(),
            [
                "payment payments",
                "inventory inventory",
                "shipping shipping",
                "status order-status",
                "dead_letter order-dead-letters"
            ]
        );
        assert_eq!(
            of(&[Role::Status], &["order-status", "payments", "mine"]).unwrap(),
            ["status order-status", "payment payments", "other mine"]
        );
        let error = of(&[Role::Command], &[]).unwrap_err();
        assert!(error.contains("`topics.command` is not set"), "{error}");
    }

    #[test]
    fn a_misspelt_kind_is_answered_with_the_nearest_and_one_that_is_known_with_nothing() {
        let known = ["CAPTURED", "CANCELLED", "bad_framing"];
        assert_eq!(unknown_kind("captured", &known), None);
        assert_eq!(unknown_kind("NEWER", &[]), None, "a topic in no role may hold anything");
        let said = unknown_kind("CAPTURD", &known).expect("it is misspelt");
        assert!(said.contains("`CAPTURD` is no kind") && said.contains("did you mean CAPTURED?"), "{said}");
    }
}
