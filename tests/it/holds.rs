//! Places where a test can hold a writer's transaction: triggers in the test's own database that wait for a lock of the test.
//!
//! What "killed between two steps" means is thereby exact, and not a matter of luck. Invariant: while nothing is held the triggers
//! cost a shared lock and change nothing.

use orderstream_harness::database::Database;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor, Row};

/// A step of a batch (DESIGN section 3), by what has just been done when it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The lanes are compared and set; nothing else is done.
    Fenced,
    /// The checkpoints are moved.
    Checkpointed,
    /// All is decided, and no new order has its row yet.
    Decided,
    /// New orders have their rows.
    Made,
    /// Everything is written, the journal too; COMMIT is next.
    Written,
    /// COMMIT is under way inside the server.
    Committing,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Fenced, Self::Checkpointed, Self::Decided, Self::Made, Self::Written, Self::Committing];

    fn key(self) -> i32 {
        4_711_000 + self as i32
    }

    fn trigger(self) -> String {
        let hold = format!("execute function it_hold('{}')", self.key());
        // Claims and notes write lanes too; only a batch moves last_seq.
        let moved = "when (old.last_seq is distinct from new.last_seq)";
        match self {
            Self::Fenced => format!("create trigger it_fenced after update on lanes for each row {moved} {hold}"),
            // A start notes ids of topics there; only a batch moves offsets.
            Self::Checkpointed => format!(
                "create trigger it_checkpointed after update of next_offset on checkpoints for each statement {hold}"
            ),
            Self::Decided => format!("create trigger it_decided before insert on orders for each statement {hold}"),
            Self::Made => format!("create trigger it_made after insert on orders for each statement {hold}"),
            Self::Written => format!("create trigger it_written after insert on journal for each statement {hold}"),
            Self::Committing => format!(
                "create constraint trigger it_committing after update on lanes deferrable initially deferred for each row {moved} {hold}"
            ),
        }
    }
}

/// The test's own session, which holds and lets go.
pub struct Holds {
    session: PgConnection,
    database: Database,
}

impl Holds {
    /// Makes the triggers. No worker runs yet, or it would have to wait.
    pub async fn in_database(database: &Database) -> Self {
        let mut session = database.connect().await.expect("postgres answers");
        let function = "create function it_hold() returns trigger language plpgsql as $$
            begin perform pg_advisory_xact_lock_shared(tg_argv[0]::int); return null; end $$";
        session.execute(function).await.expect("a function");
        for step in Step::ALL {
            session.execute(AssertSqlSafe(step.trigger())).await.expect("a trigger");
        }
        Self { session, database: database.clone() }
    }

    /// From now on, whoever comes to this step waits.
    pub async fn hold(&mut self, step: Step) {
        let taken = sqlx::query("select pg_advisory_lock($1::int::bigint)").bind(step.key());
        taken.execute(&mut self.session).await.expect("nobody else holds it for long");
    }

    /// Those who wait go on.
    pub async fn let_go(&mut self, step: Step) {
        let given = sqlx::query("select pg_advisory_unlock($1::int::bigint)").bind(step.key());
        let row = given.fetch_one(&mut self.session).await.expect("postgres answers");
        assert!(row.get::<bool, _>(0), "{step:?} was not held");
    }

    /// How many sessions wait at this step.
    pub async fn waiting(&self, step: Step) -> i64 {
        let mut session = self.database.connect().await.expect("postgres answers");
        let row = sqlx::query(
            "select count(*) from pg_locks l join pg_database d on d.oid = l.database
              where d.datname = current_database() and l.locktype = 'advisory' and not l.granted and l.objid = $1::int::oid",
        );
        row.bind(step.key()).fetch_one(&mut session).await.expect("postgres answers").get(0)
    }
}
