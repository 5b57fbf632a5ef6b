//! Databases: one for each test or demonstration, made in the stack's server and dropped afterwards.
//!
//! Invariant: only databases that were made here, recognisable by the prefix of their name, are ever dropped.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};

use crate::stack::Stack;

/// A database that was made here.
#[derive(Clone, Debug)]
pub struct Database {
    server: PgConnectOptions,
    name: String,
    url: String,
}

impl Database {
    /// Makes an empty database of this name, in place of one that may be left over.
    ///
    /// # Errors
    /// The server does not answer or refuses.
    pub async fn create(stack: &Stack, name: &str) -> Result<Self> {
        let database = Self::named(stack, name)?;
        database.drop().await?;
        let mut connection = database.on_server().await?;
        connection.execute(AssertSqlSafe(format!("create database \"{name}\""))).await?;
        Ok(database)
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's URL, with the credentials of the stack's.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn connect(&self) -> Result<PgConnection> {
        connect(&self.url).await
    }

    /// Writes a backup of it to a file, whoever is at work in it.
    ///
    /// # Errors
    /// `pg_dump` is not there or fails.
    pub fn back_up(&self, file: &Path) -> Result<()> {
        run(Command::new("pg_dump").arg("--format=custom").arg("--file").arg(file).arg(self.plain_url()))
    }

    /// Puts a backup in the place of it, whoever is still connected.
    ///
    /// # Errors
    /// The server refuses, or `pg_restore` is not there or fails.
    pub async fn restore(&self, file: &Path) -> Result<()> {
        self.drop().await?;
        let mut connection = self.on_server().await?;
        connection.execute(AssertSqlSafe(format!("create database \"{}\"", self.name))).await?;
        run(Command::new("pg_restore").arg("--exit-on-error").arg("--dbname").arg(self.plain_url()).arg(file))
    }

    /// The URL without the parameters that only sqlx knows.
    fn plain_url(&self) -> &str {
        self.url.split('?').next().unwrap_or(&self.url)
    }

    /// Drops it, whoever is still connected.
    ///
    /// # Errors
    /// The server does not answer or refuses.
    pub async fn drop(&self) -> Result<()> {
        let statement = format!("drop database if exists \"{}\" with (force)", self.name);
        self.on_server().await?.execute(AssertSqlSafe(statement)).await?;
        Ok(())
    }

    fn named(stack: &Stack, name: &str) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(name.chars().all(plain), "`{name}` is no name for a database: use a-z, 0-9 and _");
        let server = PgConnectOptions::from_str(&stack.database).context("the stack's database URL cannot be read")?;
        let url = server.clone().database(name).to_url_lossy().to_string();
        Ok(Self { server, name: name.to_owned(), url })
    }

    async fn on_server(&self) -> Result<PgConnection> {
        connect_with(&self.server).await
    }
}

/// A connection to the database at a URL.
///
/// # Errors
/// The server does not answer.
pub async fn connect(url: &str) -> Result<PgConnection> {
    connect_with(&PgConnectOptions::from_str(url).context("the database's URL cannot be read")?).await
}

async fn connect_with(options: &PgConnectOptions) -> Result<PgConnection> {
    let options = options.clone().application_name("orderstream-harness");
    PgConnection::connect_with(&options).await.context("postgres does not answer")
}

/// Drops all databases whose name begins so: what earlier runs left behind.
///
/// # Errors
/// The server does not answer or refuses.
pub async fn drop_leftovers(stack: &Stack, prefix: &str) -> Result<()> {
    let mut connection = connect(&stack.database).await?;
    let rows = sqlx::query("select datname::text from pg_database where starts_with(datname::text, $1)")
        .bind(prefix)
        .fetch_all(&mut connection)
        .await?;
    for row in rows {
        Database::named(stack, row.try_get(0)?)?.drop().await?;
    }
    Ok(())
}

/// Runs one of Postgres's own programs.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("`{program}` cannot be started"))?;
    ensure!(
        output.status.success(),
        "`{program}` ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
