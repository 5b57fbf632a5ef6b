//! The stage of a demonstration: topics, group, database and configuration under a name that no other run has.
//!
//! Invariant: one demonstration at a time on a stack, kept by an advisory lock; so whatever bears the prefix of a demonstration
//! and is not ours is left over from an earlier run and may go.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use sqlx::postgres::PgConnection;

use crate::config_file::ConfigFile;
use crate::database::{self, Database};
use crate::deployment::Deployment;
use crate::registry::Registry;
use crate::stack::Stack;
use crate::topics::{self, Layout};
use crate::worker::Program;

/// What the names of a demonstration's topics and group begin with.
const PREFIX: &str = "demo-";
/// What the names of its databases begin with.
const DATABASE_PREFIX: &str = "demo_";
/// The lock that makes a demonstration the only one: the letters `demo`.
const LOCK: i64 = 0x6465_6d6f;
/// The largest record that the demonstration's workers take: small, so that one that is too large is quickly made.
const RECORD_MAX: &str = "128KiB";

/// A stage that is set.
pub struct Stage {
    /// The deployment.
    pub deployment: Deployment,
    /// The workers' configuration file.
    pub config: PathBuf,
    /// Where the workers log to.
    pub logs: PathBuf,
    stack: Stack,
    database: Database,
    /// Holds the lock for as long as it lives.
    _lock: PgConnection,
}

impl Stage {
    /// Clears what earlier runs left, makes everything afresh, migrates and registers schemas.
    ///
    /// # Errors
    /// A server does not answer, another demonstration runs, or a command of the program fails.
    pub async fn set(stack: &Stack, program: &Program, directory: &Path) -> Result<Self> {
        let lock = lock(stack).await?;
        clear_leftovers(stack).await?;
        let id = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let database = Database::create(stack, &format!("{DATABASE_PREFIX}{id:x}")).await?;
        let bare = Deployment::fresh(stack, &format!("{PREFIX}{id:x}"), database.url())?;
        let mut file = ConfigFile::of(&bare);
        // Orders that nobody placed are to be shown as paid, and malformed records are to cost seconds and megabytes less.
        file.set("policy.shell", "trust")
            .set("worker.record_max_bytes", RECORD_MAX)
            .set("registry.unknown_id_grace", "1s");
        let config = directory.join("orderstream.toml");
        file.write(&config)?;
        let deployment = Deployment::from_file(&file)?;
        topics::create(&stack.brokers, &deployment.topics, Layout::default()).await?;
        program.run(&config, &["migrate"])?;
        program.run(&config, &["schema", "register"])?;
        Ok(Self { deployment, config, logs: directory.to_owned(), stack: stack.clone(), database, _lock: lock })
    }

    /// A connection to the demonstration's database.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn connect(&self) -> Result<PgConnection> {
        self.database.connect().await
    }

    /// Where a person finds what the run made.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        let (group, database) = (&self.deployment.group, self.database.name());
        format!("topics `{group}-…`, group `{group}`, database `{database}`, configuration `{}`", self.config.display())
    }

    /// Removes everything that the run made in the servers.
    ///
    /// # Errors
    /// A server does not answer.
    pub async fn clear(self) -> Result<()> {
        clear_leftovers(&self.stack).await
    }
}

/// The lock that only one demonstration on a stack can hold.
async fn lock(stack: &Stack) -> Result<PgConnection> {
    let mut connection = database::connect(&stack.database).await?;
    let locked: bool =
        sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await?;
    ensure!(locked, "another demonstration is running on this stack: wait for it, or stop it");
    Ok(connection)
}

/// Removes what bears the prefix of a demonstration.
async fn clear_leftovers(stack: &Stack) -> Result<()> {
    let names = topics::list(&stack.brokers, |name| name.starts_with(PREFIX))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    topics::delete(&stack.brokers, &names).await?;
    topics::delete_groups(&stack.brokers, |name| name.starts_with(PREFIX)).await?;
    Registry::at(&stack.registry)?.forget(PREFIX).await?;
    database::drop_leftovers(stack, DATABASE_PREFIX).await
}
