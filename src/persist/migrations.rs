//! The database's schema: the files of `migrations/`, carried in the program.
//!
//! `orderstream migrate` applies them; `run` only compares. Invariant: a worker never touches a database that lacks a migration it was
//! built for, or has one it does not know, unless that one says of itself that it only adds: its name begins with `additive`, a test
//! reads whether it does, and so a worker of the release before may work on, and start, beside those of the next one.

use sqlx::Row;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgRow};

use super::error::{Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The first word of the name of a migration that takes nothing away from older releases.
const ADDITIVE: &str = "additive";

/// A migration that the database has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Applied {
    version: i64,
    /// Its name, with blanks between the words.
    description: String,
}

/// Brings the database to this version; does nothing where it is there already, or further without loss. Returns the versions applied by
/// this call.
///
/// # Errors
/// A misconfiguration when the database was made by a different release, or by a newer one that this one cannot work beside.
pub async fn apply(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let before = applied(connection).await?;
    let newer = beyond_ours(&before)?;
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().cloned().collect());
    migrator.set_ignore_missing(!newer.is_empty());
    migrator.run(&mut *connection).await.map_err(explain)?;
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    Ok(versions.filter(|version| before.iter().all(|there| there.version != *version)).collect())
}

/// Refuses a database that this release cannot work on. Returns the migrations of newer releases that it has: they only add.
///
/// # Errors
/// A misconfiguration that says which way it differs and what to do.
pub async fn check(connection: &mut PgConnection) -> Result<Vec<i64>> {
    let there = applied(connection).await?;
    let lacks = |version: &i64| there.iter().all(|there| there.version != *version);
    if let Some(missing) = MIGRATIONS.iter().map(|migration| migration.version).find(lacks) {
        return Err(Error::misconfigured(format!(
            "the database lacks migration {missing}: run `orderstream migrate` with this release first"
        )));
    }
    beyond_ours(&there)
}

/// The migrations that this release does not know, each of which must be one that only adds.
fn beyond_ours(there: &[Applied]) -> Result<Vec<i64>> {
    let newer = there.iter().filter(|there| !MIGRATIONS.version_exists(there.version));
    let judged = newer.map(|Applied { version, description }| {
        if description.split(' ').next() == Some(ADDITIVE) {
            return Ok(*version);
        }
        Err(Error::misconfigured(format!(
            "the database has migration {version}, which this release does not know: run the release that made it, or a newer one"
        )))
    });
    judged.collect()
}

/// The version that this release brings a database to.
#[must_use]
pub fn latest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<Applied>> {
    // Only asked for: whoever works or reads here need not have the right to make tables.
    let there = "select to_regclass('_sqlx_migrations') is not null";
    if !sqlx::query(there).fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        return Ok(Vec::new());
    }
    let listed = "select version, description from _sqlx_migrations order by version";
    let listed = sqlx::query(listed).fetch_all(&mut *connection).await?;
    let applied = |row: &PgRow| Ok(Applied { version: row.try_get(0)?, description: row.try_get(1)? });
    listed.iter().map(applied).collect()
}

fn explain(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Error::misconfigured(format!("migrations: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(newer: &[(i64, &str)]) -> Vec<Applied> {
        let ours = MIGRATIONS.iter().map(|ours| (ours.version, ours.description.as_ref()));
        let all = ours.chain(newer.iter().copied());
        all.map(|(version, description)| Applied { version, description: description.to_owned() }).collect()
    }

    #[test]
    fn what_only_adds_is_worked_beside_and_nothing_else() {
        assert_eq!(beyond_ours(&there(&[])).expect("it is ours"), [0_i64; 0]);
        assert_eq!(beyond_ours(&there(&[(901, "additive notes"), (902, "additive")])).expect("it adds"), [901, 902]);
        for other in ["notes", "not additive", "additively different", ""] {
            let error = beyond_ours(&there(&[(901, "additive notes"), (902, other)])).expect_err(other).to_string();
            assert!(error.contains("has migration 902, which this release does not know"), "{error}");
        }
    }
}
