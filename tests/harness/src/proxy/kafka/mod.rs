//! A wire to a Kafka broker that reads along: it holds, drops and repeats chosen requests and answers.
//!
//! As a network does it: what is held back holds back what is behind it on its connection, a request arrives although its sender is
//! gone, and a client whose connection broke sends again what it had sent. Repeats are more than TCP does by itself: a copy that no
//! client asked for. Plain faults are a [`super::Link`]'s, before or behind it. Invariant: without a rule, everything passes
//! unchanged; a client never hears an answer that it did not ask for.

mod connection;
mod reader;
mod request;
mod rule;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub use self::request::{Api, Request};
pub use self::rule::{Action, Rule};
use self::rule::{Caught, Kept};

/// A wire to one broker; gone, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    common: Arc<Common>,
    _end: oneshot::Sender<()>,
}

/// What the connections of a wire have in common.
#[derive(Debug)]
struct Common {
    server: String,
    rules: Mutex<Vec<Arc<Kept>>>,
}

impl Common {
    /// What the first rule that wants it makes of a request.
    fn catch(&self, request: &Request) -> Option<(Action, Arc<Caught>)> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find_map(|rule| rule.catch(request))
    }
}

impl Wire {
    /// A wire to the broker at `host:port`, which may start later.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn to(server: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let common = Arc::new(Common { server: server.to_owned(), rules: Mutex::default() });
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let work = serve(listener, common.clone(), ended);
        std::thread::Builder::new().name("wire".to_owned()).spawn(move || runtime.block_on(work))?;
        Ok(Self { address, common, _end: end })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, does this to the first `count` requests that are as described; before rules that were given later.
    pub fn rule(
        &self,
        count: usize,
        catches: impl Fn(&Request) -> bool + Send + Sync + 'static,
        action: Action,
    ) -> Rule {
        let kept = Arc::new(Kept::new(count, Box::new(catches), action));
        self.common.rules.lock().unwrap_or_else(PoisonError::into_inner).push(kept.clone());
        Rule(kept)
    }
}

/// Takes connections until the wire is dropped.
async fn serve(listener: std::net::TcpListener, common: Arc<Common>, mut ended: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).expect("a runtime takes a listener that does not block");
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(connection::carry(client, common.clone()));
                }
            }
            _ = &mut ended => return,
        }
    }
}
