//! Connections to Postgres: one a writer, one for claims, one for the relay; never a pool.
//!
//! A connection is dropped on any error, so no transaction of a former user can be found open on it (sqlx hands a cancelled
//! `begin` back to a pool in mid-transaction). Invariant: every session runs with the limits of DESIGN section 3, and says in
//! `application_name` which process and which part of it it belongs to.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::access::{Access, Place};
use super::error::{Error, Result};
use crate::config;
use crate::ids::Timestamp;

/// How long `application_name` may be; Postgres cuts the rest off.
const NAME_BYTES: usize = 63;
/// Room in it for the part of the process, such as `topic-watch`.
const PART_BYTES: usize = 12;

/// How a writer's session plans: each statement once, by the keys of its rows. Postgres would else plan each anew for every batch,
/// since it knows how long the arrays of a batch are and takes that for worth a plan: 1.05 of the 2.3 ms of processor that a small
/// batch costs it. A plan that is kept must be right for any number of orders, also if it was made when there were none: no batch
/// has use for a whole table.
pub const PLANNED_ONCE: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // What cannot do without is taken for so dear that Postgres would compile it.
    ("jit", "off"),
];

/// Has a writer's session compress long values, which are the facts of orders with dozens of events, by LZ4 where the server knows it:
/// with 600 events an order, of which a batch brings thirty, 1.6 times the throughput of Postgres's own compression. Values say by
/// what they are compressed, so whoever reads them need not care.
const LONG_VALUES: &str = "select set_config('default_toast_compression', 'lz4', false) from pg_settings
     where name = 'default_toast_compression' and 'lz4' = any (enumvals)";

/// How much longer than the limit of a connection a thread is waited for that opens it.
const NO_THREAD: Duration = Duration::from_secs(1);

/// How to reach the database, and the limits of every session.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address, credentials and certificates.
    pub access: Access,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// `statement_timeout` of the sessions.
    pub statement_timeout: Duration,
    /// `lock_timeout` of the sessions.
    pub lock_timeout: Duration,
    /// `idle_in_transaction_session_timeout` of the sessions: how long a frozen process may hold its locks.
    pub idle_in_transaction_timeout: Duration,
    /// What every session's `application_name` begins with.
    pub application_name: String,
    /// Name of this process, the second part of `application_name`.
    pub instance: String,
}

impl Settings {
    /// Takes what a connection needs from the configuration.
    ///
    /// # Errors
    /// A URL that sqlx does not take.
    pub fn of(database: &config::Database, instance: &str) -> Result<Self> {
        Ok(Self {
            access: Access::of(database)?,
            connect_timeout: database.connect_timeout,
            statement_timeout: database.statement_timeout,
            lock_timeout: database.lock_timeout,
            idle_in_transaction_timeout: database.idle_in_transaction_timeout,
            application_name: database.application_name.clone(),
            instance: instance.to_owned(),
        })
    }

    /// How long an answer may take before the connection counts as lost: a little longer than the server's own limit.
    #[must_use]
    pub fn answer_timeout(&self) -> Duration {
        self.statement_timeout + Duration::from_secs(5)
    }

    /// What every session of any orderstream process on this database begins its `application_name` with.
    #[must_use]
    pub fn application_prefix(&self) -> String {
        format!("{}/", self.application_name)
    }

    /// As much of the process's name as Postgres has room for: the end of it, which is where the names of pods and hosts differ.
    fn shown_instance(&self) -> &str {
        let room = NAME_BYTES - self.application_prefix().len() - "/".len() - PART_BYTES;
        let from = self.instance.len().saturating_sub(room);
        self.instance.get(from..).unwrap_or(&self.instance)
    }
}

/// Opens a session for the named part of the process, for example `writer-0`.
///
/// # Errors
/// Whatever keeps the server from answering within `connect_timeout` or from letting us in, classified by its fate.
pub async fn connect(settings: &Settings, part: &str) -> Result<PgConnection> {
    open(settings, part, &[]).await
}

/// Opens a session for batches, planned as [`PLANNED_ONCE`] says, its long values compressed quickly.
///
/// # Errors
/// As [`connect`].
pub async fn connect_writer(settings: &Settings, part: &str) -> Result<PgConnection> {
    let mut connection = open(settings, part, &PLANNED_ONCE).await?;
    answered(settings.connect_timeout, async { Ok(connection.execute(LONG_VALUES).await?) }).await?;
    Ok(connection)
}

