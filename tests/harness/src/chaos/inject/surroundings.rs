//! What a worker stands on: its wall clock, the disk of its log, the descriptors it may open.
//!
//! Invariant: the process itself is not touched; what it makes of it is its own affair.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::super::fault::{Fault, Kind};
use super::super::world::{Clock, World};
use super::links::{Sum, sum};
use super::{Effect, victim};
use crate::proxy::Link;

/// How far a clock jumps, in seconds: a leap, an hour of a wrong time zone, and more than the day that records may be ahead.
const JUMPS: [i64; 6] = [-90_000, -3_600, -45, 45, 3_600, 90_000];
/// Below what every worker has open from its beginning, so it can open nothing more.
const DESCRIPTORS: u64 = 8;
/// What a worker says that cannot open anything: EMFILE.
const NONE_LEFT: [&str; 2] = ["os error 24", "Too many open files"];
/// What a disk gives its files at a time; a full one has given all.
const PAGE: u64 = 4_096;

/// What was done to whom.
#[derive(Debug)]
pub(super) struct Wound {
    place: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Clock { clock: Clock, seconds: i64, pid: u32 },
    Disk { log: u64, links: Vec<Arc<Link>>, counts: Sum },
    Descriptors { pid: u32, before: Rlimit, log: u64, links: Vec<Arc<Link>>, counts: Sum },
}

pub(super) fn inject(world: &mut World, fault: &Fault) -> Result<(String, Wound)> {
    let place = victim(world, fault)?;
    let links = world.links.of_worker(place);
    let member = world.crew.member(place)?;
    let (name, pid) = (member.name.clone(), member.process()?.pid());
    let (what, wound) = match fault.kind {
        Kind::ClockJump => {
            let clock = member
                .clock
                .clone()
                .context("clocks need Debian's package `faketime`: run `deploy/local/setup.sh chaos`")?;
            let seconds = *fault.dice().pick(&JUMPS);
            clock.set(seconds)?;
            (format!("the wall clock of {name} jumps by {seconds:+} s"), What::Clock { clock, seconds, pid })
        }
        Kind::WorkerDiskFull => {
            let log = member.log();
            let disk = member.disk.as_mut().context("there is no disk to fill: only root can mount one")?;
            let took = disk.fill()?;
            let (log, counts) = (to_the_end_of_its_page(&log)?, sum(&links));
            // So that it has something to say.
            links.iter().for_each(|link| link.reset());
            let what =
                format!("the disk of {name} is full, of {} MiB of ballast, and its connections are reset", took >> 20);
            (what, What::Disk { log, links, counts })
        }
        _ => {
            let process = process_of(pid)?;
            let old = rustix::process::getrlimit(Resource::Nofile);
            let before =
                prlimit(process, Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: old.maximum })?;
            let (log, counts) = (std::fs::metadata(member.log())?.len(), sum(&links));
            // What it has open stays open: only with its connections gone does it need anything new.
            links.iter().for_each(|link| link.reset());
            let what = format!("{name} may open no descriptor from {DESCRIPTORS} on, and its connections are reset");
            (what, What::Descriptors { pid, before, log, links, counts })
        }
    };
    Ok((what, Wound { place, what: wound }))
}

impl Wound {
    /// Whom no other fault shall hit.
    pub(super) fn victim(&self) -> usize {
        self.place
    }

    pub(super) fn heal(self, world: &mut World) -> Result<Effect> {
        let member = world.crew.member(self.place)?;
        let (name, now) = (member.name.clone(), member.pid());
        let (what, took_place) = match self.what {
            What::Clock { clock, seconds, pid } => {
                let read = clock.reads()?;
                clock.set(0)?;
                let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
                let reads_it = maps.contains("libfaketime");
                let what = format!("a process with the clock of {name} was {read:+} s off");
                (what, (read - seconds).abs() <= 2 && (reads_it || now != Some(pid)))
            }
            What::Disk { log, links, counts } => {
                let (said, did) = (said_since(&member.log(), log)?, sum(&links).since(&counts));
                let (grew, end) = (said.len() as u64, log + said.len() as u64);
                member.disk.as_mut().context("it was filled")?.empty()?;
                // It cannot have grown, and was at work all the same: its connections, of whose loss it speaks, were made again.
                let refused = end.is_multiple_of(PAGE) && did.connections > 0;
                let what =
                    format!("the log of {name} grew by {grew} bytes, beside {} new connections", did.connections);
                (what, refused)
            }
            What::Descriptors { pid, before, log, links, counts } => {
                let said = said_since(&member.log(), log)?;
                let did = sum(&links).since(&counts);
                if now == Some(pid) {
                    prlimit(process_of(pid)?, Resource::Nofile, before)?;
                }
                let refused = NONE_LEFT.iter().map(|words| said.matches(words).count()).max().unwrap_or(0);
                let what = format!(
                    "{name} lost {} connections, made {} new ones and said {refused} times that it may open none",
                    did.reset, did.connections
                );
                (what, did.reset > 0 && (did.connections == 0 || refused > 0))
            }
        };
        Ok(Effect { what, took_place })
    }
}

/// Fills what is left of a log's last page with a line of blanks, as that is not the full disk's any more. Returns its size then.
fn to_the_end_of_its_page(log: &Path) -> Result<u64> {
    let mut file = File::options().append(true).open(log)?;
    let left = usize::try_from(PAGE - file.metadata()?.len() % PAGE)?;
    let mut line = vec![b' '; left];
    line[left - 1] = b'\n';
    // Where the worker said something at this moment, less fits in, and as much as fits.
    _ = file.write_all(&line);
    Ok(file.metadata()?.len())
}

/// What a log says behind so many bytes.
fn said_since(log: &Path, bytes: u64) -> Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(bytes))?;
    let mut said = Vec::new();
    file.read_to_end(&mut said)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

fn process_of(pid: u32) -> Result<Option<Pid>> {
    Ok(Some(i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process has an id above 0")?))
}
