//! What a cluster should be like: how many brokers, who may reach them where, and how they differ from the usual ones.
//!
//! Invariant: `server.properties` is made from nothing but the plan, the ports and the broker's number, so a restart is the same broker.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, ensure};

/// The listener over which brokers reach each other; plain text, and where a broker is asked whether it is ready. Who wants it otherwise
/// names another listener in the override `inter.broker.listener.name`.
pub(super) const INTERNAL: &str = "INTERNAL";
/// The listener of the quorum.
pub(super) const CONTROLLER: &str = "CONTROLLER";

/// Says which address a broker (from 1 on) tells its clients, given the one it really listens on: that of a link to it, for example.
pub type Advertise = Box<dyn FnMut(u8, SocketAddr) -> Result<String> + Send>;

/// Puts something between two brokers: `(from, to, listen, server)`, where broker `from` will reach broker `to` at `listen` and what
/// listens there carries to `server`. Called once for each of the two ports that a broker has for the others.
pub type Between = Box<dyn FnMut(u8, u8, SocketAddr, SocketAddr) -> Result<()> + Send>;

/// How a listener is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Not at all.
    Plaintext,
    /// TLS.
    Ssl,
    /// A password or token in plain text.
    SaslPlaintext,
    /// A password or token over TLS.
    SaslSsl,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// An address at which each broker can be reached, for one party.
pub struct Listener {
    /// Its name: capitals, digits and underscores.
    pub name: String,
    /// How it is secured.
    pub protocol: Protocol,
    /// The address that clients are told; the broker's own where this is none.
    pub advertise: Option<Advertise>,
}

impl Listener {
    /// A plain listener that advertises itself.
    #[must_use]
    pub fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), protocol: Protocol::Plaintext, advertise: None }
    }

    /// The same with another address for clients.
    #[must_use]
    pub fn advertising(mut self, advertise: impl FnMut(u8, SocketAddr) -> Result<String> + Send + 'static) -> Self {
        self.advertise = Some(Box::new(advertise));
        self
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.protocol)
    }
}

/// A cluster to be.
pub struct Plan {
    /// One broker, or three that replicate.
    pub brokers: u8,
    /// The listeners for clients.
    pub listeners: Vec<Listener>,
    /// What stands between brokers, if anything.
    pub between: Option<Between>,
    /// Settings of `server.properties` that are added or differ.
    pub overrides: Vec<(String, String)>,
    /// More arguments for `StorageTool format`, such as `--add-scram` and its value.
    pub format_arguments: Vec<String>,
    /// More arguments for the Java virtual machine.
    pub java_options: Vec<String>,
}

impl Plan {
    /// One broker with one plain listener, `CLIENTS`.
    #[must_use]
    pub fn single() -> Self {
        Self::of(1)
    }

    /// Three brokers with one plain listener each, `CLIENTS`: replication 3, at least 2 in sync.
    #[must_use]
    pub fn three() -> Self {
        Self::of(3)
    }

    /// With one setting of `server.properties` more.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.overrides.push((key.to_owned(), value.into()));
        self
    }

    fn of(brokers: u8) -> Self {
        Self {
            brokers,
            listeners: vec![Listener::plain("CLIENTS")],
            between: None,
            overrides: Vec::new(),
            format_arguments: Vec::new(),
            java_options: Vec::new(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!(matches!(self.brokers, 1 | 3), "a cluster has 1 broker or 3, not {}", self.brokers);
        for Listener { name, .. } in &self.listeners {
            let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            ensure!(
                !name.is_empty() && name.chars().all(plain) && ![INTERNAL, CONTROLLER].contains(&name.as_str()),
                "`{name}` is no name for a listener: use capitals, and not {INTERNAL} or {CONTROLLER}"
            );
        }
        Ok(())
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Overrides may hold passwords.
        write!(f, "Plan({} brokers, {:?})", self.brokers, self.listeners)
    }
}

/// Where one broker listens on one of its listeners.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub name: String,
    pub protocol: Protocol,
    pub bound: SocketAddr,
    pub advertised: String,
}

