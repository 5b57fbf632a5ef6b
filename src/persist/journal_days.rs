//! The journal's partitions, one a day, made a week ahead.
//!
//! A day without a partition of its own falls into `journal_default`, so a batch never fails for want of one. Invariant: a
//! partition is attached whole, and two processes that make the same day do not meet (advisory lock).

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

use super::connection::{begin, commit};
use super::error::Result;

/// How many days are made ahead, today included.
const DAYS_AHEAD: i32 = 8;

/// Makes the partitions of today and the coming week, as far as they are missing and `journal_default` has none of their rows.
///
/// # Errors
/// The statements' failures.
pub async fn make_ahead(connection: &mut PgConnection) -> Result<()> {
    begin(connection).await?;
    connection.execute("select pg_advisory_xact_lock(hashtext('orderstream.journal_days'))").await?;
    let missing = sqlx::query(
        "select to_char(d, 'YYYYMMDD'), to_char(d, 'YYYY-MM-DD'), to_char(d + 1, 'YYYY-MM-DD')
           from generate_series(0, $1 - 1) as ahead, lateral (select current_date + ahead as d) as day
          where to_regclass('journal_' || to_char(d, 'YYYYMMDD')) is null
            and not exists (select from journal_default where day = d)",
    )
    .bind(DAYS_AHEAD)
    .fetch_all(&mut *connection)
    .await?;
    for row in missing {
        let (name, from, to): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        // Created apart and then attached: `create … partition of` would lock the whole journal against its writers.
        let statement = format!(
            "create table journal_{name} (like journal including all);
             alter table journal_{name} add constraint journal_{name}_day check (day >= '{from}' and day < '{to}');
             alter table journal attach partition journal_{name} for values from ('{from}') to ('{to}');
             alter table journal_{name} drop constraint journal_{name}_day"
        );
        connection.execute(AssertSqlSafe(statement)).await?;
    }
    commit(connection).await
}
