//! The table `dead_letters`: records that could not be applied, byte for byte, with the reason and what became of them.
//!
//! Written in the batch's transaction. Invariant: one row a record; a record that fails again counts an attempt more and
//! takes the newer reason, and who did what to it stands in `dead_letter_actions`. A letter that is replayed is found by its id,
//! since topic, partition and offset may name another record by now.

use bytes::Bytes;
use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use crate::consume::record::{Header, Record};
use crate::consume::topics::InputTopics;
use crate::crash::{self, Point};
use crate::decode::{Reason, Refusal};
use crate::ids::{Lane, SchemaId, Timestamp};

/// One refused record on its way into the table.
#[derive(Clone, Debug)]
pub struct DeadLetter<'a> {
    /// The input topic's name.
    pub topic: &'a str,
    /// The record as it came.
    pub record: &'a Record,
    /// The letter that was replayed; none where the record came from Kafka just now.
    pub letter: Option<i64>,
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
/// The statement's failure; a bug when not every letter found its row.
pub async fn write(connection: &mut PgConnection, letters: &[DeadLetter<'_>]) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let (replayed, fresh): (Vec<_>, Vec<_>) = letters.iter().partition(|letter| letter.letter.is_some());
    let written = insert(connection, &fresh).await? + refuse_again(connection, &replayed).await?;
    crash::at(Point::BatchLettersWritten);
    expect(written, letters.len(), "dead letters were written")
}

/// Records that came from Kafka just now. One that has a letter already was read again.
async fn insert(connection: &mut PgConnection, letters: &[&DeadLetter<'_>]) -> Result<u64> {
    if letters.is_empty() {
        return Ok(0);
    }
    let inserted = sqlx::query(
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
                schema_id = excluded.schema_id, state = 'open', resolved_at = null, last_seen_at = now()",
    )
    .bind(letters.iter().map(|letter| letter.topic).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.lane.0).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.offset).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.key.as_deref()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.value.as_deref()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| headers_json(letter.record.headers())).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.record.timestamp.0).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.order_id).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.schema_id.map(|id| i64::from(id.0))).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.refusal.reason.as_str()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| explanation(letter)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected())
}

/// Letters that were replayed and are refused again. Under lock since the ground was read.
async fn refuse_again(connection: &mut PgConnection, letters: &[&DeadLetter<'_>]) -> Result<u64> {
    if letters.is_empty() {
        return Ok(0);
    }
    let refused = sqlx::query(
        "update dead_letters d
            set attempts = d.attempts + 1, reason = n.reason::dead_letter_reason, explanation = n.explanation,
                schema_id = n.schema_id, state = 'open', resolved_at = null, last_seen_at = now()
           from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) as n(id, schema_id, reason, explanation)
          where d.id = n.id and d.state = 'replay'",
    )
    .bind(letters.iter().map(|letter| letter.letter).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.schema_id.map(|id| i64::from(id.0))).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.refusal.reason.as_str()).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| explanation(letter)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(refused.rows_affected())
}

/// Why a record was refused, as text that the table can hold.
fn explanation(letter: &DeadLetter<'_>) -> String {
    letter.refusal.text.replace('\0', "\u{fffd}")
}

/// What became of a dead letter that was replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Its id.
    pub id: i64,
    /// Whether its event reached its order now. If not, [`write()`] has counted the attempt.
    pub is_applied: bool,
    /// What came of it, in words.
    pub note: String,
}

/// Writes down what became of the letters of a batch that were replayed. `actor` is who did it.
///
/// # Errors
/// The statements' failures; a bug when a letter that was under lock is gone.
pub async fn settle(connection: &mut PgConnection, letters: &[Replayed], actor: &str) -> Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let applied: Vec<i64> = letters.iter().filter(|letter| letter.is_applied).map(|letter| letter.id).collect();
    let settled = sqlx::query(
        "update dead_letters set state = 'applied', attempts = attempts + 1, resolved_at = now(), last_seen_at = now()
          where id = any($1) and state = 'replay'",
    )
    .bind(&applied)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    expect(settled, applied.len(), "replayed dead letters were settled")?;
    sqlx::query(
        "insert into dead_letter_actions (letter_id, action, actor, note)
         select n.id, (case when n.applied then 'applied' else 'refused' end)::dead_letter_action, $4, n.note
           from unnest($1::bigint[], $2::boolean[], $3::text[]) as n(id, applied, note)",
    )
    .bind(letters.iter().map(|letter| letter.id).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.is_applied).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.note.replace('\0', "\u{fffd}")).collect::<Vec<_>>())
    .bind(actor)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

fn expect(done: u64, asked: usize, what: &str) -> Result<()> {
    if usize::try_from(done).ok() == Some(asked) {
        Ok(())
    } else {
        Err(Error::bug(format!("{done} of {asked} {what}")))
    }
}

