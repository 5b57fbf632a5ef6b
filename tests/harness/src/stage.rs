//! The stage of a demonstration, a trial or a measurement: topics, group, database and configuration under a name that no other run
//! has.
//!
//! Invariant: one of them at a time on a stack, kept by an advisory lock; so whatever bears the prefix of its kind and is not ours
//! is left over from an earlier run and may go.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnection;

use crate::config_file::ConfigFile;
use crate::database::{self, Database};
use crate::deployment::Deployment;
use crate::registry::Registry;
use crate::stack::Stack;
use crate::topics::{self, Layout};
use crate::watch::Place;
use crate::worker::Program;

/// The lock that makes a demonstration the only one: the letters `demo`.
const LOCK: i64 = 0x6465_6d6f;

/// A stage that is set.
pub struct Stage {
    /// The deployment.
    pub deployment: Deployment,
    /// The workers' configuration file.
    pub config: PathBuf,
    /// Where the workers log to.
    pub logs: PathBuf,
    kind: &'static str,
    id: String,
    file: ConfigFile,
    stack: Stack,
    database: Database,
    /// Holds the lock for as long as it lives; the first of several does.
    _lock: Option<PgConnection>,
}

impl Stage {
    /// Clears what earlier runs of this kind left, makes everything afresh in an emptied directory, migrates and registers schemas.
    ///
    /// # Errors
    /// A server does not answer, another demonstration, trial or measurement runs, or a command of the program fails.
    pub async fn set(
        (stack, program): (&Stack, &Program),
        kind: &'static str,
        directory: &Path,
        layout: impl Into<Layout>,
        configure: impl FnOnce(&mut ConfigFile),
    ) -> Result<Self> {
        let lock = lock(stack).await?;
        empty(directory)?;
        clear_leftovers(stack, kind).await?;
        let mut stage = Self::make((stack, program), (kind, &new_id()?), directory, layout, configure).await?;
        stage._lock = Some(lock);
        Ok(stage)
    }

    /// A further deployment beside this one, the `number`th; it goes when this one is cleared.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn another(
        &self,
        program: &Program,
        number: usize,
        layout: impl Into<Layout>,
        configure: impl FnOnce(&mut ConfigFile),
    ) -> Result<Self> {
        let directory = self.logs.join(number.to_string());
        empty(&directory)?;
        let id = format!("{}_{number}", self.id);
        Self::make((&self.stack, program), (self.kind, &id), &directory, layout, configure).await
    }

    /// A deployment of this kind and id in an empty directory, whoever holds the lock.
    pub(crate) async fn make(
        (stack, program): (&Stack, &Program),
        (kind, id): (&'static str, &str),
        directory: &Path,
        layout: impl Into<Layout>,
        configure: impl FnOnce(&mut ConfigFile),
    ) -> Result<Self> {
        let database = Database::create(stack, &format!("{kind}_{id}")).await?;
        let bare = Deployment::fresh(stack, &format!("{kind}-{id}"), database.url())?;
        let mut file = ConfigFile::of(&bare);
        configure(&mut file);
        let config = directory.join("orderstream.toml");
        file.write(&config)?;
        let deployment = Deployment::from_file(&file)?;
        topics::create(&stack.brokers, &deployment.topics, layout.into()).await?;
        program.run(&config, &["migrate"])?;
        program.run(&config, &["schema", "register"])?;
        Ok(Self {
            deployment,
            config,
            logs: directory.to_owned(),
            kind,
            id: id.to_owned(),
            file,
            stack: stack.clone(),
            database,
            _lock: None,
        })
    }

    /// Changes the configuration file, for whoever uses it from now on.
    ///
    /// # Errors
    /// The file cannot be written, or says nothing that makes sense.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut ConfigFile)) -> Result<()> {
        change(&mut self.file);
        self.file.write(&self.config)?;
        self.deployment = Deployment::from_file(&self.file)?;
        Ok(())
    }

    /// Where its workers are started.
    #[must_use]
    pub fn place<'a>(&'a self, program: &'a Program) -> Place<'a> {
        Place { deployment: &self.deployment, program, config: &self.config, logs: &self.logs }
    }

    /// A connection to the demonstration's database.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn connect(&self) -> Result<PgConnection> {
        self.database.connect().await
    }

    /// The name of its database.
    #[must_use]
    pub fn database_name(&self) -> &str {
        self.database.name()
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
        clear_leftovers(&self.stack, self.kind).await
    }
}

/// What tells a run from all others.
pub(crate) fn new_id() -> Result<String> {
    Ok(format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()))
}

/// An empty directory, whatever was there.
pub(crate) fn empty(directory: &Path) -> Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| format!("`{}` cannot be emptied", directory.display()))?;
    }
    std::fs::create_dir_all(directory).with_context(|| format!("`{}` cannot be made", directory.display()))
}

/// The lock that only one demonstration, trial or measurement on a stack can hold.
pub(crate) async fn lock(stack: &Stack) -> Result<PgConnection> {
    let mut connection = database::connect(&stack.database).await?;
    let locked: bool =
        sqlx::query_scalar("select pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await?;
    ensure!(locked, "another demonstration, trial or measurement is running on this stack: wait for it, or stop it");
    Ok(connection)
}

/// Removes what bears the prefix of a kind.
pub(crate) async fn clear_leftovers(stack: &Stack, kind: &str) -> Result<()> {
    clear(stack, &format!("{kind}-"), &format!("{kind}_")).await
}

/// Removes topics, groups and subjects whose names begin so, and databases whose names begin otherwise.
///
/// # Errors
/// A server does not answer.
pub async fn clear(stack: &Stack, prefix: &str, of_databases: &str) -> Result<()> {
    let names = topics::list(&stack.brokers, |name| name.starts_with(prefix))?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    topics::delete(&stack.brokers, &names).await?;
    topics::delete_groups(&stack.brokers, |name| name.starts_with(prefix)).await?;
    Registry::at(&stack.registry)?.forget(prefix).await?;
    database::drop_leftovers(stack, of_databases).await
}
