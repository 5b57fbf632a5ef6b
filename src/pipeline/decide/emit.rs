//! What a decision publishes and writes down: status events, commands, journal entries.
//!
//! Invariant: the status event of a change stands before the commands that the change made due, and both in the order in which
//! the lane's events were decided. What an input record caused is part of its trace; what time caused is part of none.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::LaneWork;
use crate::consume::record::Header;
use crate::ids::OrderId;
use crate::order::decision::{Change, Order};
use crate::order::obligation::Obligation;
use crate::persist::journal;
use crate::persist::journal_format::{EmittedRecord, Entry, Sent};
use crate::persist::{Error, Result};
use crate::publish::command::command;
use crate::publish::status_event::{Fact, status_event};
use crate::telemetry::tracer::Publication;

/// A record that may be published.
pub(super) struct Saying {
    record: EmittedRecord,
    /// Its span, where the trace that it is part of is sampled.
    publication: Option<Publication>,
}

impl Saying {
    /// What the record weighs against the limits on bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.record.size_bytes()
    }
}

impl LaneWork<'_> {
    /// The record that tells a change.
    pub(super) fn status_record(
        &self,
        order_id: &OrderId,
        order: &Order,
        change: &Change,
        fact: Option<Fact<'_>>,
    ) -> Result<Saying> {
        let view = order.view.as_ref().ok_or_else(|| Error::bug("a change without a view".to_owned()))?;
        let told = status_event((order_id, order, view), change, fact, self.now);
        let mut value = Vec::with_capacity(512);
        self.rules.encoder.encode_status(&told, &mut value).map_err(|error| Error::bug(error.to_string()))?;
        let headers = self.rules.cloud_events.as_ref().map_or_else(Vec::new, |cloud| cloud.of_status(&told));
        let topic = self.rules.status_topic.clone();
        Ok(self.saying(topic, order_id, &value, headers, format_args!("{}", told.event_id)))
    }

    /// Publishes the record that tells a change.
    pub(super) fn say(&mut self, saying: Saying) {
        self.publish(saying);
        self.decided.tally.status_events += 1;
    }

    fn publish(&mut self, Saying { record, publication }: Saying) {
        self.out.emitted.push(record);
        if let Some((span, publication)) = self.span.as_mut().zip(publication) {
            span.publishes(publication);
        }
    }

    /// Follows what is owed, and sends the commands that are due for the first time.
    pub(super) fn ask(&mut self, order_id: &OrderId, order: &mut Order, fact: Option<Fact<'_>>) -> Result<Vec<Sent>> {
        let sends = self.rules.command_topic.is_some();
        let owed = order.view.as_ref().map_or(&[][..], |view| &view.owed);
        if owed.is_empty() && order.commands.all().is_empty() {
            return Ok(Vec::new());
        }
        let new = order.commands.follow(owed, self.now, sends);
        let owed: Vec<Obligation> = new.into_iter().map(|place| owed[place].clone()).collect();
        let mut sent = Vec::with_capacity(owed.len());
        for obligation in &owed {
            sent.extend(self.send(order_id, order, obligation, fact)?);
        }
        Ok(sent)
    }

    /// Publishes the command for an obligation, at the attempt that the order's row says. One that is too large to publish is left
    /// out: it stays unanswered, so a person is asked in the end.
    pub(super) fn send(
        &mut self,
        order_id: &OrderId,
        order: &Order,
        obligation: &Obligation,
        fact: Option<Fact<'_>>,
    ) -> Result<Option<Sent>> {
        let bug = |text: &str| Error::bug(format!("order `{order_id}`: {text}"));
        let topic = self.rules.command_topic.clone().ok_or_else(|| bug("a command and no topic for it"))?;
        let attempt = order.commands.of(obligation).ok_or_else(|| bug("a command that nobody pursues"))?.attempt;
        let reason = order.view.as_ref().and_then(|view| view.cancel_reason);
        let told = command(order_id, (obligation, reason), attempt, fact, self.now);
        let mut value = Vec::with_capacity(256);
        self.rules.encoder.encode_command(&told, &mut value).map_err(|error| bug(&error.to_string()))?;
        let headers = self.rules.cloud_events.as_ref().map_or_else(Vec::new, |cloud| cloud.of_command(&told));
        let message = format_args!("{}-{attempt}", told.command_id);
        let saying = self.saying(topic, order_id, &value, headers, message);
        if saying.size_bytes() > self.rules.emitted_record_max_bytes {
            self.decided.too_large.insert(order_id.clone(), saying.size_bytes());
            return Ok(None);
        }
        self.publish(saying);
        let which = if attempt == 1 { "first" } else { "again" };
        *self.decided.tally.commands.entry((obligation.kind().as_str(), which)).or_default() += 1;
        Ok(Some(Sent { kind: obligation.kind(), id: obligation.id().to_owned(), attempt }))
    }

    /// Writes an entry down in the journal, and in its order's list of rows.
    pub(super) fn enter(&mut self, entry: Entry<'_>) {
        self.out.applied.add(entry);
        let row = journal::row_number(self.lane.lane(), self.lane.seq());
        if let Some(order_id) = entry.order_id {
            match self.decided.touched.get_mut(order_id) {
                Some(rows) if rows.last() == Some(&row) => {}
                Some(rows) => rows.push(row),
                None => drop(self.decided.touched.insert(order_id.clone(), vec![row])),
            }
        }
    }

    /// A record of an order, keyed by its id, in the trace of the record that caused it, behind a span of its own where there is
    /// one. A trace never makes a record too large: it is left out before that.
    fn saying(
        &self,
        topic: Arc<str>,
        order_id: &OrderId,
        value: &[u8],
        headers: Vec<Header>,
        message: fmt::Arguments<'_>,
    ) -> Saying {
        let own = headers.len();
        let publication = self.span.as_ref().map(|span| span.publication(&topic, order_id, message));
        let mut record = EmittedRecord {
            topic,
            key: Some(Bytes::copy_from_slice(order_id.as_str().as_bytes())),
            // In memory of its own size: it is kept until Kafka has it.
            value: Some(Bytes::copy_from_slice(value)),
            headers,
            timestamp: None,
        };
        if let Some(trace) = self.trace {
            let trace = publication.as_ref().map_or(trace, |publication| trace.through(publication.id));
            record.headers.extend(trace.headers());
            if record.size_bytes() > self.rules.emitted_record_max_bytes {
                record.headers.truncate(own);
            }
        }
        Saying { record, publication }
    }
}
