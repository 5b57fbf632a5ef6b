//! From a record to what it means, waiting for its schema where it must.
//!
//! A registry that does not answer is trouble of the world: the wait goes on until it does, the tenure ends or the process
//! stops, and no record is ever blamed for it. Only an id that the registry keeps answering "unknown" for, longer than the
//! configured grace, is the record's fault.

use std::time::Instant;

use super::process::Process;
use crate::consume::record::Record;
use crate::consume::tenure::Tenure;
use crate::decode::{Decoded, Lookup, Refusal};
use crate::ids::SchemaId;
use crate::order::Event;
use crate::retry::Retry;

/// The wait was broken off: the tenure ended, or the process stops.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

/// The event that a record carries, or why it carries none.
///
/// # Errors
/// [`Interrupted`] while waiting for the registry.
pub async fn of(
    record: &Record,
    process: &Process,
    tenure: &Tenure,
) -> Result<Result<Box<Event>, Refusal>, Interrupted> {
    loop {
        match process.decoder.try_decode(record, process.now()) {
            Decoded::Event(event) => return Ok(Ok(Box::new(event))),
            Decoded::Refused(refusal) => return Ok(Err(refusal)),
            Decoded::NeedsSchema(id) => fetch(id, process, tenure).await?,
        }
    }
}

/// Waits until the schema is known, or given up.
async fn fetch(id: SchemaId, process: &Process, tenure: &Tenure) -> Result<(), Interrupted> {
    let mut retry = Retry::new("registry");
    let since = Instant::now();
    loop {
        match process.decoder.fetch(id).await {
            Ok(Lookup::Found) => return Ok(()),
            Ok(Lookup::Unknown) if since.elapsed() >= process.unknown_id_grace => {
                process.decoder.give_up(id, process.now());
                return Ok(());
            }
            Ok(Lookup::Unknown) => tracing::debug!(%id, "the registry does not know the schema yet"),
            Err(error) => tracing::warn!(%error, %id, "looking a schema up, trying again"),
        }
        let stopping = retry.pause(&process.shutdown).await.is_err();
        if stopping || tenure.is_ended() {
            return Err(Interrupted);
        }
    }
}
