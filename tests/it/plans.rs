//! A writer's plans are made once, and hold however many orders there are later.

use orderstream::config::{Config, Environment};
use orderstream::ids::{Lane, OrderId};
use orderstream::order::{Facts, Policy};
use orderstream::persist::connection::PLANNED_ONCE;
use orderstream::persist::orders::{self, ByOrder, Changed, Locked, Wrote};
use orderstream::persist::{PgConnection, Settings, connection};
use sqlx::Row;

use crate::stage::Stage;

/// How many rows of orders this transaction read without an index, and how many plans were made anew for the statements
/// that lock them and write them back.
async fn looked_at(connection: &mut PgConnection) -> (i64, i64) {
    let row = sqlx::query(
        "select (select coalesce(sum(seq_tup_read), 0)::bigint from pg_stat_xact_user_tables where relname = 'orders'),
                (select sum(custom_plans)::bigint from pg_prepared_statements
                  where statement like '%for update of o' or statement like 'update orders%')",
    );
    let row = row.fetch_one(connection).await.expect("its statistics");
    (row.get(0), row.get(1))
}

async fn lock(connection: &mut PgConnection, ids: impl Iterator<Item = i32>) -> ByOrder<Locked> {
    let wanted: ByOrder<Lane> = ids.map(|number| (OrderId::from(format!("ord-{number}")), Lane(0))).collect();
    orders::lock(connection, &wanted, [].iter()).await.expect("locked")
}

/// Derives the views of orders that are locked, and writes them back.
async fn write_back(connection: &mut PgConnection, locked: &mut ByOrder<Locked>) {
    locked.values_mut().for_each(|locked| _ = locked.order.say(&Policy::default()));
    let changed = locked.iter().map(|(order_id, Locked { order, .. })| Changed {
        order_id,
        new_in: None,
        order,
        journal_rows: vec![1],
        next_deadline: None,
        off_lane: false,
    });
    let changed: Vec<Changed<'_>> = changed.collect();
    assert_eq!(orders::write(connection, &changed).await.expect("written"), Wrote::All);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_empty_table_reads_a_large_one_by_its_keys() {
    let stage = Stage::new("plans", 1).await;
    let text = std::fs::read_to_string(stage.config_path()).expect("its configuration");
    let config = Config::read(Some(("o.toml", &text)), &Environment::default()).expect("it is one");
    let settings = Settings::of(&config.database, "test").expect("a URL");
    let mut writer = connection::connect_writer(&settings, "writer-0").await.expect("it lets us in");
    connection::begin(&mut writer).await.expect("begun");
    assert!(lock(&mut writer, 0..3).await.values().all(Locked::is_new));
    connection::commit(&mut writer).await.expect("committed");
    let facts = serde_json::to_string(&Facts::default()).expect("JSON");
    sqlx::query(
        "insert into orders (order_id, home_lane, facts) select 'ord-' || n, 0, $1 from generate_series(1, 20000) n",
    )
    .bind(facts)
    .execute(&mut writer)
    .await
    .expect("twenty thousand orders");

    connection::begin(&mut writer).await.expect("begun");
    for _ in 0..10 {
        let mut locked = lock(&mut writer, 100..3_000).await;
        assert!(locked.len() == 2_900 && !locked.values().any(Locked::is_new));
        write_back(&mut writer, &mut locked).await;
    }
    assert_eq!(looked_at(&mut writer).await, (0, 0), "rows read without an index, plans that were made anew");
    connection::rollback(&mut writer).await.expect("undone");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_applies_its_batches_on_sessions_that_plan_so() {
    let stage = Stage::new("planned_once", 1).await;
    stage.execute("create table seen (name text, setting text)").await;
    stage
        .execute(
            "create function look() returns trigger as
             'begin insert into seen select name, setting from pg_settings; return new; end' language plpgsql",
        )
        .await;
    stage.execute("create trigger look before insert on journal for each row execute function look()").await;
    stage.send(5, 63).await;
    let worker = stage.worker("planner");
    stage.all_published().await;
    let seen: Vec<(String, String)> = stage.rows("select distinct name, setting from seen").await;
    // The stack's Postgres is built with LZ4.
    for (name, setting) in PLANNED_ONCE.into_iter().chain([("default_toast_compression", "lz4")]) {
        let of_it: Vec<&str> = seen.iter().filter(|(seen, _)| seen == name).map(|(_, it)| it.as_str()).collect();
        assert_eq!(of_it, [setting], "{name}");
    }
    stage.finish([worker]).await;
}