async fn open(settings: &Settings, part: &str, planning: &[(&str, &str)]) -> Result<PgConnection> {
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let options = settings.access.options()?;
    let place = Place::of(&options);
    let options = options
        .application_name(&format!("{}{}/{part}", settings.application_prefix(), settings.shown_instance()))
        .options([
            ("statement_timeout", millis(settings.statement_timeout)),
            ("lock_timeout", millis(settings.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(settings.idle_in_transaction_timeout)),
            // A frozen client with a full socket escapes the other limits and would keep its row locks.
            ("tcp_user_timeout", millis(settings.idle_in_transaction_timeout)),
            ("default_transaction_isolation", "read committed".to_owned()),
            ("synchronous_commit", "on".to_owned()),
            ("timezone", "UTC".to_owned()),
            // "already exists, skipping" is not news.
            ("client_min_messages", "warning".to_owned()),
        ])
        .options(planning.iter().copied())
        .log_statements(tracing::log::LevelFilter::Off)
        .log_slow_statements(tracing::log::LevelFilter::Off, Duration::ZERO);
    let opened = signed_in(options, settings.connect_timeout).await;
    opened
        .map_err(|_| {
            let text = format!("does not answer within {} ms", settings.connect_timeout.as_millis());
            Error::passing("connection", text).at(&place)
        })?
        .map_err(|error| place.explain(error))
}

/// Signs in on a thread of its own, not between the other tasks: while sqlx hashes the password it gives way eight hundred times to
/// whatever is ready, which takes longer than `connect_timeout` where writers are catching up.
async fn signed_in(
    options: PgConnectOptions,
    limit: Duration,
) -> std::result::Result<sqlx::Result<PgConnection>, Elapsed> {
    // Dropped with this future: nobody waits for the connection any more, so the thread gives it up.
    let (_awaited, given_up) = oneshot::channel::<Infallible>();
    let runtime = Handle::current();
    let signing_in = spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = given_up => Ok(Err(sqlx::Error::WorkerCrashed)),
                opened = timeout(limit, PgConnection::connect_with(&options)) => opened,
            }
        })
    });
    // Where the system has no thread for it either, the limit holds all the same.
    timeout(limit + NO_THREAD, signing_in).await?.unwrap_or(Ok(Err(sqlx::Error::WorkerCrashed)))
}

/// Waits for the database no longer than `limit`.
///
/// # Errors
/// The call's own, or that no answer came: the connection is not to be used again.
pub async fn answered<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, call).await.unwrap_or_else(|_| {
        Err(Error::passing("no_answer", format!("postgres gave no answer within {} s", limit.as_secs())))
    })
}

/// The database's clock, carried on by this process's monotonic one: a jump of the machine's clock does not move it.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseClock {
    read_at: Instant,
    said: Timestamp,
}

impl DatabaseClock {
    /// Asks the server for the time.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn read(connection: &mut PgConnection) -> Result<Self> {
        let row = sqlx::query("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
            .fetch_one(connection)
            .await?;
        Ok(Self { read_at: Instant::now(), said: Timestamp(row.try_get(0)?) })
    }

    /// A clock of a server that was not asked.
    #[cfg(test)]
    pub fn at(said: Timestamp) -> Self {
        Self { read_at: Instant::now(), said }
    }

    /// What the server said when it was asked.
    #[must_use]
    pub fn said(&self) -> Timestamp {
        self.said
    }

    /// The time now, in the database's terms.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.read_at.elapsed().as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.said.0.saturating_add(passed))
    }
}

/// Starts a transaction. On any later error the caller drops the connection; there is no rollback to forget.
///
/// # Errors
/// The statement's failure.
pub async fn begin(connection: &mut PgConnection) -> Result<()> {
    connection.execute("begin").await?;
    Ok(())
}

/// Gives a transaction up without a trace; the connection can be used again.
///
/// # Errors
/// The statement's failure.
pub async fn rollback(connection: &mut PgConnection) -> Result<()> {
    connection.execute("rollback").await?;
    Ok(())
}

/// Sends COMMIT and waits for the answer. An error here means that the outcome is **unknown**: see [`super::lanes::resolve`].
///
/// # Errors
/// The statement's failure, or a lost connection.
pub async fn commit(connection: &mut PgConnection) -> Result<()> {
    connection.execute("commit").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;
    use crate::persist::silent;

    #[tokio::test]
    async fn a_connection_that_nobody_waits_for_any_more_is_given_up() {
        let mute = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
        let port = mute.local_addr().expect("it is bound").port();
        let mut settings = Settings::of(&silent::config_at(port).database, "test").expect("a URL");
        settings.connect_timeout = Duration::from_secs(300);
        let asked = spawn_blocking(move || mute.accept().expect("it is asked").0);
        let mut asked = tokio::select! {
            asked = asked => asked.expect("no panic"),
            answered = connect(&settings, "test") => panic!("nobody answered: {:?}", answered.err()),
        };
        // Longer than giving up can take, and far below the limit of the connection.
        asked.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let read = spawn_blocking(move || asked.read_to_end(&mut Vec::new())).await.expect("no panic");
        assert!(read.is_ok(), "the connection is still there: {read:?}");
    }

    #[test]
    fn sessions_of_two_pods_have_two_names_that_postgres_does_not_cut() {
        let mut database = silent::config().database;
        let shown = |database: &config::Database, instance: &str| {
            let settings = Settings::of(database, instance).expect("a URL");
            format!("{}{}", settings.application_prefix(), settings.shown_instance())
        };
        assert_eq!(shown(&database, "orderstream-worker-1"), "orderstream/orderstream-worker-1");
        database.application_name = "x".repeat(32);
        let (one, other) = (format!("{}-1", "y".repeat(62)), format!("{}-2", "y".repeat(62)));
        assert_eq!(shown(&database, &one), format!("{}/{}-1", "x".repeat(32), "y".repeat(15)));
        assert_ne!(shown(&database, &one), shown(&database, &other));
        assert!(shown(&database, &one).len() + "/".len() + PART_BYTES <= NAME_BYTES);
    }
}