/// A letter that is marked for replay.
#[derive(Clone, Debug)]
pub struct Marked {
    /// Its id.
    pub id: i64,
    /// The record as it was kept.
    pub record: Record,
    /// Why it cannot be replayed whatever it says: somebody else changed its row, and not all of it can be read.
    pub unreadable: Option<Refusal>,
}

/// Letters of these lanes that are marked for replay, in the order in which they were refused: at most `limit`, and no more
/// than `bytes` of values and headers but for the first. A letter of a topic that is not read any more is left alone, and so are
/// those of the schemas in `aside`.
///
/// # Errors
/// The query's failure.
pub async fn to_replay(
    connection: &mut PgConnection,
    topics: &InputTopics,
    lanes: &[Lane],
    aside: &[SchemaId],
    (limit, bytes): (i64, i64),
) -> Result<Vec<Marked>> {
    let rows = sqlx::query(
        "select id, topic, partition, record_offset, key, value, headers::text,
                case when isfinite(record_timestamp) then (extract(epoch from record_timestamp) * 1000000)::bigint end
           from (select d.*, row_number() over (order by d.id) as place,
                        sum(coalesce(octet_length(d.value), 0) + octet_length(d.headers::text)) over (order by d.id) as sum_bytes
                   from (select * from dead_letters
                          where state = 'replay' and partition = any($1) and topic = any($2)
                            and (schema_id is null or schema_id <> all($5))
                          order by id limit $3) as d) as marked
          where place = 1 or sum_bytes <= $4 order by id",
    )
    .bind(lanes.iter().map(|lane| lane.0).collect::<Vec<_>>())
    .bind(topics.iter().map(|(_, name)| name.to_owned()).collect::<Vec<_>>())
    .bind(limit)
    .bind(bytes)
    .bind(aside.iter().map(|id| i64::from(id.0)).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let mut letters = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(source) = topics.source(row.try_get(1)?) else { continue };
        let bytes = |column: Option<Vec<u8>>| column.map(Bytes::from);
        // One row that nobody can read any more must not keep all others from being replayed.
        let mut unreadable = None;
        let headers = read_headers(row.try_get(6)?).unwrap_or_else(|error| {
            unreadable = Some(error.to_string());
            Vec::new()
        });
        let timestamp: Option<i64> = row.try_get(7)?;
        if timestamp.is_none() {
            unreadable = Some("its record_timestamp is no instant".to_owned());
        }
        let unreadable = unreadable.map(|text| {
            let text =
                format!("its row in dead_letters was changed and cannot be read: {text}: mend the row, or discard it");
            Refusal::new(Reason::ApplyFailed, text)
        });
        let record = Record {
            source,
            lane: Lane(row.try_get(2)?),
            offset: row.try_get(3)?,
            timestamp: Timestamp(timestamp.unwrap_or_default()),
            key: bytes(row.try_get(4)?),
            value: bytes(row.try_get(5)?),
            headers: Ok(headers),
        };
        letters.push(Marked { id: row.try_get(0)?, record, unreadable });
    }
    Ok(letters)
}

/// The column `headers`: name and hexadecimal value, since a value is any bytes and jsonb is text.
fn headers_json(headers: &[Header]) -> String {
    let pairs: Vec<(String, Option<String>)> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_ref().map(|bytes| hex(bytes)))).collect();
    serde_json::to_string(&pairs).expect("pairs of texts are JSON")
}

/// Reads the column `headers`.
///
/// # Errors
/// A bug: a column that was not written by us.
pub fn read_headers(json: &str) -> Result<Vec<Header>> {
    let pairs: Vec<(String, Option<String>)> =
        serde_json::from_str(json).map_err(|error| Error::bug(format!("headers of a dead letter: {error}")))?;
    let read =
        |hex: String| unhex(&hex).ok_or_else(|| Error::bug(format!("header `{hex}` of a dead letter is not hex")));
    pairs.into_iter().map(|(name, value)| Ok((name, value.map(read).transpose()?))).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every character");
        text
    })
}

fn unhex(hex: &str) -> Option<Bytes> {
    let digits = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    digits.collect::<Option<Vec<u8>>>().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_their_repetitions_and_every_byte() {
        let value = |bytes: &'static [u8]| Some(Bytes::from_static(bytes));
        let headers = [("a".to_owned(), value(b"\x00\xff")), ("b".to_owned(), None), ("a".to_owned(), value(b""))];
        let json = headers_json(&headers);
        assert_eq!(json, r#"[["a","00ff"],["b",null],["a",""]]"#);
        assert_eq!(read_headers(&json).unwrap(), headers);
        assert!(read_headers(r#"[["a","0"]]"#).is_err());
    }
}
