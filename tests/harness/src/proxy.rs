//! A link to a server that a test can cut, hold up and mend: a TCP forwarder that stands between a worker and that server.
//!
//! For Postgres and the registry as they are; Kafka tells its clients its own address, so there the broker's advertised
//! listener has to be the link's. Works on a thread of its own: a test that blocks does not slow it down.
//! Invariant: the link's address stays taken while it is cut, so nobody else can answer there.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// Everything goes through.
    Whole,
    /// Connections stand, and nothing goes through.
    HeldUp,
    /// Connections end, and new ones end as soon as they are made.
    Cut,
}

/// A link to one server; gone, with its connections, when it is dropped.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
}

impl Link {
    /// A link to the server at `host:port`, through which everything goes.
    ///
    /// # Errors
    /// The system gives no port or no thread.
    pub fn to(server: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (condition, watched) = watch::channel(Condition::Whole);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let server = server.to_owned();
        let work = move || runtime.block_on(serve(listener, server, watched));
        std::thread::Builder::new().name("link".to_owned()).spawn(work)?;
        Ok(Self { address, condition })
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

    /// Ends all connections, and new ones as soon as they are made, until it is mended.
    pub fn cut(&self) {
        self.condition.send_replace(Condition::Cut);
    }

    /// Lets nothing through any more, without ending a connection: as when a network swallows packets.
    pub fn hold_up(&self) {
        self.condition.send_replace(Condition::HeldUp);
    }

    /// Lets everything through again; what was held up goes first.
    pub fn mend(&self) {
        self.condition.send_replace(Condition::Whole);
    }
}

/// Takes connections until the link is dropped.
async fn serve(listener: std::net::TcpListener, server: String, watched: watch::Receiver<Condition>) {
    let listener = TcpListener::from_std(listener).expect("a runtime takes a listener that does not block");
    let mut dropped = watched.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(carry(client, server.clone(), watched.clone()));
                }
            }
            changed = dropped.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// One connection, until an end closes it or the link is cut.
async fn carry(client: TcpStream, server: String, condition: watch::Receiver<Condition>) {
    let mut cut = condition.clone();
    tokio::select! {
        biased;
        _ = cut.wait_for(|condition| *condition == Condition::Cut) => {}
        // Whatever ends it, both ends learn it by the closing of their sockets.
        _ = exchange(client, &server, &condition) => {}
    }
}

async fn exchange(mut client: TcpStream, server: &str, condition: &watch::Receiver<Condition>) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::try_join!(pump(from_client, to_server, condition.clone()), pump(from_server, to_client, condition.clone()))?;
    Ok(())
}

async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut condition: watch::Receiver<Condition>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        let now = condition.wait_for(|condition| *condition != Condition::HeldUp).await.map(|condition| *condition);
        // A cut may wake this one before it wakes whoever ends the connection; nothing passes all the same.
        if now.is_err() || now.is_ok_and(|now| now == Condition::Cut) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream as Client;
    use std::time::Duration;

    use super::*;

    /// A server that sends back what it gets, one connection after the other.
    fn echo() -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut buffer = [0; 64];
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..read]).expect("sent back");
                }
            }
        });
        address
    }

    fn client(link: &Link) -> Client {
        let client = Client::connect(link.address()).expect("connected");
        client.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        client
    }

    /// What comes back of five bytes: all of them, or nothing in time, or the end.
    fn said(client: &mut Client) -> Option<usize> {
        _ = client.write_all(b"hello");
        let mut buffer = [0; 5];
        match client.read_exact(&mut buffer) {
            Ok(()) => Some(5),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
            Err(_) => Some(0),
        }
    }

    #[test]
    fn a_link_carries_holds_up_cuts_and_carries_again() {
        let link = Link::to(&echo()).expect("a link");
        let mut first = client(&link);
        assert_eq!(said(&mut first), Some(5));
        link.hold_up();
        assert_eq!(said(&mut first), None);
        link.cut();
        assert_eq!((said(&mut first), said(&mut client(&link))), (Some(0), Some(0)));
        link.mend();
        assert_eq!(said(&mut client(&link)), Some(5));
    }

    #[test]
    fn a_url_keeps_everything_but_the_server() {
        let (link, url) = Link::in_place_of("postgres://me:p@db:5432/it?sslmode=disable").expect("a link");
        assert_eq!(url, format!("postgres://me:p@{}/it?sslmode=disable", link.address()));
        let (link, url) = Link::in_place_of("http://localhost:8081").expect("a link");
        assert_eq!(url, format!("http://{}", link.address()));
        assert!(Link::in_place_of("http://localhost/x").is_err());
    }
}
