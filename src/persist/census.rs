//! How many orders are in which status, what is owed, overdue and refused: counted over whole tables, for the metrics.
//!
//! Locks nothing, and reads the table `orders` in parts, each in a snapshot of its own: one that were held for as long as a large
//! table takes would keep the server from clearing up behind every update. So of a table of several parts the counts are off by the
//! orders that moved from one part to another meanwhile. Invariant: a part is small enough for one statement.

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};

use super::error::Result;

/// How many there are of one name, and how long ago the one that rested longest last changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// A status, a kind of obligation, or a reason.
    pub name: String,
    /// How many.
    pub count: i64,
    /// Seconds since the oldest last change; for what is owed or refused, since it began.
    pub oldest_seconds: f64,
}

/// For how long orders have not changed that are counted apart, as the labels of `orders_unchanged`.
pub const UNCHANGED_FOR: [&str; 3] = ["1h", "1d", "7d"];

/// The orders of one status.
#[derive(Clone, Debug, PartialEq)]
pub struct OfStatus {
    /// All of them.
    pub all: Group,
    /// How many of them have not changed for longer than each of [`UNCHANGED_FOR`].
    pub unchanged: [i64; UNCHANGED_FOR.len()],
}

/// What is counted order by order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Orders by status.
    pub orders: Vec<OfStatus>,
    /// Open obligations by kind.
    pub obligations: Vec<Group>,
    /// Orders by the reason why a person should look; the age is that of the order's last change.
    pub attention: Vec<Group>,
}

impl Counts {
    /// Adds what was counted in another part.
    pub fn add(&mut self, more: Self) {
        for group in more.orders {
            match self.orders.iter_mut().find(|known| known.all.name == group.all.name) {
                Some(known) => {
                    known.all.add(&group.all);
                    known.unchanged.iter_mut().zip(group.unchanged).for_each(|(known, more)| *known += more);
                }
                None => self.orders.push(group),
            }
        }
        add(&mut self.obligations, more.obligations);
        add(&mut self.attention, more.attention);
    }
}

impl Group {
    fn add(&mut self, more: &Self) {
        self.count += more.count;
        self.oldest_seconds = self.oldest_seconds.max(more.oldest_seconds);
    }
}

fn add(groups: &mut Vec<Group>, more: Vec<Group>) {
    for group in more {
        match groups.iter_mut().find(|known| known.name == group.name) {
            Some(known) => known.add(&group),
            None => groups.push(group),
        }
    }
}

/// Pages of one part: 128 MiB, of some 100,000 orders.
const PAGES: usize = 16_384;

/// A part of the table `orders`: the rows between two places in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    from: String,
    below: String,
}

impl Part {
    /// The parts of a table of so many pages. The last one has no end, for what is added meanwhile.
    fn all(pages: usize) -> Vec<Self> {
        let begins: Vec<usize> = (0..pages.max(1)).step_by(PAGES).collect();
        let end =
            |place: usize| begins.get(place + 1).map_or("(4294967295,0)".to_owned(), |page| format!("({page},0)"));
        begins.iter().enumerate().map(|(place, page)| Self { from: format!("({page},0)"), below: end(place) }).collect()
    }
}

/// The parts of the table `orders` as it is now. From now on Postgres gives this connection no helpers: counts are not urgent, and
/// what serves orders is.
///
/// # Errors
/// The query's failure.
pub async fn parts(connection: &mut PgConnection) -> Result<Vec<Part>> {
    sqlx::query("set max_parallel_workers_per_gather = 0").execute(&mut *connection).await?;
    let pages = sqlx::query("select pg_relation_size('orders') / current_setting('block_size')::bigint");
    let pages: i64 = pages.fetch_one(connection).await?.try_get(0)?;
    Ok(Part::all(usize::try_from(pages).unwrap_or_default()))
}

/// Counts one part: in one pass over it, and a second one where orders of it owe something.
///
/// # Errors
/// The queries' failure.
pub async fn count(connection: &mut PgConnection, part: &Part) -> Result<Counts> {
    let rows = sqlx::query(
        "select status::text, attention, commands <> '[]', count(*),
                extract(epoch from now() - min(changed_at))::float8,
                count(*) filter (where changed_at < now() - interval '1 hour'),
                count(*) filter (where changed_at < now() - interval '1 day'),
                count(*) filter (where changed_at < now() - interval '7 days')
           from orders where ctid >= $1::text::tid and ctid < $2::text::tid group by 1, 2, 3",
    );
    let rows = rows.bind(&part.from).bind(&part.below).fetch_all(&mut *connection).await?;
    let (mut counts, mut owe) = (Counts::default(), false);
    for row in rows {
        let (count, oldest_seconds) = (row.try_get(3)?, row.try_get(4)?);
        let group = |name| Group { name, count, oldest_seconds };
        let unchanged = [row.try_get(5)?, row.try_get(6)?, row.try_get(7)?];
        counts.add(Counts {
            orders: vec![OfStatus { all: group(row.try_get(0)?), unchanged }],
            obligations: Vec::new(),
            attention: row.try_get::<Vec<String>, _>(1)?.into_iter().map(group).collect(),
        });
        owe |= row.try_get::<bool, _>(2)?;
    }
    if owe {
        counts.obligations = obligations(connection, part).await?;
    }
    Ok(counts)
}

