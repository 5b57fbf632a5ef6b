//! How the relay, a plain thread, reads the journal: a connection of its own, made when it is needed.

use tokio::runtime::Handle;

use crate::consume::tenure::Tenure;
use crate::ids::{Lane, Seq};
use crate::persist::journal_format::EmittedRecord;
use crate::persist::{PgConnection, Result, Settings, connection, journal, lanes};
use crate::publish::inbox::Journal;

/// Rows read at once, so that a long journal does not become a large memory.
const ROWS_AT_ONCE: i64 = 16;

/// Reads journal rows on the process's runtime.
pub struct JournalReader {
    settings: Settings,
    runtime: Handle,
    connection: Option<PgConnection>,
}

impl JournalReader {
    /// A reader without a connection yet.
    #[must_use]
    pub fn new(settings: Settings, runtime: Handle) -> Self {
        Self { settings, runtime, connection: None }
    }
}

impl Journal for JournalReader {
    fn load(&mut self, lane: Lane, first: Seq, last: Seq) -> Result<Vec<(Seq, Vec<EmittedRecord>)>> {
        let (settings, kept) = (&self.settings, self.connection.take());
        // Dropped on any error: only a connection that answered is kept.
        let (connection, rows) = self.runtime.block_on(async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => connection::connect(settings, "relay").await?,
            };
            let rows = journal::emitted_between(&mut connection, lane, (first, last), ROWS_AT_ONCE);
            let rows = connection::answered(settings.answer_timeout(), rows).await?;
            Ok::<_, crate::persist::Error>((connection, rows))
        })?;
        self.connection = Some(connection);
        Ok(rows)
    }

    fn owns(&mut self, tenure: &Tenure) -> Result<bool> {
        let (settings, kept) = (&self.settings, self.connection.take());
        let (connection, owns) = self.runtime.block_on(async {
            let mut connection = match kept {
                Some(connection) => connection,
                None => connection::connect(settings, "relay").await?,
            };
            let owns = lanes::owns(&mut connection, tenure.lane, tenure.epoch, tenure.id);
            let owns = connection::answered(settings.answer_timeout(), owns).await?;
            Ok::<_, crate::persist::Error>((connection, owns))
        })?;
        self.connection = Some(connection);
        Ok(owns)
    }
}
