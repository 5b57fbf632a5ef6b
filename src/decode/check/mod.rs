//! The rules that values of all topics share: ids, texts, times, money, lines.
//!
//! Between the wire records and events. Invariant: what passes here is within the bounds that `order` and the database
//! rely on; every refusal names the field (DOMAIN section 2).

#[cfg(test)]
pub(in crate::decode) mod tests;

use std::str::FromStr;

use crate::ids::{AmountMinor, EventId, LineId, OrderId, Sku, Timestamp};
use crate::order::UnknownName;
use crate::order::event::line::{self, Lines, MAX_LINES, MAX_QUANTITY, Quantity, WHOLE};
use crate::order::event::money::{MAX_AMOUNT_MINOR, Money};
use crate::order::event::{Body, Event, INTERNAL_PREFIX};

use crate::decode::refusal::{Reason, Refusal};
use crate::decode::wire::{Kind, Line, Symbol, Text};

/// The most bytes of an id.
pub const MAX_ID_BYTES: usize = 128;
/// The most bytes of a free text.
pub const MAX_TEXT_BYTES: usize = 1_024;
/// The latest instant that a field may say: the end of the year 9999.
pub const MAX_TIMESTAMP: Timestamp = Timestamp(253_402_300_799_999_999);
/// How far ahead of our clock a source's clock may be.
const MAX_AHEAD_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Who said it, and so what is left to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Another service, at this time of ours.
    Upstream {
        /// The time against which occurred_at is judged.
        now: Timestamp,
    },
    /// Our own journal: what a deadline recorded is welcome, and no clock is asked again.
    Journal,
}

/// The fields that every record has.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub event_id: &'a Text,
    pub order_id: &'a Text,
    pub occurred_at: i64,
    pub producer: Option<&'a Text>,
    pub correlation_id: Option<&'a Text>,
    pub causation_id: Option<&'a Text>,
    pub reason: Option<&'a Text>,
}

impl Envelope<'_> {
    /// Checks the envelope and makes the event of it and the body.
    pub fn event(self, origin: Origin, body: Body) -> Result<Event, Refusal> {
        Ok(Event {
            event_id: self.event_id(origin)?,
            order_id: OrderId::from(id("order_id", self.order_id)?),
            occurred_at: self.occurred_at(origin)?,
            producer: text("producer", self.producer)?,
            correlation_id: text("correlation_id", self.correlation_id)?,
            causation_id: text("causation_id", self.causation_id)?,
            reason: text("reason", self.reason)?,
            body,
        })
    }

    fn event_id(&self, origin: Origin) -> Result<EventId, Refusal> {
        match origin {
            // The id of a deadline's fact holds the id of an entity, so it may be longer than those from outside.
            Origin::Journal if self.event_id.starts_with(INTERNAL_PREFIX) => Ok(self.event_id.clone().into()),
            Origin::Upstream { .. } if self.event_id.starts_with(INTERNAL_PREFIX) => {
                let rule = format!("ids that begin with `{INTERNAL_PREFIX}` are ours: use another one");
                Err(Refusal::bad_value("event_id", self.event_id, rule))
            }
            Origin::Upstream { .. } | Origin::Journal => id("event_id", self.event_id).map(EventId::from),
        }
    }

    fn occurred_at(&self, origin: Origin) -> Result<Timestamp, Refusal> {
        let occurred_at = timestamp("occurred_at", self.occurred_at)?;
        match origin {
            Origin::Upstream { now } if occurred_at.0 > now.0.saturating_add(MAX_AHEAD_MICROS) => Err(Refusal {
                reason: Reason::OccurredInFuture,
                field: Some("occurred_at".into()),
                text: format!(
                    "`occurred_at` is `{occurred_at}`{}, more than 24 h ahead of our clock: set the producer's clock, \
                     then send it again",
                    in_words(occurred_at)
                ),
            }),
            Origin::Upstream { .. } | Origin::Journal => Ok(occurred_at),
        }
    }
}

/// The instant as people write it, behind its number.
fn in_words(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| String::new(), |at| format!(" ({at})"))
}

/// The kind, if it is one of ours.
pub(super) fn known<K: Symbol + Copy>(kind: &Kind<K>, topic: &str) -> Result<K, Refusal> {
    match kind {
        Kind::Known(kind) => Ok(*kind),
        Kind::Unknown(symbol) => {
            let quoted = Refusal::bad_value(
                "kind",
                symbol,
                format_args!("no kind of the {topic} topic that this version knows"),
            );
            let text = format!("{}; run one that knows it, then replay", quoted.text);
            Err(Refusal { reason: Reason::UnknownKind, text, ..quoted })
        }
    }
}

/// The value of a field that the kind cannot do without.
pub(super) fn needed<T>(field: &'static str, value: Option<T>, kind: &impl Symbol) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::missing(field, kind.symbol()))
}

