//! What a link did, in bytes and connections, so that a fault can say that it happened.
//!
//! Invariant: every byte that came in is in the end passed or lost, or still waits; delayed, slowed and held-up bytes are among them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Direction;

/// Declares the counters once: what is read, and where it is counted.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a link did since it was made.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counts {
            /// What was done since an earlier look.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($name: self.$name - earlier.$name,)* }
            }
        }

        #[derive(Debug, Default)]
        pub(super) struct Tally {
            $(pub(super) $name: AtomicU64,)*
        }

        impl Tally {
            pub(super) fn read(&self) -> Counts {
                Counts { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Connections that clients made.
    connections,
    /// Among them, those that ended at once because the link was cut, or the server not there.
    refused,
    /// Connections that a cut ended.
    cut,
    /// Connections that were reset, at once or because something of them was lost.
    reset,
    /// Connections that were torn in the middle of what they carried.
    torn,
    /// Bytes that arrived at the server.
    bytes_to_server,
    /// Bytes that arrived at the client.
    bytes_to_client,
    /// Bytes that were given a delay.
    bytes_delayed,
    /// Bytes that passed while the link was slow.
    bytes_slowed,
    /// Bytes that were held up.
    bytes_held_up,
    /// Bytes that were lost on their way to the server, by loss or by a tear.
    bytes_lost_to_server,
    /// Bytes that were lost on their way to the client.
    bytes_lost_to_client,
}

impl Tally {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn passed(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.bytes_to_server,
            Direction::ToClient => &self.bytes_to_client,
        }
    }

    pub(super) fn lost(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::ToServer => &self.bytes_lost_to_server,
            Direction::ToClient => &self.bytes_lost_to_client,
        }
    }
}