async fn obligations(connection: &mut PgConnection, part: &Part) -> Result<Vec<Group>> {
    let rows = sqlx::query(
        "select owed.one ->> 'kind', count(*),
                extract(epoch from now() - min('epoch'::timestamptz
                    + (owed.one ->> 'since')::bigint * interval '1 microsecond'))::float8
           from orders, lateral jsonb_array_elements(orders.commands) as owed(one)
          where orders.commands <> '[]' and orders.ctid >= $1::text::tid and orders.ctid < $2::text::tid group by 1",
    );
    let rows = rows.bind(&part.from).bind(&part.below).fetch_all(connection).await?;
    rows.iter().map(group).collect()
}

fn group(row: &PgRow) -> Result<Group> {
    Ok(Group { name: row.try_get(0)?, count: row.try_get(1)?, oldest_seconds: row.try_get(2)? })
}

/// Dead letters that are neither applied nor discarded, by reason.
///
/// # Errors
/// The query's failure.
pub async fn dead_letters(connection: &mut PgConnection) -> Result<Vec<Group>> {
    let rows = sqlx::query(
        "select reason::text, count(*), extract(epoch from now() - min(first_seen_at))::float8
           from dead_letters where state in ('open', 'replay') group by reason",
    );
    rows.fetch_all(connection).await?.iter().map(group).collect()
}

/// How many orders wait for something that is due already, and for how many seconds the first of them does.
///
/// # Errors
/// The query's failure.
pub async fn overdue(connection: &mut PgConnection) -> Result<(i64, f64)> {
    let row = sqlx::query(
        "select count(*), coalesce(extract(epoch from now() - min(next_deadline)), 0)::float8
           from orders where next_deadline < now()",
    )
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// About how many orders there are, as the planner believes: for a progress bar.
///
/// # Errors
/// The query's failure.
pub async fn about(connection: &mut PgConnection) -> Result<u64> {
    let row = sqlx::query("select greatest(reltuples, 0)::bigint from pg_class where oid = 'orders'::regclass");
    Ok(row.fetch_one(connection).await?.try_get::<i64, _>(0)?.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, count: i64, oldest_seconds: f64) -> Group {
        Group { name: name.to_owned(), count, oldest_seconds }
    }

    #[test]
    fn the_parts_of_a_table_follow_one_another_and_the_last_has_no_end() {
        let places = |pages| Part::all(pages).into_iter().map(|part| (part.from, part.below)).collect::<Vec<_>>();
        let part = |from: &str, below: &str| (from.to_owned(), below.to_owned());
        assert_eq!(places(0), [part("(0,0)", "(4294967295,0)")]);
        assert_eq!(places(PAGES), places(0));
        let two = [part("(0,0)", "(16384,0)"), part("(16384,0)", "(4294967295,0)")];
        assert_eq!((places(PAGES + 1), places(2 * PAGES)), (two.to_vec(), two.to_vec()));
    }

    #[test]
    fn parts_add_up_and_the_oldest_of_all_counts() {
        let part = |name: &str, count| Counts {
            orders: vec![OfStatus { all: group(name, count, 5.0), unchanged: [count, 1, 0] }],
            obligations: vec![group("REFUND", count, 7.0)],
            attention: Vec::new(),
        };
        let mut counts = part("PENDING", 3);
        counts.add(part("SHIPPED", 1));
        counts.add(Counts {
            orders: vec![OfStatus { all: group("PENDING", 2, 9.0), unchanged: [2, 0, 0] }],
            obligations: vec![group("REFUND", 1, 1.0)],
            attention: vec![group("overpaid", 1, 2.0)],
        });
        let pending = OfStatus { all: group("PENDING", 5, 9.0), unchanged: [5, 1, 0] };
        let shipped = OfStatus { all: group("SHIPPED", 1, 5.0), unchanged: [1, 1, 0] };
        assert_eq!(counts.orders, [pending, shipped]);
        assert_eq!(counts.obligations, [group("REFUND", 5, 7.0)]);
        assert_eq!(counts.attention, [group("overpaid", 1, 2.0)]);
    }
}
