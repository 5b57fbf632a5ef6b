//! Log lines: text or JSON, on standard error, in colour only on a terminal. Set up once, before anything else happens.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::output::are_colours_welcome;
use crate::config::{Log, LogFormat};

/// Begins to log as configured. A second call changes nothing.
pub(super) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = io::stderr().is_terminal() && are_colours_welcome();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    // Told of a line that could not be written, it would say so on the same full disk, and panic when that fails too.
    let lines = lines.log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}
