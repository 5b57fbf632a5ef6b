//! Spans for the traces that input records are part of, pushed by OTLP over HTTP. Off until somebody names a receiver.
//!
//! ```text
//! decide ──Processing──▶ COMMIT ──▶ spans ──▶ exporter ──▶ receiver
//!                           └──publications──▶ chunk ──▶ Kafka's commit ──▶ spans
//! ```
//!
//! [`tracer`] says which records get spans and what these say, `queue` is the way to [`exporter`], which pushes through [`endpoint`];
//! `otlp` is the wire form. Invariant: nothing here holds a batch or a publication up or makes it fail. What cannot be told is
//! dropped and counted; the ids that records carry are decided with the batch, whatever becomes of the spans.

pub mod endpoint;
pub mod exporter;
mod otlp;
pub mod queue;
pub mod tracer;

#[cfg(test)]
mod tests;
