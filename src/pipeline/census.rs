//! Keeps the gauges of orders, obligations, dead letters and overdue deadlines true, at a price that stays small however large the table grows.
//!
//! Invariant: counting takes at most about a twentieth of one connection's time; a count that fails leaves the last one standing
//! and is tried again.

use std::time::{Duration, Instant};

use crate::decode::Reason;
use crate::metrics::{self, Gauge};
use crate::order::obligation::ObligationKind;
use crate::order::status::Status;
use crate::persist::census::{self, Group};
use crate::persist::{PgConnection, Result, Settings, connection};

/// How long between two counts, at least.
const EVERY: Duration = Duration::from_secs(10);
/// How many times as long as the last count took.
const REST: u32 = 20;

/// Counts until the process ends.
pub async fn keep(settings: Settings) {
    let mut session: Option<PgConnection> = None;
    loop {
        let since = Instant::now();
        match count(&settings, session.take()).await {
            Ok(connection) => session = Some(connection),
            Err(error) => tracing::debug!(%error, "counting orders"),
        }
        tokio::time::sleep(EVERY.max(since.elapsed() * REST)).await;
    }
}

async fn count(settings: &Settings, session: Option<PgConnection>) -> Result<PgConnection> {
    let mut connection = match session {
        Some(connection) => connection,
        None => connection::connect(settings, "census").await?,
    };
    let limit = settings.answer_timeout();
    let orders = connection::answered(limit, census::orders(&mut connection)).await?;
    let owed = connection::answered(limit, census::obligations(&mut connection)).await?;
    set(&Status::ALL.map(Status::as_str), &orders, (&metrics::ORDERS, &metrics::ORDERS_OLDEST_SECONDS));
    let kinds = ObligationKind::ALL.map(ObligationKind::as_str);
    set(&kinds, &owed, (&metrics::OBLIGATIONS, &metrics::OBLIGATIONS_OLDEST_SECONDS));
    let letters = connection::answered(limit, census::dead_letters(&mut connection)).await?;
    let reasons = Reason::ALL.map(Reason::as_str);
    set(&reasons, &letters, (&metrics::DEAD_LETTERS_OPEN, &metrics::DEAD_LETTERS_OLDEST_SECONDS));
    let (overdue, seconds) = connection::answered(limit, census::overdue(&mut connection)).await?;
    metrics::DEADLINES_OVERDUE.set_count(usize::try_from(overdue).unwrap_or_default(), &[]);
    metrics::DEADLINES_OVERDUE_SECONDS.set(seconds, &[]);
    Ok(connection)
}

fn set(names: &[&'static str], groups: &[Group], (counts, ages): (&Gauge<1>, &Gauge<1>)) {
    for name in names {
        let found = groups.iter().find(|group| group.name == *name);
        counts.set_count(found.map_or(0, |group| usize::try_from(group.count).unwrap_or_default()), &[name]);
        ages.set(found.map_or(0.0, |group| group.oldest_seconds), &[name]);
    }
}
