//! `orderstream migrate`: makes the database's tables, or brings them to this version. Safe to repeat and to run at once
//! from several places: the database lets one in at a time.

use super::exit::Exit;
use super::{database, in_runtime, logging, print};
use crate::config::Config;
use crate::persist::{self, connection, migrations};

/// Applies what is missing and prints it.
pub(super) fn run(config: Config) -> Exit {
    logging::start(&config.log);
    match in_runtime(migrate(&config)) {
        Ok(applied) if applied.is_empty() => print("the database is at this version already\n"),
        Ok(applied) => {
            print(&applied.iter().map(|version| format!("applied migration {version}\n")).collect::<String>())
        }
        Err(error) => database::failed(&error),
    }
}

async fn migrate(config: &Config) -> persist::Result<Vec<i64>> {
    let settings = persist::Settings::of(&config.database, "migrate")?;
    let mut connection = connection::connect(&settings, "migrate").await?;
    migrations::apply(&mut connection).await
}
