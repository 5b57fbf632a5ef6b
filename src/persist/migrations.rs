//! The database's schema: the files of `migrations/`, carried in the program.
//!
//! `orderstream migrate` applies them; `run` only compares. Invariant: a worker never touches a database whose schema is
//! older or newer than the one it was built for.

use sqlx::Row;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Brings the database to this version; does nothing where it is there already. Returns the versions applied by this call.
///
/// # Errors
/// A misconfiguration when the database was made by a newer or a different release.
pub async fn apply(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let before = applied(connection).await?;
    MIGRATIONS.run(&mut *connection).await.map_err(explain)?;
    Ok(MIGRATIONS.iter().map(|migration| migration.version).filter(|version| !before.contains(version)).collect())
}

/// Refuses a database that is not exactly at this version.
///
/// # Errors
/// A misconfiguration that says which way it differs and what to do.
pub async fn check(connection: &mut PgConnection) -> Result<()> {
    let there = applied(connection).await?;
    let known: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    if let Some(missing) = known.iter().find(|version| !there.contains(version)) {
        return Err(Error::misconfigured(format!(
            "the database lacks migration {missing}: run `orderstream migrate` with this release first"
        )));
    }
    if let Some(newer) = there.iter().find(|version| !known.contains(version)) {
        return Err(Error::misconfigured(format!(
            "the database has migration {newer}, which this release does not know: run the release that made it, or a newer one"
        )));
    }
    Ok(())
}

/// The version that this release brings a database to.
#[must_use]
pub fn latest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let table = MIGRATIONS.table_name.as_ref();
    // Only asked for: whoever works or reads here need not have the right to make tables.
    let there = sqlx::query("select to_regclass($1) is not null").bind(table).fetch_one(&mut *connection).await?;
    if !there.try_get::<bool, _>(0)? {
        return Ok(Vec::new());
    }
    let listed = connection.list_applied_migrations(table).await.map_err(explain)?;
    Ok(listed.into_iter().map(|migration| migration.version).collect())
}

fn explain(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Error::misconfigured(format!("migrations: {other}")),
    }
}
