//! What the database server says about itself: its version, whether it keeps what it confirmed, what it lets us do.
//!
//! Invariant: a server that runs without fsync is refused at start; anything that is only weaker than it could be is told.

use sqlx::Row;
use sqlx::postgres::PgConnection;

use super::error::{Error, Result};

/// What a worker does with each table, as deploy/postgres/role.sql grants it.
const NEEDED: [(&str, &str); 11] = [
    ("lanes", "select, insert, update"),
    ("checkpoints", "select, insert, update"),
    ("output_topics", "select, insert, update"),
    ("operations", "select, insert, update"),
    ("deployment", "select, insert"),
    ("orders", "select, insert, update, delete"),
    ("dead_letters", "select, insert, update, delete"),
    ("marks", "select, insert, update, delete"),
    ("archived_orders", "select, insert, update, delete"),
    ("dead_letter_actions", "insert"),
    ("journal", "select, insert"),
];

/// The server's version and role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// As it writes it, for example `15.17`.
    pub version: String,
    /// The number before the point.
    pub major: i32,
    /// Whether it only follows another server, and so takes no writes.
    pub is_replica: bool,
}

impl Server {
    /// Asks the server.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn read(connection: &mut PgConnection) -> Result<Self> {
        let row = sqlx::query(
            "select current_setting('server_version'), current_setting('server_version_num')::int / 10000, pg_is_in_recovery()",
        )
        .fetch_one(connection)
        .await?;
        Ok(Self { version: row.try_get(0)?, major: row.try_get(1)?, is_replica: row.try_get(2)? })
    }
}

/// The settings on which it depends what a crash leaves of what was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Whether what is confirmed is on disk.
    pub fsync: String,
    /// Whether a page that was half written is found and mended.
    pub full_page_writes: String,
    /// What COMMIT waits for, in a session of ours.
    pub synchronous_commit: String,
}

impl Durability {
    /// Asks the server.
    ///
    /// # Errors
    /// The query's failure.
    pub async fn read(connection: &mut PgConnection) -> Result<Self> {
        let row = sqlx::query(
            "select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')",
        )
        .fetch_one(connection)
        .await?;
        Ok(Self { fsync: row.try_get(0)?, full_page_writes: row.try_get(1)?, synchronous_commit: row.try_get(2)? })
    }

    /// Why the server is not to be used, if so.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let fsync = &self.fsync;
        (fsync != "on").then(|| {
            format!("postgres runs with fsync = `{fsync}`: a crash would lose confirmed orders; set fsync = on")
        })
    }

    /// The settings that are off and should not be.
    pub fn weak(&self) -> impl Iterator<Item = &'static str> {
        let all = [("full_page_writes", &self.full_page_writes), ("synchronous_commit", &self.synchronous_commit)];
        all.into_iter().filter(|(_, value)| *value == "off").map(|(name, _)| name).collect::<Vec<_>>().into_iter()
    }
}

/// Refuses a server that would forget what it confirmed; warns about what weakens it.
///
/// # Errors
/// `fsync` off is a misconfiguration.
pub async fn check_durability(connection: &mut PgConnection) -> Result<()> {
    let durability = Durability::read(connection).await?;
    if let Some(text) = durability.refusal() {
        return Err(Error::misconfigured(text));
    }
    for name in durability.weak() {
        tracing::warn!(setting = name, "postgres runs with `{name}` off: a crash can lose confirmed orders");
    }
    Ok(())
}

/// The rights of a worker that this session's user does not have, as in `insert on orders`. Of tables that are there.
///
/// # Errors
/// The query's failure.
pub async fn missing_rights(connection: &mut PgConnection) -> Result<Vec<String>> {
    let needed = NEEDED.iter().flat_map(|(table, rights)| rights.split(", ").map(move |right| (*table, right)));
    let (tables, rights): (Vec<&str>, Vec<&str>) = needed.unzip();
    let rows = sqlx::query(
        "select needed.right || ' on ' || needed.name
           from unnest($1::text[], $2::text[]) as needed (name, \"right\")
          where to_regclass(needed.name) is not null
            and not has_table_privilege(to_regclass(needed.name), needed.right)",
    )
    .bind(&tables)
    .bind(&rights)
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_fsync_is_refused_and_one_with_less_is_told() {
        let of = |fsync: &str, pages: &str, commit: &str| Durability {
            fsync: fsync.to_owned(),
            full_page_writes: pages.to_owned(),
            synchronous_commit: commit.to_owned(),
        };
        assert!(
            of("off", "on", "on").refusal().is_some_and(|text| text.contains("`off`") && text.contains("fsync = on"))
        );
        assert_eq!(of("on", "on", "on").refusal(), None);
        assert_eq!(of("on", "on", "remote_apply").weak().count(), 0);
        assert_eq!(of("on", "off", "off").weak().collect::<Vec<_>>(), ["full_page_writes", "synchronous_commit"]);
    }
}
