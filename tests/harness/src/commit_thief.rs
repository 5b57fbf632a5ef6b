//! A line to Postgres that steals: it holds requests back, swallows answers, and cuts the client off without the server's notice.
//!
//! For tests of an unknown outcome: what becomes of a COMMIT whose answer never comes. Only the sessions of writers are robbed,
//! known by the application name in their first message; all others pass. Invariant: an order holds for the sessions that exist
//! when it is given, so whoever connects anew gets through.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What stands in the first message of a session that is robbed.
const VICTIM: &[u8] = b"/writer-";

/// What is done to a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Orders {
    hold_requests: bool,
    swallow_answers: bool,
    client_gone: bool,
    held: Held,
}

/// What becomes of requests that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Held {
    #[default]
    Stay,
    Deliver,
    Drop,
}

/// One session.
#[derive(Debug)]
struct Session {
    orders: watch::Sender<Orders>,
    victim: AtomicBool,
    held: Mutex<Vec<u8>>,
}

impl Session {
    fn held(&self) -> MutexGuard<'_, Vec<u8>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line.
#[derive(Debug)]
pub struct CommitThief {
    url: String,
    sessions: Arc<Mutex<Vec<Arc<Session>>>>,
    task: JoinHandle<()>,
}

impl CommitThief {
    /// Opens a line to the server of this database.
    ///
    /// # Errors
    /// The URL cannot be read, or no port is free.
    pub async fn before(database_url: &str) -> Result<Self> {
        let options: PgConnectOptions = database_url.parse().context("the database's URL cannot be read")?;
        let server = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = url_at(options, listener.local_addr()?);
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(accept(listener, server, sessions.clone()));
        Ok(Self { url, sessions, task })
    }

    /// The database's URL by way of this line.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on, what the server answers is lost.
    pub fn swallow_answers(&self) {
        self.order(|orders| orders.swallow_answers = true);
    }

    /// From now on, what the client asks for is held back.
    pub fn hold_requests(&self) {
        self.order(|orders| orders.hold_requests = true);
    }

    /// What is held back, of all sessions.
    #[must_use]
    pub fn held(&self) -> Vec<u8> {
        self.victims().iter().flat_map(|session| session.held().clone()).collect()
    }

    /// The client's end is closed; the server learns nothing of it.
    pub fn cut(&self) {
        self.order(|orders| orders.client_gone = true);
    }

    /// What was held back reaches the server after all; then the sessions end.
    pub fn deliver(&self) {
        self.order(|orders| orders.held = Held::Deliver);
    }

    /// What was held back is gone for good; the sessions end.
    pub fn lose(&self) {
        self.order(|orders| orders.held = Held::Drop);
    }

    fn order(&self, change: impl Fn(&mut Orders)) {
        self.victims().iter().for_each(|session| session.orders.send_modify(&change));
    }

    fn victims(&self) -> Vec<Arc<Session>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter(|session| session.victim.load(Ordering::SeqCst)).cloned().collect()
    }
}

impl Drop for CommitThief {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn url_at(options: PgConnectOptions, address: SocketAddr) -> String {
    options.host(&address.ip().to_string()).port(address.port()).to_url_lossy().to_string()
}

async fn accept(listener: TcpListener, server: String, sessions: Arc<Mutex<Vec<Arc<Session>>>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else { continue };
        let session = Arc::new(Session {
            orders: watch::Sender::new(Orders::default()),
            victim: AtomicBool::new(false),
            held: Mutex::default(),
        });
        sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session.clone());
        tokio::spawn(async move {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(requests(&session, from_client, to_server), answers(&session, from_server, to_client));
        });
    }
}

/// Carries what the client asks for.
async fn requests(session: &Session, from_client: OwnedReadHalf, mut to_server: OwnedWriteHalf) {
    let mut orders = session.orders.subscribe();
    let mut client = Some(from_client);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let now = *orders.borrow_and_update();
        if now.client_gone {
            client = None;
        }
        match now.held {
            Held::Stay => {}
            Held::Drop => return,
            Held::Deliver => {
                let held = std::mem::take(&mut *session.held());
                // The server answers, sees the end and closes; an error means that it is gone already.
                _ = to_server.write_all(&held).await;
                return;
            }
        }
        let read = async {
            match &mut client {
                Some(client) => client.read(&mut bytes).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = orders.changed() => {}
            read = read => match read {
                Ok(count) if count > 0 => {
                    let bytes = &bytes[..count];
                    if bytes.windows(VICTIM.len()).any(|window| window == VICTIM) {
                        session.victim.store(true, Ordering::SeqCst);
                    }
                    if now.hold_requests {
                        session.held().extend_from_slice(bytes);
                    } else if to_server.write_all(bytes).await.is_err() {
                        return;
                    }
                }
                _ if now.hold_requests => client = None,
                _ => return,
            },
        }
    }
}

/// Carries what the server answers, and reads on to the end when nobody is there to hear it.
async fn answers(session: &Session, mut from_server: OwnedReadHalf, to_client: OwnedWriteHalf) {
    let mut orders = session.orders.subscribe();
    let mut client = Some(to_client);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let now = *orders.borrow_and_update();
        if now.client_gone {
            client = None;
        }
        tokio::select! {
            _ = orders.changed() => {}
            read = from_server.read(&mut bytes) => {
                let Ok(count @ 1..) = read else { return };
                if let Some(to_client) = client.as_mut().filter(|_| !now.swallow_answers)
                    && to_client.write_all(&bytes[..count]).await.is_err()
                {
                    client = None;
                }
            }
        }
    }
}
