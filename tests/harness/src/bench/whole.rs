//! Whether what came out of a run is whole: each order's versions are 1, 2, 3 … up to what its row says, and nothing else is there.
//!
//! Not the checker, which takes minutes for millions of events: this reads the status topic once and looks at three fields of each
//! record. Invariant: a run in which an event was lost, doubled or published out of its order is an error and no measurement.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use rdkafka::Message;
use sqlx::postgres::PgConnection;

use crate::topic_log::LogReader;

/// How many orders are compared with their rows at a time.
const PAGE: usize = 20_000;
/// Magic byte and schema id.
const FRAMING_BYTES: usize = 5;

/// Compares the status topic with the rows of its orders, of which there must be so many. Returns how many status events there are.
///
/// # Errors
/// A server does not answer; or the first thing that is not whole.
pub async fn check(brokers: &str, topic: &str, connection: &mut PgConnection, orders: u64) -> Result<u64> {
    let (versions, events) = read(brokers, topic)?;
    let found = versions.len() as u64;
    ensure!(found == orders, "{found} orders are told of in `{topic}`, and there are {orders}");
    let letters: i64 = sqlx::query_scalar("select count(*) from dead_letters").fetch_one(&mut *connection).await?;
    ensure!(letters == 0, "{letters} records became dead letters, and all were sound");
    let told: Vec<(&str, i64)> = versions.iter().map(|(order, version)| (order.as_str(), *version)).collect();
    for page in told.chunks(PAGE) {
        let wrong: Option<(String, i64, Option<i64>)> = sqlx::query_as(
            "select t.order_id, t.version, o.version
               from unnest($1::text[], $2::bigint[]) as t(order_id, version) left join orders o using (order_id)
              where o.version is distinct from t.version limit 1",
        )
        .bind(page.iter().map(|(order, _)| *order).collect::<Vec<_>>())
        .bind(page.iter().map(|(_, version)| *version).collect::<Vec<_>>())
        .fetch_optional(&mut *connection)
        .await?;
        if let Some((order, told, stored)) = wrong {
            bail!("order `{order}` is told of up to version {told}, and its row says {stored:?}");
        }
    }
    Ok(events)
}

/// The last version of each order in a status topic, and how many events it holds.
///
/// # Errors
/// Kafka does not answer, or versions do not come one after the other.
pub fn read(brokers: &str, topic: &str) -> Result<(HashMap<String, i64>, u64)> {
    let reader = LogReader::on(brokers)?;
    let mut versions: HashMap<String, i64> = HashMap::new();
    let mut events = 0;
    reader.read(&reader.partitions(topic)?, |message| {
        let (order, version) = message.payload().and_then(of_event).context("a status event cannot be read")?;
        ensure!(message.key() == Some(order.as_bytes()), "a status event of order `{order}` has another key");
        let last = match versions.get_mut(order) {
            Some(last) => last,
            None => versions.entry(order.to_owned()).or_default(),
        };
        ensure!(version == *last + 1, "order `{order}`: version {version} comes behind version {last} in `{topic}`");
        *last = version;
        events += 1;
        Ok(())
    })?;
    Ok((versions, events))
}

/// Order and version of a framed status event: its second and third field (a test says so).
fn of_event(value: &[u8]) -> Option<(&str, i64)> {
    let mut rest = value.get(FRAMING_BYTES..)?;
    take_text(&mut rest)?;
    let order = take_text(&mut rest)?;
    Some((order, take_long(&mut rest)?))
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_long(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    str::from_utf8(text).ok()
}

/// Zigzag, seven bits a byte, lowest first.
fn take_long(rest: &mut &[u8]) -> Option<i64> {
    let mut word = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        word |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((word >> 1).cast_signed() ^ -(word & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::avro::{long, text};

    #[test]
    fn order_and_version_are_where_the_schema_has_them() {
        let schema = include_str!("../../../../schemas/OrderStatusChanged.avsc");
        let schema: Json = serde_json::from_str(schema).expect("JSON");
        let names: Vec<&str> =
            schema["fields"].as_array().expect("fields").iter().filter_map(|field| field["name"].as_str()).collect();
        assert_eq!(names[..3], ["event_id", "order_id", "order_version"]);
        let mut value = vec![0, 0, 0, 0, 9];
        text("6f1c2e0b-8b6e-4b0b-9d8e-3f6a1c2d3e4f", &mut value);
        text("ord-1", &mut value);
        long(300, &mut value);
        value.extend_from_slice(b"\x0ewhatever");
        assert_eq!(of_event(&value), Some(("ord-1", 300)));
        assert_eq!(of_event(&value[..44]), None);
    }

    #[test]
    fn numbers_read_back_as_they_were_written() {
        for number in [0, -1, 1, 63, 64, -64, -65, 300, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            long(number, &mut bytes);
            let mut rest = &bytes[..];
            assert_eq!((take_long(&mut rest), rest.len()), (Some(number), 0));
        }
        assert_eq!(take_long(&mut &[0xff_u8; 11][..]), None);
    }
}
