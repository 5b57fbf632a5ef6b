//! Who is not let in by Postgres, and what each role may do and not do.

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::database::Database;

use super::secured::{Secured, canary};

const CONFIG: i32 = 78;
const UNAVAILABLE: i32 = 69;
/// Asks nothing but the database.
const ASK: [&str; 2] = ["orders", "list"];

pub async fn refusals_and_roles(secured: &Secured) {
    passwords_and_users(secured);
    certificates(secured).await;
    each_role_does_its_part(secured).await;
    an_empty_database_is_made_by_its_owner(secured).await;
}

fn of(secured: &Secured, role: &str) -> ConfigFile {
    let mut config = secured.stage.config.clone();
    config.set("database.url", secured.database(&format!("orderstream_{role}"))).set("database.password", canary(role));
    config.set("database.ssl_mode", "verify-full").set("database.ssl_ca_file", secured.file("ca.pem"));
    config
}

fn passwords_and_users(secured: &Secured) {
    let place =
        format!("postgres at `127.0.0.1:{}` (database `{}`", secured.postgres.port(), secured.stage.database.name());
    secured.says(&of(secured, "reader"), &ASK, 0, &[]);
    let mut wrong = of(secured, "reader");
    wrong.set("database.password", "wrong");
    secured.says(&wrong, &ASK, CONFIG, &[&place, "28P01", "correct database.password"]);
    // Nobody comes in without TLS.
    let mut plain = of(secured, "reader");
    plain.set("database.ssl_mode", "disable").unset("database.ssl_ca_file");
    secured.says(&plain, &ASK, CONFIG, &[&place, "no encryption", "database.ssl_mode"]);
    let mut nobody = of(secured, "reader");
    nobody.set("database.url", format!("postgres://orderstream_reader@127.0.0.1:{}/x", 1));
    secured.says(&nobody, &ASK, UNAVAILABLE, &["postgres at `127.0.0.1:1`"]);

    let mut certified = of(secured, "reader");
    certified.set("database.url", secured.database("certified")).unset("database.password");
    secured.says(&certified, &ASK, CONFIG, &["valid client certificate", "database.ssl_certificate_file"]);
    certified.set("database.ssl_certificate_file", secured.file("certified.pem"));
    certified.set("database.ssl_key_file", secured.file("certified.key"));
    secured.says(&certified, &ASK, 0, &[]);
}

async fn certificates(secured: &Secured) {
    let mut stranger = of(secured, "reader");
    stranger.set("database.ssl_ca_file", secured.file("stranger.pem"));
    secured.says(&stranger, &ASK, CONFIG, &["no TLS", "name the one that signed it in database.ssl_ca_file"]);
    let mut named = of(secured, "reader");
    named.set("database.url", secured.database("orderstream_reader").replace("127.0.0.1", "localhost"));
    secured.says(&named, &ASK, CONFIG, &["mismatch", "write that name in the host in database.url"]);
    secured.install("expired").await;
    secured
        .stage
        .until("the new certificate to be shown", async || Ok(secured.run(&of(secured, "reader"), &ASK).0 != 0))
        .await;
    secured.says(&of(secured, "reader"), &ASK, CONFIG, &["certificate has expired", "give the server a new one"]);
    secured.install("server").await;
    secured.stage.until("the good one again", async || Ok(secured.run(&of(secured, "reader"), &ASK).0 == 0)).await;
}

async fn each_role_does_its_part(secured: &Secured) {
    secured.says(&of(secured, "owner"), &["migrate"], 0, &["at this version already"]);
    for read in [&["orders", "list"][..], &["dead-letters", "list"], &["verify"], &["archive", "--older-than", "90d"]] {
        secured.says(&of(secured, "reader"), read, 0, &[]);
    }
    let mut worker = secured.stage.worker_with("as-reader", |config| *config = of(secured, "reader"));
    secured.stage.ends(&mut worker, CONFIG, &["permission denied", "deploy/postgres/role.sql"]).await;
    secured.says(&of(secured, "worker"), &["archive", "--older-than", "90d", "--yes"], 0, &[]);
    // A worker without one right says which table; here where Kafka is the harness's.
    secured.administer("revoke insert on lanes from orderstream_worker").await;
    let mut worker = secured.stage.worker_with("without-lanes", |config| *config = of(secured, "worker"));
    secured.stage.ends(&mut worker, CONFIG, &["permission denied for table lanes", "deploy/postgres/role.sql"]).await;
    secured.administer("grant insert on lanes to orderstream_worker").await;
}

/// From nothing: roles, migration by the owner, roles again, and the worker's start finds all that it needs.
async fn an_empty_database_is_made_by_its_owner(secured: &Secured) {
    let name = format!("{}_fresh", secured.stage.database.name());
    let fresh = Database::create(&secured.stage.deployment.stack, &name).await.expect("a database");
    let roles = include_str!("../../../deploy/postgres/role.sql");
    let run = async || {
        let mut connection = fresh.connect().await.expect("postgres answers");
        sqlx::Executor::execute(&mut connection, sqlx::AssertSqlSafe(roles)).await.expect("the roles");
    };
    let of = |role: &str| {
        let mut config = of(secured, role);
        let url = secured.database(&format!("orderstream_{role}")).replace(secured.stage.database.name(), &name);
        config.set("database.url", url);
        config
    };
    run().await;
    secured.says(&of("reader"), &["migrate"], CONFIG, &["permission denied", "deploy/postgres/role.sql"]);
    secured.says(&of("owner"), &["migrate"], 0, &["applied migration 1"]);
    run().await;
    run().await;
    secured.says(&of("reader"), &["verify"], 0, &[]);
    secured.says(&of("worker"), &["archive", "--older-than", "90d", "--yes"], 0, &[]);
    the_deployment_changes_in_topics_and_lanes_only(&fresh).await;
    fresh.drop().await.expect("dropped");
}

/// What `topics add` and `repartition` do at their end, and what nobody does.
async fn the_deployment_changes_in_topics_and_lanes_only(database: &Database) {
    let mut worker = database.connect().await.expect("postgres answers");
    sqlx::Executor::execute(&mut worker, "set role orderstream_worker").await.expect("a superuser");
    let change = "update deployment set topics = topics, lane_count = lane_count";
    sqlx::Executor::execute(&mut worker, change).await.expect("granted");
    for column in ["kafka_cluster_id", "consumer_group", "id"] {
        let change = sqlx::AssertSqlSafe(format!("update deployment set {column} = {column}"));
        let refused = sqlx::Executor::execute(&mut worker, change).await.expect_err(column);
        let code = refused.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"), "{refused}");
    }
}
