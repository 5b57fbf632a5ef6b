//! Crash points, all of them: workers under traffic end at every place of the table, others go on, and the checker has the last word.
//!
//! | part | what it is |
//! |---|---|
//! | [`program`] | the program with crash points, and its table of them |
//! | [`case`] | which point when, and what leads there: pure |
//! | [`site`] | a deployment under traffic whose workers end there |
//! | [`report`] | what came of it |
//!
//! Invariant: a point of the table that no worker ended at is an error, however good the verdict.

pub mod case;
pub mod program;
pub mod report;
pub mod site;

use anyhow::{Context, Result, bail};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::config_file::ConfigFile;
use crate::watch::Place;
use case::Case;
use program::CrashProgram;
use report::Report;
use site::Site;

/// What workers at crash points are configured with: sessions that end soon, and patience with themselves. Signing in to Postgres is
/// some thousand hashes, between which everything else of a process has its turn, and several unoptimized ones share two processors.
pub fn configure(file: &mut ConfigFile) {
    file.set("kafka.session_timeout", "2s").set("kafka.heartbeat_interval", "500ms");
    file.set("database.connect_timeout", "30s");
}

/// Goes through the cases, each place through its share, all of them at once, unless `end` becomes true first.
///
/// # Errors
/// It was ended; a worker did not come to its point or ended otherwise, or what it left was not worked off.
pub fn run(
    places: &[Place<'_>],
    crashing: &CrashProgram,
    shares: &[Vec<Case>],
    end: &watch::Receiver<bool>,
) -> Result<Report> {
    let runtime = &Handle::current();
    // A thread each: asking Kafka for positions blocks while a transaction is open.
    let walks = std::thread::scope(|scope| {
        let walks: Vec<_> = (1..)
            .zip(places.iter().zip(shares))
            .map(|(seed, (place, share))| {
                scope.spawn(move || runtime.block_on(until(end.clone(), walk(*place, crashing, share, seed))))
            })
            .collect();
        walks.into_iter().map(|walk| walk.join().expect("a walk does not panic")).collect::<Vec<_>>()
    });
    let mut report = Report::of(&crashing.points);
    for walk in walks {
        report.add(walk?);
    }
    Ok(report)
}

/// The walk, unless it is ended first: then its workers end with it.
async fn until(
    mut end: watch::Receiver<bool>,
    walk: impl Future<Output = Result<report::Walk>>,
) -> Result<report::Walk> {
    tokio::select! {
        walked = walk => walked,
        Ok(_) = end.wait_for(|ended| *ended) => bail!("ended; the workers are stopped, the next run removes what is left"),
    }
}

async fn walk(place: Place<'_>, crashing: &CrashProgram, share: &[Case], seed: u64) -> Result<report::Walk> {
    let looks = || format!("see the workers' logs in `{}`", place.logs.display());
    let mut site = Site::open(place, crashing, seed).await?;
    let mut hits = Vec::with_capacity(share.len());
    for case in share {
        hits.push(site.hit(case).await.with_context(looks)?);
    }
    let verdict = site.close().await.with_context(looks)?;
    Ok(report::Walk { hits, verdict })
}
