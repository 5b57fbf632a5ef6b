//! A writer's plans are made once, and hold however many orders there are later.

use orderstream::config::{Config, Environment};
use orderstream::ids::{Lane, OrderId};
use orderstream::order::Facts;
use orderstream::persist::orders::{self, ByOrder};
use orderstream::persist::{PgConnection, Settings, connection};
use sqlx::Row;

use crate::stage::Stage;

/// How many rows of orders this transaction read without an index, and how many plans were made for the statement that locks them.
async fn looked_at(connection: &mut PgConnection) -> (i64, i64) {
    let row = sqlx::query(
        "select (select coalesce(sum(seq_tup_read), 0)::bigint from pg_stat_xact_user_tables where relname = 'orders'),
                (select custom_plans from pg_prepared_statements where statement like '%for update of o')",
    );
    let row = row.fetch_one(connection).await.expect("its statistics");
    (row.get(0), row.get(1))
}

async fn lock(connection: &mut PgConnection, ids: impl Iterator<Item = i32>) -> usize {
    let wanted: ByOrder<Lane> = ids.map(|number| (OrderId::from(format!("ord-{number}")), Lane(0))).collect();
    let locked = orders::lock(connection, &wanted, [].iter()).await.expect("locked");
    locked.values().filter(|order| !order.is_new()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_was_made_for_an_empty_table_reads_a_large_one_by_its_keys() {
    let stage = Stage::new("plans", 1).await;
    let text = std::fs::read_to_string(stage.config_path()).expect("its configuration");
    let config = Config::read(Some(("o.toml", &text)), &Environment::default()).expect("it is one");
    let settings = Settings::of(&config.database, "test").expect("a URL");
    let mut writer = connection::connect_writer(&settings, "writer-0").await.expect("it lets us in");
    connection::begin(&mut writer).await.expect("begun");
    assert_eq!(lock(&mut writer, 0..3).await, 0);
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
        assert_eq!(lock(&mut writer, 100..3_000).await, 2_900);
    }
    assert_eq!(looked_at(&mut writer).await, (0, 0), "rows read without an index, plans that were made anew");
    connection::rollback(&mut writer).await.expect("undone");
    stage.strike().await;
}
