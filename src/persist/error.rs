//! What a failure of the database means for a batch: try it again, set a record aside, or stop.
//!
//! The one place that reads SQLSTATEs (DESIGN sections 5 and 13). Invariant: trouble of the world never looks like trouble of
//! a record, so an outage cannot turn good records into dead letters.

use std::fmt;

use super::access::Place;
use crate::cli::exit::Exit;

/// What a caller does about a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The world is ill: the whole batch again, on a new connection, after a pause. The text names the cause for a metric.
    Retry(&'static str),
    /// A record is ill: the database refuses what it says. The batch is halved until that record stands alone.
    Quarantine,
    /// The server cannot take what anybody writes, and will not by itself: stop, and let whoever starts us try again later.
    Unable,
    /// The set-up is wrong, and only a person can mend it.
    Misconfigured,
    /// An invariant of ours is broken.
    Bug,
}

/// The cause of a retry where the server does not let us in. At the start that is a matter of set-up; later credentials or
/// certificates may be in the middle of a rotation.
pub const DENIED: &str = "database_access";

impl Fate {
    /// How a process ends that cannot go on because of it.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Retry(_) | Self::Unable => Exit::TempFail,
            Self::Misconfigured => Exit::Config,
            Self::Quarantine | Self::Bug => Exit::Software,
        }
    }
}

/// A failure of the database, with its fate decided.
#[derive(Debug)]
pub struct Error {
    fate: Fate,
    text: String,
}

/// The result of a call to the database.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An invariant of ours that turned out broken; `text` says which, with the values.
    #[must_use]
    pub fn bug(text: String) -> Self {
        Self { fate: Fate::Bug, text }
    }

    /// A set-up that cannot work; `text` says what and how to mend it.
    #[must_use]
    pub fn misconfigured(text: String) -> Self {
        Self { fate: Fate::Misconfigured, text }
    }

    /// Trouble that passes: a time-out of ours around a call.
    #[must_use]
    pub fn passing(cause: &'static str, text: String) -> Self {
        Self { fate: Fate::Retry(cause), text }
    }

    /// The server's words with their SQLSTATE; never the statement or its values.
    pub(super) fn describe(error: &sqlx::Error) -> String {
        match error {
            sqlx::Error::Database(refusal) => {
                let on = refusal.constraint().map(|name| format!(", constraint `{name}`")).unwrap_or_default();
                let code = refusal.code().unwrap_or_default();
                let remedy = if code == "42501" { ": grant it as deploy/postgres/role.sql does" } else { "" };
                format!("postgres: {} (SQLSTATE {code}{on}){remedy}", refusal.message())
            }
            other => format!("postgres: {other}"),
        }
    }

    /// The same with other words.
    #[must_use]
    pub fn saying(self, text: String) -> Self {
        Self { text, ..self }
    }

    /// The same, saying where.
    #[must_use]
    pub fn at(self, place: &Place) -> Self {
        let text = format!("postgres at {place}: {}", self.text.trim_start_matches("postgres: "));
        Self { text, ..self }
    }

    /// Whether the server does not let us in.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.fate == Fate::Retry(DENIED)
    }

    /// Whether time ran out on what was asked for: less of it may be done in time.
    #[must_use]
    pub fn is_too_slow(&self) -> bool {
        matches!(self.fate, Fate::Retry("statement_timeout" | "no_answer"))
    }

    /// The reason of `lanes_stopped` where lanes cannot go on because of it.
    #[must_use]
    pub fn stops_lanes_as(&self) -> &'static str {
        if self.fate == Fate::Bug { "internal" } else { "database_refused" }
    }

    /// What to do about it.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.fate
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let fate = match &error {
            sqlx::Error::Database(refusal) => fate_of_sqlstate(&refusal.code().unwrap_or_default(), refusal.table()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Fate::Retry("connection"),
            sqlx::Error::Configuration(_) => Fate::Misconfigured,
            _ => Fate::Bug,
        };
        Self { fate, text: Self::describe(&error) }
    }
}

/// Decides by SQLSTATE and, for a broken constraint, by the table it is on.
fn fate_of_sqlstate(code: &str, table: Option<&str>) -> Fate {
    match code {
        "40001" | "40P01" => Fate::Retry("conflict"),
        "55P03" => Fate::Retry("lock_timeout"),
        "57014" => Fate::Retry("statement_timeout"),
        "25P03" | "25P04" | "57P01" | "57P02" | "57P03" | "57P05" => Fate::Retry("connection"),
        "53300" => Fate::Retry("connection_limit"),
        "53200" | "58000" | "58030" => Fate::Retry("server"),
        "28000" | "28P01" => Fate::Retry(DENIED),
        // A full disk does not empty itself, and a server that became read-only (a failover) does not become writable under us.
        "53100" | "25006" => Fate::Unable,
        // A missing database, right or table is a matter of set-up.
        "3D000" | "42501" | "42P01" | "42703" | "42704" => Fate::Misconfigured,
        _ => match (&code[..code.len().min(2)], table) {
            ("08", _) => Fate::Retry("connection"),
            ("22" | "54", _) => Fate::Quarantine,
            // A missing partition of the journal is 23514 too: only what a record says can break these two tables.
            ("23", Some("orders" | "dead_letters")) => Fate::Quarantine,
            _ => Fate::Bug,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Fate, fate_of_sqlstate};

    #[test]
    fn an_outage_is_tried_again_and_never_blamed_on_a_record() {
        for code in ["08006", "57P01", "57P02", "57P03", "40001", "40P01", "55P03", "57014", "53300", "25P03"] {
            assert!(matches!(fate_of_sqlstate(code, Some("orders")), Fate::Retry(_)), "{code}");
        }
    }

    #[test]
    fn a_broken_constraint_blames_the_record_only_where_a_record_is_stored() {
        assert_eq!(fate_of_sqlstate("23514", Some("orders")), Fate::Quarantine);
        assert_eq!(fate_of_sqlstate("23505", Some("dead_letters")), Fate::Quarantine);
        assert_eq!(fate_of_sqlstate("23514", Some("journal")), Fate::Bug);
        assert_eq!(fate_of_sqlstate("23505", None), Fate::Bug);
        assert_eq!(fate_of_sqlstate("22003", None), Fate::Quarantine);
    }

    #[test]
    fn a_full_disk_and_a_read_only_server_stop_and_ask_to_be_started_again() {
        assert_eq!(fate_of_sqlstate("53100", None).exit(), Exit::TempFail);
        assert_eq!(fate_of_sqlstate("25006", None), Fate::Unable);
    }
}
