//! Signing in to Postgres from a process whose tasks keep every thread at work, as in a catch-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use orderstream::config::{Config, Environment};
use orderstream::persist::{Settings, connection};
use tokio::runtime::Builder;
use tokio::task::yield_now;

use crate::stage::local_stack;

/// Threads of the runtime, as on the smallest machine.
const THREADS: usize = 2;
/// Tasks that always have something to do, more than there are threads.
const BUSY: usize = 6;
/// How long one of them keeps its thread before others have their turn: a batch is folded in as much.
const SPELL: Duration = Duration::from_millis(8);

#[test]
fn a_saturated_process_signs_in_within_the_shipped_time_limit() {
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().expect("threads");
    let over = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..BUSY).map(|_| runtime.spawn(work(over.clone()))).collect();
    let signed_in = runtime.block_on(runtime.spawn(async {
        let settings = Settings::of(&shipped(&local_stack().database).database, "busy").expect("a URL");
        connection::connect(&settings, "test").await.map(drop)
    }));
    over.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        for task in busy {
            task.await.expect("it ends");
        }
    });
    signed_in.expect("no panic").expect("a session");
}

/// The defaults, and where the database is.
fn shipped(url: &str) -> Config {
    let text = format!("[kafka]\nbrokers = \"b:1\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"{url}\"\n");
    Config::read(Some(("o.toml", &text)), &Environment::default()).expect("the text is a configuration")
}

async fn work(over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        while begun.elapsed() < SPELL {
            std::hint::spin_loop();
        }
        yield_now().await;
    }
}
