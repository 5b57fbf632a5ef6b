//! `orderstream run`: everything around the pipeline - log, signals, panics, the metrics port, the time limit of a shutdown.
//!
//! Invariant: the process ends within `worker.shutdown_timeout` of the first request to stop, whatever hangs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::exit::Exit;
use super::{complain, logging};
use crate::config::Config;
use crate::shutdown::{self, Shutdown};
use crate::{metrics, panics, pipeline};

/// How long tasks that are still running may take to notice that the process ends.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Runs a worker until it is asked to stop or cannot go on.
pub(super) fn run(config: Config) -> Exit {
    logging::start(&config.log);
    let shutdown = Shutdown::new();
    stop_on_panic(&shutdown);
    let runtime =
        shutdown::on_signals(&shutdown).and_then(|()| tokio::runtime::Builder::new_multi_thread().enable_all().build());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("the system refuses threads or signals: {error}"));
            return Exit::Unavailable;
        }
    };
    // The hook has told everybody of a panic; here it only must not become the exit code of a crash.
    let worked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(work(config, shutdown))));
    let exit = worked.unwrap_or(Exit::Software);
    runtime.shutdown_timeout(LAST_WAIT);
    tracing::info!(code = exit.code(), "stopped");
    exit
}

async fn work(config: Config, shutdown: Shutdown) -> Exit {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = config.redacted(), "starting");
    let address = config.metrics.listen;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            let reason =
                format!("metrics.listen = `{address}` cannot be listened on: {error}; free the port or name another");
            shutdown.stop(Exit::Unavailable, reason);
            return shutdown.exit();
        }
    };
    let port = tokio::spawn(metrics::serve(listener, metrics::install(), std::future::pending()));
    let limit = config.worker.shutdown_timeout;
    let exit = tokio::select! {
        exit = pipeline::run(Arc::new(config), shutdown.clone()) => exit,
        exit = overdue(&shutdown, limit) => exit,
    };
    port.abort();
    exit
}

/// Resolves when a shutdown has taken longer than it may. What was not finished is done again by the next owner.
async fn overdue(shutdown: &Shutdown, limit: Duration) -> Exit {
    shutdown.requested().await;
    tokio::time::sleep(limit).await;
    tracing::error!(limit_seconds = limit.as_secs(), "the shutdown is not done in time: ending with work unfinished");
    match shutdown.exit() {
        Exit::Ok => Exit::TempFail,
        asked_for => asked_for,
    }
}

/// A panic anywhere is a bug, but for those that a library is known for: it is logged as one line, and the process finishes what
/// it can and exits with 70.
fn stop_on_panic(shutdown: &Shutdown) {
    let shutdown = shutdown.clone();
    std::panic::set_hook(Box::new(move |panic| {
        if panics::is_contained() {
            return;
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("no text");
        shutdown.stop(Exit::Software, format!("panic at {place}: {text}"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_ours_stops_the_worker_and_one_that_a_library_is_known_for_does_not() {
        let shutdown = Shutdown::new();
        let usual = std::panic::take_hook();
        stop_on_panic(&shutdown);
        let contained = panics::contained(|| -> () { panic!("on a schema") });
        let stops = shutdown.is_requested();
        let ours = catch_unwind(|| -> () { panic!("a bug") });
        std::panic::set_hook(usual);
        assert!(contained.is_err() && ours.is_err() && !stops);
        assert_eq!(shutdown.exit(), Exit::Software);
    }
}
