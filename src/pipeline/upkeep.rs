//! What a worker does for the database by itself: makes the journal's coming days, drops the old ones, removes dead letters that
//! are over.
//!
//! Beside the path, on a connection of its own that ends with each look. Every worker looks, and one at a time removes. Invariant:
//! nothing is dropped that could still have to be published, judged by a position that was read back from Kafka (`retention.rs`).

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use uuid::Uuid;

use super::retention::{Fate, Published, fate, first_kept, those_that_answer};
use super::start;
use crate::config::Config;
use crate::crash::{self, Point};
use crate::ids::{Lane, Timestamp};
use crate::metrics;
use crate::persist::journal_days::{self, Taken};
use crate::persist::{DatabaseClock, Error, PgConnection, Result, Settings, connection, retention};

/// How often there is a look.
const EVERY: Duration = Duration::from_hours(1);
/// The same while something is not done that should be.
const AGAIN: Duration = Duration::from_mins(1);
/// Rows that one statement deletes, at most.
const CHUNK: i64 = 500;

/// What upkeep needs.
pub struct Upkeep {
    /// The configuration.
    pub config: Arc<Config>,
    /// How to reach the database.
    pub database: Settings,
    /// The database's own id.
    pub database_id: Uuid,
}

/// Keeps the database in order until the process ends.
pub async fn keep(upkeep: Upkeep) {
    loop {
        let pause = match connection::answered(EVERY, upkeep.look_after_all()).await {
            Ok(true) => EVERY,
            Ok(false) => AGAIN,
            Err(error) => {
                tracing::warn!(%error, "looking after the journal and the dead letters, trying again");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

impl Upkeep {
    /// Everything once. False when something is left to be done soon.
    async fn look_after_all(&self) -> Result<bool> {
        let mut connection = connection::connect(&self.database, "upkeep").await?;
        let connection = &mut connection;
        let made = journal_days::make_ahead(connection).await?;
        if !made {
            tracing::info!("somebody is at the journal: its coming days are made later");
        }
        let mut dropped = true;
        if retention::is_our_turn(connection).await? {
            self.remove_dead_letters(connection).await?;
            dropped = self.drop_days(connection).await?;
        }
        let oldest = oldest_day(connection).await?;
        metrics::JOURNAL_OLDEST_SECONDS.set(oldest, &[]);
        Ok(made && dropped)
    }

    async fn remove_dead_letters(&self, connection: &mut PgConnection) -> Result<()> {
        let (mut all, mut removed) = (0, u64::MAX);
        while removed >= CHUNK.unsigned_abs() {
            let older_than = self.config.retention.dead_letters;
            removed = retention::remove_resolved_letters(connection, older_than, CHUNK).await?;
            crash::at(Point::LettersRemoved);
            metrics::DEAD_LETTERS_REMOVED.increment(removed, &[]);
            all += removed;
        }
        if all > 0 {
            tracing::info!(removed = all, "removed dead letters that were resolved long ago");
        }
        Ok(())
    }

    /// Drops the days that are over, in their order, so that what is left of a lane's journal has no gaps. False when one that is
    /// old had to stay.
    async fn drop_days(&self, connection: &mut PgConnection) -> Result<bool> {
        journal_days::drop_detached(connection).await?;
        let now = DatabaseClock::read(connection).await?.now();
        let first_kept = first_kept(now, self.config.retention.journal);
        let old: Vec<Date> =
            journal_days::dates(connection).await?.into_iter().filter(|date| *date < first_kept).collect();
        let strays = journal_days::strays(connection).await?;
        if old.is_empty() && strays.iter().all(|(_, first, _)| *first >= first_kept) {
            return Ok(true);
        }
        let published = self.read_positions(connection).await?;
        crash::at(Point::UpkeepPositionsRead);
        for date in old {
            let strays_are_gone = delete_strays(connection, date, &published).await?;
            if !(strays_are_gone && drop_day(connection, date, &published, first_kept).await?) {
                return Ok(false);
            }
        }
        delete_strays(connection, first_kept, &published).await
    }

    /// Asks Kafka how far each lane is published, and only then the database what it knows of the lane, which cannot be less.
    async fn read_positions(&self, connection: &mut PgConnection) -> Result<Published> {
        let lanes: Vec<Lane> = retention::lanes(connection).await?.iter().map(|known| known.lane).collect();
        let (config, instance) = (self.config.clone(), self.database.instance.clone());
        let asked = tokio::task::spawn_blocking(move || {
            // A client of its own: asked once a day, it need not be there in between.
            let observer = start::observer(&config, &instance).map_err(|refusal| refusal.text)?;
            let topics = start::input_topics(&config);
            those_that_answer(&lanes, |lanes| observer.committed(&topics, lanes)).map_err(|error| error.to_string())
        });
        let committed = asked.await.unwrap_or_else(|error| Err(error.to_string()));
        let committed = committed.map_err(|text| Error::passing("kafka_metadata", format!("kafka: {text}")))?;
        Ok(Published::of(self.database_id, &retention::lanes(connection).await?, &committed))
    }
}

/// Drops a day if it is over. False when it had to stay.
async fn drop_day(connection: &mut PgConnection, date: Date, published: &Published, first_kept: Date) -> Result<bool> {
    let day = journal_days::read(connection, date).await?;
    if let Fate::Held(lane, seq) = fate(&day, published, first_kept) {
        warn_held(date, lane, seq.0, published);
        return Ok(false);
    }
    let is_over = |day: &journal_days::Day| fate(day, published, first_kept) == Fate::Over;
    match journal_days::take_away(connection, date, is_over).await? {
        Taken::Away => {
            crash::at(Point::DayDropped);
            metrics::JOURNAL_PARTITIONS_DROPPED.increment(1, &[]);
            tracing::info!(day = %date, lanes = day.last.len(), "dropped a day of the journal");
            Ok(true)
        }
        Taken::Needed => Ok(false),
        Taken::NotNow => {
            tracing::info!(day = %date, "somebody is at the journal: an old day of it is dropped later");
            Ok(false)
        }
    }
}

/// Deletes the rows of days before this one that fell into the default partition. False when one had to stay.
async fn delete_strays(connection: &mut PgConnection, before: Date, published: &Published) -> Result<bool> {
    for (lane, first, last) in journal_days::strays(connection).await? {
        if first >= before {
            continue;
        }
        let Some(until) = published.until(lane) else {
            warn_held(first, lane, last.0, published);
            return Ok(false);
        };
        let (mut all, mut deleted) = (0, u64::MAX);
        while deleted >= CHUNK.unsigned_abs() {
            deleted = journal_days::delete_strays(connection, (lane, until), before, CHUNK).await?;
            all += deleted;
        }
        if all > 0 {
            tracing::info!(
                lane = lane.0,
                rows = all,
                "deleted old rows of the journal that had no partition of their day"
            );
        }
    }
    let left = journal_days::strays(connection).await?.into_iter().find(|(_, first, _)| *first < before);
    if let Some((lane, first, last)) = left {
        warn_held(first, lane, last.0, published);
    }
    Ok(left.is_none())
}

fn warn_held(day: Date, lane: Lane, last_seq: i64, published: &Published) {
    let published = published.until(lane).map(|seq| seq.0);
    tracing::warn!(
        day = %day, lane = lane.0, last_seq, published,
        "a day of the journal is older than retention.journal and stays: not all of it is known to be published"
    );
}

/// How long ago the oldest day began that the journal still has, in seconds.
async fn oldest_day(connection: &mut PgConnection) -> Result<f64> {
    let mut days = journal_days::dates(connection).await?;
    days.extend(journal_days::strays(connection).await?.into_iter().map(|(_, first, _)| first));
    let now = DatabaseClock::read(connection).await?.now();
    Ok(days.iter().min().map_or(0.0, |oldest| seconds_since(*oldest, now)))
}

fn seconds_since(date: Date, now: Timestamp) -> f64 {
    let began = jiff::tz::Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are far below 2^52")]
    let seconds = began.map_or(0.0, |began| (now.0 - began.as_microsecond()).max(0) as f64 / 1e6);
    seconds
}
