//! Servers of one's own: they start, serve, sleep, die, come back with what they had, and leave nothing behind.

use std::path::Path;
use std::time::Duration;

use orderstream_harness::database;
use orderstream_harness::registry::Registry as Schemas;
use orderstream_harness::servers::{Cluster, Plan, Postgres, Process, Registry, Settings, Shutdown};
use orderstream_harness::topics;
use sqlx::Connection;

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_ones_own_come_back_with_what_they_had_and_end_with_their_owner() {
    let directory = std::env::temp_dir().join(format!("it_servers_{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let (cluster, registry, postgres) =
        tokio::join!(a_broker(&directory), a_registry(&directory), a_database(&directory));
    let pids = [cluster, registry, postgres];
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "process {pid} outlived its owner");
    }
    std::fs::remove_dir_all(&directory).expect("nobody writes there any more");
}

async fn a_broker(directory: &Path) -> u32 {
    let mut cluster = Cluster::start(directory, Plan::single()).await.expect("a broker");
    let brokers = cluster.bootstrap("CLIENTS").expect("a listener");
    topics::create_named(&brokers, &[("kept", 2)], 1).await.expect("a topic");
    let broker = cluster.broker(1).expect("the first");
    freeze_and_thaw(broker.process().expect("it runs"));
    broker.kill().expect("killed");
    assert!(!broker.is_running().expect("known"));
    broker.start().await.expect("up again");
    assert_eq!(topics::list(&brokers, |name| name == "kept").expect("a list"), ["kept"]);
    cluster.broker(1).expect("the first").process().expect("it runs").pid()
}

async fn a_registry(directory: &Path) -> u32 {
    let mut registry = Registry::start_in(directory, &[]).await.expect("a registry");
    let schemas = Schemas::at(&registry.url()).expect("a client");
    let id = schemas.register("kept-value", "\"string\"").await.expect("an id");
    registry.kill().expect("killed");
    assert!(schemas.schema(id).await.is_err(), "nobody answers");
    registry.start().await.expect("up again");
    assert!(schemas.schema(id).await.expect("an answer").is_some(), "schema {id} is forgotten");
    registry.process().expect("it runs").pid()
}

async fn a_database(directory: &Path) -> u32 {
    let settings = Settings { settings: vec![("max_connections".into(), "7".into())], ..Settings::default() };
    let mut postgres = Postgres::start_in(directory, &settings).await.expect("a database");
    let mut connection = database::connect(&postgres.url()).await.expect("a session");
    sqlx::query("create table kept as select 1 as one").execute(&mut connection).await.expect("a table");
    postgres.kill().expect("killed");
    assert!(connection.ping().await.is_err(), "the session is gone");
    postgres.start().await.expect("recovered");
    postgres.stop(Shutdown::Immediate).await.expect("stopped at once");
    postgres.start().await.expect("recovered again");
    let mut connection = database::connect(&postgres.url()).await.expect("a session");
    let most: String = sqlx::query_scalar("select setting from pg_settings, kept where name = 'max_connections'")
        .fetch_one(&mut connection)
        .await
        .expect("the setting and the table");
    assert_eq!(most, "7");
    postgres.process().expect("it runs").pid()
}

fn freeze_and_thaw(process: &mut Process) {
    process.freeze().expect("frozen");
    let deadline = std::time::Instant::now() + Duration::from_secs(5);
    while !process.is_frozen() {
        assert!(std::time::Instant::now() < deadline, "SIGSTOP takes no time");
    }
    process.thaw().expect("thawed");
}
