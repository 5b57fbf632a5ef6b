//! Crash points: the places at which a build for tests can die, to show that the product may die anywhere.
//!
//! One call a place, all along the path. Without the feature `crash-points` a call is an empty function, and nothing of this is in
//! the program; with it, the program `orderstream-crash` (`tests/crash`) acts at one point, at one pass, as its environment says.
//! Invariant: what a point does is the process's end, or a pause of it, and nothing else: no lock, no value, no order changes.

macro_rules! points {
    ($($(#[$meaning:meta])+ $point:ident = $name:literal,)+) => {
        /// A place in the code, named by what has just been done there.
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Point {
            $($(#[$meaning])+ $point,)+
        }

        #[cfg(feature = "crash-points")]
        impl Point {
            /// The table of all points, in the order in which a worker comes to them.
            pub const ALL: &[(Self, &str)] = &[$((Self::$point, $name),)+];
        }
    };
}

points! {
    /// Topics and database were looked at; the group is not joined yet.
    StartSettled = "start.settled",
    /// The process has taken its transactional id; again after every doubt.
    ProducerOpened = "start.producer_opened",
    /// Lanes are claimed, and their claim is not committed.
    Claimed = "takeover.claimed",
    /// The claim is committed, and nobody of the process knows it.
    ClaimCommitted = "takeover.claim_committed",
    /// The relay has the tenures, and no writer has.
    RelayOpened = "takeover.relay_opened",
    /// Relay and writers have the tenures; nothing is assigned yet.
    TenuresOpened = "takeover.tenures_opened",
    /// A former owner's transaction is ended, and its id is still to be remembered.
    FormerEnded = "takeover.former_ended",
    /// Kafka said where lanes stand.
    PositionsRead = "takeover.positions_read",
    /// Rows that a former owner committed and did not publish were read from the journal.
    JournalLoaded = "takeover.journal_loaded",
    /// A batch's transaction has begun.
    BatchBegun = "batch.begun",
    /// The lanes' rows are locked.
    BatchLocked = "batch.locked",
    /// The fence held.
    BatchFenced = "batch.fenced",
    /// The checkpoints are moved.
    BatchCheckpointed = "batch.checkpointed",
    /// The orders' rows are locked and read.
    BatchRowsLocked = "batch.rows_locked",
    /// It is decided what follows.
    BatchDecided = "batch.decided",
    /// New orders have their rows; only in batches that have some.
    BatchOrdersMade = "batch.orders_made",
    /// The orders are written.
    BatchOrdersWritten = "batch.orders_written",
    /// The dead letters are written; only in batches that have some.
    BatchLettersWritten = "batch.letters_written",
    /// The journal rows are written; COMMIT is next.
    BatchJournalWritten = "batch.journal_written",
    /// COMMIT was answered.
    BatchCommitted = "batch.committed",
    /// The relay has the chunk of one of the batch's lanes.
    BatchHandedOver = "batch.handed_over",
    /// On a new connection, the lanes' rows said what became of a COMMIT; the writer does not act on it yet.
    DoubtResolved = "doubt.resolved",
    /// A Kafka transaction has begun.
    RelayBegun = "relay.begun",
    /// Its records are handed to librdkafka.
    RelaySent = "relay.sent",
    /// Its records are acknowledged.
    RelayDrained = "relay.drained",
    /// Its offsets are acknowledged; commit is next.
    RelayOffsetsSent = "relay.offsets_sent",
    /// Its commit was answered.
    RelayCommitted = "relay.committed",
    /// The tenures know that it was published.
    RelayNoted = "relay.noted",
    /// How far lanes are published was written down alone, after a rest.
    PublishedNoted = "rest.published_noted",
    /// Lanes are asked back.
    DrainBegun = "drain.begun",
    /// No batch of them runs any more.
    DrainWritten = "drain.written",
    /// All of them is published; the database is not told yet.
    DrainPublished = "drain.published",
    /// The database knows that nothing of them is open.
    DrainLeft = "drain.left",
    /// The process was asked to stop.
    ShutdownRequested = "shutdown.requested",
    /// It has left the group.
    ShutdownLeft = "shutdown.left",
    /// Its writers have ended.
    ShutdownWritten = "shutdown.written",
    /// Its relay has ended; only the exit is left.
    ShutdownRelayed = "shutdown.relayed",
    /// The journal's coming days are made, and that is not committed.
    DaysMade = "upkeep.days_made",
    /// Some resolved dead letters are removed.
    LettersRemoved = "upkeep.letters_removed",
    /// Kafka and the database said how far the journal is published, for the sake of old days.
    UpkeepPositionsRead = "upkeep.positions_read",
    /// An old day is detached, and that is not committed.
    DayDetached = "upkeep.day_detached",
    /// An old day is detached for good, and its table still there.
    DayOut = "upkeep.day_out",
    /// An old day's table is dropped.
    DayDropped = "upkeep.day_dropped",
}

/// Marks a place. In a build without the feature it is nothing.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub const fn at(_: Point) {}

#[cfg(feature = "crash-points")]
pub use armed::{VARIABLE, arm, at};

#[cfg(feature = "crash-points")]
mod armed {
    //! The build that acts.

    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use super::Point;

    /// The environment variable that says where, when and how: `relay.offsets_sent:3:freeze`.
    pub const VARIABLE: &str = "ORDERSTREAM_CRASH_AT";

    /// How long a point waits that is told to wait.
    const WAIT: Duration = Duration::from_secs(1);

    /// What a point can do, by name.
    const ACTS: [(&str, Act); 3] = [("kill", Act::Kill), ("freeze", Act::Freeze), ("wait", Act::Wait)];

    /// What a point does at its pass.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Act {
        /// SIGKILL: no destructor runs, nothing is flushed.
        Kill,
        /// SIGSTOP: the process keeps what it holds until somebody continues it.
        Freeze,
        /// This thread sleeps for a second.
        Wait,
    }

    struct Plan {
        point: Point,
        pass: u64,
        act: Act,
        passed: AtomicU64,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();

    /// Sets what is to happen, from `point`, `point:pass` or `point:pass:act`; the first pass and `kill` when left out.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn arm(text: &str) -> Result<(), String> {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let point = Point::ALL.iter().find(|(_, known)| *known == name).map(|(point, _)| *point);
        let point = point.ok_or_else(|| format!("`{name}` is no crash point: `points` lists them"))?;
        let pass = parts.next().map_or(Ok(1), str::parse).map_err(|_| format!("`{text}`: the pass is a number"))?;
        let act = parts.next().unwrap_or("kill");
        let act = ACTS.iter().find(|(name, _)| *name == act).map(|(_, act)| *act);
        let act = act.ok_or_else(|| format!("`{text}`: a point can kill, freeze or wait"))?;
        PLAN.set(Plan { point, pass, act, passed: AtomicU64::new(0) }).map_err(|_| "armed twice".to_owned())
    }

    /// Marks a place; acts if it is the one, and its time has come.
    pub fn at(point: Point) {
        if let Some(plan) = PLAN.get().filter(|plan| plan.point == point)
            && plan.passed.fetch_add(1, Ordering::SeqCst) + 1 == plan.pass
        {
            match plan.act {
                Act::Kill => signal(libc::SIGKILL),
                Act::Freeze => signal(libc::SIGSTOP),
                Act::Wait => std::thread::sleep(WAIT),
            }
        }
    }

    /// Sends this process a signal that cannot be caught.
    fn signal(number: libc::c_int) {
        // SAFETY: both calls take numbers only and touch no memory of ours.
        unsafe {
            libc::kill(libc::getpid(), number);
        }
    }
}
