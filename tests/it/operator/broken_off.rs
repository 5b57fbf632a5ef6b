//! A command that changes a deployment, killed at a known moment: where it writes a table for the first time, or in its COMMIT.
//!
//! The test holds what the command needs next, and kills it when the database says that it waits for that. Invariant: whoever is to be
//! killed is alive until then, so a command that was too quick, or never came there, is a failure and no luck.

use std::os::unix::process::ExitStatusExt;

use sqlx::{AssertSqlSafe, Executor};

use crate::stage::Stage;

const SIGKILL: i32 = 9;

/// When.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// It comes to write this table, and nothing of the transaction in which it does is left.
    Writes(&'static str),
    /// It commits that it has begun: the server does, and nobody hears it.
    Begins,
}

/// A session waits for a lock of the test.
const WAITS: &str = "select count(*) from pg_stat_activity where datname = current_database()
                        and backend_type = 'client backend' and wait_event_type = 'Lock'";
const BEGINS: &str = "
    create function it_begins() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock_shared(4712); return null; end $$;
    create constraint trigger it_begins after insert on operations deferrable initially deferred
        for each row execute function it_begins();
    select pg_advisory_lock(4712)";
/// Those that are begun and not ended.
const BEGUN: &str = "select count(*) from operations where ended_at is null";

/// Starts `orderstream` with these arguments, kills it at that moment, and says how many operations are then begun and not ended.
pub async fn killed_at(stage: &Stage, arguments: &[&str], moment: Moment) -> i64 {
    let before = stage.number(BEGUN).await;
    let mut holds = stage.database.connect().await.expect("postgres answers");
    let hold = match moment {
        // Whoever only reads, or locks rows, goes on.
        Moment::Writes(table) => format!("begin; lock table {table} in share mode"),
        Moment::Begins => BEGINS.to_owned(),
    };
    holds.execute(AssertSqlSafe(hold)).await.expect("nobody else is there");
    let mut command = stage.program.begin(&stage.config_path(), arguments).expect("it starts");
    let what = format!("{arguments:?} to be held where it {moment:?}");
    stage
        .until(&what, async || {
            let ended = command.try_wait()?;
            assert!(ended.is_none(), "{arguments:?} came to its end before it {moment:?}: {ended:?}");
            Ok(stage.number(WAITS).await == 1)
        })
        .await;
    command.kill().expect("it is ours");
    assert_eq!(command.wait().expect("it is gone").signal(), Some(SIGKILL), "it ended by itself");
    match moment {
        Moment::Writes(_) => {
            // Its session would do the statement all the same, and only then see that nobody listens.
            let severed = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                            where datname = current_database() and wait_event_type = 'Lock'";
            assert_eq!(stage.number(severed).await, 1);
            stage.until("its session to end", async || Ok(stage.number(WAITS).await == 0)).await;
            holds.execute("rollback").await.expect("given back");
        }
        Moment::Begins => {
            holds.execute("select pg_advisory_unlock(4712)").await.expect("given back");
            let committed = async || Ok(stage.number(BEGUN).await == before + 1);
            stage.until("the server to commit what nobody hears of", committed).await;
            holds.execute("drop function it_begins() cascade").await.expect("dropped");
        }
    }
    stage.number(BEGUN).await
}
