//! What commands that ask the database share: one session, the version of its tables, and what a failure means for the exit code.
//!
//! Invariant: a command never reads tables that lack what it was built for, or that a newer release changed otherwise than by adding.

use super::exit::Exit;
use super::{complain, in_runtime, logging};
use crate::config::Config;
use crate::persist::{self, Fate, PgConnection, connection, migrations};

/// Runs a command with a session of its own on the database that the configuration names.
pub(super) fn with_database(
    config: &Config,
    part: &str,
    command: impl AsyncFnOnce(&mut PgConnection) -> persist::Result<Exit>,
) -> Exit {
    logging::start(&config.log);
    in_runtime(async {
        match open(config, part).await {
            Ok(mut connection) => command(&mut connection).await.unwrap_or_else(|error| failed(&error)),
            Err(error) => failed(&error),
        }
    })
}

/// Opens a session and compares the version of the tables.
///
/// # Errors
/// What keeps the server from answering, or tables of another version.
pub(super) async fn open(config: &Config, part: &str) -> persist::Result<PgConnection> {
    let settings = persist::Settings::of(&config.database, "cli")?;
    let mut connection = connection::connect(&settings, part).await?;
    migrations::check(&mut connection).await?;
    Ok(connection)
}

/// Says what went wrong with the database.
pub(super) fn failed(error: &persist::Error) -> Exit {
    complain(error);
    match error.fate() {
        Fate::Retry(_) if error.is_denied() => Exit::Config,
        Fate::Retry(_) | Fate::Unable => Exit::Unavailable,
        fate => fate.exit(),
    }
}
