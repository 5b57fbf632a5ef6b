//! The table `dead_letters`: records that could not be applied, byte for byte, with the reason.
//!
//! Written in the batch's transaction. Invariant: one row a record; a record that fails again counts an attempt more and
//! takes the newer reason.

use sqlx::postgres::PgConnection;

use super::error::Result;
use crate::consume::record::{Header, Record};
use crate::decode::Refusal;
use crate::ids::SchemaId;

/// One refused record on its way into the table.
#[derive(Clone, Debug)]
pub struct DeadLetter<'a> {
    /// The input topic's name.
    pub topic: &'a str,
    /// The record as it came.
    pub record: &'a Record,
    /// The key as text where it is text that the table can hold.
    pub order_id: Option<&'a str>,
    /// The schema id that the record names, where it names one.
    pub schema_id: Option<SchemaId>,
    /// Why it was refused.
    pub refusal: &'a Refusal,
}

/// Writes the dead letters of a batch.
///
/// # Errors
/// The statement's failure.
pub async fn write(connection: &mut PgConnection, letters: &[DeadLetter<'_>]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into dead_letters (topic, partition, record_offset, key, value, headers, record_timestamp, order_id,
                                   schema_id, reason, explanation)
         select n.topic, n.partition, n.record_offset, n.key, n.value, n.headers::jsonb,
                'epoch'::timestamptz + n.at * interval '1 microsecond', n.order_id, n.schema_id,
                n.reason::dead_letter_reason, n.explanation
           from unnest($1::text[], $2::int[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[], $7::bigint[],
                       $8::text[], $9::bigint[], $10::text[], $11::text[])
                as n(topic, partition, record_offset, key, value, headers, at, order_id, schema_id, reason, explanation)
             on conflict on constraint dead_letters_one_per_record do update
            set attempts = dead_letters.attempts + 1, reason = excluded.reason, explanation = excluded.explanation,
                state = 'open', last_seen_at = now()",
    )
    .bind(letters.iter().map(|letter| letter.topic).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.lane.0).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.offset).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.key.as_deref()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.value.as_deref()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| headers_json(&letter.record.headers)).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.timestamp.0).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.order_id).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.schema_id.map(|id| i64::from(id.0))).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.refusal.reason.as_str()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.refusal.text.replace('\0', "\u{fffd}")).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The column `headers`: name and hexadecimal value, since a value is any bytes and jsonb is text.
fn headers_json(headers: &[Header]) -> String {
    let pairs: Vec<(String, Option<String>)> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_ref().map(|bytes| hex(bytes)))).collect();
    serde_json::to_string(&pairs).expect("pairs of texts are JSON")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every character");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_their_repetitions_and_every_byte() {
        let value = |bytes: &'static [u8]| Some(bytes::Bytes::from_static(bytes));
        let headers = [("a".to_owned(), value(b"\x00\xff")), ("b".to_owned(), None), ("a".to_owned(), value(b""))];
        assert_eq!(headers_json(&headers), r#"[["a","00ff"],["b",null],["a",""]]"#);
    }
}
