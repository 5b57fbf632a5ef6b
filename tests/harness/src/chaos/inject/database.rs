//! Postgres that crashes, ends sessions, takes no more of them, has rows that somebody else holds, or no room on its disk.
//!
//! Sessions of our own are of another role, around the links. Invariant: only sessions of the workers' role are ended or refused.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use sqlx::{Connection, Executor, PgConnection};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::fault::{Fault, Kind};
use super::super::world::{ROLE, Server, World, session};
use super::Effect;

/// The pause between two counts of those who wait for a lock, until it is let go.
const COUNT: Duration = Duration::from_millis(100);
/// What another session may hold, and how a person would call it.
const LOCKS: [(&str, &str); 3] = [
    ("select 1 from lanes for update", "the rows of all lanes"),
    ("lock table orders in exclusive mode", "the table `orders`"),
    ("lock table journal in exclusive mode", "the table `journal`"),
];
/// How many sessions of the workers wait for a lock of the one that asks.
const WAITING: &str = "select count(*) from pg_stat_activity
                        where usename = $1 and pg_backend_pid() = any(pg_blocking_pids(pid))";
const TERMINATE: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = $1";
const PATIENCE: Duration = Duration::from_secs(5);

/// What was done.
#[derive(Debug)]
pub(super) enum Wound {
    Crash { pid: u32 },
    Terminated { sessions: i64 },
    Locks(Holder),
    DiskFull { log: usize },
    Limit { sessions: i64, log: usize },
}

pub(super) async fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    match fault.kind {
        Kind::PostgresCrash => {
            let process = world.servers.process(Server::Postgres)?;
            let pid = process.pid();
            process.signal(Signal::QUIT)?;
            world.servers.let_end(Server::Postgres, false);
            Ok((format!("immediate stop of postgres (pid {pid})"), Wound::Crash { pid }))
        }
        Kind::BackendsTerminated => {
            let sessions = terminate(&mut session(world).await?).await?;
            Ok((format!("{sessions} sessions of workers are terminated"), Wound::Terminated { sessions }))
        }
        Kind::LocksHeld => {
            let (statement, name) = *fault.dice().pick(&LOCKS);
            let holder = Holder::take(session(world).await?, statement).await?;
            Ok((format!("another session holds {name}"), Wound::Locks(holder)))
        }
        Kind::DatabaseDiskFull => {
            let log = log_of(world)?.len();
            let disk = world.servers.disk.as_mut().context("there is no disk to fill: only root can mount one")?;
            let took = disk.fill()?;
            Ok((format!("the disk of postgres is full, of {} MiB of ballast", took >> 20), Wound::DiskFull { log }))
        }
        _ => {
            let log = log_of(world)?.len();
            let mut session = session(world).await?;
            session.execute(limit("0")).await?;
            let sessions = terminate(&mut session).await?;
            let what = format!("workers may have no session more, and their {sessions} are terminated");
            Ok((what, Wound::Limit { sessions, log }))
        }
    }
}

impl Wound {
    pub(super) async fn heal(self, world: &mut World) -> Result<Effect> {
        let (what, took_place) = match self {
            Self::Crash { pid } => {
                let process = world.servers.process(Server::Postgres)?;
                let lives = process.pid() == pid && process.is_running()?;
                if lives {
                    process.kill()?;
                }
                world.servers.want(Server::Postgres);
                (if lives { "it was still ending, and was killed" } else { "it was away" }.to_owned(), true)
            }
            Self::Terminated { sessions } => (format!("{sessions} sessions ended"), sessions > 0),
            Self::Locks(holder) => {
                let waiting = holder.let_go().await?;
                (format!("up to {waiting} sessions of workers waited"), waiting > 0)
            }
            Self::DiskFull { log } => {
                world.servers.disk.as_mut().context("it was filled")?.empty()?;
                let refused = log_of(world)?.get(log..).unwrap_or_default().matches("No space left on device").count();
                (format!("postgres found no space {refused} times"), refused > 0)
            }
            Self::Limit { sessions, log } => {
                session(world).await?.execute(limit("-1")).await?;
                let refused = log_of(world)?.get(log..).unwrap_or_default().matches("too many connections").count();
                (format!("{refused} sessions were refused"), sessions > 0 && refused > 0)
            }
        };
        Ok(Effect { what, took_place })
    }
}

async fn terminate(session: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(TERMINATE).bind(ROLE).fetch_one(session).await?)
}

fn limit(sessions: &str) -> sqlx::RawSql {
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter role {ROLE} connection limit {sessions}")))
}

fn log_of(world: &World) -> Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(world.servers.postgres.log())?).into_owned())
}

/// A session that holds a lock and counts who waits for it.
#[derive(Debug)]
pub(super) struct Holder {
    let_go: oneshot::Sender<()>,
    counting: JoinHandle<Result<i64>>,
}

impl Holder {
    async fn take(mut session: PgConnection, statement: &'static str) -> Result<Self> {
        session.execute("set lock_timeout = '5s'").await?;
        session.execute("begin").await?;
        session.execute(statement).await.context("the lock cannot be had")?;
        let (let_go, mut ends) = oneshot::channel();
        let counting = tokio::spawn(async move {
            let mut most = 0;
            while tokio::time::timeout(COUNT, &mut ends).await.is_err() {
                let waiting: i64 = sqlx::query_scalar(WAITING).bind(ROLE).fetch_one(&mut session).await?;
                most = waiting.max(most);
            }
            session.execute("rollback").await?;
            session.close().await?;
            Ok(most)
        });
        Ok(Self { let_go, counting })
    }

    async fn let_go(self) -> Result<i64> {
        _ = self.let_go.send(());
        tokio::time::timeout(PATIENCE, self.counting).await.context("the session does not end")??
    }
}
