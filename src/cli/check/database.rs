//! The database, as a worker will find it: the server, its tables, our rights, what it belongs to, its clock.
//!
//! Invariant: only read; the rows that a first worker would make are not made here.

use std::time::{Duration, SystemTime};

use super::kafka::Seen;
use super::report::Report;
use crate::config::Config;
use crate::ids::Lane;
use crate::persist::server::{Durability, Server, missing_rights};
use crate::persist::{self, DatabaseClock, Fate, PgConnection, checkpoints, connection, deployment, migrations};

const PART: &str = "database";
const AFTER_CONNECTING: [&str; 5] = ["durability", "clock", "migrations", "rights", "deployment"];
/// The oldest version that the tests run on.
const OLDEST_MAJOR: i32 = 15;
/// How far the clocks may be apart before somebody should look.
const CLOCKS_APART: Duration = Duration::from_secs(2);

/// Looks at the database.
pub(super) async fn look(config: &Config, kafka: Option<&Seen>, report: &mut Report) {
    let opened = match persist::Settings::of(&config.database, "cli") {
        Ok(settings) => {
            let connected = connection::connect(&settings, "check").await;
            connected.map(|connection| (connection, settings.answer_timeout()))
        }
        Err(error) => Err(error),
    };
    let (mut connection, limit) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            trouble(report, "server", &error);
            return report.not_checked(PART, &AFTER_CONNECTING, "the database is not there");
        }
    };
    let before = report.checks.len();
    let looked = async {
        server(&mut connection, report).await?;
        clock(&mut connection, report).await?;
        if migrated(&mut connection, report).await? {
            rights(&mut connection, report).await?;
            belongs(&mut connection, kafka, report).await?;
        }
        Ok(())
    };
    if let Err(error) = connection::answered(limit, looked).await {
        trouble(report, "server", &error);
        let made: Vec<String> = report.checks[before..].iter().map(|row| row.check.clone()).collect();
        let left: Vec<&str> =
            AFTER_CONNECTING.into_iter().filter(|check| !made.iter().any(|done| done == check)).collect();
        report.not_checked(PART, &left, "the database stopped answering");
    }
}

fn trouble(report: &mut Report, check: &str, error: &persist::Error) {
    match error.fate() {
        Fate::Retry(_) if error.is_denied() => report.wrong(PART, check, &error.to_string()),
        Fate::Retry(_) | Fate::Unable => {
            report.away(PART, check, error.to_string(), "start it, or correct database.url");
        }
        Fate::Misconfigured | Fate::Quarantine | Fate::Bug => report.wrong(PART, check, &error.to_string()),
    }
}

async fn server(connection: &mut PgConnection, report: &mut Report) -> persist::Result<()> {
    let server = Server::read(connection).await?;
    let found = format!("PostgreSQL {}", server.version);
    if server.is_replica {
        let text = format!("{found} is a replica and takes no writes: point database.url at the primary");
        report.wrong(PART, "server", &text);
    } else if server.major < OLDEST_MAJOR {
        report.warning(
            PART,
            "server",
            found,
            format!("use {OLDEST_MAJOR} or newer: nobody has tried it on older ones"),
        );
    } else {
        report.ok(PART, "server", found);
    }
    let durability = Durability::read(connection).await?;
    let weak: Vec<&str> = durability.weak().collect();
    if let Some(text) = durability.refusal() {
        report.wrong(PART, "durability", &text);
    } else if weak.is_empty() {
        let found = format!("fsync on, full_page_writes on, synchronous_commit {}", durability.synchronous_commit);
        report.ok(PART, "durability", found);
    } else {
        let found = format!("{} off: a crash can lose confirmed orders", weak.join(" and "));
        report.warning(PART, "durability", found, "turn it on");
    }
    Ok(())
}

async fn clock(connection: &mut PgConnection, report: &mut Report) -> persist::Result<()> {
    let asked = SystemTime::now();
    let clock = DatabaseClock::read(connection).await?;
    let took = asked.elapsed().unwrap_or_default();
    let ours = asked + took / 2;
    let ours = ours.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    let apart = i128::from(clock.said().0) - i128::try_from(ours).unwrap_or(i128::MAX);
    let apart_for = Duration::from_micros(u64::try_from(apart.unsigned_abs()).unwrap_or(u64::MAX));
    let found = format!(
        "the database's clock is {} ms {} this machine's; the brokers' are not looked at, for Kafka does not tell the time",
        apart_for.as_millis(),
        if apart < 0 { "behind" } else { "ahead of" }
    );
    if apart_for > CLOCKS_APART + took {
        report.warning(
            PART,
            "clock",
            found,
            "let both machines follow a time server: deadlines go by the database's clock",
        );
    } else {
        report.ok(PART, "clock", found);
    }
    Ok(())
}

/// Whether the tables are those of this release.
async fn migrated(connection: &mut PgConnection, report: &mut Report) -> persist::Result<bool> {
    match migrations::check(connection).await {
        Ok(newer) => {
            let ours = format!("at {}, as this release needs it", migrations::latest());
            let beyond: String =
                newer.iter().map(|version| format!("; {version} is a newer release's and only adds")).collect();
            report.ok(PART, "migrations", ours + &beyond);
            Ok(true)
        }
        Err(error) if error.fate() == Fate::Misconfigured => {
            report.wrong(PART, "migrations", &error.to_string());
            report.not_checked(PART, &["rights", "deployment"], "the database is not at this release's version");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn rights(connection: &mut PgConnection, report: &mut Report) -> persist::Result<()> {
    let missing = missing_rights(connection).await?;
    if missing.is_empty() {
        report.ok(PART, "rights", "what a worker does with its tables is granted");
    } else {
        let text = format!(
            "this user lacks {}: grant it as deploy/postgres/role.sql does, or check as the worker's user",
            missing.join(", ")
        );
        report.wrong(PART, "rights", &text);
    }
    Ok(())
}

/// Whether the database belongs to what is configured and was found.
async fn belongs(connection: &mut PgConnection, kafka: Option<&Seen>, report: &mut Report) -> persist::Result<()> {
    let check = "deployment";
    let Some((id, stored)) = deployment::read(connection).await? else {
        report.ok(PART, check, "no worker has run on it yet: the first one makes it its own");
        return Ok(());
    };
    let Some((kafka, identity)) = kafka.and_then(|kafka| Some((kafka, kafka.identity.as_ref()?))) else {
        let why = if kafka.is_some() { "the input topics are not as they should be" } else { "kafka is not there" };
        report.not_checked(PART, &[check], why);
        return Ok(());
    };
    let names: Vec<String> = identity.topics.iter().map(|(_, topic)| topic.clone()).collect();
    let stored_checkpoints = checkpoints::read(connection, &names, &[Lane(0)]).await?;
    let made_again = stored_checkpoints.iter().find_map(|stored| {
        deployment::made_again(stored, stored.topic_id.as_ref(), kafka.topic_ids.get(&stored.topic))
    });
    match identity.difference(&stored).or(made_again) {
        Some(text) => report.wrong(PART, check, &text),
        None => {
            let found = format!("{id}: this group, these topics, {} lanes", stored.lane_count);
            report.ok(PART, check, found);
        }
    }
    Ok(())
}
