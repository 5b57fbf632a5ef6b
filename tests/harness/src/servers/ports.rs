//! Ports that stay free while a server is down.
//!
//! Invariant: outside of the range that the kernel gives to clients, so no connection of anybody can take a server's port between
//! its stop and its start; and never the same twice in one process.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

use anyhow::{Result, bail};
use uuid::Uuid;

/// Below 32768, where Linux begins to give ports to clients, and below those of the local stack.
const PORTS: std::ops::Range<u16> = 10_000..25_000;
const TRIES: u32 = 1_000;

/// A port of 127.0.0.1 that nobody listens on and that no client is ever given.
///
/// # Errors
/// All that were tried are taken.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().expect("nobody panics with the lock");
    for _ in 0..TRIES {
        let chance = Uuid::new_v4().as_u64_pair().1 % u64::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(chance).expect("smaller than the range");
        // Other processes choose at random, too; whoever listens already is seen here.
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free", PORTS.start, PORTS.end - 1)
}
