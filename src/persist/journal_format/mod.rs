//! The bytes of a journal row: what a batch applied, and what it publishes.
//!
//! `applied` is zstd over JSON lines (`applied.rs`), so that people and later releases can read it without this program; an event
//! stands there in the flat form of `orderstream fold`. `emitted` is zstd over postcard behind a version byte (`emitted.rs`).
//! Invariant: what is read back equals what was written, byte for byte for keys, values and headers.

mod applied;
mod emitted;

use std::cell::RefCell;

use zstd::bulk::Compressor;

use crate::decode::Refusal;

pub use applied::{
    AppliedEntry, AppliedWriter, Entry, Outcome, Place, Sent, read_applied, read_applied_of, read_applied_where,
};
pub use emitted::{EmittedRecord, read_emitted, write_emitted};

const COMPRESSION_LEVEL: i32 = 1;
/// What a row may unpack to at most; a batch is bounded far below.
const UNPACKED_LIMIT_BYTES: usize = 1 << 30;

/// Why a journal row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The compression is damaged.
    #[error("journal row is not zstd: {0}")]
    Compression(#[from] std::io::Error),
    /// A line of `applied` is not what this release writes.
    #[error("line {line} of `applied`: {source}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// An event of `applied` is not one that this release writes.
    #[error("line {line} of `applied`: {}", refusal.text)]
    Event {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// `emitted` is of a version this release does not know.
    #[error("`emitted` has format version {0:?}, this release knows {known}: use a newer release", known = emitted::VERSION)]
    Version(Option<u8>),
    /// `emitted` is damaged.
    #[error("`emitted`: {0}")]
    Emitted(#[from] postcard::Error),
}

thread_local! {
    /// To make a compressor costs more than to compress what a small batch has.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(COMPRESSION_LEVEL).expect("memory takes a compressor"));
}

fn compress(plain: &[u8]) -> Vec<u8> {
    let packed = COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(plain));
    let mut packed = packed.expect("memory takes every byte");
    packed.shrink_to_fit();
    packed
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, FormatError> {
    Ok(zstd::bulk::decompress(
        bytes,
        zstd::bulk::Decompressor::upper_bound(bytes).unwrap_or(UNPACKED_LIMIT_BYTES).min(UNPACKED_LIMIT_BYTES),
    )?)
}