/// The text of a broker's `server.properties`.
pub(super) fn properties(
    id: u8,
    (sockets, voters): (&[Socket], &str),
    overrides: &[(String, String)],
    brokers: u8,
    data: &Path,
) -> String {
    let list = |entry: &dyn Fn(&Socket) -> String| sockets.iter().map(entry).collect::<Vec<_>>().join(",");
    let (copies, in_sync) = if brokers == 1 { ("1", "1") } else { ("3", "2") };
    let mut all: BTreeMap<&str, String> = USUAL.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    all.extend([
        ("node.id", id.to_string()),
        ("controller.quorum.voters", voters.to_owned()),
        ("listeners", list(&|socket| format!("{}://{}", socket.name, socket.bound))),
        ("advertised.listeners", list(&|socket| format!("{}://{}", socket.name, socket.advertised))),
        ("listener.security.protocol.map", list(&|socket| format!("{}:{}", socket.name, socket.protocol))),
        ("log.dirs", data.display().to_string()),
        ("default.replication.factor", copies.to_owned()),
        ("min.insync.replicas", in_sync.to_owned()),
        ("offsets.topic.replication.factor", copies.to_owned()),
        ("transaction.state.log.replication.factor", copies.to_owned()),
        ("transaction.state.log.min.isr", in_sync.to_owned()),
        ("share.coordinator.state.topic.replication.factor", copies.to_owned()),
        ("share.coordinator.state.topic.min.isr", in_sync.to_owned()),
    ]);
    all.extend(overrides.iter().map(|(key, value)| (key.as_str(), value.clone())));
    // A backslash would begin an escape.
    all.iter().map(|(key, value)| format!("{key}={}\n", value.replace('\\', "\\\\"))).collect()
}

/// What all brokers have in common; the comments of `deploy/local/stack/kafka.properties` say why.
const USUAL: [(&str, &str); 22] = [
    ("process.roles", "broker,controller"),
    ("controller.listener.names", CONTROLLER),
    ("inter.broker.listener.name", INTERNAL),
    ("auto.create.topics.enable", "false"),
    ("offsets.topic.num.partitions", "8"),
    ("transaction.state.log.num.partitions", "8"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("broker.session.timeout.ms", "4000"),
    ("broker.heartbeat.interval.ms", "1000"),
    ("log.retention.ms", "-1"),
    // A follower that is cut off leaves the replicas in sync after this; until then nothing is acknowledged.
    ("replica.lag.time.max.ms", "5000"),
    ("replica.socket.timeout.ms", "5000"),
    ("controller.socket.timeout.ms", "5000"),
    ("controlled.shutdown.max.retries", "1"),
    // Small, since several of them share a machine with everything else.
    ("num.network.threads", "1"),
    ("num.io.threads", "4"),
    ("background.threads", "2"),
    ("log.cleaner.dedupe.buffer.size", "4194304"),
    ("log.cleaner.io.buffer.size", "131072"),
    ("log.segment.bytes", "67108864"),
    ("log.index.size.max.bytes", "1048576"),
];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn overrides_win_and_replication_follows_the_number_of_brokers() {
        let socket = Socket {
            name: "CLIENTS".to_owned(),
            protocol: Protocol::SaslSsl,
            bound: "127.0.0.1:9".parse().unwrap(),
            advertised: "127.0.0.1:8".to_owned(),
        };
        let overrides = [("log.retention.ms".to_owned(), "5".to_owned())];
        let text = properties(2, (&[socket], "1@a:1"), &overrides, 3, &PathBuf::from("data"));
        for line in [
            "listeners=CLIENTS://127.0.0.1:9",
            "advertised.listeners=CLIENTS://127.0.0.1:8",
            "listener.security.protocol.map=CLIENTS:SASL_SSL",
            "log.retention.ms=5",
            "min.insync.replicas=2",
            "node.id=2",
        ] {
            assert!(text.lines().any(|found| found == line), "no `{line}` in:\n{text}");
        }
    }
}
