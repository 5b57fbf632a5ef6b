//! The servers' processes on this machine, and the processor time that they took.
//!
//! Postgres is the parent of the process that serves our connection, the broker is who listens on its port. Invariant: a server that
//! is not on this machine, or whose process we may not look into, is left out and not guessed.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::PgConnection;

use crate::stack::Stack;
use crate::usage;

/// The process ids of the servers, where they are known.
#[derive(Clone, Copy, Debug)]
pub struct Neighbours {
    postgres: Option<u32>,
    broker: Option<u32>,
}

impl Neighbours {
    /// Looks for them; of several brokers the first is taken.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn find(connection: &mut PgConnection, stack: &Stack) -> Result<Self> {
        let asked = "select pg_backend_pid(), inet_client_port()";
        let (pid, port): (i32, Option<i32>) = sqlx::query_as(asked).fetch_one(connection).await?;
        let postgres = u32::try_from(pid).ok().filter(|pid| serves(*pid, port)).and_then(usage::parent);
        let first = stack.brokers.split(',').next().unwrap_or_default();
        Ok(Self { postgres, broker: local_port(first).and_then(listener) })
    }

    /// What Postgres took until now, all of its processes; none where it is not known.
    ///
    /// # Errors
    /// It is gone.
    pub fn postgres(&self) -> Result<Option<Duration>> {
        self.postgres.map(usage::of_family).transpose()
    }

    /// What the broker took until now; none where it is not known.
    ///
    /// # Errors
    /// It is gone.
    pub fn broker(&self) -> Result<Option<Duration>> {
        self.broker.map(usage::of_family).transpose()
    }
}

/// Whether the process of this id on this machine is the one that serves our connection: its title says from where.
fn serves(pid: u32, client_port: Option<i32>) -> bool {
    let from = client_port.map_or("[local]".to_owned(), |port| format!("({port})"));
    let title = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&title).contains(&from)
}

/// The port of an address of this machine itself.
fn local_port(address: &str) -> Option<u16> {
    let (host, port) = address.trim().rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_local = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_local.then(|| port.parse().ok()).flatten()
}

/// The process that listens on a port.
fn listener(port: u16) -> Option<u32> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let socket = tables.iter().find_map(|table| listening(table, port))?;
    let link = format!("socket:[{socket}]");
    usage::processes().find(|pid| holds(*pid, Path::new(&link)))
}

/// The inode of the socket that listens on a port.
fn listening(table: &str, port: u16) -> Option<&str> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        // The second is the local address in hexadecimal, its port behind the colon; the fourth is 0A where it listens.
        let local = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        (local == port && *fields.get(3)? == "0A").then(|| fields.get(9).copied()).flatten()
    })
}

fn holds(pid: u32, link: &Path) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target == link))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_listens_on_a_port_is_found_and_nobody_where_nobody_does() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("an address").port();
        assert_eq!(listener(port), Some(std::process::id()));
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:72D0 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 77 1\n   \
                     1: 0100007F:72D0 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 78 1\n";
        assert_eq!(listening(table, 29_392), Some("78"), "a connection from that port is no listener");
        assert_eq!(listening(table, 29_393), None);
    }

    #[test]
    fn a_broker_elsewhere_has_no_process_here() {
        assert_eq!(local_port("127.0.0.1:29392"), Some(29_392));
        assert_eq!(local_port("[::1]:9092"), Some(9_092));
        assert_eq!(local_port("localhost:9092"), Some(9_092));
        assert_eq!(local_port("kafka.example:9092"), None);
        assert_eq!(local_port("127.0.0.1"), None);
    }
}
