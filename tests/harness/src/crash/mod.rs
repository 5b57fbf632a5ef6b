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

use anyhow::{Context, Result};
use tokio::runtime::Handle;

use crate::config_file::ConfigFile;
use crate::watch::Place;
use case::Case;
use program::CrashProgram;
use report::Report;
use site::Site;

/// What workers at crash points are configured with: sessions that end soon.
pub fn configure(file: &mut ConfigFile) {
    file.set("kafka.session_timeout", "2s").set("kafka.heartbeat_interval", "500ms");
}

/// Goes through the cases, each place through its share, all of them at once.
///
/// # Errors
/// A worker did not come to its point or ended otherwise, or what it left was not worked off.
pub fn run(places: &[Place<'_>], crashing: &CrashProgram, shares: &[Vec<Case>], runtime: &Handle) -> Result<Report> {
    // A thread each: asking Kafka for positions blocks while a transaction is open.
    let walks = std::thread::scope(|scope| {
        let walks: Vec<_> = (1..)
            .zip(places.iter().zip(shares))
            .map(|(seed, (place, share))| scope.spawn(move || runtime.block_on(walk(*place, crashing, share, seed))))
            .collect();
        walks.into_iter().map(|walk| walk.join().expect("a walk does not panic")).collect::<Vec<_>>()
    });
    let mut report = Report::of(&crashing.points);
    for walk in walks {
        report.add(walk?);
    }
    Ok(report)
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
