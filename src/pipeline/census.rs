//! Keeps the gauges of orders, obligations, dead letters and overdue deadlines true, at a price that stays small however large the table grows.
//!
//! Invariant: counting takes at most about a twentieth of one connection's time, a tenth until the first figures are there; a count
//! that fails leaves the last one standing and is tried again.

use std::time::{Duration, Instant};

use crate::decode::Reason;
use crate::metrics::{self, Gauge};
use crate::order::attention::Attention;
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;
use crate::persist::census::{self, Counts, Group, OfStatus, UNCHANGED_FOR};
use crate::persist::{PgConnection, Result, Settings, connection};

/// How long between two counts, at least.
const EVERY: Duration = Duration::from_secs(10);
/// How many times as long as counting a part of the table it rests before the next.
const REST: u32 = 20;
/// The same while nothing was counted yet, and everybody who looks at the metrics waits for the first figures.
const REST_AT_FIRST: u32 = 10;

/// Counts until the process ends.
pub async fn keep(settings: Settings) {
    let (mut session, mut rest) = (None, REST_AT_FIRST);
    loop {
        let mut took = Duration::ZERO;
        match count(&settings, session.take(), rest).await {
            Ok((connection, last)) => (session, rest, took) = (Some(connection), REST, last),
            Err(error) => tracing::debug!(%error, "counting orders"),
        }
        tokio::time::sleep(EVERY.max(took * REST)).await;
    }
}

/// Counts once, part by part, and shows what it counted when it has all of it; says how long the last part took.
async fn count(settings: &Settings, session: Option<PgConnection>, rest: u32) -> Result<(PgConnection, Duration)> {
    let mut connection = match session {
        Some(connection) => connection,
        None => connection::connect(settings, "census").await?,
    };
    let limit = settings.answer_timeout();
    let (mut counts, mut took) = (Counts::default(), Duration::ZERO);
    for part in connection::answered(limit, census::parts(&mut connection)).await? {
        tokio::time::sleep(took * rest).await;
        let since = Instant::now();
        counts.add(connection::answered(limit, census::count(&mut connection, &part)).await?);
        took = since.elapsed();
    }
    let Counts { orders, obligations: owed, attention } = counts;
    set_orders(&orders);
    for reason in Attention::ALL.map(Attention::as_str) {
        metrics::ORDERS_ATTENTION.set_count(of(&attention, reason).map_or(0, |group| number(group.count)), &[reason]);
    }
    let kinds = ObligationKind::ALL.map(ObligationKind::as_str);
    set(&kinds, &owed, (&metrics::OBLIGATIONS, &metrics::OBLIGATIONS_OLDEST_SECONDS));
    let letters = connection::answered(limit, census::dead_letters(&mut connection)).await?;
    let reasons = Reason::ALL.map(Reason::as_str);
    set(&reasons, &letters, (&metrics::DEAD_LETTERS_OPEN, &metrics::DEAD_LETTERS_OLDEST_SECONDS));
    let (overdue, seconds) = connection::answered(limit, census::overdue(&mut connection)).await?;
    metrics::DEADLINES_OVERDUE.set_count(number(overdue), &[]);
    metrics::DEADLINES_OVERDUE_SECONDS.set(seconds, &[]);
    Ok((connection, took))
}

fn set_orders(orders: &[OfStatus]) {
    let all: Vec<Group> = orders.iter().map(|group| group.all.clone()).collect();
    let statuses = Status::ALL.map(Status::as_str);
    set(&statuses, &all, (&metrics::ORDERS, &metrics::ORDERS_OLDEST_SECONDS));
    for status in statuses {
        let unchanged = orders.iter().find(|group| group.all.name == status).map(|group| group.unchanged);
        for (longer_than, count) in UNCHANGED_FOR.iter().zip(unchanged.unwrap_or_default()) {
            metrics::ORDERS_UNCHANGED.set_count(number(count), &[status, longer_than]);
        }
    }
}

fn set(names: &[&'static str], groups: &[Group], (counts, ages): (&Gauge<1>, &Gauge<1>)) {
    for name in names {
        let found = of(groups, name);
        counts.set_count(found.map_or(0, |group| number(group.count)), &[name]);
        ages.set(found.map_or(0.0, |group| group.oldest_seconds), &[name]);
    }
}

fn of<'a>(groups: &'a [Group], name: &str) -> Option<&'a Group> {
    groups.iter().find(|group| group.name == name)
}

fn number(count: i64) -> usize {
    usize::try_from(count).unwrap_or_default()
}