/// A text of 1 to [`MAX_ID_BYTES`] bytes without NUL.
pub(super) fn id(field: &'static str, value: &Text) -> Result<Text, Refusal> {
    if (1..=MAX_ID_BYTES).contains(&value.len()) && !value.contains('\0') {
        return Ok(value.clone());
    }
    let rule = format!("it has {} bytes: use 1 to {MAX_ID_BYTES} bytes without NUL", value.len());
    Err(Refusal::bad_value(field, value, rule))
}

/// An id, if there is one.
pub(super) fn optional_id<Id: From<Text>>(field: &'static str, value: Option<&Text>) -> Result<Option<Id>, Refusal> {
    value.map(|value| id(field, value).map(Id::from)).transpose()
}

/// A text of up to [`MAX_TEXT_BYTES`] bytes without NUL, if there is one.
pub(super) fn text(field: &'static str, value: Option<&Text>) -> Result<Option<Text>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    if value.len() <= MAX_TEXT_BYTES && !value.contains('\0') {
        return Ok(Some(value.clone()));
    }
    let rule = format!("it has {} bytes: use at most {MAX_TEXT_BYTES} bytes without NUL", value.len());
    Err(Refusal::bad_value(field, value, rule))
}

/// One of the names that a field may have, if there is one.
pub(super) fn name<T: FromStr<Err = UnknownName>>(
    field: &'static str,
    value: Option<&Text>,
) -> Result<Option<T>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let unknown = |error: UnknownName| Refusal::bad_value(field, value, format!("use one of {}", error.known));
    value.parse().map(Some).map_err(unknown)
}

/// An instant from 1970 to the end of 9999.
pub(super) fn timestamp(field: &'static str, micros: i64) -> Result<Timestamp, Refusal> {
    if (0..=MAX_TIMESTAMP.0).contains(&micros) {
        return Ok(Timestamp(micros));
    }
    Err(Refusal::bad_value(field, micros, "use microseconds since 1970, up to the year 9999"))
}

/// An instant, if there is one.
pub(super) fn optional_timestamp(field: &'static str, micros: Option<i64>) -> Result<Option<Timestamp>, Refusal> {
    micros.map(|micros| timestamp(field, micros)).transpose()
}

/// An amount with its currency, if there is one. A currency alone says nothing, but it must be one.
pub(super) fn money(
    field: &'static str,
    amount: Option<i64>,
    currency: Option<&Text>,
) -> Result<Option<Money>, Refusal> {
    let bad_currency = |value: &Text| Refusal::bad_value("currency", value, "use three capitals, for example EUR");
    let currency = currency.map(|value| value.parse().map_err(|_| bad_currency(value))).transpose()?;
    let Some(amount) = amount else { return Ok(None) };
    if !(0..=MAX_AMOUNT_MINOR).contains(&amount) {
        let rule = format!("use 0 to {MAX_AMOUNT_MINOR} minor units");
        return Err(Refusal::bad_value(field, amount, rule));
    }
    let currency = currency.ok_or_else(|| Refusal::missing("currency", format_args!("an {field}")))?;
    Ok(Some(Money { amount: AmountMinor(amount), currency }))
}

/// The lines an event speaks of. The line `*` alone is the whole order, as in the commands that we send.
pub(super) fn lines(lines: &[Line]) -> Result<Lines, Refusal> {
    match lines {
        [line] if &*line.line_id == WHOLE => Ok(Lines::default()),
        _ => named_lines(lines),
    }
}

/// The lines of an event that must name them one by one, if it names any.
pub(super) fn named_lines(lines: &[Line]) -> Result<Lines, Refusal> {
    if lines.len() > MAX_LINES {
        let rule = format!("use at most {MAX_LINES} lines in one event");
        return Err(Refusal::bad_value("lines", format_args!("{} lines", lines.len()), rule));
    }
    let named: Result<Vec<line::Line>, Refusal> =
        lines.iter().enumerate().map(|(index, line)| named_line(index, line)).collect();
    Lines::new(named?).map_err(|twice| Refusal::bad_value("lines", twice, "name each line_id once in one event"))
}

fn named_line(index: usize, line: &Line) -> Result<line::Line, Refusal> {
    let at =
        |refusal: Refusal, field: &str| Refusal { field: Some(format!("lines[{index}].{field}").into()), ..refusal };
    let line_id = id("line_id", &line.line_id).map_err(|refusal| at(refusal, "line_id"))?;
    if &*line_id == WHOLE {
        let rule = "it stands for the whole order: name no lines instead";
        return Err(at(Refusal::bad_value("line_id", line_id, rule), "line_id"));
    }
    let sku: Option<Sku> = optional_id("sku", line.sku.as_ref()).map_err(|refusal| at(refusal, "sku"))?;
    let quantity = Quantity::new(i64::from(line.quantity)).ok_or_else(|| {
        let rule = format!("use 1 to {MAX_QUANTITY} pieces");
        at(Refusal::bad_value("quantity", line.quantity, rule), "quantity")
    })?;
    Ok(line::Line { line_id: LineId::from(line_id), quantity, sku })
}
