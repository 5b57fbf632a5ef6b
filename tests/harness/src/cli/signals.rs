//! What Ctrl-C and SIGTERM do to a command that has started much: it ends in good order, and a second one ends it at once.
//!
//! Invariant: the first is answered at once, however long the ending takes.

use anyhow::{Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Does the work until it is done or a signal comes; what it started ends with it, as it does with an error.
pub(super) async fn or_interrupted(work: impl Future<Output = Result<bool>>) -> Result<bool> {
    let mut signals = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (tell, told) = oneshot::channel();
    // On a thread of its own kind: the work may be dropped in a way that holds up this one.
    tokio::spawn(async move {
        let (word, _) = next(&mut signals).await;
        eprintln!("harness: {word}: all that was started is being stopped; a second signal ends this at once");
        // Nobody listens any more when the work is done.
        _ = tell.send(word);
        let (_, code) = next(&mut signals).await;
        std::process::exit(code);
    });
    let outcome = tokio::select! {
        outcome = work => return outcome,
        word = told => word,
    };
    bail!("{}; all that was started is stopped", outcome.unwrap_or("interrupted"))
}

/// The next signal, and the exit code of whoever it ends.
async fn next((interrupt, terminate): &mut (Signal, Signal)) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("interrupted", 130),
        _ = terminate.recv() => ("terminated", 143),
    }
}
