//! A link to a server that a test can hurt and mend: a TCP forwarder that stands between a client and that server.
//!
//! It delays, slows, loses a direction, holds up, tears, resets and cuts, in any combination, and counts what it did. Kafka tells
//! its clients its own address, so there the broker's advertised listener has to be the link's; [`kafka`] knows its requests. Works
//! on a thread of its own: a test that blocks does not slow it down. Invariant: the link's address stays taken while it is cut, so nobody else can answer
//! there; and no stream goes on with a hole in it.

mod carry;
mod condition;
mod counts;
pub mod kafka;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;

pub use self::condition::{Condition, Delay, Direction};
pub use self::counts::Counts;

/// A link to one server; gone, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
    tally: Arc<counts::Tally>,
}

impl Link {
    /// A link to the server at `host:port`, through which everything goes. The server is looked for at each connection, so it
    /// may start later, and be away.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn to(server: &str) -> Result<Self> {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)), server)
    }

    /// The same, listening at an address that somebody was told already.
    ///
    /// # Errors
    /// The address is taken, or the system gives no thread.
    pub fn at(listen: SocketAddr, server: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind(listen).with_context(|| format!("`{listen}` cannot be had"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (condition, watched) = watch::channel(Condition::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tally = Arc::new(counts::Tally::default());
        let (server, counted) = (server.to_owned(), tally.clone());
        let work = move || runtime.block_on(carry::serve(listener, server, watched, counted));
        std::thread::Builder::new().name("link".to_owned()).spawn(work)?;
        Ok(Self { address, condition, tally })
    }

    /// A link to the server of a URL that names a port, and the URL of the same thing by way of the link.
    ///
    /// # Errors
    /// As [`Self::to`], or the URL names no port.
    pub fn in_place_of(url: &str) -> Result<(Self, String)> {
        let begin = url.find("://").map(|at| at + 3).context("the URL has no `://`")?;
        let authority = url[begin..].split(['/', '?']).next().unwrap_or_default();
        let server = authority.rsplit('@').next().unwrap_or_default();
        anyhow::ensure!(server.contains(':'), "`{server}` names no port");
        let link = Self::to(server)?;
        let until = begin + authority.len();
        let url = format!("{}{}{}", &url[..until - server.len()], link.address, &url[until..]);
        Ok((link, url))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it did since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.tally.read()
    }

    /// How it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    /// Changes how it is; for what begins and ends while something else goes on.
    pub fn change(&self, change: impl FnOnce(&mut Condition)) {
        self.condition.send_modify(change);
    }

    /// Ends all connections, and new ones as soon as they are made, until it is mended.
    pub fn cut(&self) {
        self.change(|condition| condition.cut = true);
    }

    /// Lets nothing through any more, without ending a connection: as when a network swallows packets and they are sent again.
    /// What was sent meanwhile, even by a client that is gone by then, arrives when the link is mended.
    pub fn hold_up(&self) {
        self.change(|condition| condition.held_up = true);
    }

    /// Loses what goes that way, the end of a connection too; the other way is open. A connection that lost something is reset
    /// when the link is mended.
    pub fn lose(&self, direction: Direction) {
        self.change(|condition| condition.loses[direction as usize] = true);
    }

    /// Lets everything arrive later by this much, more or less by up to `jitter`, in order.
    pub fn delay(&self, by: Duration, jitter: Duration) {
        self.change(|condition| condition.delay = Some(Delay { by, jitter }));
    }

    /// Lets no more than so many bytes a second through each way, all connections together.
    pub fn slow(&self, bytes_per_second: u64) {
        self.change(|condition| condition.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Resets all connections now, so that both ends read an error, not an end.
    pub fn reset(&self) {
        self.change(|condition| condition.resets += 1);
    }

    /// Lets each connection that there is pass a part of what comes next, and resets it there.
    pub fn tear(&self) {
        self.change(|condition| condition.tears += 1);
    }

    /// Lets everything through again; what was held up goes first.
    pub fn mend(&self) {
        self.change(Condition::mend);
    }
}
